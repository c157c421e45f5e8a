"""How well do the ways of filling a plate's holes guess what stands there? On regions that are known, and hidden for the trial.

Run by hand: python tests/benchmarks/fills.py man h05 h17. Prints a Markdown table.
People's silhouettes and rectangles are hidden in what some frame shows, beside the hole that the plate has; every way fills all
of it at once, and only the hidden pixels are scored. `--height 480 --people 0 --rectangles 12 --train 500` adds DeepFill's network trained
on the clip's own frames alone: on random windows of the same known pixels at the size at which it fills (the losses of Yu et al.
2019 without the adversarial one, then with it), never with a hidden pixel.
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
from pipeline.background.backends.exemplar import load as load_exemplar
from pipeline.background.backends.telea import load as load_telea
from pipeline.evaluation.fidelity import psnr
from pipeline.evaluation.perceptual import Distance, load_distances
from pipeline.training.device import prepare_cpu

SIDE = 128  # of a training window: an hour of DeepFill's own 256 px would see a hundredth of what its authors showed it
FRAMES = 40  # of which what all hide is unknown
GROW_PX = 20  # by which it is widened, px of the full plate
Fill = Callable[[np.ndarray, np.ndarray], np.ndarray]


def main() -> None:
    """Hide, fill, score; print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="+", help="names of targets whose plates and mattes are there")
    parser.add_argument("--data", type=Path, default=Path("data"), help="folder with plates/ and mattes/")
    parser.add_argument("--weights", type=Path, default=Path("data/weights/metrics"), help="folder of the metrics' networks")
    parser.add_argument("--height", type=int, default=0, help="plates are shrunk to it, px; 0 = as they are")
    parser.add_argument("--people", type=int, default=3, help="hidden silhouettes")
    parser.add_argument("--rectangles", type=int, default=6, help="hidden rectangles")
    parser.add_argument("--train", type=int, default=0, help="training steps of DeepFill's network; 0 = without it")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads")
    parser.add_argument("--seed", type=int, default=1, help="of hidden regions, windows and weights")
    parser.add_argument("--pictures", type=Path, help="folder for PNG files of what was filled")
    args = parser.parse_args()
    prepare_cpu(args.threads)
    torch.manual_seed(args.seed)
    distance = load_distances(["st_lpips"], args.weights)["st_lpips"]
    print("| plate | fill | hidden | psnr, dB | st_lpips | better than telea: psnr, st_lpips | CPU, s |\n|---|---|---|---|---|---|---|")
    for target in args.targets:
        rng = np.random.default_rng(args.seed)
        plate, unknown, people = read(args.data, target, args.height)
        hidden = {"people": hide_people(unknown, people, args.people, rng)}
        hidden["rectangles"] = hide_rectangles(np.any([unknown, *hidden["people"]], axis=0), args.rectangles, rng)
        regions = [hole for kind in hidden.values() for hole in kind]
        mask = np.any([unknown, *regions], axis=0)
        ways: dict[str, Fill] = {"telea": load_telea(), "exemplar": load_exemplar()}
        if args.train:
            network = train(plate, mask, args.train, rng)
            ways["gated_conv_fit"] = lambda image, mask, n=network, holes=regions: run(n, image, mask, holes)
        made, seconds = {}, {}
        for name, fill in ways.items():
            started = time.process_time()
            made[name] = fill(np.where(mask[..., None], 0, plate).astype(np.uint8), mask)
            seconds[name] = time.process_time() - started
            if args.pictures:
                cv2.imwrite(str(args.pictures / f"{target}_{name}.png"), made[name][..., ::-1])
        for kind, holes in hidden.items():
            if not holes:
                continue
            scores = np.array([score(plate, list(made.values()), hole, distance) for hole in holes])  # (hole, way, metric)
            for index, name in enumerate(made):
                better = (scores[:, index, 0] > scores[:, 0, 0]).sum(), (scores[:, index, 1] < scores[:, 0, 1]).sum()
                won = "" if name == "telea" else f"{better[0]}, {better[1]} of {len(holes)}"
                means = "{:.2f} | {:.4f}".format(*scores[:, index].mean(axis=0))
                print(f"| {target} | {name} | {len(holes)} {kind} | {means} | {won} | {seconds[name]:.1f} |", flush=True)


