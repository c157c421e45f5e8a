"""Would DeepFill's network, trained on the user's own frames alone, fill holes better than Telea's method does?

Run by hand: python tests/benchmarks/gated_conv_fit.py data/plates/man.zarr data/mattes/man.zarr. Prints a Markdown table.
Rectangles are hidden in what the plate is known to show, beside the hole that it has; the network is trained on random windows of
the same known pixels at the size at which it fills (the losses of Yu et al. 2019 without the adversarial one, then with it), never
with a hidden rectangle's pixels. Both fill the same rectangles; only these pixels are scored. `--steps` and `--seed` as they say.
"""

import argparse
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
import zarr
from torch import Tensor, nn

from pipeline.background.backends.deepfill.network import DeepFill, network_input
from pipeline.background.backends.telea import load as load_telea
from pipeline.evaluation.fidelity import psnr
from pipeline.evaluation.perceptual import Distance, load_distances
from pipeline.training import prepare_cpu

SIDE = 128  # of a training window: an hour of DeepFill's own 256 px would see a hundredth of what its authors showed it
HEIGHT = 480  # the plate is shrunk to it, so that a person's hole is about as wide as a window's
Fill = Callable[[np.ndarray, np.ndarray], np.ndarray]


def main() -> None:
    """Hide, train, fill, score; print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("plate", type=Path, help="plate (Zarr)")
    parser.add_argument("mattes", type=Path, help="mattes (Zarr): where all of them hide the background, the plate knows nothing")
    parser.add_argument("--weights", type=Path, default=Path("data/weights/metrics"), help="folder of the metrics' networks")
    parser.add_argument("--steps", type=int, default=600, help="training steps of one window")
    parser.add_argument("--holes", type=int, default=12, help="hidden rectangles")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads")
    parser.add_argument("--seed", type=int, default=1, help="of rectangles, windows and weights")
    args = parser.parse_args()
    prepare_cpu(args.threads)
    torch.manual_seed(args.seed)
    rng = np.random.default_rng(args.seed)
    plate, unknown = read(args.plate, args.mattes)
    holes = hide(unknown, args.holes, rng)
    mask = np.any(holes, axis=0)
    started = time.perf_counter()
    network = train(plate, unknown | mask, args.steps, rng)
    seconds = time.perf_counter() - started
    distance = load_distances(["st_lpips"], args.weights)["st_lpips"]
    ways: dict[str, Fill] = {"telea": load_telea(), "gated_conv_fit": lambda image, hole: run(network, image, hole)}
    print("| fill | psnr in the holes, dB | st_lpips of a window about each | holes won | training, s |\n|---|---|---|---|---|")
    scores = {name: [score(plate, hole, fill, distance) for hole in holes] for name, fill in ways.items()}
    for name, of in scores.items():
        other = scores["telea" if name != "telea" else "gated_conv_fit"]
        won = sum(a[1] < b[1] for a, b in zip(of, other, strict=True))
        means = np.mean(of, axis=0)
        print(f"| {name} | {means[0]:.2f} | {means[1]:.4f} | {won} of {len(holes)} | {0 if name == 'telea' else seconds:.0f} |")


def read(plate: Path, mattes: Path) -> tuple[np.ndarray, np.ndarray]:
    """Plate (h w 3) uint8 and where no frame shows it (h w) bool, at HEIGHT."""
    image = np.asarray(zarr.open_group(plate, mode="r")["plates"][0])
    stored = zarr.open_group(mattes, mode="r")["mattes"]
    hidden = np.min([stored[t] for t in range(0, stored.shape[0], max(1, stored.shape[0] // 40))], axis=0) > 12
    size = round(image.shape[1] * HEIGHT / image.shape[0]), HEIGHT
    grown = cv2.dilate(hidden.astype(np.uint8), np.ones((41, 41), np.uint8))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA), cv2.resize(grown, size, interpolation=cv2.INTER_NEAREST) > 0


def hide(unknown: np.ndarray, count: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Rectangles (h w) bool, 24 to 64 px, apart from each other and from what is unknown."""
    found: list[np.ndarray] = []
    taken = unknown.copy()
    while len(found) < count:
        h, w = rng.integers(24, 65, 2)
        y, x = rng.integers(16, unknown.shape[0] - h - 16), rng.integers(16, unknown.shape[1] - w - 16)
        if not taken[y - 8 : y + h + 8, x - 8 : x + w + 8].any():
            hole = np.zeros_like(unknown)
            hole[y : y + h, x : x + w] = True
            taken |= hole
            found.append(hole)
    return found


