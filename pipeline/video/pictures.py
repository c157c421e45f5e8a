"""Image files → decoded frames: folders of images, stacks of pages in one TIFF, animated WebP.

TIFF and animated WebP are decoded by OpenCV (libtiff, libwebp): FFmpeg refuses what it does not know in the one, or fills a
cut file with grey where it is told not to refuse; it shows the first page alone, and nothing of the other.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import cv2
import numpy as np
from av.filter import Graph

from pipeline.errors import InputError, require_plain
from pipeline.names import absence, natural_key
from pipeline.video.clock import NO_TIME, Clock
from pipeline.video.layouts import exif_mirrored, is_tiff, png_frames, tiff_pages, webp_durations
from pipeline.video.opening import PICTURES, first_frame, open_media, video_stream

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")
IMAGE_FORMATS = (*PICTURES, "apng")  # how FFmpeg's names of formats end
BLOCK_PAGES = 16
FORMATS = {("uint8", 1): "gray", ("uint8", 3): "rgb24", ("uint8", 4): "rgba"}
FORMATS |= {("uint16", 1): "gray16le", ("uint16", 3): "rgb48le", ("uint16", 4): "rgba64le"}


@dataclass(frozen=True)
class Stack:
    """Several pictures in one file: their places in it, and when each is shown (ms), None for pages, which have no time."""

    path: Path
    places: list[int]
    pts: list[int] | None

    @property
    def names(self) -> list[str]:
        """What errors call each picture."""
        return [f"{self.path} (picture {number})" for number in range(len(self.places))]

    def first(self) -> tuple[av.VideoFrame, str]:
        """The first picture, and its codec's name."""
        return next(self.frames(0, 0)), "tiff" if self.pts is None else "webp"

    def clock(self, images_fps: str | None) -> Clock:
        """The nominal rate and the unit of pts: the animation's own, or for pages images_fps; NO_TIME without one."""
        if self.pts is None:
            return Clock.regular(images_fps, 0) if images_fps else NO_TIME
        steps = np.diff(self.pts)
        return Clock(f"1000/{int(np.median(steps)) if len(steps) else 1000}", "1/1000", ())

    def frames(self, start: int, last: int) -> Iterator[av.VideoFrame]:
        """Decode the pictures start to last, both included, a block at a time; InputError at the first that cannot be read."""
        for block in range(start, last + 1, BLOCK_PAGES):
            places = self.places[block : min(block + BLOCK_PAGES, last + 1)]
            read = _read_animation if self.pts is not None else _read_pages
            found = read(self.path, places[0], places[-1] - places[0] + 1) if len(places) else []
            for number, place in enumerate(places, block):
                if place - places[0] >= len(found):
                    raise InputError(f"{self.path} breaks at picture {number} of {len(self.places)}. Copy it again.")
                yield _frame(self.path, found[place - places[0]])


@dataclass(frozen=True)
class Folder:
    """Image files in order, which have no time of their own; as a Stack."""

    images: list[Path]
    pts: None = None

    @property
    def path(self) -> Path:
        """The folder."""
        return self.images[0].parent

    @property
    def names(self) -> list[str]:
        """What errors call each picture."""
        return [str(image) for image in self.images]

    def first(self) -> tuple[av.VideoFrame, str]:
        """The first picture, and its codec's name."""
        return read_image(self.images[0])

    def clock(self, images_fps: str | None) -> Clock:
        """images_fps's; NO_TIME without one."""
        return Clock.regular(images_fps, 0) if images_fps else NO_TIME

    def frames(self, start: int, last: int) -> Iterator[av.VideoFrame]:
        """Decode the pictures start to last, both included; InputError at the first that cannot be read."""
        return (read_image(image)[0] for image in self.images[start : last + 1])


def find_stack(path: Path) -> Stack | None:
    """The pictures of a TIFF with several pages or of an animated WebP; None for any other file or folder."""
    if not path.is_file():
        return None
    if is_tiff(path):
        places = tiff_pages(path)
        return Stack(path, places, None) if len(places) > 1 else None
    durations = webp_durations(path)
    if len(durations) < 2:
        return None
    shown = np.maximum(durations, 1)  # or frames of no duration would be shown at one time
    return Stack(path, list(range(len(durations))), (np.cumsum(shown) - shown).tolist())


