"""Which artifacts belong together: what is made for a motion bears its digest, so that another pair's of equal length is refused."""

from collections.abc import Mapping
from typing import Any

from pipeline.artifacts.keypoints import Track
from pipeline.errors import InputError
from pipeline.training.digests import digest_arrays

MOTION = "motion_sha256"
REMEDY = "Run: dvc repro generate_foreground enhance_faces refine_regions"


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
