"""A skeleton as data: named joints, a tree of limbs, mirror pairs, roles, regions and face vectors."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pipeline.errors import InputError

REGION_KINDS = ("face", "hand", "foot")


@dataclass(frozen=True)
class Limb:
    """A limb from parent to child joint; colour is RGB 0..255, width relative to a body limb, drawn says whether pose maps show it."""

    parent: str
    child: str
    colour: tuple[int, int, int]
    width: float
    drawn: bool


@dataclass(frozen=True)
class Region:
    """A body part that gets its own local generator: its joints, and the limb (base → tip) beyond whose tip it lies."""

    name: str
    kind: str
    joints: tuple[str, ...]
    limb: tuple[str, str] | None


@dataclass(frozen=True)
class Skeleton:
    """Joints in table order; limbs form one tree over all of them, rooted at `root` and listed parents first."""

    name: str
    joints: tuple[str, ...]
    root: str
    limbs: tuple[Limb, ...]
    mirror: tuple[tuple[str, str], ...]
    roles: dict[str, tuple[str, ...]]
    regions: tuple[Region, ...]
    face_vectors: tuple[tuple[str, str], ...]

    def index(self, joint: str) -> int:
        """Position of a joint by name; InputError names the legal ones."""
        if joint not in self.joints:
            raise InputError(f"Skeleton {self.name} has no joint {joint!r}; it has: {', '.join(self.joints)}.")
        return self.joints.index(joint)

    def indices(self, role: str) -> list[int]:
        """Positions of the joints that play a role; empty when the skeleton has none."""
        return [self.joints.index(joint) for joint in self.roles.get(role, ())]

    def limb_indices(self, drawn_only: bool = False) -> list[tuple[int, int]]:
        """(parent, child) positions of the limbs, parents first."""
        position = {joint: i for i, joint in enumerate(self.joints)}
        return [(position[limb.parent], position[limb.child]) for limb in self.limbs if limb.drawn or not drawn_only]

    def children(self) -> list[list[int]]:
        """Positions of the joints that hang on each joint, in the order of the limbs."""
        found: list[list[int]] = [[] for _ in self.joints]
        for parent, child in self.limb_indices():
            found[parent].append(child)
        return found

    def trunk_pairs(self) -> list[tuple[int, int]]:
        """Positions of the mirror pairs (left, right) that hang on the root: shoulders and hips of a person."""
        near = self.children()[self.index(self.root)]
        pairs = [(self.index(left), self.index(right)) for left, right in self.mirror]
        return [pair for pair in pairs if set(pair) <= set(near)]

    @property
    def face(self) -> Region | None:
        """The face's region; None where the skeleton has none."""
        return next((region for region in self.regions if region.kind == "face"), None)

    def hands(self) -> list[list[int]]:
        """By hand the positions of its joints beyond the wrist: palm, thumb and fingers."""
        found = [region for region in self.regions if region.kind == "hand"]
        return [[self.index(joint) for joint in region.joints if joint not in (region.limb or ())] for region in found]

    def fingers(self) -> set[int]:
        """Positions of the hands' joints that hang on another one of the same hand: all but wrists and knuckles."""
        hands = [set(hand) for hand in self.hands()]
        return {child for parent, child in self.limb_indices() if any({parent, child} <= hand for hand in hands)}

    def to_json(self) -> str:
        """Canonical JSON, stored with every table that uses the skeleton."""
        return json.dumps(asdict(self), sort_keys=True)

    @staticmethod
    def from_json(text: str) -> "Skeleton":
        """Inverse of to_json."""
        return _build(json.loads(text), "skeleton")


def load_skeleton(path: str | os.PathLike[str]) -> Skeleton:
    """Read and check a skeleton file; InputError says what is wrong in it."""
    if not Path(path).is_file():
        raise InputError(f"{path} does not exist: name a skeleton of pipeline/skeletons, or add its file there.")
    try:
        tree = YAML(typ="safe", pure=True).load(Path(path).read_text(encoding="utf-8"))
    except (YAMLError, ValueError, RecursionError) as error:  # bytes that are no text, and dates that are none, are ValueErrors
        raise InputError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None
    return _build(tree, str(path))


def _build(tree: Any, where: str) -> Skeleton:
    try:
        skeleton = Skeleton(
            name=tree["name"],
            joints=tuple(tree["joints"]),
            root=tree["root"],
            limbs=tuple(_limb(limb) for limb in tree["limbs"]),
            mirror=tuple((left, right) for left, right in tree["mirror"]),
            roles={role: tuple(joints) for role, joints in tree["roles"].items()},
            regions=tuple(_region(region) for region in tree["regions"]),
            face_vectors=tuple((start, end) for start, end in tree["face_vectors"]),
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{where} is not a skeleton: {error!r}; see pipeline/skeletons/human.yaml for the keys.") from None
    _check(skeleton, where)
    return skeleton


def _limb(limb: dict[str, Any]) -> Limb:
    r, g, b = limb["colour"]
    return Limb(limb["parent"], limb["child"], (int(r), int(g), int(b)), float(limb["width"]), bool(limb["drawn"]))


def _region(region: dict[str, Any]) -> Region:
    limb = region["limb"]
    return Region(region["name"], region["kind"], tuple(region["joints"]), None if limb is None else (limb[0], limb[1]))


def _check(skeleton: Skeleton, where: str) -> None:
    known = set(skeleton.joints)
    if len(known) != len(skeleton.joints):
        raise InputError(f"{where}: a joint is listed twice.")
    named = {skeleton.root, *(j for pair in (*skeleton.mirror, *skeleton.face_vectors) for j in pair)}
    named |= {j for joints in skeleton.roles.values() for j in joints} | {j for r in skeleton.regions for j in r.joints}
    named |= {j for r in skeleton.regions if r.limb for j in r.limb} | {j for b in skeleton.limbs for j in (b.parent, b.child)}
    if named - known:
        raise InputError(f"{where} names joints that are not in its list: {', '.join(sorted(named - known))}.")
    for region in skeleton.regions:
        if region.kind not in REGION_KINDS:
            raise InputError(f"{where}: region {region.name} has kind {region.kind!r}; legal: {', '.join(REGION_KINDS)}.")
    reached = {skeleton.root}
    for limb in skeleton.limbs:
        if limb.parent not in reached or limb.child in reached:
            raise InputError(f"{where}: limb {limb.parent} → {limb.child} does not continue the tree; list parents first, each joint once.")
        reached.add(limb.child)
    if reached != known:
        raise InputError(f"{where}: no limb leads to {', '.join(sorted(known - reached))}.")
