"""DCPose as a refiner: a person's joints seen anew, with the help of the frames before and after (§3.1).

Liu et al. 2021, trained on PoseTrack.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from pipeline.errors import InputError
from pipeline.pose.refiners.dcpose.checkpoint import read_checkpoint
from pipeline.pose.refiners.dcpose.fold import fold_normalisation
from pipeline.pose.refiners.dcpose.preprocess import CHANNELS, crop_frame, crop_of_box, read_joints
from pipeline.training.device import prepare_cpu

PRECISIONS = ("float32", "bfloat16")
BATCH = 4  # people a pass; each is three crops of 384 x 288
STEPS_TO_NEIGHBOURS = (1, 1)


def load(
    weights: Path,
    device: str | torch.device = "cpu",
    joints: Sequence[str] = CHANNELS,
    threads: int | None = None,
    precision: str = "float32",
) -> Callable[[np.ndarray, Sequence[np.ndarray] | np.ndarray], list[np.ndarray]]:
    """Return f(frames (t h w 3) uint8 RGB, boxes_xyxy) → for each frame x, y, score (p j 3) float64 in full pixels.

    boxes_xyxy: for each frame half-open boxes (p 4), or (4) for one person. Joints are in the order of `joints`; those that
    DCPose has not, or does not see, are NaN with score 0, as all are of a box that is NaN. A frame's neighbours are those in
    `frames`; at either end the frame itself stands in. weights: the official checkpoint, or the folder that holds it.
    precision: float32, or bfloat16 for all but the deformable convolutions. Raises InputError when the file is missing or another
    network's, or the precision has another name.
    """
    if precision not in PRECISIONS:
        raise InputError(f"precision must be {' or '.join(PRECISIONS)}, found {precision!r}")
    prepare_cpu(threads)
    network = fold_normalisation(read_checkpoint(Path(weights))).to(memory_format=torch.channels_last).to(device)  # type: ignore[call-overload]
    margin = torch.tensor([STEPS_TO_NEIGHBOURS], device=device)

    @torch.inference_mode()
    def refine(frames: np.ndarray, boxes_xyxy: Sequence[np.ndarray] | np.ndarray) -> list[np.ndarray]:
        people = [np.asarray(boxes, float).reshape(-1, 4) for boxes in boxes_xyxy]
        if len(people) != len(frames):
            raise InputError(f"boxes must be given for every frame, found {len(people)} for {len(frames)} frames")
        refined = [_unseen((len(boxes), len(joints))) for boxes in people]
        wanted = [(t, p) for t, boxes in enumerate(people) for p in range(len(boxes)) if np.isfinite(boxes[p]).all()]
        for start in range(0, len(wanted), BATCH):
            some = wanted[start : start + BATCH]
            crops = [crop_of_box(people[t][p]) for t, p in some]
            shown = torch.from_numpy(np.stack([_three_crops(frames, t, crop) for (t, _), crop in zip(some, crops, strict=True)]))
            shown = shown.to(device).contiguous(memory_format=torch.channels_last)
            with torch.autocast(shown.device.type, torch.bfloat16, enabled=precision == "bfloat16"):
                maps = network(shown, margin.expand(len(some), 2)).float().cpu().numpy()
            for (t, p), crop, found in zip(some, crops, maps, strict=True):
                refined[t][p] = _in_order(read_joints(found, crop), joints)
        return refined

    return refine


def _three_crops(frames: np.ndarray, t: int, crop: np.ndarray) -> np.ndarray:
    """The current, the previous and the next frame through one crop, (9 h w); the current one stands in beyond the ends."""
    before, after = max(t - 1, 0), min(t + 1, len(frames) - 1)
    return np.concatenate([crop_frame(frames[i], crop) for i in (t, before, after)])


def _in_order(found: np.ndarray, joints: Sequence[str]) -> np.ndarray:
    """The channels (17 3) by the joints' names; the neck is midway between the shoulders, as in COCO-18."""
    ordered = _unseen((len(joints),))
    for index, joint in enumerate(joints):
        if joint in CHANNELS:
            ordered[index] = found[CHANNELS.index(joint)]
        elif joint == "neck":
            shoulders = found[[CHANNELS.index("left_shoulder"), CHANNELS.index("right_shoulder")]]
            ordered[index] = *shoulders[:, :2].mean(0), shoulders[:, 2].min()
    return ordered


def _unseen(shape: tuple[int, ...]) -> np.ndarray:
    """x, y, score (... 3) of joints that nobody sees."""
    return np.concatenate([np.full((*shape, 2), np.nan), np.zeros((*shape, 1))], -1)
