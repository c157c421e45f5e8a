"""What the stage makes: the driver's motion for the target's body, said where it is doubtful, and a preview of it."""

from dataclasses import dataclass
from pathlib import Path

from pipeline.artifacts.frames import Frames
from pipeline.artifacts.keypoints import Keypoints, Track
from pipeline.motion.params import MotionParams
from pipeline.motion.retarget import retarget
from pipeline.motion.sheet import write_sheet
from pipeline.timeline.split import SplitParams


@dataclass(frozen=True)
class MotionInputs:
    """The driver's track and the target's, each in its own full px; frames of both, for the preview."""

    driver: Track
    target: Track
    driver_frames: Frames
    frames: Frames


def retarget_motion(inputs: MotionInputs, params: MotionParams, split: SplitParams, sheet: Path) -> Keypoints:
    """The motion as retarget() makes it; its warnings are said, and its preview is published as `sheet` (PNG)."""
    motion = retarget(inputs.driver, inputs.target, split, params)
    for warning in motion.attributes["retargeting"]["warnings"]:
        print(f"warning: {warning}", flush=True)
    write_sheet(sheet, inputs.driver, motion.track(), inputs.driver_frames, inputs.frames, params.score_threshold)
    return motion
