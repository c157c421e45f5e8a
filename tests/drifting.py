"""A driver of any length for a small model of a drawn stick, and how the result changes over its time."""

from pathlib import Path

import numpy as np
from appearance.test_references import GENERATE, filmed, textured, train
from drawn_stick import small, track_at

from pipeline.appearance.generate import GenerateInputs, generate_foreground, load_generator, prepare_generator
from pipeline.artifacts.foregrounds import Foregrounds, open_foregrounds
from pipeline.artifacts.keypoints import Track
from pipeline.body.skeleton import Skeleton
from pipeline.reference.find import FindInputs, FindParams, find_references
from pipeline.reference.warp import WarpInputs, warp_references

FIND = FindParams(count=2, switch_cost=0.003)
BLOCK = 256  # frames whose truth is drawn at once


def imitated(folder: Path, skeleton: Skeleton, features: Path, angles: np.ndarray, steps: int) -> tuple[Track, Foregrounds]:
    """Train on a filmed stick, and let it follow a driver: what the stages find_references to warp_references make of it."""
    folder.mkdir(parents=True, exist_ok=True)
    target, crops, references, frames, mattes = filmed(folder, skeleton, 24)
    train(folder, "m", (target, crops, references, frames, mattes), features, small(steps=steps))
    model = prepare_generator(load_generator(folder / "m.safetensors", folder / "m.json"), GENERATE)
    motion = track_at(skeleton, angles)
    chosen = find_references(FindInputs(motion, target, references), FIND, None)
    inputs = GenerateInputs(model, motion, crops, references, chosen)
    generate_foreground(inputs, GENERATE.model_copy(update={"fade_s": 0.07}), folder / "g.zarr")
    warp_references(WarpInputs(open_foregrounds(folder / "g.zarr"), references, motion), folder / "w.zarr")
    return motion, open_foregrounds(folder / "w.zarr")


def series(motion: Track, made: Foregrounds) -> np.ndarray:
    """Frame by frame (t 4): the mean colour of what is opaque, and how unlike the stick's own picture in that pose it is, in levels."""
    found = []
    for start in range(0, len(made), BLOCK):
        stop = min(start + BLOCK, len(made))
        block = Track(motion.points[start:stop], *([None] * 2), motion.skeleton, motion.clock, motion.size_hw, {})  # type: ignore[arg-type]
        true, mattes = textured(block)
        for i, t in enumerate(range(start, stop)):
            rgb, matte, (x, y) = made.rgb[t], made.matte[t], np.rint(-made.crop[t][:, 2]).astype(int)
            height, width = matte.shape
            own, inside = (image[i, max(y, 0) : y + height, max(x, 0) : x + width] for image in (true, mattes))
            rgb, matte = (image[max(-y, 0) :, max(-x, 0) :][: own.shape[0], : own.shape[1]] for image in (rgb, matte))
            colour = np.average(rgb.reshape(-1, 3), axis=0, weights=matte.ravel().astype(float) + 1e-9)
            unlike = np.abs(rgb.astype(float) - own)[inside > 0].mean()
            found.append([*colour, unlike])
    return np.array(found)


def slopes(values: np.ndarray, blocks: int = 20) -> tuple[np.ndarray, np.ndarray]:
    """Slopes of columns (t c) over the whole time, and their standard errors, from means over blocks: neighbours are no witnesses apart."""
    means = np.stack([part.mean(axis=0) for part in np.array_split(values, blocks)])
    time = np.linspace(-0.5, 0.5, blocks)
    slope = time @ means / (time @ time)
    left = means - means.mean(axis=0) - time[:, None] * slope
    return slope, np.sqrt((left**2).sum(axis=0) / (blocks - 2) / (time @ time))
