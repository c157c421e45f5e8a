"""The videos of a SLEAP project: which of them the clip is, and what its frame numbers count.

Of a video frame_idx counts frames; of pictures, the places in the project's own list of them. A package (.pkg.slp) holds the
labelled frames themselves, in groups videoN, and says in videoN/source_video what they were taken from; its frame_idx goes on
counting that. This is how sleap-io 0.9 reads and writes them.
"""

import json
import re
from pathlib import Path
from typing import Any

from pipeline.errors import InputError
from pipeline.pose.backends.imported.hdf5 import text
from pipeline.pose.backends.imported.labels import composed

EMBEDDED = re.compile(r"^video(\d+)/")
SOURCES = ("source_video", "original_video")  # the latter of older packages


def find_video(path: Path, file: Any, source: str) -> tuple[int, list[str] | None]:
    """Return the number, in the table of frames, of the clip's video, and the names of its pictures, None for a video.

    It is the only one, or the only labelled one that is named like the clip's file (`source`); InputError otherwise.
    """
    videos = [json.loads(text(line)) for line in file["videos_json"][:]]
    labelled = {int(number) for number in file["frames"][:]["video"]}
    numbers = [_number(place, video, labelled) for place, video in enumerate(videos)]
    origins = [_origin(file, video) for video in videos]
    if len(videos) == 1:
        return (min(labelled) if labelled else 0), _pictures(origins[0])
    named = [_name(origin) for origin in origins]
    same = [place for place, name in enumerate(named) if composed(Path(name).stem) == composed(Path(source).stem)]
    same = [place for place in same if len(same) == 1 or numbers[place] in labelled]
    if len(same) != 1:
        raise InputError(
            f"{path} labels the videos {', '.join(named)}, found {len(same)} of them named like the clip ({source}); rename the clip's file"
        )
    return numbers[same[0]], _pictures(origins[same[0]])


def rows_of(path: Path, frames: list[int], pictures: list[str] | None) -> list[int] | list[str]:
    """Return frame numbers as they are, or the names of the pictures that they count; InputError beyond the list."""
    if pictures is None:
        return frames
    beyond = [frame for frame in frames if frame >= len(pictures)]
    if beyond:
        raise InputError(f"{path} must label the {len(pictures)} pictures in its list, found picture {beyond[0]}; export it again")
    return [pictures[frame] for frame in frames]


def _number(place: int, video: dict[str, Any], labelled: set[int]) -> int:
    """Packages number their videos by the groups' names, which may leave some out, other projects by place."""
    group = EMBEDDED.match(str((video.get("backend") or video).get("dataset") or ""))
    return int(group[1]) if group and int(group[1]) in labelled else place


def _origin(file: Any, video: dict[str, Any]) -> dict[str, Any]:
    """What an embedded video was taken from, through packages made of packages; else the video itself."""
    group = EMBEDDED.match(str((video.get("backend") or video).get("dataset") or ""))
    inner = file.get(group[0].rstrip("/")) if group else None
    while inner is not None:
        inner = next((inner[name] for name in SOURCES if name in inner), None)
        if inner is not None and "json" in inner.attrs:
            video = json.loads(text(inner.attrs["json"]))
    return next((video[name] for name in SOURCES if isinstance(video.get(name), dict)), video)


def _pictures(video: dict[str, Any]) -> list[str] | None:
    backend = video.get("backend") or {}
    lists = (video.get("filename"), backend.get("filename"), backend.get("filenames"), video.get("filenames"))
    return next(([str(name) for name in names] for names in lists if isinstance(names, list) and names), None)


def _name(video: dict[str, Any]) -> str:
    """A video's file name, or the name of the folder of its pictures."""
    pictures = _pictures(video)
    if pictures is not None:
        return pictures[0].replace("\\", "/").rsplit("/", 2)[-2] if "/" in pictures[0].replace("\\", "/") else pictures[0]
    name = video.get("filename") or (video.get("backend") or {}).get("filename") or ""
    return str(name).replace("\\", "/").rsplit("/", 1)[-1]
