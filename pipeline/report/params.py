"""The params section `report`."""

from pydantic import Field

from pipeline.params import Section


class ReportParams(Section):
    """Section `report` of params.yaml: how much is shown; it changes no result."""

    video_height_px: int = Field(ge=64, le=1080)
    video_crf: int = Field(ge=0, le=51)
    video_max_frames: int = Field(ge=1)
    sheet_frames: int = Field(ge=1, le=32)
    worst_frames: int = Field(ge=1, le=16)