def read(data: Path, target: str, height: int) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """Plate (h w 3) uint8, where no frame shows it (h w) bool, and silhouettes of the subject, each (h w) bool."""
    image = np.asarray(zarr.open_group(data / "plates" / f"{target}.zarr", mode="r")["plates"][0])
    stored = zarr.open_group(data / "mattes" / f"{target}.zarr", mode="r")["mattes"]
    mattes = [stored[t] > 12 for t in range(0, stored.shape[0], max(1, stored.shape[0] // FRAMES))]
    unknown = cv2.dilate(np.all(mattes, axis=0).astype(np.uint8), np.ones((2 * GROW_PX + 1, 2 * GROW_PX + 1), np.uint8))
    size = (round(image.shape[1] * height / image.shape[0]), height) if height else image.shape[1::-1]
    masks = [cv2.resize(np.asarray(mask, np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0 for mask in (unknown, *mattes)]
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA), masks[0], [mask for mask in masks[1:] if mask.any()]


def hide_people(unknown: np.ndarray, people: list[np.ndarray], count: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Silhouettes (h w) bool, each as large as finds room beside what is unknown and the others."""
    found: list[np.ndarray] = []
    taken, scale, tries = unknown.copy(), 0.8, 0
    while len(found) < count:
        person = people[rng.integers(len(people))]
        ys, xs = np.flatnonzero(person.any(1)), np.flatnonzero(person.any(0))
        shape = person[ys[0] : ys[-1] + 1, xs[0] : xs[-1] + 1].astype(np.uint8)
        shape = cv2.resize(shape, None, fx=scale, fy=scale, interpolation=cv2.INTER_NEAREST) > 0
        hole = place(shape, taken, rng)
        if hole is not None:
            taken |= hole
            found.append(hole)
        tries += 1
        if tries % 200 == 0:
            scale *= 0.85
    return found


def hide_rectangles(unknown: np.ndarray, count: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Rectangles (h w) bool, sides of 5 to 13 % of the height, apart from each other and from what is unknown."""
    found: list[np.ndarray] = []
    taken = unknown.copy()
    while len(found) < count:
        h, w = rng.integers(unknown.shape[0] // 20, unknown.shape[0] * 2 // 15 + 1, 2)
        hole = place(np.ones((h, w), bool), taken, rng)
        if hole is not None:
            taken |= hole
            found.append(hole)
    return found


def place(shape: np.ndarray, taken: np.ndarray, rng: np.random.Generator, margin: int = 16) -> np.ndarray | None:
    """The shape (a b) bool somewhere at random as a mask (h w) bool; None where it does not fit or touches what is taken."""
    (h, w), (a, b) = taken.shape, shape.shape
    if a + 2 * margin > h or b + 2 * margin > w:
        return None
    y, x = rng.integers(margin, h - a - margin + 1), rng.integers(margin, w - b - margin + 1)
    if taken[y - margin // 2 : y + a + margin // 2, x - margin // 2 : x + b + margin // 2].any():
        return None
    hole = np.zeros_like(taken)
    hole[y : y + a, x : x + b] = shape
    return hole


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


def run(network: DeepFill, image: np.ndarray, mask: np.ndarray, holes: list[np.ndarray]) -> np.ndarray:
    """Fill each hole through a window of the training's size about it, all of mask (h w) hidden."""
    out = image.copy()
    for hole in holes:
        window, _ = about(hole, SIDE)
        colours = torch.from_numpy(image[window].copy()).permute(2, 0, 1)[None].float() / 127.5 - 1
        hidden = torch.from_numpy(mask[window].copy())[None, None].float()
        with torch.inference_mode():
            painted = network(network_input(colours, hidden), hidden)[1]
        levels = ((painted[0] + 1) * 127.5).clamp(0, 255).byte().permute(1, 2, 0).numpy()
        out[window] = np.where(hole[window][..., None], levels, out[window])
    return out


def about(hole: np.ndarray, side: int) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """A square window of a side about a hole, and the window that just holds it with a margin of 8 px."""
    ys, xs = np.flatnonzero(hole.any(1)), np.flatnonzero(hole.any(0))
    y, x = (int(np.clip((n[0] + n[-1]) // 2 - side // 2, 0, max(0, size - side))) for n, size in zip((ys, xs), hole.shape, strict=True))
    return np.s_[y : y + side, x : x + side], np.s_[max(0, ys[0] - 8) : ys[-1] + 9, max(0, xs[0] - 8) : xs[-1] + 9]


def score(plate: np.ndarray, made: list[np.ndarray], hole: np.ndarray, distance: Distance) -> list[tuple[float, float]]:
    """For each filled plate the PSNR inside the hole, and ST-LPIPS of the window about it."""
    window = about(hole, SIDE)[1]
    apart = distance(plate[window][None], *(image[window][None] for image in made))
    return [(psnr(plate, image, hole), float(d[0])) for image, d in zip(made, apart, strict=True)]


if __name__ == "__main__":
    main()
