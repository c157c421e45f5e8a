"""The plate: the target's background without the target, from training frames only.

Where some frame shows what is behind the subject, that is taken, from frames without the subject too; the rest is filled (§3.1, [48]).
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field

from pipeline.artifacts.agree import require_same_clip
from pipeline.artifacts.frames import Frames, create_frames
from pipeline.artifacts.keypoints import Keypoints
from pipeline.background.camera import camera_motion
from pipeline.background.others import hidden_by_others
from pipeline.errors import InputError
from pipeline.params import Section
from pipeline.picture.framing import body_boxes
from pipeline.picture.stillness import brightness, hidden_by, lighting_gains, masked_median, samples_that_fit
from pipeline.timeline.sampling import spread_evenly
from pipeline.timeline.split import SplitParams, split_frames
from pipeline.video.clock import NO_TIME

Fill = Callable[[np.ndarray, np.ndarray], np.ndarray]

AWAY_FRAMES = 5  # a frame so near to one with the subject may show what of it nobody found: it comes, leaves, or was missed
CROWDED = 0.1  # of the picture: where others hide more of it all the time, a blurred crowd is nearer to the truth than patches
GROW = 0.15  # of a box's longer side: hair, hands and feet of other people reach beyond their joints
# About the hole an empty room looks as the plate does, by so many levels in such a share of the pixels, and within it not as the subject;
LIKE_LEVELS, LIKE_RIM, LIKE_SUBJECT = 25.0, 0.95, 0.5  # else somebody is there whom nobody found


class BackgroundParams(Section):
    """Section `background` of params.yaml."""

    reveal: Literal["temporal_median", "none"]
    max_samples: int = Field(ge=5, le=500)
    dilate_share: float = Field(ge=0.0, le=0.2)
    min_samples: int = Field(ge=1, le=100)
    fill: Literal["exemplar", "telea", "deepfill"]


@dataclass(frozen=True)
class BackgroundInputs:
    """What is read of a target, and the folder with the network that fills, if one does."""

    frames: Frames
    mattes: Frames
    keypoints: Keypoints
    weights: Path | None


def inpaint_background(inputs: BackgroundInputs, params: BackgroundParams, split: SplitParams, out: Path) -> dict[str, Any]:
    """Write the plate (1 h w 3) uint8; returns its report {revealed_share, filled_share, samples, camera_motion}.

    Reads at most `max_samples` training frames, evenly spread (500 MB at once). revealed_share: pixels
    that the subject hides in the middle sample and other samples show.
    Raises InputError when the inputs disagree, no frame trains, or the network is missing.
    """
    frames, mattes, keypoints = inputs.frames, inputs.mattes, inputs.keypoints
    require_same_clip(frames, mattes, keypoints)
    fill = _load_fill(params.fill, inputs.weights)  # first of all: a missing network should not cost a minute of reading
    present = keypoints.track().present
    parts = split_frames(present, split)
    training = parts.training
    if not len(training):
        raise InputError(f"{keypoints.source} must show the subject in some training frame, found none in {len(frames)} frames.")
    reach = _reach_px(keypoints, training, params.dilate_share)
    plate, hole, usual, report = _seen(frames, mattes, keypoints, training, reach, params)  # the samples are gone when the hole is filled
    if params.reveal == "temporal_median":
        subject = frames[int(training[len(training) // 2])]
        hole = _emptied(frames, keypoints, _away(present, parts.border), (subject, plate, hole), reach, params)
    report["filled_share"] = round(float(hole.mean()), 6)
    report["revealed_share"] = round(float((usual & ~hole).mean()), 6) if params.reveal == "temporal_median" else 0.0
    plate = fill(plate, hole)
    with create_frames(out, NO_TIME, frames.size_hw, {"inpainting": report}, kind="plates") as writer:
        writer.append(plate[None])
    return report


def _seen(
    frames: Frames, mattes: Frames, keypoints: Keypoints, training: np.ndarray, reach_px: int, params: BackgroundParams
) -> tuple[np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
    """The plate (h w 3) uint8 as far as training frames show it, the hole (h w) bool that is left, what the subject hides in the middle
    one (h w) bool, and the report so far."""
    chosen = spread_evenly(training, samples_that_fit(frames.size_hw, params.max_samples))
    samples = np.stack([frames[int(t)] for t in chosen])
    hidden = np.stack([hidden_by(mattes[int(t)], reach_px) | ~frames.shown(int(t)) for t in chosen])
    usual = hidden[len(chosen) // 2].copy()
    report: dict[str, Any] = {"samples": len(chosen), "camera_motion": camera_motion(samples, hidden)}
    if params.reveal == "temporal_median":
        others = hidden_by_others(keypoints, chosen, reach_px, params.min_samples)
        least = min(params.min_samples, len(chosen))
        seen, seen_past_others = ((~some).sum(axis=0) >= least for some in (hidden, hidden | others))
        lost = seen & ~seen_past_others
        if lost.mean() > CROWDED:
            others &= ~lost
        hidden |= others
    plate, hole = _reveal(samples, hidden, params)
    return plate, hole, usual, report


def _away(present: np.ndarray, border: int) -> np.ndarray:
    """The frames (n) before the first held-out one in which, and around which, the subject is not present (t) bool."""
    near = np.convolve(present, np.ones(2 * AWAY_FRAMES + 1), "same")[: len(present)] if len(present) > 2 * AWAY_FRAMES else present
    return np.flatnonzero(near[:border] == 0)


def _emptied(
    frames: Frames,
    keypoints: Keypoints,
    away: np.ndarray,
    known: tuple[np.ndarray, np.ndarray, np.ndarray],
    reach_px: int,
    params: BackgroundParams,
) -> np.ndarray:
    """Put into a plate what frames without the subject show in its hole; returns the hole (h w) bool that is left.

    away: those frames (n). known: a frame with the subject, the plate (h w 3), the hole (h w) bool.
    """
    subject, plate, hole = known
    empty = spread_evenly(away, samples_that_fit(frames.size_hw, params.max_samples))
    if not hole.any() or len(empty) < params.min_samples:
        return hole
    samples = np.stack([frames[int(t)] for t in empty])
    hidden = np.stack([_peopled(keypoints.points[t], frames.size_hw) | ~frames.shown(int(t)) for t in empty])
    gains = np.stack([brightness(sample, plate, ~hides & ~hole) for sample, hides in zip(samples, hidden, strict=True)])
    lit = subject / brightness(subject, plate, ~hole)
    rim = hidden_by(np.where(hole, 255, 0).astype(np.uint8), max(3, reach_px)) & ~hole
    fits = np.zeros(len(samples), bool)
    for i, (sample, hides, gain) in enumerate(zip(samples, hidden, gains, strict=True)):
        here = sample / gain, ~hides
        fits[i] = _alike(*here, plate, rim) >= LIKE_RIM and _alike(*here, lit, hole) <= LIKE_SUBJECT
    if fits.sum() < params.min_samples:
        return hole
    median, counts = masked_median(samples[fits], hidden[fits], gains[fits])
    shown = hole & (counts >= params.min_samples)
    plate[shown] = median[shown].round().clip(0, 255).astype(np.uint8)
    return hole & ~shown


def _alike(image: np.ndarray, shown: np.ndarray, other: np.ndarray, part: np.ndarray) -> float:
    """Share of a part (h w) bool, as far as it is shown (h w) bool, in which two pictures (h w 3) are alike; NaN where it is not."""
    both = part & shown
    apart = np.abs(image[both] - other[both]).max(axis=1, initial=0.0)
    return float((apart <= LIKE_LEVELS).mean()) if len(apart) else float("nan")


def _peopled(points: np.ndarray, size_hw: tuple[int, int]) -> np.ndarray:
    """Where people with joints points (p j 2) are (h w) bool: their boxes, grown."""
    mask = np.zeros(size_hw, bool)
    boxes = body_boxes(points, size_hw)
    for x0, y0, x1, y1 in boxes[np.isfinite(boxes[:, 0])]:
        pad = GROW * max(x1 - x0, y1 - y0)
        mask[max(0, int(y0 - pad)) : int(y1 + pad) + 1, max(0, int(x0 - pad)) : int(x1 + pad) + 1] = True
    return mask


def _reveal(samples: np.ndarray, hidden: np.ndarray, params: BackgroundParams) -> tuple[np.ndarray, np.ndarray]:
    """What the samples show beside the subject (h w 3) uint8, and where they show nothing (h w) bool."""
    if params.reveal == "none":
        least = int(hidden.reshape(len(hidden), -1).sum(axis=1).argmin())
        return samples[least], hidden[least]
    median, counts = masked_median(samples, hidden, lighting_gains(samples, hidden))
    hole = counts < min(params.min_samples, len(samples))
    return median.round().clip(0, 255).astype(np.uint8), hole


def _load_fill(name: str, weights: Path | None) -> Fill:
    match name:
        case "exemplar":
            from pipeline.background.backends.exemplar import load as load_exemplar

            return load_exemplar()
        case "telea":
            from pipeline.background.backends.telea import load

            return load()
        case "deepfill":
            from pipeline.background.backends.deepfill import load as load_deepfill

            if weights is None:
                raise InputError("fill: deepfill needs its network: give the door --weights FOLDER. Run: dvc repro fetch_fill_weights")
            return load_deepfill(weights)
        case _:
            raise InputError(f"background.fill is {name!r}; legal: exemplar, telea, deepfill.")


def _reach_px(keypoints: Keypoints, training: np.ndarray, share: float) -> int:
    """How far the matte is widened: what it misses by a little would ghost in the plate."""
    boxes = body_boxes(keypoints.track().points[training])
    usual = float(np.percentile((boxes[:, 2:] - boxes[:, :2]).max(axis=1), 95))
    return max(1, round(share * usual)) if share > 0 else 0
