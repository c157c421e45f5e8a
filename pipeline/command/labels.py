"""What can be known to be wrong of imported labels, and of networks that only see people, before a stage opens a file."""

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pipeline.body.skeleton import Skeleton, load_skeleton
from pipeline.check.choices import PIPELINE, there_are
from pipeline.errors import InputError
from pipeline.pose.backends.imported import SUFFIXES

SEE_PEOPLE = ("blazepose", "openpose", "rvm", "maskrcnn", "maskrcnn_v2", "detectron2")
OF_PEOPLE = ("hips", "shoulders")  # roles, without either of which a skeleton is none of a person


def label_faults(tree: Mapping[str, Any]) -> Iterator[str]:
    """Complaints about clips with imported keypoints: what they are read from, and the names of their joints."""
    for name, clip in _entries(tree, "clips"):
        labels, names, renamed = clip.get("labels"), clip.get("joint_names"), clip.get("joint_map", {})
        if clip.get("pose") != "imported" or not isinstance(labels, str) or not isinstance(renamed, Mapping):
            continue
        place, suffix = f"clips.{name}", Path(labels).suffix.lower()
        if suffix not in SUFFIXES and not Path(labels).is_dir():
            repeats = ", the video itself" if labels == clip.get("video") else ""
            yield f"{place}.labels is {labels}{repeats}; pose imported reads {', '.join(SUFFIXES)} or a folder: name the labels"
        if (suffix == ".npy") != (names is not None):
            remedy = "add it" if suffix == ".npy" else "take it out"
            yield f"{place}.joint_names names the joints of an .npy array, and of nothing else: {remedy}"
        if (skeleton := _skeleton(clip)) is not None:
            yield from _joint_faults(place, skeleton, names if isinstance(names, list) else [], renamed)


def people_faults(tree: Mapping[str, Any]) -> Iterator[str]:
    """Complaints about networks that see people where the skeleton is of something else."""
    clips = dict(_entries(tree, "clips"))
    for kind, key, of, instead in (
        ("clips", "pose", None, "imported"),
        ("targets", "matte", None, "background_difference"),
        ("footage", "matte", None, "background_difference"),
        ("pairs", "redetect", "target", "none"),
    ):
        for name, entry in _entries(tree, kind):
            clip = clips.get(str(entry.get(of)) if of else name, {})
            skeleton = _skeleton(clip)
            if entry.get(key) in SEE_PEOPLE and skeleton is not None and not any(map(skeleton.indices, OF_PEOPLE)):
                lacks = " and ".join(OF_PEOPLE)
                yield f"{kind}.{name}.{key} is {entry[key]}, which sees people, and skeleton {skeleton.name} has no {lacks}: set {instead}"


def _joint_faults(place: str, skeleton: Skeleton, names: list[Any], renamed: Mapping[Any, Any]) -> Iterator[str]:
    kept = [renamed.get(name, name) for name in names] if names else list(renamed.values())
    for joint in dict.fromkeys(joint for joint in kept if isinstance(joint, str) and joint not in skeleton.joints):
        where = "joint_map" if joint in renamed.values() else "joint_names"
        yield f"{place}.{where} has {joint}, which is no joint of skeleton {skeleton.name}; it has {there_are(skeleton.joints, joint)}"
    for joint, count in Counter(joint for joint in kept if isinstance(joint, str)).items():
        if count > 1:
            yield f"{place} names {count} labels {joint}: joint_map must leave one, null leaves a label out"
    for name in (name for name in renamed if names and name not in names):
        yield f"{place}.joint_map renames {name}, which joint_names has not; it has {there_are(list(map(str, names)), name)}"


def _skeleton(clip: Mapping[str, Any]) -> Skeleton | None:
    """The skeleton of a clip, None where there is none that can be read: that is said elsewhere, or by the stage."""
    try:
        return load_skeleton(PIPELINE / "skeletons" / f"{clip.get('skeleton')}.yaml")
    except InputError:
        return None


def _entries(tree: Mapping[str, Any], kind: str) -> list[tuple[str, Mapping[str, Any]]]:
    section = tree.get(kind)
    return [(str(name), entry) for name, entry in section.items() if isinstance(entry, Mapping)] if isinstance(section, Mapping) else []
