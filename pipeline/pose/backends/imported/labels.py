"""Labels as a file holds them, and how they are brought into a clip's frames and a skeleton's joints."""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.errors import InputError
from pipeline.names import natural_key

ROBOFLOW = re.compile(r"(_(png|jpe?g|bmp|tiff?|webp|avif|heic))?\.rf\.\w+$", re.IGNORECASE)
MOST_BYTES = 4 * 2**30  # of labels in memory
FARTHEST_PX = 1e6  # no picture is so large; further out, a number is no pixel
LABEL_STUDIO = re.compile(r"^(?=\d*[a-f])[0-9a-f]{8}-(?=.)")


@dataclass(frozen=True)
class Labels:
    """Points (n p j 2) float64 full pixels, NaN = missing, and score (n p j) in 0..1 of the joints `names`, in n labelled frames.

    rows names those frames: by their numbers in the video, or by the file names of their pictures. followed says that a
    person keeps its place p throughout; otherwise p only counts the people of a frame.
    """

    names: list[str]
    points: np.ndarray
    score: np.ndarray
    rows: Sequence[int] | Sequence[str]
    followed: bool


@dataclass(frozen=True)
class Clip:
    """What labels are matched to: the clip's length, the names of its pictures when it is a folder, and its own file name.

    first is the frame of the video that a clip with a span begins with, None without one: labels count the video's frames.
    """

    frames: int
    images: list[str] | None
    source: str
    first: int | None

    def require_every_frame(self, path: Path, labelled: int) -> None:
        """InputError unless a table with a pose for each frame of the video fits the clip."""
        last = (self.first or 0) + self.frames - 1
        if labelled <= last or (self.first is None and labelled > self.frames):
            whole = f"found {labelled} for {self.frames} frames"
            part = f"found {labelled}, of which the clip's span takes {self.first} to {last}"
            raise InputError(
                f"{path} must have one pose a frame of the video, {whole if self.first is None else part}; "
                "label all frames, with NaN where the subject is not"
            )


def require_room(path: Path, shape: tuple[int, ...]) -> None:
    """InputError unless an array of frames, people and joints can be held: each track of a fragmented file takes a place in every frame."""
    needed = int(np.prod(shape, dtype=np.float64)) * 3 * 8
    if needed > MOST_BYTES:
        raise InputError(
            f"{path} must be small enough to be held, found {shape[1]} people or tracks in {shape[0]} frames, {needed / 1e9:.0f} GB: "
            "export the subject's track alone"
        )


def match_frames(path: Path, labels: Labels, clip: Clip) -> tuple[np.ndarray, np.ndarray, int]:
    """Return points (t p j 2) and score (t p j) of all frames of the clip, and how many are labelled; the others show nobody.

    Rows with numbers stand for those frames. Rows with file names stand for the pictures of a folder; of a video, for the
    frames that the one number differing between their names counts, or, when there is a row for each frame, for the frames
    in natural order. With a span numbers are those of the video, and rows outside are left out. InputError when a row fits
    no frame or two fit one.
    """
    # Which frame of the clip each row is for; None outside its span.
    wanted = _frames_of_names(path, [str(row) for row in labels.rows], clip) if _named(labels.rows) else [int(row) for row in labels.rows]
    if clip.first is not None:
        if clip.images is None or not _named(labels.rows):
            wanted = [None if t is None else t - clip.first for t in wanted]
        wanted = [t if t is not None and 0 <= t < clip.frames else None for t in wanted]
        if all(t is None for t in wanted):
            which = f"{clip.first} to {clip.first + clip.frames - 1} of the video"
            raise InputError(f"{path} must label frames of the clip, {which}, found none of them; correct the clip's span")
    # Labels of another clip, double rows and pixels of no picture are refused.
    outside = [(t, row) for t, row in zip(wanted, labels.rows, strict=True) if t is not None and not 0 <= t < clip.frames]
    if outside:
        row = f" ({outside[0][1]})" if str(outside[0][1]) != str(outside[0][0]) else ""
        found = f"found {len(labels.rows)} for {clip.frames} frames, one of them for frame {outside[0][0]}{row}"
        count = f"counted from 0, the last frame is {clip.frames - 1}"
        raise InputError(f"{path} must have at most one pose a frame, {found}; {count}: label this very clip or cut the video")
    known = [t for t in wanted if t is not None]
    if len(set(known)) < len(known):
        twice = next(t for t, count in Counter(known).items() if count > 1)
        raise InputError(f"{path} must have at most one row a frame, found frame {twice} twice; take one of them out")
    wild = labels.points[np.isfinite(labels.points) & (np.abs(labels.points) > FARTHEST_PX)]
    if len(wild):
        raise InputError(f"{path} must give pixels of the clip's frames, found {wild[0]:g}; correct it, or leave the point out")
    # Frames without a row show nobody.
    require_room(path, (clip.frames, *labels.points.shape[1:3]))
    points = np.full((clip.frames, *labels.points.shape[1:]), np.nan)
    score = np.zeros((clip.frames, *labels.score.shape[1:]))
    there = [row for row, t in enumerate(wanted) if t is not None]
    points[known], score[known] = labels.points[there], labels.score[there]
    return points, score, len(known)


