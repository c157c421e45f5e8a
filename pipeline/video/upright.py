"""A decoded frame → the RGB picture that a viewer is meant to see.

Colour: the file's own matrix (BT.601, 709, 2020) and range; where it names no matrix, BT.709 for HD and BT.601 below, as
players have it (FFmpeg itself takes 601 for all). HD is what has 720 lines or 1280 columns, either way round: Chromium
goes by the lines, mpv by the columns too, and a telephone held upright films with the same encoder. 10 bits are rounded
to 8; HDR transfer curves are not tone-mapped. Alpha: composited over black. Pixels that are not square are resampled to
square ones at the same height. Rotation and mirroring of the display matrix (or EXIF) are applied.
"""

from fractions import Fraction
from typing import NamedTuple

import av
import cv2
import numpy as np
from av.sidedata.sidedata import SideDataContainer
from av.video.reformatter import Colorspace, Interpolation, VideoReformatter

from pipeline.video.lossless import planes_of

EXACT = Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT | Interpolation.BITEXACT
HD_SHORTER_PX, HD_LONGER_PX = 720, 1280
NO_MATRIX = (0, 2, 3)  # of a frame's colorspace: RGB, unspecified, reserved
# FFmpeg writes planes more than twice as fast as RGB side by side, by the same sums; but where odd heights end within a colour's block.
PLANAR = {"yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p", "yuv420p10le", "nv12"}


class Painter:
    """Converts frames of a clip to RGB; keeps its tables and the memory of its picture, which the next frame overwrites."""

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()
        self._picture = np.empty((0, 0, 3), np.uint8)

    def paint(self, frame: av.VideoFrame, size_hw: tuple[int, int], wanted: str) -> np.ndarray:
        """The frame at that size (h w c) uint8; wanted: rgb24 or rgba."""
        resized = size_hw != (frame.height, frame.width)
        if wanted == "rgb24" and not resized and frame.height % 2 == 0 and frame.format.name in PLANAR:
            self._picture = self._picture if self._picture.shape[:2] == size_hw else np.empty((*size_hw, 3), np.uint8)
            green, blue, red = planes_of(self._converted(frame, size_hw, "gbrp", Interpolation.BILINEAR))
            return cv2.merge([red, green, blue], self._picture)
        return self._converted(frame, size_hw, wanted, Interpolation.BICUBIC if resized else Interpolation.BILINEAR).to_ndarray()

    def _converted(self, frame: av.VideoFrame, size_hw: tuple[int, int], wanted: str, scaler: Interpolation) -> av.VideoFrame:
        return self._reformatter.reformat(frame, size_hw[1], size_hw[0], wanted, _untold_matrix(frame), interpolation=scaler | EXACT)


def upright(
    frame: av.VideoFrame, painter: Painter, max_height_px: int | None, aspect: Fraction, still: bool = False
) -> tuple[np.ndarray, bool]:
    """RGB (h w 3) uint8 as shown, until the painter's next frame, and whether anything of it is visible (False: alpha 0 everywhere).

    still: of an image file, as shown_size() has it. ValueError for frames that are turned by another angle than a quarter.
    """
    size_hw, turn = shown_size(frame, max_height_px, aspect, still), _turn(frame, still)
    height, width = size_hw[::-1] if turn.transposed else size_hw
    alpha = any(c.is_alpha for c in frame.format.components) or frame.format.name == "pal8"
    image = painter.paint(frame, (height, width), "rgba" if alpha else "rgb24")
    visible = True
    if alpha:
        opacity = image[..., 3:].astype(np.uint16)
        visible = bool(opacity.any())
        image = ((image[..., :3] * opacity + 127) // 255).astype(np.uint8)
    return turn.apply(image), visible


def shown_size(frame: av.VideoFrame, max_height_px: int | None, aspect: Fraction, still: bool = False) -> tuple[int, int]:
    """Height and width as shown. still: of an image file, of which only the angle is read: PyAV 18.1 frees the name of a PNG's
    colour profile twice where all that lies beside a frame is asked for, and Python dies of it."""
    height, width = frame.height, max(1, round(frame.width * aspect))
    if _turn(frame, still).transposed:
        height, width = width, height
    if max_height_px is not None and height > max_height_px:
        height, width = max_height_px, max(1, round(width * max_height_px / height))
    return height, width


def _untold_matrix(frame: av.VideoFrame) -> Colorspace | None:
    """The matrix by which an untagged frame was most likely made; None where it names its own, or has no colour differences."""
    if frame.format.is_rgb or frame.format.has_palette or frame.colorspace not in NO_MATRIX:
        return None
    shorter, longer = sorted((frame.width, frame.height))
    return Colorspace.ITU709 if shorter >= HD_SHORTER_PX or longer >= HD_LONGER_PX else Colorspace.ITU601


class _Turn(NamedTuple):
    """One of the eight ways to hold a picture: transposed first, then columns and rows reversed."""

    transposed: bool
    columns: bool
    rows: bool

    def apply(self, image: np.ndarray) -> np.ndarray:
        image = image.transpose(1, 0, 2) if self.transposed else image
        return image[:: -1 if self.rows else 1, :: -1 if self.columns else 1]


_TURNS = {90: _Turn(True, False, True), 180: _Turn(False, True, True), 270: _Turn(True, True, False)}


def _turn(frame: av.VideoFrame, still: bool) -> _Turn:
    """Orientation by FFmpeg's display matrix: x' = a x + c y, y' = b x + d y."""
    by_angle = _TURNS.get(frame.rotation % 360, _Turn(False, False, False))
    if still:
        return by_angle
    try:
        # frame.side_data would refer to the frame that it belongs to, which then stays in memory until cycles are looked for.
        found = SideDataContainer(frame).get("DISPLAYMATRIX")  # pyright: ignore[reportCallIssue]
    except ValueError:  # PyAV does not know every kind of side data (EXIF); then only the angle can be had
        return by_angle
    if found is None:
        return _Turn(False, False, False)
    matrix = np.frombuffer(found, np.int32) / 65536
    a, b, c, d = (float(matrix[i]) for i in (0, 1, 3, 4))
    if max(min(abs(a), abs(b)), min(abs(c), abs(d))) > 0.02:
        raise ValueError(f"must be turned by a multiple of 90 degrees, found {frame.rotation}: re-encode it upright")
    return _Turn(True, c < 0, b < 0) if abs(a) < abs(b) else _Turn(False, a < 0, d < 0)