def image_files(path: Path) -> list[Path]:
    """Images of a folder in natural order (img2 before img10), or the one image that path is; empty for a video or a stack.

    InputError when path does not exist, or is a folder without images.
    """
    if not path.exists():
        raise InputError(f"{path} {absence(path)}: put the video file, or a folder of images, there.")
    require_plain(path)
    if path.is_file():
        named = path.suffix.lower() in IMAGE_SUFFIXES or is_tiff(path)  # FFmpeg must not read a TIFF, whatever it is called
        single = named and png_frames(path) == 1 and find_stack(path) is None
        return [path] if single else []
    images = [p for p in path.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES and not p.name.startswith(".") and not p.is_dir()]
    lost = min((image for image in images if not image.exists()), default=None)
    if lost is not None:
        raise InputError(f"{lost} {absence(lost)}: put the picture itself there, or take the link out.")
    if not images:
        raise InputError(f"{path} is a folder without images: it must hold {', '.join(IMAGE_SUFFIXES)} files.")
    return sorted(images, key=lambda image: natural_key(image.name))


def find_pictures(path: Path) -> Stack | Folder | None:
    """The pictures of a folder, of an image file or of a stack; None for a video. InputError as image_files() says."""
    images = image_files(path)
    return Folder(images) if images else find_stack(path)


def read_image(path: Path) -> tuple[av.VideoFrame, str]:
    """Decode an image file of one picture: the frame, and the codec's name. InputError when it is cut, or holds several."""
    stack = find_stack(path)
    several = len(stack.places) if stack else png_frames(path)
    if several > 1:
        raise InputError(f"{path} holds {several} pictures, in a folder an image must hold one: make this file the clip, or take it apart.")
    if is_tiff(path):
        return next(Stack(path, tiff_pages(path), None).frames(0, 0)), "tiff"
    with open_media(path) as container:
        kind = container.format.name
        if not kind.endswith(IMAGE_FORMATS):
            raise InputError(f"{path} is named as an image, found the format {kind}: rename it, and make it the clip if it is a video.")
        codec = video_stream(container, path).codec_context.codec.canonical_name
        frame = first_frame(container, path)
    return _flipped(frame) if exif_mirrored(path) else frame, codec


def _flipped(frame: av.VideoFrame) -> av.VideoFrame:
    """A frame upside down, which keeps its angle: a mirror image is that of a flipped one, turned by as much."""
    graph = Graph()
    source = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=Fraction(1, 25))
    for node, following in pairwise([source, graph.add("vflip"), graph.add("buffersink")]):
        node.link_to(following)
    graph.configure()
    graph.push(frame)
    flipped = graph.pull()
    assert isinstance(flipped, av.VideoFrame)
    return flipped


def _read_pages(path: Path, start: int, count: int) -> list[np.ndarray]:
    with _Quiet():
        try:
            whole, pages = cv2.imreadmulti(str(path), start=start, count=count, mats=[], flags=cv2.IMREAD_UNCHANGED)
        except cv2.error as error:
            raise InputError(f"{path} cannot be read as a TIFF ({error.err}). Save it anew, uncompressed.") from None
    return [_rgb(page) for page in pages] if whole else []


def _read_animation(path: Path, start: int, count: int) -> list[np.ndarray]:
    with _Quiet():
        whole, animation = cv2.imreadanimation(str(path), start, count)
    return [_rgb(page) for page in animation.frames] if whole else []


def _rgb(image: np.ndarray) -> np.ndarray:
    """OpenCV's order of channels → RGB or RGBA."""
    if image.ndim == 3 and image.shape[2] in (3, 4):
        return np.ascontiguousarray(image[..., [2, 1, 0, *range(3, image.shape[2])]])
    return image[..., 0] if image.ndim == 3 and image.shape[2] == 1 else image


def _frame(path: Path, image: np.ndarray) -> av.VideoFrame:
    kind = FORMATS.get((image.dtype.name, image.shape[2] if image.ndim == 3 else 1))
    if kind is None:
        raise InputError(f"{path} must hold grey or RGB pictures of 8 or 16 bits, found {image.dtype} {image.shape}: save it so.")
    return av.VideoFrame.from_ndarray(image, format=kind)


class _Quiet:
    """OpenCV's own warnings go to stderr, where an error is one line."""

    def __enter__(self) -> None:
        self.level = cv2.utils.logging.getLogLevel()
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)

    def __exit__(self, *_: object) -> None:
        cv2.utils.logging.setLogLevel(self.level)