def _named(rows: Sequence[int] | Sequence[str]) -> bool:
    return any(isinstance(row, str) for row in rows)


def _frames_of_names(path: Path, rows: list[str], clip: Clip) -> list[int | None]:
    """The frame of each row; None for a picture that is not the clip's."""
    files = [composed(row.replace("\\", "/").rsplit("/", 1)[-1]) for row in rows]
    if clip.images is not None:
        place = {composed(Path(image).name): t for t, image in enumerate(clip.images)}
        place = {**{Path(name).stem: t for name, t in place.items()}, **place}  # some formats name pictures without suffix
        wanted = [place.get(file, place.get(picture_name(file))) for file in files]
        if all(t is None for t in wanted):
            found = f"{clip.images[0]} … against {rows[0]} …"
            raise InputError(f"{path} must label the clip's images, found none of them in it ({found}); name the right file")
        return wanted
    if len(rows) == clip.frames and clip.first is None:  # as many pictures as frames: the video was made of them
        order = sorted(range(len(rows)), key=lambda row: natural_key(picture_name(files[row])))
        place = {row: t for t, row in enumerate(order)}
        return [place[row] for row in range(len(rows))]
    return list(frame_numbers(path, files))


def composed(name: str) -> str:
    """The name with its accents in one form: macOS writes é in two characters, others in one."""
    return unicodedata.normalize("NFC", name)


def picture_name(name: str) -> str:
    """Return a picture's own name without folder, suffix and what labelling tools add to it.

    Roboflow's frame_0003_png.rf.<hash>.jpg and Label Studio's <hash>-frame_0003.png are frame_0003.
    """
    bare = re.sub(r"\.[A-Za-z]\w{1,4}$", "", name.replace("\\", "/").rsplit("/", 1)[-1])
    return LABEL_STUDIO.sub("", ROBOFLOW.sub("", bare))


def frame_numbers(path: Path, names: list[str], example: str = "img0123.png") -> list[int]:
    """Return the frame that each file's name counts: the one number that differs between them, or a lone name's last.

    InputError when a name has no number, or when it cannot be told which one counts.
    """
    remedy = "rename them, or make the folder of pictures the clip"
    numbers = [re.findall(r"\d+", name) for name in map(picture_name, names)]
    if not all(numbers):
        bare = names[numbers.index([])]
        raise InputError(
            f"{path} must name its files by their frame's number ({example}), found {bare}; {remedy}"
        )
    alike = len({len(found) for found in numbers}) == 1
    columns = {tuple(map(int, column)) for column in zip(*numbers, strict=True)} if alike else set()
    differing = [column for column in columns if len(set(column)) > 1]
    if not alike or len(differing) > 1:
        other = next(name for name, found in zip(names, numbers, strict=True) if len(found) != len(numbers[0]) or found != numbers[0])
        raise InputError(
            f"{path} must name its files by one number that differs, their frame's ({example}), found {names[0]} and {other}, "
            f"which differ in more; {remedy}"
        )
    return list(differing[0]) if differing else [int(found[-1]) for found in numbers]


def match_joints(
    path: Path, names: list[str], points: np.ndarray, score: np.ndarray, joints: tuple[str, ...], joint_map: dict[str, str | None]
) -> tuple[np.ndarray, np.ndarray]:
    """Put joints in the skeleton's order by name, as joint_map renames them; those that the labels lack are NaN."""
    names, joints = [composed(name) for name in names], tuple(composed(joint) for joint in joints)
    joint_map = {composed(name): joint if joint is None else composed(joint) for name, joint in joint_map.items()}
    lacking = [name for name in joint_map if name not in names]
    if lacking:
        raise InputError(
            f"{path} has the joints {', '.join(names)}; joint_map names {', '.join(lacking)}, which it lacks: correct joint_map"
        )
    # Every label that is kept must be a joint, and no joint twice.
    renamed = [joint_map.get(name, name) for name in names]
    unknown = [name for name, joint in zip(names, renamed, strict=True) if joint is not None and joint not in joints]
    known = [joint for joint in renamed if joint is not None]
    if unknown or not known or len(set(known)) < len(known):
        reason = f"{', '.join(unknown)} are not joints of the skeleton" if unknown else "no joint, or one twice, is left"
        raise InputError(
            f"{path} has the joints {', '.join(names)}; the skeleton has {', '.join(joints)}: {reason}. "
            "Rename in the clip's joint_map (null leaves a joint out)"
        )
    shape = (*points.shape[:2], len(joints))
    ordered, ordered_score = np.full((*shape, 2), np.nan), np.zeros(shape)
    for column, joint in enumerate(renamed):
        if joint is not None:
            ordered[:, :, joints.index(joint)], ordered_score[:, :, joints.index(joint)] = points[:, :, column], score[:, :, column]
    seen = np.isfinite(ordered[..., 0]) & np.isfinite(ordered[..., 1])
    return np.where(seen[..., None], ordered, np.nan), np.where(seen, np.clip(np.nan_to_num(ordered_score), 0.0, 1.0), 0.0)
