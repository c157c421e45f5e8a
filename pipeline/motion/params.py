"""The section `motion` of params.yaml."""

from typing import Literal

from pydantic import Field, field_validator

from pipeline.params import Section


class MotionParams(Section):
    """How a driver's motion is fitted to the target's body. Not in the paper; median_frac and smoothing follow EDN."""

    method: Literal["none", "ankle_height", "bone_ratio"]
    score_threshold: float = Field(ge=0, le=1)
    limb_percentile: float = Field(ge=50, le=100)
    ratio_limit: float = Field(ge=1)
    symmetric: bool
    min_frames: int = Field(ge=1)
    median_frac: float = Field(ge=0, le=1)
    depth_range: float = Field(ge=0)
    smoothing_frames: int = Field(ge=1)
    lean: Literal["match", "keep"]
    sides: Literal["match", "keep"]
    head: Literal["match", "keep"]
    contact_speed: float = Field(gt=0)
    drift_seconds: float = Field(gt=0)
    keep_within: Literal["target", "frame", "free"]
    room: float = Field(ge=1)
    unseen: Literal["mean", "none"]

    @field_validator("smoothing_frames")
    @classmethod
    def _odd(cls, frames: int) -> int:
        if frames % 2 == 0:
            raise ValueError("must be odd, so that the median has a middle")
        return frames
