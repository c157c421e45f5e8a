"""Using the local generators: the final residual of each region (§3.2, Eq. 8)."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from pipeline.artifacts.agree import passed_on, require_motion, require_one_motion, require_same_length
from pipeline.artifacts.foregrounds import Foregrounds
from pipeline.artifacts.keypoints import Track
from pipeline.artifacts.models import fill, load_model
from pipeline.artifacts.residuals import Residuals, create_residuals
from pipeline.artifacts.store import readable
from pipeline.body.regions import RegionParams, drop_unusable, region_boxes
from pipeline.errors import InputError
from pipeline.networks.local_gan import LocalGenerator
from pipeline.picture.greyness import without_colour
from pipeline.progress import Progress
from pipeline.refine.params import RefineParams
from pipeline.refine.patches import check_boxes, generated_patch, polished
from pipeline.timeline.split import SplitParams, split_frames
from pipeline.training.device import choose_device, prepare_cpu

BLOCK = 16
STEPS_PER_UNIT = 127.5  # colours in [-1, 1] → 8-bit steps


@dataclass(frozen=True)
class RefineInputs:
    """The foreground of a motion, its enhancement, the motion, and the target's local generators, none where they are not wanted."""

    generated: Foregrounds
    enhanced: Residuals
    track: Track
    generators: Mapping[str, LocalGenerator]


def refine_regions(inputs: RefineInputs, params: RefineParams, regions: RegionParams, split: SplitParams | None, out: Path) -> int:
    """Publish the pair's residuals, enhancement and what the local generators add together; returns the number of frames.

    For a region without local generator, and one that was placed, the enhancement passes through. `split` is given for a target's
    self pair, whose boxes must be those of the training.
    """
    prepare_cpu(params.threads)
    generated, enhanced, track, generators = inputs.generated, inputs.enhanced, inputs.track, inputs.generators
    require_same_length(track, generated, enhanced)
    require_motion(str(generated.source), generated.attributes, track)
    require_one_motion({str(made.source): made.attributes for made in (generated, enhanced)})
    # The same boxes as in training and enhancement.
    border = None if split is None else split_frames(track.present, split).border
    boxes, skipped = drop_unusable(
        region_boxes(track.points, track.skeleton, regions, border), track.size_hw, regions.min_side_px
    )
    check_boxes(enhanced, boxes, regions.region_px)
    kept = [name for name in boxes if name in generators or name in enhanced.regions]
    boxes = {name: enhanced.boxes[name] if name in enhanced.placed else boxes[name] for name in kept}
    skipped |= {name: enhanced.skipped[name] for name in enhanced.placed}
    extra = {"refined": sorted(generators), "alpha": enhanced.attributes.get("alpha"), **passed_on(generated.attributes)}
    arguments = out, boxes, skipped, regions.region_px, generated.clock, track.size_hw, len(generated), extra
    with create_residuals(*arguments, placed=enhanced.placed) as writer, Progress(len(generated), "refine_regions") as progress:
        for start, rgb in generated.rgb.blocks(BLOCK):
            matte = generated.matte[start : start + len(rgb)]
            for name in kept:
                writer.append(name, _block(name, start, rgb, matte, boxes[name], generated, enhanced, generators.get(name)))
            progress.advance(len(rgb))
    return len(generated)


def _block(
    name: str,
    start: int,
    rgb: np.ndarray,
    matte: np.ndarray,
    boxes: np.ndarray,
    generated: Foregrounds,
    enhanced: Residuals,
    generator: LocalGenerator | None,
) -> np.ndarray:
    """Final residuals (n p p 3) int16 of one region for a block of frames."""
    if name in enhanced.placed:  # a real head, which no local generator has learnt from
        return enhanced.patches[name][start : start + len(rgb)]
    size = enhanced.region_px
    residuals = np.zeros((len(rgb), size, size, 3), np.int16)
    if name in enhanced.regions:
        residuals[:] = enhanced.patches[name][start : start + len(rgb)]
    seen = np.flatnonzero(np.isfinite(boxes[start : start + len(rgb)]).all(axis=1))
    if generator is None or not len(seen):
        return residuals
    # What the local generator adds is made for what is seen, the enhancement included.
    patches, mattes = [], []
    for i in seen:
        t = start + int(i)
        patch, patch_matte = generated_patch(generated, rgb[i], matte[i], t, boxes[t], size)
        patches.append(polished(patch, residuals[i]))
        mattes.append(patch_matte)
    predicted = _predict(generator, np.stack(patches), np.stack(mattes))
    residuals[seen] += without_colour(predicted) if generated.attributes.get("grey") else predicted
    return residuals


@torch.no_grad()
def _predict(generator: LocalGenerator, patches: np.ndarray, mattes: np.ndarray) -> np.ndarray:
    """Residuals (n p p 3) int16 for patches (n p p 3) and mattes (n p p) uint8."""
    device = next(generator.parameters()).device
    x = torch.from_numpy(patches).to(device).permute(0, 3, 1, 2).float() / STEPS_PER_UNIT - 1
    residual = generator(x, torch.from_numpy(mattes).to(device)[:, None].float() / 255)
    steps = (residual * STEPS_PER_UNIT).round().clamp(-255, 255)
    return steps.permute(0, 2, 3, 1).cpu().numpy().astype(np.int16)


def load_generators(weights: Path, description_path: Path, regions: RegionParams) -> dict[str, LocalGenerator]:
    """Read what train_refiner published; InputError when it is damaged or was trained for other regions."""
    state, description = load_model(weights, description_path)
    if description.get("regions") != regions.model_dump():
        raise InputError(f"{description_path} was trained with other regions than params.yaml has. Run: dvc repro train_refiner")
    generators = {}
    with readable(description_path, "description of local generators", "Run: dvc repro train_refiner"):
        for name in description["regions_trained"]:
            generator = LocalGenerator(description["width"])
            fill(generator, {key.removeprefix(f"{name}."): v for key, v in state.items() if key.startswith(f"{name}.")}, weights)
            generators[name] = generator.to(choose_device(), memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
    return generators
