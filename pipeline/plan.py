"""One stage of dvc.yaml, resolved for its item: what it depends on and the values of params.yaml that it declares."""

import functools
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from ruamel.yaml import YAML

MISSING = "(missing)"
MOST_VALUES = 1_000_000  # aliases make a text of a few lines as large as one likes
PLACEHOLDER = re.compile(r"\$\{([^}]+)\}")


class Resolved(NamedTuple):
    """Paths that a stage depends on, its own code among them, and its params: value by dotted key, MISSING where there is none."""

    deps: list[str]
    params: dict[str, Any]


@functools.lru_cache(maxsize=4)
def parsed(text: str) -> Any:
    """A YAML text as plain values, parsed once for all readers: nobody may change them.

    ValueError for aliases that lead into themselves, or that make far more of the text than anybody can read.
    """
    tree = YAML(typ="safe", pure=True).load(text)
    if "*" in text:
        _weigh(tree, {})
    return tree


def _weigh(node: Any, known: dict[int, int | None]) -> int:
    """How many values a node is when it is written out."""
    if not isinstance(node, (Mapping, list)):
        return 1
    if id(node) not in known:
        known[id(node)] = None
        known[id(node)] = 1 + sum(_weigh(value, known) for value in (node.values() if isinstance(node, Mapping) else node))
    weight = known[id(node)]
    if weight is None or weight > MOST_VALUES:
        what = "leads into itself" if weight is None else f"makes more than {MOST_VALUES:,} values"
        raise ValueError(f"an alias (*) {what}: write out what is meant")
    return weight


def resolve_stage(address: str, plan: str, params: str) -> Resolved:
    """The stage that DVC calls `address` (train_appearance@man), by the texts of dvc.yaml and params.yaml.

    KeyError when there is no such stage or item.
    """
    name, _, key = address.rpartition(":")[2].partition("@")
    tree = parsed(params)
    entry = _entry(plan, name)
    known: dict[str, Any] = {}
    if "foreach" in entry:
        items = value_at(tree, entry["foreach"].strip("${} "))
        if isinstance(items, Mapping):
            known = {"key": key, "item": items[key]}
        else:
            known = {"item": next((item for item in items if str(item) == key), MISSING)}
        entry = entry["do"]

    def fill(text: str) -> str:
        return PLACEHOLDER.sub(lambda match: str(value_at({**tree, **known}, match[1].strip())), text)

    return Resolved([fill(dep) for dep in entry.get("deps", [])], values_of(map(fill, entry.get("params", [])), params))


def values_of(keys: Any, params: str) -> dict[str, Any]:
    """Value by dotted key of a params file's text, MISSING where there is none."""
    tree = parsed(params)
    return {key: value_at(tree, key) for key in keys}


def value_at(tree: Any, key: str) -> Any:
    """The value under a dotted key, MISSING where there is none."""
    for part in key.split("."):
        if not isinstance(tree, Mapping) or part not in tree:
            return MISSING
        tree = tree[part]
    return tree


def _entry(plan: str, name: str) -> dict[str, Any]:
    """One stage's entry; only its lines are parsed, which takes a tenth of the time of them all."""
    match = re.search(rf"^  {re.escape(name)}:\n(?:(?:    .*| *)\n)*", plan, re.MULTILINE)
    return parsed(match[0])[name] if match else parsed(plan)["stages"][name]
