"""Frames per second of generating, carrying and fusing together, with real pixels carried and without, in one process.

Run by hand, after `dvc repro`: python tests/benchmarks/carrying.py woman-to-man. Without: a generator of the same shape that sees no
references, untrained, since weights take no time. Medians of interleaved runs; writing is included, reading the networks is not.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from pipeline.appearance.generate import GenerateInputs, GenerateParams, generate_foreground, load_generator, prepare_generator
from pipeline.appearance.renderers.base import Renderer
from pipeline.artifacts.crops import open_crops
from pipeline.artifacts.foregrounds import open_foregrounds
from pipeline.artifacts.frames import open_frames
from pipeline.artifacts.keypoints import read_keypoints
from pipeline.artifacts.references import open_references, read_chosen
from pipeline.fuse.fuse import FuseInputs, FuseOutputs, FuseParams, fuse_pair
from pipeline.networks.generator import Generator
from pipeline.params import read_section
from pipeline.reference.warp import WarpInputs, warp_references

ROOT = Path(__file__).resolve().parent.parent.parent


def main() -> None:
    """Time both in turns, print seconds a stage and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pair", help="<driver>-to-<target> of params.yaml")
    parser.add_argument("--data", type=Path, default=ROOT / "data", help="folder of its artifacts")
    parser.add_argument("--repeats", type=int, default=3, metavar="N", help="interleaved timings, of which the median counts")
    args = parser.parse_args()
    driver, target = args.pair.split("-to-")
    params = read_section(ROOT / "params.yaml", "generate", GenerateParams)
    model = load_generator(args.data / f"models/{target}-appearance.safetensors", args.data / f"models/{target}-appearance.json")
    models = {"carried": prepare_generator(model, params), "not carried": prepare_generator(_without(model), params)}
    taken: dict[str, list[list[float]]] = {name: [] for name in models}
    for _ in range(args.repeats):
        for name, made in models.items():
            with tempfile.TemporaryDirectory() as folder:
                taken[name].append(_seconds(made, args.data, args.pair, driver, target, params, Path(folder)))
    frames = len(read_keypoints(args.data / f"motions/{args.pair}.parquet", kind="motions").track().points)
    print("| real pixels | generate_foreground, s | warp_references, s | fuse, s | together, frames/s |")
    print("|---|---|---|---|---|")
    rates = []
    for name, runs in taken.items():
        medians = [statistics.median(stage) for stage in zip(*runs, strict=True)]
        rates.append(frames / sum(medians))
        print(f"| {name} | {' | '.join(f'{s:.2f}' for s in medians)} | {rates[-1]:.2f} |")
    print(f"\nratio {rates[0] / rates[1]:.2f}")


def _without(model: Renderer) -> Renderer:
    assert isinstance(model.network, Generator)
    return replace(model, network=Generator(replace(model.network.shape, references=0)).requires_grad_(False).eval(), carrying=None)


def _fused_from(warped: Path, generated: Path, data: Path, target: str, driver: str) -> FuseInputs:
    plate, frames = open_frames(data / f"plates/{target}.zarr", "plates"), open_frames(data / f"frames/{driver}.zarr")
    return FuseInputs(open_foregrounds(warped), open_foregrounds(generated), None, plate, frames, ())


def _seconds(
    model: Renderer, data: Path, pair: str, driver: str, target: str, params: GenerateParams, folder: Path
) -> list[float]:
    """Seconds of each of the three stages, whose results go to a folder."""
    motion = read_keypoints(data / f"motions/{pair}.parquet", kind="motions").track()
    references = open_references(data / f"references/{target}.zarr")
    chosen = read_chosen(data / f"references/{pair}.parquet") if model.carrying is not None else None
    crops = open_crops(data / f"crops/{target}.zarr")
    generated, warped = folder / "generated.zarr", folder / "warped.zarr"
    fuse = read_section(ROOT / "params.yaml", "fuse", FuseParams).model_copy(update={"stage": "warped"})
    outputs = FuseOutputs(folder / "v.mp4", folder / "v.json", folder / "fused.zarr")
    stages: list[Callable[[], object]] = [
        lambda: generate_foreground(GenerateInputs(model, motion, crops, references, chosen), params, generated),
        lambda: warp_references(WarpInputs(open_foregrounds(generated), references, motion), warped),
        lambda: fuse_pair(_fused_from(warped, generated, data, target, driver), fuse, outputs),
    ]
    taken = []
    for stage in stages:
        start = time.perf_counter()
        stage()
        taken.append(time.perf_counter() - start)
    return taken


if __name__ == "__main__":
    main()