def train(plate: np.ndarray, unknown: np.ndarray, steps: int, rng: np.random.Generator) -> DeepFill:
    """Fit the network to known windows under random holes: L1 of both stages, and a patch discriminator's hinge loss on the second."""
    network, judge = DeepFill("pt"), Judge()
    players = [torch.optim.Adam(n.parameters(), rate, (0.5, 0.999)) for n, rate in ((network, 4e-4), (judge, 4e-4))]
    for step in range(steps):
        image, known, hole = draw(plate, unknown, rng)
        coarse, fine = network(network_input(image, hole), hole)
        filled = fine * hole + image * (1 - hole)
        l1 = sum((((x - image).abs() * known).sum() / known.sum() / 3 for x in (coarse, fine)), torch.zeros(()))
        adversarial = -judge(torch.cat([filled, hole], 1)).mean()
        share = min(1.0, 2 * (steps - step) / steps)
        for player in players:
            player.param_groups[0]["lr"] = 4e-4 * share
        players[0].zero_grad()
        (l1 + 0.02 * adversarial).backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        players[0].step()
        players[1].zero_grad()
        real, fake = judge(torch.cat([image, hole], 1)), judge(torch.cat([filled.detach(), hole], 1))
        (F.relu(1 - real).mean() + F.relu(1 + fake).mean()).backward()
        players[1].step()
        if step % 50 == 0:
            print(f"step {step}: L1 {float(l1):.3f}", flush=True)
    return network.eval()


def draw(plate: np.ndarray, unknown: np.ndarray, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """A window (1 3 s s) in [-1, 1], mirrored half of the time, what of it is known, and a random rectangle to hide (both 1 1 s s)."""
    while True:
        y, x = (int(rng.integers(0, n - SIDE + 1)) for n in plate.shape[:2])
        window = np.s_[y : y + SIDE, x : x + SIDE]
        if unknown[window].mean() < 0.4:
            break
    h, w = rng.integers(SIDE // 5, SIDE // 2, 2)
    top, left = rng.integers(0, SIDE - h), rng.integers(0, SIDE - w)
    hole = unknown[window].copy()  # what is unknown is hidden too, so that the network never reads it
    hole[top : top + h, left : left + w] = True
    flip = slice(None, None, -1 if rng.random() < 0.5 else 1)
    image = torch.from_numpy(plate[window][:, flip].copy()).permute(2, 0, 1)[None].float() / 127.5 - 1
    known, hidden = (torch.from_numpy(m[:, flip].copy())[None, None].float() for m in (~unknown[window], hole))
    return image, known, hidden


class Judge(nn.Sequential):
    """Discriminator of Yu et al. 2019 with fewer layers: spectral norm, patches."""

    def __init__(self) -> None:
        widths = [4, 32, 64, 128, 128]
        layers: list[nn.Module] = []
        for a, b in pairwise(widths):
            layers += [nn.utils.parametrizations.spectral_norm(nn.Conv2d(a, b, 5, 2, 2)), nn.LeakyReLU(0.2)]
        super().__init__(*layers)


def run(network: DeepFill, image: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """Fill the hole through a window of the training's size about it."""
    ys, xs = np.flatnonzero(hole.any(1)), np.flatnonzero(hole.any(0))
    y = int(np.clip((ys[0] + ys[-1]) // 2 - SIDE // 2, 0, image.shape[0] - SIDE))
    x = int(np.clip((xs[0] + xs[-1]) // 2 - SIDE // 2, 0, image.shape[1] - SIDE))
    window = np.s_[y : y + SIDE, x : x + SIDE]
    colours = torch.from_numpy(image[window].copy()).permute(2, 0, 1)[None].float() / 127.5 - 1
    mask = torch.from_numpy(hole[window].copy())[None, None].float()
    with torch.inference_mode():
        painted = network(network_input(colours, mask), mask)[1]
    out = image.copy()
    levels = ((painted[0] + 1) * 127.5).clamp(0, 255).byte().permute(1, 2, 0).numpy()
    out[window] = np.where(hole[window][..., None], levels, image[window])
    return out


def score(plate: np.ndarray, hole: np.ndarray, fill: Fill, distance: Distance) -> tuple[float, float]:
    """PSNR inside the hole, and ST-LPIPS of the window about it."""
    made = fill(np.where(hole[..., None], 0, plate).astype(np.uint8), hole)
    ys, xs = np.flatnonzero(hole.any(1)), np.flatnonzero(hole.any(0))
    window = np.s_[ys[0] - 8 : ys[-1] + 9, xs[0] - 8 : xs[-1] + 9]
    return psnr(plate, made, hole), float(distance(plate[window][None], made[window][None])[0][0])


if __name__ == "__main__":
    main()
