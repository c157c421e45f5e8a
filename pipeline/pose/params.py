"""Section `pose` of params.yaml."""

from typing import Annotated, Literal

from pydantic import Field

from pipeline.params import Section
from pipeline.pose.repair import RepairParams
from pipeline.pose.tracks import TrackingParams

Scale = Annotated[float, Field(gt=0, le=4)]


class OpenPoseParams(Section):
    """Section `pose.openpose`."""

    scales: list[Scale] = Field(min_length=1, max_length=8)
    hand_scales: list[Scale] = Field(max_length=8)


class PoseParams(Section):
    """Section `pose` of params.yaml."""

    threads: int = Field(ge=1, le=256)
    max_people: int = Field(ge=1, le=100)
    detect_every: int = Field(ge=1, le=1000)
    min_detection: float = Field(gt=0, lt=1)
    min_score: float = Field(ge=0, lt=1)
    min_present_fraction: float = Field(ge=0, le=1)
    smoothing_s: float = Field(ge=0, le=1)
    hand_presence: float = Field(ge=0, le=1)
    openpose: OpenPoseParams
    precision: Literal["float32", "bfloat16"]
    tracking: TrackingParams
    repair: RepairParams
