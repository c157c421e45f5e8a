"""A skeleton as data: named joints, a tree of limbs, mirror pairs, roles, regions and face vectors."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pipeline.errors import InputError
from pipeline.params import said

REGION_KINDS = ("face", "hand", "foot")
Name = Annotated[str, Field(min_length=1, max_length=80)]
Level = Annotated[int, Field(ge=0, le=255)]
Pair = tuple[Name, Name]
STRICT = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True)
class Limb:
    """A limb from parent to child joint; colour is RGB 0..255, width relative to a body limb, drawn says whether pose maps show it."""

    __pydantic_config__ = STRICT

    parent: Name
    child: Name
    colour: tuple[Level, Level, Level]
    width: Annotated[float, Field(gt=0, le=100)]
    drawn: bool


@dataclass(frozen=True)
class Region:
    """A body part that gets its own local generator: its joints, and the limb (base → tip) beyond whose tip it lies."""

    __pydantic_config__ = STRICT

    name: Annotated[str, Field(pattern=r"^\w[\w-]{0,79}$")]
    kind: str
    joints: tuple[Name, ...]
    limb: Pair | None


@dataclass(frozen=True)
class Skeleton:
    """Joints in table order; limbs form one tree over all of them, rooted at `root` and listed parents first."""

    __pydantic_config__ = STRICT

    name: Name
    joints: tuple[Name, ...]
    root: Name
    limbs: tuple[Limb, ...]
    mirror: tuple[Pair, ...]
    roles: dict[str, tuple[Name, ...]]
    regions: tuple[Region, ...]
    face_vectors: tuple[Pair, ...]

    def __hash__(self) -> int:
        return hash(self.name)  # what is worked out of a skeleton is kept, and its dict of roles has no hash

    def told_from(self, other: "Skeleton") -> str:
        """Its name, or that it is another version of a skeleton with this name."""
        same_name_alone = self.name == other.name and self != other
        return f"another version of {self.name}, which dvc repro makes anew" if same_name_alone else self.name

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

    def branches(self) -> list[list[int]]:
        """By joint its own position and those of all that hang on it, near or far."""
        found = [[joint] for joint in range(len(self.joints))]
        for parent, child in reversed(self.limb_indices()):
            found[parent] += found[child]
        return found

    def opposites(self) -> list[int]:
        """By joint the position of the same one of the other side; its own in the middle."""
        found = list(range(len(self.joints)))
        for left, right in self.mirror:
            a, b = self.index(left), self.index(right)
            found[a], found[b] = b, a
        return found

    def ends(self) -> list[list[int]]:
        """Ends of limbs: of each joint that hangs on a shoulder or hip, and is none itself, its branch where that has a limb.

        Forearm and hand, shank and foot of a person; none of a body without pairs of sides about its root.
        """
        children, branches = self.children(), self.branches()
        trunk = {self.index(self.root), *(joint for pair in self.trunk_pairs() for joint in pair)}
        bases = [child for joint in sorted(trunk - {self.index(self.root)}) for child in children[joint] if child not in trunk]
        return [branches[base] for base in bases if len(branches[base]) > 1]

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
    try:  # as JSON, whose arrays may become tuples
        skeleton = TypeAdapter(Skeleton).validate_json(json.dumps(tree))
    except (TypeError, ValueError, RecursionError) as error:
        what = _fault(error) if isinstance(error, ValidationError) else " ".join(str(error).split())
        raise InputError(f"{where} is not a skeleton: {what}; see pipeline/skeletons/human.yaml for the keys.") from None
    _check(skeleton, where)
    return skeleton


def _fault(error: ValidationError) -> str:
    """The first fault, its place first."""
    first = error.errors()[0]
    place = ".".join(map(str, first["loc"])) or "the file"
    fault = said(first["msg"])
    return f"{place}: {fault}" if first["type"] == "missing" else f"{place} is {first['input']!r}: {fault}"


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
