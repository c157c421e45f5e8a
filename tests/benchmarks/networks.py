"""Frames per second and peak memory of the published networks as backends run them, beside the same modules in eager float32, contiguous.

Run by hand: PYTHONPATH=.:tests python tests/benchmarks/networks.py. Prints a Markdown table. Inputs are noise of the size that the
backend gives (OpenPose's body: a 16:9 frame at scale 0.5; its hand: scale 1; DCPose: one person in three frames; Mask
R-CNN: a frame of 480 x 640; DeepFill: 256 x 256), weights by the fill rule of the oracles. Timings take turns; memory is
that of a process of its own.
"""

import argparse
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from filled import write_dcpose, write_deepfill, write_maskrcnn
from reference.oracle_weights import fill
from torch import nn

from pipeline.background.backends.deepfill.checkpoint import read_generator
from pipeline.background.backends.deepfill.network import network_input
from pipeline.matting.backends import maskrcnn, maskrcnn_v2
from pipeline.pose.backends.openpose.infer import MapMaker
from pipeline.pose.backends.openpose.network import BodyNet, HandNet
from pipeline.pose.refiners.dcpose.checkpoint import read_checkpoint
from pipeline.pose.refiners.dcpose.fold import fold_normalisation

EAGER = "eager float32, contiguous"
Pass = Callable[[], list[np.ndarray]]


def main() -> None:
    """Time all ways, then weigh each; print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5, metavar="N", help="interleaved timings, of which the median counts")
    parser.add_argument("--threads", type=int, default=2, metavar="N", help="CPU threads")
    parser.add_argument("--only", nargs="+", choices=PASSES, default=list(PASSES), help="networks")
    parser.add_argument("--weigh", nargs=2, default=None, help=argparse.SUPPRESS)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.set_flush_denormal(True)
    if args.weigh:
        network, way = args.weigh
        PASSES[network]()[way]()
        print(int(re.findall(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[0]) / 1024)  # not the parent's, as ru_maxrss may be
        return
    print("| network | way | frames/s | times as fast | largest difference, share of the largest value | peak memory, MB |")
    print("|---|---|---|---|---|---|")
    for network in args.only:
        passes = PASSES[network]()
        seconds, outputs = take_turns(passes, args.repeats)
        for way in passes:
            cells = [f"{1 / seconds[way]:.2f}", f"{seconds[EAGER] / seconds[way]:.2f}", f"{_apart(outputs[way], outputs[EAGER]):.1e}"]
            print(f"| {network} | {way} | {' | '.join(cells)} | {_weigh(network, way, args.threads):.0f} |", flush=True)


def openpose(kind: type[nn.Module], size_hw: tuple[int, int]) -> dict[str, Pass]:
    """One of OpenPose's networks."""
    with torch.device("meta"):
        network = kind()
    spec = [(key, tuple(value.shape), "float32") for key, value in network.state_dict().items()]
    weights = fill(spec, 2**0.5)
    image = _noise((1, 3, *size_hw), -0.5, 0.5)

    def filled() -> nn.Module:
        with torch.device("meta"):
            network = kind()
        network.load_state_dict({key: torch.from_numpy(value.copy()) for key, value in weights.items()}, assign=True)
        return network.eval().requires_grad_(False)

    ways = {precision: MapMaker(filled(), "cpu", precision) for precision in ("float32", "bfloat16")}
    plain = filled()
    ours: dict[str, Pass] = {f"ours, {precision}": lambda maker=maker: maker.run(image.numpy()) for precision, maker in ways.items()}
    return {EAGER: _once(lambda: plain(image)), **ours}


def dcpose() -> dict[str, Pass]:
    """DCPose on the three crops of one person."""
    with tempfile.TemporaryDirectory() as folder:
        write_dcpose(Path(folder))
        plain, folded = (read_checkpoint(Path(folder)) for _ in range(2))
    folded = fold_normalisation(folded).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    crops, margin = _noise((1, 9, 384, 288), -2, 2), torch.tensor([[1, 1]])
    last = crops.contiguous(memory_format=torch.channels_last)

    def in_bfloat16() -> torch.Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return folded(last, margin)

    return {
        EAGER: _once(lambda: plain(crops, margin)),
        "ours, float32": _once(lambda: folded(last, margin)),
        "ours, bfloat16": _once(in_bfloat16),
    }


def mask_rcnn(version: str) -> dict[str, Pass]:
    """Torchvision's Mask R-CNN without the pasting of masks; a person is found everywhere. The backend runs it as it stands."""
    adapter = {"maskrcnn": maskrcnn, "maskrcnn_v2": maskrcnn_v2}[version]
    with tempfile.TemporaryDirectory() as folder:
        write_maskrcnn(Path(folder), version, 6.0)
        network = adapter._read_network(Path(folder) / adapter.FILE)  # pyright: ignore[reportPrivateUsage]
    image = _noise((3, 480, 640), 0, 1)
    return {EAGER: _once(lambda: network([image])[0]["boxes"])}


def deepfill() -> dict[str, Pass]:
    """DeepFill's generator, both stages. The backend runs it as it stands."""
    with tempfile.TemporaryDirectory() as folder:
        path = write_deepfill(Path(folder))
        network = read_generator(path, None)
    hole = torch.zeros(1, 1, 256, 256)
    hole[..., 64:160, 96:192] = 1
    shown = network_input(_noise((1, 3, 256, 256), -1, 1), hole)
    return {EAGER: _once(lambda: network(shown, hole)[1])}


PASSES: dict[str, Callable[[], dict[str, Pass]]] = {
    "OpenPose body, 184 x 328": lambda: openpose(BodyNet, (184, 328)),
    "OpenPose hand, 368 x 368": lambda: openpose(HandNet, (368, 368)),
    "DCPose, 3 x 384 x 288": dcpose,
    "Mask R-CNN, 480 x 640": lambda: mask_rcnn("maskrcnn"),
    "Mask R-CNN v2, 480 x 640": lambda: mask_rcnn("maskrcnn_v2"),
    "DeepFill, 256 x 256": deepfill,
}


def take_turns(passes: dict[str, Pass], repeats: int) -> tuple[dict[str, float], dict[str, list[np.ndarray]]]:
    """Return the median seconds and the outputs of each pass; the first turn warms up and does not count."""
    times: dict[str, list[float]] = {way: [] for way in passes}
    outputs = {way: run() for way, run in passes.items()}
    for _ in range(repeats):
        for way, run in passes.items():
            start = time.perf_counter()
            run()
            times[way].append(time.perf_counter() - start)
    return {way: statistics.median(values) for way, values in times.items()}, outputs


def _once(run: Callable[[], torch.Tensor | tuple[torch.Tensor, ...]]) -> Pass:
    def outputs() -> list[np.ndarray]:
        with torch.inference_mode():
            found = run()
        return [output.float().numpy() for output in (found if isinstance(found, tuple) else (found,))]

    return outputs


def _noise(shape: tuple[int, ...], low: float, high: float) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).uniform(low, high, shape).astype(np.float32))


def _apart(found: list[np.ndarray], expected: list[np.ndarray]) -> float:
    return max(np.abs(a - b).max() / np.abs(b).max() for a, b in zip(found, expected, strict=True))


def _weigh(network: str, way: str, threads: int) -> float:
    """Peak resident memory in MB of a process that makes one pass."""
    command = [sys.executable, str(Path(__file__)), "--threads", str(threads), "--weigh", network, way]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


if __name__ == "__main__":
    main()
