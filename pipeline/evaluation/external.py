"""The result of another system on the same footage, judged like ours: at the same moments, through the same crop.

Not in the paper, which names systems and numbers, but not how the frames of the one met the frames of the other.
"""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from pydantic import Field

from pipeline.errors import InputError
from pipeline.params import Section
from pipeline.picture.geometry import sample_crop
from pipeline.video.clock import Clock
from pipeline.video.reading import VideoInfo, probe, read_video

SLACK_S = 1e-6  # timestamps are sums of fractions
Shown = tuple[float, np.ndarray]  # when a frame is shown, in the driver's seconds or frames, and the frame (h w 3)


class ExternalParams(Section):
    """An entry of `external` in params.yaml: what the video shows, and from which frame of the driver on."""

    driver: str
    target: str
    video: str
    shows: Literal["full", "crop"]
    first_frame: int = Field(ge=0)

    @property
    def is_own(self) -> bool:
        """Whether the pair is the target's with itself, whose true frames are known."""
        return self.driver == self.target


class External:
    """Frames of another system's result, each brought to crop_hw as the truth was."""

    def __init__(
        self,
        name: str,
        video: Path,
        params: ExternalParams,
        clock: Clock,
        crop: np.ndarray,
        crop_hw: tuple[int, int],
        size_hw: tuple[int, int],
    ) -> None:
        """crop (t 2 3) full → crop and clock are those of the pair, size_hw is the target's full frame.

        InputError when the video is missing or unreadable, or when first_frame lies beyond the driver.
        """
        if params.first_frame >= len(crop):
            raise InputError(
                f"external.{name}.first_frame must be a frame of the driver {params.driver}, 0 to {len(crop) - 1}, "
                f"found {params.first_frame}"
            )
        self.name, self.video, self.params = name, video, params
        self.info: VideoInfo = probe(video)
        self.crop, self.crop_hw, self.size_hw = crop, crop_hw, size_hw
        self.by_time = clock.has_time and self.info.time_base is not None
        self.times = clock.seconds() if self.by_time else np.arange(len(crop), dtype=np.float64)
        self.tolerance = float(np.median(np.diff(self.times))) / 2 + SLACK_S if len(crop) > 1 else SLACK_S

    def frames(self, wanted: Sequence[int]) -> Iterator[np.ndarray | None]:
        """For each wanted frame of the driver, in growing order, what the video shows then (h w 3) uint8; None where nothing is near.

        The nearest frame is taken, the earlier of two, if it lies within half a frame of the driver.
        """
        shown = self._shown()
        before = after = next(shown, None)
        for t in wanted:
            while after is not None and after[0] < self.times[t]:
                before, after = after, next(shown, None)
            near = [frame for frame in (before, after) if frame is not None and abs(frame[0] - self.times[t]) <= self.tolerance]
            yield self._seen(min(near, key=lambda frame: abs(frame[0] - self.times[t]))[1], t) if near else None

    def required(self, wanted: Sequence[int]) -> Iterator[np.ndarray]:
        """As frames(), but InputError at the first wanted frame that has no counterpart: a mean over others would not be comparable."""
        for t, image in zip(wanted, self.frames(wanted), strict=True):
            if image is None:
                raise InputError(
                    f"{self.video} must show frames {wanted[0]} to {wanted[-1]} of {self.params.driver}, found nothing within half a frame "
                    f"of frame {t}: render all of them, or say in external.{self.name}.first_frame which frame it begins with"
                )
            yield image

    def settings(self) -> dict[str, Any]:
        """How the video was brought beside ours, in words."""
        (h, w), whole = self.info.size_hw, self.params.shows == "full"
        wanted = self.size_hw if whole else self.crop_hw
        scaled = "" if (h, w) == wanted else f"scaled from {w}x{h} to {wanted[1]}x{wanted[0]} px (area to shrink, cubic to enlarge)"
        seen = "seen through the crop of the true frames" if whole else "taken for the crop"
        near = "nearest timestamp within half a frame" if self.by_time else "by number, since one of the two has no timestamps"
        return {
            "video": self.video.name,
            "frames": f"{near}; its first frame is frame {self.params.first_frame} of {self.params.driver}",
            "pixels": ", ".join(filter(None, (scaled, seen))) + "; after its own coding, ours before",
        }

    def _shown(self) -> Iterator[Shown]:
        """Every frame of the video and when it is shown, counted from first_frame."""
        cap = self.size_hw[0] if self.params.shows == "full" else None  # as extract_frames caps the true frames
        start, count, first = self.times[self.params.first_frame], 0, None
        base = float(Fraction(self.info.time_base)) if self.by_time and self.info.time_base else 1.0
        for block in read_video(self.video, cap):
            stamps = block.pts if self.by_time and block.pts else range(count, count + len(block.frames))
            for stamp, image in zip(stamps, block.frames, strict=True):
                first = stamp if first is None else first
                yield start + (stamp - first) * base, image
            count += len(block.frames)

    def _seen(self, image: np.ndarray, t: int) -> np.ndarray:
        if self.params.shows == "crop":
            return _scaled(image, self.crop_hw)
        return sample_crop(_scaled(image, self.size_hw), self.crop[t], self.crop_hw)


def _scaled(image: np.ndarray, size_hw: tuple[int, int]) -> np.ndarray:
    if image.shape[:2] == size_hw:
        return image
    shrinks = image.shape[0] * image.shape[1] > size_hw[0] * size_hw[1]
    return cv2.resize(image, size_hw[::-1], interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)

