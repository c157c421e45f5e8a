"""A short moving picture, an animated WebP: a driver beside the result that does what it does: python -m pipeline.report.moving PAIR."""

import argparse
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np

from pipeline.artifacts.frames import open_frames
from pipeline.artifacts.keypoints import Track, read_keypoints
from pipeline.artifacts.pictures import require_suffix, write_moving_picture
from pipeline.door import run_door
from pipeline.errors import InputError
from pipeline.names import BETWEEN
from pipeline.picture.framing import body_boxes
from pipeline.report.videos import IMAGES_FPS
from pipeline.video.clock import Clock
from pipeline.video.reading import read_video

NAMES = ("driver", "result")
BAR_PX, GAP_PX = 26, 6
INK, PAPER = (235, 235, 235), 24
MARGIN = 1.2  # longer side of a view over that of the track
SHAPE = 0.75  # width of a view over its height
QUALITIES = (85, 75, 65, 55, 45, 35)


def moving_picture(data: Path, pair: str, height_px: int, every: int, most_kb: int) -> bytes:
    """The driver's frames and the result's video side by side, each seen through a still view of its own person.

    data: folder with frames/, keypoints/, motions/, videos/. Every `every`-th frame is shown for as long as it lasts, endlessly,
    height_px high. InputError where a file is missing, or the picture is larger than most_kb (of 1000 bytes) at the lowest quality.
    """
    driver, joined, _ = pair.partition(BETWEEN)
    if not joined:
        raise InputError(f"a pair is called <driver>-to-<target>, found {pair}: name one of params.yaml.")
    tracks = (
        read_keypoints(data / "keypoints" / f"{driver}.parquet").track(),
        read_keypoints(data / "motions" / f"{pair}.parquet", "motions").track(),
    )
    frames = open_frames(data / "frames" / f"{driver}.zarr").steady(tracks[0].camera)
    shown = range(0, len(frames), every)
    boxes = [view(track) for track in tracks]
    result = (image for block in read_video(data / "videos" / f"{pair}.mp4") for image in block.frames)
    pictures = [
        composed([_seen(picture, box, height_px) for picture, box in zip((frames[i], image), boxes, strict=True)])
        for i, image in enumerate(result)
        if i in shown
    ]
    if len(pictures) < len(shown):
        video = data / "videos" / f"{pair}.mp4"
        raise InputError(f"{video} must show all {len(frames)} frames of {driver}, it ends early. Run: dvc repro fuse@{pair}")
    durations, blob = durations_ms(frames.clock, len(frames), every), b""
    for quality in QUALITIES:
        blob = animated(pictures, durations, quality)
        if len(blob) <= most_kb * 1000:
            return blob
    raise InputError(f"{pair} takes {len(blob) // 1000} kB, {most_kb} are allowed: ask for a larger --every or a smaller --height-px.")


def view(track: Track) -> tuple[int, int, int, int]:
    """Box xyxy in full px about a whole track, SHAPE wide for its height, moved inside the frame as far as it fits."""
    boxes = body_boxes(track.points, track.size_hw)
    seen = boxes[np.isfinite(boxes).all(axis=1)]
    if not len(seen):
        raise InputError("keypoints or motion must show somebody, found no frame with the subject: look with python -m pipeline.inspect.")
    low, high = seen[:, :2].min(axis=0), seen[:, 2:].max(axis=0)
    width, height = (high - low) + (MARGIN - 1) * (high - low).max()
    height = min(max(height, width / SHAPE), track.size_hw[0], track.size_hw[1] / SHAPE)
    sides = np.array([height * SHAPE, height])
    corner = np.clip((low + high - sides) / 2, 0, np.array(track.size_hw[::-1]) - sides)
    x0, y0, x1, y1 = np.round(np.concatenate([corner, corner + sides])).astype(int).tolist()
    return x0, y0, x1, y1


def durations_ms(clock: Clock, frames: int, every: int) -> list[int]:
    """How long each shown frame lasts, in ms, so that the whole lasts as long as the clip; without time IMAGES_FPS is taken."""
    starts = clock.seconds() if clock.has_time else np.arange(frames) / float(IMAGES_FPS)
    end = starts[-1] + (starts[-1] - starts[-2] if frames > 1 else 1 / float(IMAGES_FPS))
    edges = np.round((np.append(starts[::every], end) - starts[0]) * 1000).astype(int)
    return np.diff(edges).tolist()


def composed(views: Sequence[np.ndarray]) -> np.ndarray:
    """Views of one height next to each other under their names: uint8 (y x 3) RGB."""
    height, width = views[0].shape[0], sum(v.shape[1] for v in views) + GAP_PX * (len(views) - 1)
    canvas = np.full((BAR_PX + height, width, 3), PAPER, np.uint8)
    x = 0
    for name, picture in zip(NAMES, views, strict=True):
        canvas[BAR_PX:, x : x + picture.shape[1]] = picture
        cv2.putText(canvas, name, (x + 6, BAR_PX - 8), cv2.FONT_HERSHEY_SIMPLEX, 0.5, INK, 1, cv2.LINE_AA)
        x += picture.shape[1] + GAP_PX
    return canvas


def animated(pictures: Iterable[np.ndarray], durations: Sequence[int], quality: int) -> bytes:
    """RGB pictures (y x 3) uint8 and how long each lasts, ms → an animated WebP that starts over endlessly; quality 1..100."""
    film = cv2.Animation()
    film.frames = [cv2.cvtColor(picture, cv2.COLOR_RGB2BGR) for picture in pictures]
    film.durations = list(durations)
    film.loop_count = 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "moving.webp"
        if not cv2.imwriteanimation(str(path), film, [cv2.IMWRITE_WEBP_QUALITY, quality]):
            raise ValueError("OpenCV cannot write an animated WebP")
        return path.read_bytes()


def _seen(image: np.ndarray, box: tuple[int, int, int, int], height_px: int) -> np.ndarray:
    x0, y0, x1, y1 = box
    return cv2.resize(image[y0:y1, x0:x1], (round(height_px * SHAPE), height_px), interpolation=cv2.INTER_AREA)


def main() -> None:
    """Parse, draw, write."""
    parser = argparse.ArgumentParser(description="Draw a driver beside the result as a short animated WebP.")
    parser.add_argument("pair", metavar="DRIVER-to-TARGET", help="pair whose video is there")
    parser.add_argument("--data", type=Path, default=Path("data"), metavar="FOLDER", help="where frames, keypoints, motions and videos are")
    parser.add_argument("--out", type=Path, required=True, metavar="OUT.webp", help="file to write")
    parser.add_argument("--height-px", type=int, default=360, help="height of the two views")
    parser.add_argument("--every", type=int, default=2, help="frames from one shown frame to the next")
    parser.add_argument("--most-kb", type=int, default=1000, help="largest size")
    args = parser.parse_args()
    if args.every < 1 or args.height_px < 16:
        raise InputError(f"--every must be at least 1 and --height-px 16, found {args.every} and {args.height_px}.")
    require_suffix("--out", args.out, ".webp", "an animated WebP")
    write_moving_picture(args.out, moving_picture(args.data, args.pair, args.height_px, args.every, args.most_kb))


if __name__ == "__main__":
    run_door(main)
