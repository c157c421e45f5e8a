"""Using the refiners: the final residual of each region (§3.2, Eq. 8)."""

import os

import numpy as np
import torch

from pipeline.artifacts.agree import passed_on, require_motion, require_one_motion
from pipeline.artifacts.foregrounds import Foregrounds, open_foregrounds
from pipeline.artifacts.keypoints import read_keypoints
from pipeline.artifacts.models import fill, load_model
from pipeline.artifacts.residuals import Residuals, create_residuals, open_residuals
from pipeline.artifacts.store import readable
from pipeline.body.regions import RegionParams, drop_unusable, region_boxes
from pipeline.errors import InputError
from pipeline.networks.refiner import Refiner
from pipeline.picture.greyness import without_colour
from pipeline.progress import Progress
from pipeline.refine.params import RefineParams
from pipeline.refine.patches import check_boxes, generated_patch, polished
from pipeline.timeline.split import SplitParams, split_frames
from pipeline.training.device import choose_device, prepare_cpu

BLOCK = 16
STEPS_PER_UNIT = 127.5  # colours in [-1, 1] → 8-bit steps


def refine_regions(
    generated_path: str | os.PathLike[str],
    enhanced_path: str | os.PathLike[str],
    motion_path: str | os.PathLike[str],
    model: tuple[str | os.PathLike[str], str | os.PathLike[str]],
    out: str | os.PathLike[str],
    params: RefineParams,
    regions: RegionParams,
    split: SplitParams | None = None,
) -> int:
    """Publish the pair's residuals, enhancement and refiner together; returns the number of frames.

    `model` is weights and description. With refine.enabled: false, or for a region without refiner, the enhancement
    passes through, as does one that was placed. `split` is given for a target's self pair, whose boxes must be those of the training.
    """
    prepare_cpu(params.threads)
    generated, enhanced = open_foregrounds(generated_path), open_residuals(enhanced_path)
    track = read_keypoints(motion_path, kind="motions").track()
    if not len(generated) == len(enhanced) == len(track.points):
        found = f"{generated_path} has {len(generated)} frames, {enhanced_path} {len(enhanced)}, {motion_path} {len(track.points)}"
        raise InputError(f"{found}. Run: dvc repro enhance_faces")
    require_motion(str(generated_path), generated.attributes, track)
    require_one_motion({str(generated_path): generated.attributes, str(enhanced_path): enhanced.attributes})
    border = None if split is None else split_frames(track.present, split).border
    boxes, skipped = drop_unusable(
        region_boxes(track.points, track.skeleton, regions, border), track.size_hw, regions.min_side_px
    )
    check_boxes(enhanced, boxes, regions.region_px)
    refiners = _load_refiners(model, regions) if params.enabled else {}
    kept = [name for name in boxes if name in refiners or name in enhanced.regions]
    boxes = {name: enhanced.boxes[name] if name in enhanced.placed else boxes[name] for name in kept}
    skipped |= {name: enhanced.skipped[name] for name in enhanced.placed}
    extra = {"refined": sorted(refiners), "alpha": enhanced.attributes.get("alpha"), **passed_on(generated.attributes)}
    arguments = out, boxes, skipped, regions.region_px, generated.clock, track.size_hw, len(generated), extra
    with create_residuals(*arguments, placed=enhanced.placed) as writer, Progress(len(generated), "refine_regions") as progress:
        for start, rgb in generated.rgb.blocks(BLOCK):
            matte = generated.matte[start : start + len(rgb)]
            for name in kept:
                writer.append(name, _block(name, start, rgb, matte, boxes[name], generated, enhanced, refiners.get(name)))
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
    refiner: Refiner | None,
) -> np.ndarray:
    """Final residuals (n p p 3) int16 of one region for a block of frames."""
    if name in enhanced.placed:  # a real head, which no refiner has learnt from
        return enhanced.patches[name][start : start + len(rgb)]
    size = enhanced.region_px
    residuals = np.zeros((len(rgb), size, size, 3), np.int16)
    if name in enhanced.regions:
        residuals[:] = enhanced.patches[name][start : start + len(rgb)]
    seen = np.flatnonzero(np.isfinite(boxes[start : start + len(rgb)]).all(axis=1))
    if refiner is None or not len(seen):
        return residuals
    patches, mattes = [], []
    for i in seen:
        t = start + int(i)
        patch, patch_matte = generated_patch(generated, rgb[i], matte[i], t, boxes[t], size)
        patches.append(polished(patch, residuals[i]))
        mattes.append(patch_matte)
    predicted = _predict(refiner, np.stack(patches), np.stack(mattes))
    residuals[seen] += without_colour(predicted) if generated.attributes.get("grey") else predicted
    return residuals


@torch.no_grad()
def _predict(refiner: Refiner, patches: np.ndarray, mattes: np.ndarray) -> np.ndarray:
    """Residuals (n p p 3) int16 for patches (n p p 3) and mattes (n p p) uint8."""
    device = next(refiner.parameters()).device
    x = torch.from_numpy(patches).to(device).permute(0, 3, 1, 2).float() / STEPS_PER_UNIT - 1
    residual = refiner(x, torch.from_numpy(mattes).to(device)[:, None].float() / 255)
    steps = (residual * STEPS_PER_UNIT).round().clamp(-255, 255)
    return steps.permute(0, 2, 3, 1).cpu().numpy().astype(np.int16)


def _load_refiners(model: tuple[str | os.PathLike[str], str | os.PathLike[str]], regions: RegionParams) -> dict[str, Refiner]:
    state, description = load_model(*model)
    if description.get("regions") != regions.model_dump():
        raise InputError(f"{model[1]} was trained with other regions than params.yaml has. Run: dvc repro train_refiner")
    refiners = {}
    with readable(model[1], "description of refiners", "Run: dvc repro train_refiner"):
        for name in description["regions_trained"]:
            refiner = Refiner(description["width"])
            fill(refiner, {key.removeprefix(f"{name}."): v for key, v in state.items() if key.startswith(f"{name}.")}, model[0])
            refiners[name] = refiner.to(choose_device(), memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
    return refiners
