"""Lists of experiments: YAML files beside this one, checked against params.yaml before anything is queued."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydantic
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pipeline.errors import InputError

HERE = Path(__file__).resolve().parent
SEEDED = ("appearance.seed", "refine.seed")
NAME = re.compile(r"[a-z0-9_]+")


class _Strict(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)


class Row(_Strict):
    """One row: what it changes. `paper` names the paper's tables, `preset` an entry of presets.yaml, `against` another row."""

    doc: str
    paper: str | None = None
    set: dict[str, Any] = {}
    preset: str | None = None
    against: str | None = None


class ExperimentList(_Strict):
    """A file of pipeline/experiments; ablations.yaml tells the keys."""

    question: str
    target: str
    stage: str
    base: dict[str, Any]
    seeds: list[int] = pydantic.Field(min_length=1)
    metrics: list[str] = pydantic.Field(min_length=1)
    reference: str
    baselines: list[str]
    rows: dict[str, Row] = pydantic.Field(min_length=1)

    @pydantic.model_validator(mode="after")
    def _rows_refer_to_rows(self) -> "ExperimentList":
        for place, name in [("reference", self.reference), *((f"rows.{n}.against", r.against) for n, r in self.rows.items())]:
            if name is not None and name not in self.rows:
                raise ValueError(f"{place} is {name!r}, no row has that name")
        for name in [*self.rows, *self.baselines]:
            if not NAME.fullmatch(name):
                raise ValueError(f"rows.{name}: a name is made of a-z, 0-9 and _")
        if len(set(self.seeds)) < len(self.seeds) or set(self.baselines) & set(self.rows):
            raise ValueError("seeds and names must differ from each other")
        return self

    def reference_of(self, row: str) -> str:
        """The row that a row (or a baseline) is compared with."""
        return (self.rows[row].against if row in self.rows else None) or self.reference


@dataclass(frozen=True)
class Experiment:
    """One row at one seed. set: values of keys that exist; added: values of a target's or pair's dicts, which may be new there."""

    name: str
    row: str
    seed: int
    stage: str
    set: Mapping[str, Any]
    added: Mapping[str, Any]


def list_names(folder: Path = HERE) -> list[str]:
    """Names of the lists that are there."""
    return sorted(path.stem for path in folder.glob("*.yaml") if path.stem != "presets")


def read_list(name: str, folder: Path = HERE) -> ExperimentList:
    """Read a list; InputError names the file, the key and what is legal."""
    if name not in list_names(folder):
        raise InputError(f"no list of experiments is called {name}; there are: {', '.join(list_names(folder))}")
    path = folder / f"{name}.yaml"
    try:
        return ExperimentList.model_validate(_tree(path))
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        raise InputError(f"{path}: {'.'.join(map(str, first['loc'])) or 'the list'}: {first['msg']}") from None


def changed(listed: ExperimentList, target: str | None, seeds: list[int] | None, base: Sequence[str]) -> ExperimentList:
    """A list for another target, at other seeds, with values KEY=VALUE (read as YAML) in its base; InputError when one is illegal."""
    values = dict(listed.base)
    for word in base:
        key, equals, value = word.partition("=")
        if not equals:
            raise InputError(f"--set must be KEY=VALUE, found {word}")
        values[key] = YAML(typ="safe", pure=True).load(value)
    fields = {**listed.model_dump(), "target": target or listed.target, "seeds": seeds or listed.seeds, "base": values}
    try:
        return ExperimentList.model_validate(fields)
    except pydantic.ValidationError as error:
        raise InputError(f"--seeds: {error.errors()[0]['msg']}") from None


def experiments(name: str, listed: ExperimentList, params: Path, folder: Path = HERE) -> list[Experiment]:
    """All rows at all seeds, those first that others are compared with; InputError when params.yaml has no such key or target."""
    tree = _tree(params)
    _value(tree, f"targets.{listed.target}.clip", f"{folder / name}.yaml: target")
    first = {listed.reference: 0, **{row.against: 1 for row in listed.rows.values() if row.against}}
    order = sorted(listed.rows, key=lambda row: first.get(row, 2))
    return [_experiment(name, listed, row, seed, tree, folder) for row in order for seed in listed.seeds]


