"""Which artifacts belong together: those of one clip are alike in length and size, those of one motion bear its digest."""

from collections.abc import Mapping
from typing import Any, Protocol

from pipeline.artifacts.keypoints import Track
from pipeline.artifacts.source import Source
from pipeline.errors import InputError
from pipeline.training.digests import digest_arrays

MOTION = "motion_sha256"
REMEDY = "Run: dvc repro generate_foreground enhance_faces refine_regions"


class Lasting(Protocol):
    """An artifact with something for every frame of a clip or motion."""

    @property
    def source(self) -> Source: ...

    def __len__(self) -> int: ...


class Full(Lasting, Protocol):
    """The same, in full px."""

    @property
    def size_hw(self) -> tuple[int, int]: ...


def require_same_length(first: Lasting, *others: Lasting) -> None:
    """InputError unless all artifacts have as many frames as the first."""
    for other in others:
        if len(other) != len(first):
            raise InputError(f"{other.source} has {len(other)} frames, {first.source} has {len(first)}. {other.source.remedy}")


def require_same_size(first: Full, *others: Full) -> None:
    """InputError unless all artifacts belong to frames of the first one's size."""
    for other in others:
        if other.size_hw != first.size_hw:
            found = f"{other.source} is for frames of {other.size_hw}, {first.source} has {first.size_hw} (h, w)"
            raise InputError(f"{found}. {other.source.remedy}")


def require_same_clip(first: Full, *others: Full) -> None:
    """InputError unless all artifacts are of one clip: as many frames as the first, of its size."""
    require_same_length(first, *others)
    require_same_size(first, *others)


def of_motion(track: Track) -> dict[str, str]:
    """The attribute of what is made for a motion."""
    return {MOTION: digest_arrays([track.points, track.score])}


def passed_on(attributes: Mapping[str, Any]) -> dict[str, str]:
    """The same attribute, as another artifact has it; nothing where that one has none."""
    return {MOTION: str(attributes[MOTION])} if MOTION in attributes else {}


def require_one_motion(made: Mapping[str, Mapping[str, Any]]) -> None:
    """InputError unless all artifacts, their attributes given by the path or name that a user knows, were made for one motion."""
    first = next(iter(made))
    for name, attributes in made.items():
        if attributes.get(MOTION) != made[first].get(MOTION):
            found = "another pair's, or an earlier run's"
            raise InputError(f"{name} must be made for the same motion as {first}, found {found}. {REMEDY}")


def require_motion(name: str, attributes: Mapping[str, Any], motion: Track) -> None:
    """InputError unless an artifact that bears a motion's digest was made for this motion."""
    if MOTION in attributes and attributes[MOTION] != of_motion(motion)[MOTION]:
        raise InputError(f"{name} must be made for the motion that is given with it, found it made for another. {REMEDY}")
