"""How much of the machine's own convolution peak a training step reaches, part by part, and what costs most in it.

Run by hand in a project whose target has crops and references (training need not have run): python tests/benchmarks/peak.py man. Prints a
Markdown table: operations by torch's counter, seconds, their rate, and its share of the rate of one big convolution, forward, in the same
run and type. One thread; on a CPU seconds are those of the CPU, so that they hold on a busy machine too. --profile N prints the N
operations that take most time of their own.
"""

import argparse
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from pipeline.appearance.dataset import TrainingClip
from pipeline.appearance.params import AppearanceParams, LearnParams
from pipeline.appearance.systems.base import System
from pipeline.appearance.train import build_system
from pipeline.artifacts.crops import open_crops
from pipeline.artifacts.keypoints import read_keypoints
from pipeline.artifacts.references import open_references
from pipeline.body.pose_maps import pose_channels
from pipeline.networks.vgg import load_features
from pipeline.params import read_section, read_value
from pipeline.timeline.split import SplitParams, split_frames
from pipeline.training.device import choose_device, prepare_cpu
from pipeline.training.processes import World

PARTS = {"render": "generator", "generator_losses": "its losses", "discriminator_loss": "discriminators' loss", "_update": "updates"}
BATCH, REST, STEP = "batch", "slopes", "whole step"
BIG = (8, 256, 64)  # frames, channels and side of the convolution that stands for the peak
WARM_UP = 2


def main() -> None:
    """Time steps and the big convolution in turns; print the table, and the profile if asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target")
    parser.add_argument("--data", type=Path, default=Path("data"), help="folder of the project's artifacts")
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--steps", type=int, default=8, metavar="N", help="steps that count; medians are printed")
    parser.add_argument("--profile", type=int, default=0, metavar="N", help="operations to print")
    args = parser.parse_args()
    prepare_cpu(1)
    with tempfile.TemporaryDirectory() as folder:
        clip, system = prepared(args.target, args.data, args.params, Path(folder) / "pixels.u8")
        flops = _flops(clip, system)
        seconds: dict[str, list[float]] = defaultdict(list)
        peaks, peak = [], _big_convolution(system)
        for step in range(WARM_UP + args.steps):
            peaks.append(peak())
            for name, taken in _timed(clip, system, step).items():
                seconds[name].append(taken)
        rate = max(peaks[WARM_UP:])
        print(f"peak: {rate / 1e12:.3f} TFLOP/s, {system.dtype}, {clip.crop_hw[1]}x{clip.crop_hw[0]} px\n")
        print("| part | GFLOP | seconds | TFLOP/s | share of the peak |\n|---|---|---|---|---|")
        for name in (BATCH, *PARTS.values(), REST, STEP):
            taken = statistics.median(seconds[name][WARM_UP:])
            reached = flops[name] / taken
            print(f"| {name} | {flops[name] / 1e9:.1f} | {taken:.3f} | {reached / 1e12:.3f} | {100 * reached / rate:.0f} % |")
        if args.profile:
            with profile(activities=[ProfilerActivity.CPU]) as found:
                _step(clip, system, WARM_UP + args.steps)
            print("\n" + found.key_averages().table(sort_by="self_cpu_time_total", row_limit=args.profile))


def prepared(target: str, data: Path, path: Path, pixels: Path) -> tuple[TrainingClip, System]:
    """A target's training clip, laid out in the file pixels, and its untrained system, as train_appearance() has them."""
    over = f"targets.{target}"
    params = read_section(path, "appearance", AppearanceParams, f"{over}.appearance")
    learn = read_section(path, "reference.learn", LearnParams, f"{over}.reference.learn")
    count = int(read_value(path, "reference.find.count", f"{over}.reference.find.count"))
    crops, track = open_crops(data / f"crops/{target}.zarr"), read_keypoints(data / f"keypoints/{target}.parquet").track()
    training = split_frames(track.present, read_section(path, "split", SplitParams)).training
    clip = TrainingClip(crops, track, training, params, open_references(data / f"references/{target}.zarr"), learn, count)
    clip.expand(crops, pixels)
    features = load_features(params.features, data / "weights/features")
    channels = pose_channels(clip.skeleton, params.pose_map)
    return clip, build_system(params, channels, features, World(0, 1, choose_device()), learn, clip)


def _step(clip: TrainingClip, system: System, step: int, time_of: Callable[[str, Callable[[], Any]], Any] | None = None) -> None:
    """One step, of windows that come in their order."""
    time_of = time_of or (lambda _, run: run())
    windows = np.resize(np.roll(clip.shown, -step * system.params.batch_windows), system.params.batch_windows)
    batch = time_of(BATCH, lambda: clip.batch(windows, 0, 1, system.world.device, step))
    time_of(STEP, lambda: system.step([batch], 1.0))


def _measured(clip: TrainingClip, system: System, step: int, clock: Callable[[], float]) -> dict[str, float]:
    """What the clock says of each part of a step."""
    found: dict[str, float] = defaultdict(float)

    def measure(name: str, run: Callable[[], Any]) -> Any:
        start = clock()
        made = run()
        found[name] += clock() - start
        return made

    own = {method: getattr(system, method) for method in PARTS}
    for method, name in PARTS.items():
        setattr(system, method, lambda *a, n=name, m=own[method], **k: measure(n, lambda: m(*a, **k)))
    _step(clip, system, step, measure)
    for method in PARTS:
        delattr(system, method)
    found[REST] = found[STEP] - sum(found[name] for name in PARTS.values())
    found[STEP] += found[BATCH]
    return found


def _timed(clip: TrainingClip, system: System, step: int) -> dict[str, float]:
    return _measured(clip, system, step, lambda: _now(system.world.device))


def _now(device: torch.device) -> float:
    """Seconds of the CPU, or of the clock once a GPU has done all that it was given."""
    if device.type == "cpu":
        return time.process_time()
    torch.cuda.synchronize(device)
    return time.perf_counter()


def _flops(clip: TrainingClip, system: System) -> dict[str, float]:
    with FlopCounterMode(display=False) as counter:
        return _measured(clip, system, 0, lambda: float(counter.get_total_flops()))


def _big_convolution(system: System) -> Callable[[], float]:
    """Operations a second of one big convolution without slopes, in the system's type and layout."""
    frames, channels, side = BIG
    device = system.world.device
    convolution = nn.Conv2d(channels, channels, 3, padding=1, bias=False).to(device).to(memory_format=torch.channels_last)
    images = torch.rand(frames, channels, side, side, device=device).contiguous(memory_format=torch.channels_last)
    operations = 2.0 * 9 * channels**2 * side**2 * frames
    convolution, images = convolution.to(system.dtype), images.to(system.dtype)

    @torch.inference_mode()
    def run() -> float:
        for _ in range(2):  # the first one warms caches up
            start = _now(device)
            convolution(images)
            taken = _now(device) - start
        return operations / taken

    return run


if __name__ == "__main__":
    main()
