"""What a data set holds, in this project's words: clips, targets and pairs as a block for params.yaml, and what is missing."""

import io
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from pipeline.errors import InputError
from pipeline.names import name_fault, pair_name
from pipeline.video.pictures import IMAGE_SUFFIXES

FEW_FRAMES = 300  # a target with fewer teaches little; said, not refused


@dataclass(frozen=True)
class Choices:
    """What every clip and target of a listing gets unless the data set says otherwise: values of params.yaml."""

    skeleton: str
    pose: str
    matte: str
    redetect: str


@dataclass(frozen=True)
class Clip:
    """A video file or folder of images; labels are imported keypoints; empty values are taken from Choices."""

    video: Path
    labels: Path | None = None
    skeleton: str = ""
    pose: str = ""
    matte: str = ""


@dataclass
class Listing:
    """Clips by name, pairs as (driver, target) → remark, and in words what is missing and what to know.

    Every target gets the pair with itself: the self reconstruction of §4.2; the other pairs are the cross imitation.
    """

    clips: dict[str, Clip] = field(default_factory=dict)
    pairs: dict[tuple[str, str], str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add_target(self, name: str, remark: str = "") -> None:
        """Add the pair of a target with itself; a remark already there stays."""
        self.pairs[name, name] = self.pairs.get((name, name)) or remark

    def add_pair(self, driver: str, target: str, remark: str = "") -> None:
        """Add a pair, and the target's with itself."""
        self.add_target(target)
        if driver != target:
            self.pairs[driver, target] = remark

    def only(self, targets: Iterable[str]) -> "Listing":
        """The same for these targets and their drivers."""
        kept = {pair: remark for pair, remark in self.pairs.items() if pair[1] in set(targets)}
        return Listing({n: c for n, c in self.clips.items() if any(n in pair for pair in kept)}, kept, self.missing, self.notes)

    def require_names(self) -> None:
        """InputError for a clip whose name may not stand in params.yaml."""
        for name in dict.fromkeys([*self.clips, *(name for pair in self.pairs for name in pair)]):
            if fault := name_fault(name):
                raise InputError(f"clip {name!a} {fault}.")

    def require_clips(self) -> None:
        """Note as missing whatever a pair names and is not there, leave such pairs out, and say which targets are short."""
        lost = {name for pair in self.pairs for name in pair if name not in self.clips or not self.clips[name].video.exists()}
        self.missing += [f"clip {name}" + (f" ({self.clips[name].video})" if name in self.clips else "") for name in sorted(lost)]
        self.pairs = {pair: remark for pair, remark in self.pairs.items() if not lost & set(pair)}
        self.clips = {name: clip for name, clip in self.clips.items() if any(name in pair for pair in self.pairs)}
        for name in dict.fromkeys(target for _, target in self.pairs):
            frames = count_images(self.clips[name].video)
            if frames is not None and frames < FEW_FRAMES:
                self.notes.append(f"target {name} has {frames} frames: few to learn a person from")

    def text(self, choices: Choices) -> str:
        """The block for params.yaml; notes are comments at its head, remarks stand behind their pairs."""
        clips = {name: _clip(clip, choices) for name, clip in self.clips.items()}
        targets = {name: _target(name, self.clips[name], choices) for name in dict.fromkeys(target for _, target in self.pairs)}
        lines = [*(f"# {note}" for note in self.notes), "demo: []", *_block("clips", clips), *_block("targets", targets), "pairs:"]
        for (driver, target), remark in self.pairs.items():
            motion = {"method": "none"} if driver == target else {}
            pair = {"driver": driver, "target": target, "redetect": choices.redetect, "motion": motion}
            lines.append(_entry(pair_name(driver, target), pair) + (f" # {remark}" if remark else ""))
        return "\n".join(lines) + "\n"


def clip_name(data_set: str, relative: str) -> str:
    """A name for a clip from its path in the data set: letters, digits and underscores, never a number by itself."""
    return re.sub(r"\W+", "_", f"{data_set}_{relative}").strip("_")


def count_images(path: Path) -> int | None:
    """Images of a folder; None for a video file."""
    return sum(p.suffix.lower() in IMAGE_SUFFIXES for p in path.iterdir()) if path.is_dir() else None


def folders_of_images(root: Path) -> list[Path]:
    """All folders under a root that hold images themselves, sorted by path."""
    return sorted({p.parent for p in root.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES})


def _clip(clip: Clip, choices: Choices) -> dict[str, Any]:
    return {
        "video": clip.video.as_posix(),
        "labels": (clip.labels or clip.video).as_posix(),
        "skeleton": clip.skeleton or choices.skeleton,
        "pose": clip.pose or choices.pose,
        "refiner": "none",
        "select": "auto",
    }


def _target(name: str, clip: Clip, choices: Choices) -> dict[str, Any]:
    dicts: dict[str, Any] = {name: {} for name in ("matting", "crop", "reference", "appearance", "face", "refine")}
    return {"clip": name, "matte": clip.matte or choices.matte, **dicts}


def _block(kind: str, entries: dict[str, dict[str, Any]]) -> list[str]:
    return [f"{kind}:", *(_entry(name, values) for name, values in entries.items())]


def _entry(name: str, values: dict[str, Any]) -> str:
    """One entry on one line, quoted where YAML needs it."""
    yaml, out = YAML(typ="safe", pure=True), io.StringIO()
    yaml.default_flow_style, yaml.width = True, 10_000
    yaml.representer.sort_base_mapping_type_on_output = False  # pyright: ignore[reportAttributeAccessIssue]
    yaml.dump({name: values}, out)
    return "  " + out.getvalue().strip()[1:-1]