def _experiment(name: str, listed: ExperimentList, row: str, seed: int, params: Mapping[str, Any], folder: Path) -> Experiment:
    values = {**listed.base, **listed.rows[row].set, **dict.fromkeys(SEEDED, seed)}
    for key, value in values.items():
        _check(params, key, value, f"{folder / name}.yaml: rows.{row}")
    preset = listed.rows[row].preset
    added = _preset(preset, listed.target, params, folder) if preset else {}
    _require_free(params, listed.target, values, added, f"{folder / name}.yaml: rows.{row}")
    stage = listed.stage.format(target=listed.target)
    facts = json.dumps([stage, values, added], sort_keys=True)
    digest = hashlib.sha256(facts.encode()).hexdigest()[:6]
    return Experiment(f"{name}-{row}-s{seed}-{digest}", row, seed, stage, values, added)


def _preset(preset: str, target: str, params: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """A preset's values by their full keys: in the target's dicts, and in those of other drivers' pairs with it."""
    path = folder / "presets.yaml"
    presets = _tree(path)
    if preset not in presets:
        raise InputError(f"{path} has no preset {preset}; it has: {', '.join(presets)}")
    clip = params["targets"][target]["clip"]
    pairs = [name for name, pair in params["pairs"].items() if pair["target"] == target and pair["driver"] != clip]
    places = {f"targets.{target}": presets[preset]["target"], **{f"pairs.{pair}": presets[preset]["pair"] for pair in pairs}}
    added: dict[str, Any] = {}
    for place, tree in places.items():
        for key, value in _leaves(tree).items():
            _check(params, key, value, f"{path}: {preset}")  # as a section's key: the dicts hold only what differs
            added[f"{place}.{key}"] = value
    return added


def _check(params: Mapping[str, Any], key: str, value: Any, where: str) -> None:
    """InputError unless the key exists and neither it nor the value is a dict: `-S` merges dicts, so that keys would stay behind."""
    there = _value(params, key, where)
    if isinstance(there, dict) or isinstance(value, dict):
        raise InputError(f"{where}: {key} must be a single value, found {value!r} for {there!r}: name its keys one by one")


def _require_free(params: Mapping[str, Any], target: str, values: Mapping[str, Any], preset: Mapping[str, Any], where: str) -> None:
    """InputError when the target's own dicts, or a preset that goes over them, hold another value of a key: it would win."""
    own = _leaves(params["targets"][target])
    for key, value in values.items():
        place = f"targets.{target}.{key}"
        if preset.get(place, value) != value:
            raise InputError(f"{where}: {key} is set by the row's preset too, which would win; take it out of the row or the base")
        if own.get(key, value) != value:
            raise InputError(f"{where}: params.yaml has {place}, which would win over {key}; take it out there while experiments run")


def _value(tree: Mapping[str, Any], key: str, where: str) -> Any:
    """The value under a dotted key."""
    seen: list[str] = []
    node: Any = tree
    for part in key.split("."):
        if not isinstance(node, Mapping) or part not in node:
            legal = ", ".join(map(str, node)) if isinstance(node, Mapping) else "nothing"
            raise InputError(f"{where}: params.yaml has no {'.'.join([*seen, part])}; {'.'.join(seen) or 'it'} has: {legal}")
        seen.append(part)
        node = node[part]
    return node


def _leaves(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Values of nested mappings by dotted key."""
    found: dict[str, Any] = {}
    for key, value in tree.items():
        found |= _leaves(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return found


def _tree(path: Path) -> dict[str, Any]:
    """A YAML file of this folder; InputError when it is missing or not a mapping."""
    try:
        tree = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except (OSError, YAMLError) as error:
        raise InputError(f"{path} is not readable: {' '.join(str(error).split())}") from None
    if not isinstance(tree, dict):
        raise InputError(f"{path} must be a mapping")
    return tree
