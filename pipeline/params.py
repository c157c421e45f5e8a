"""params.yaml → frozen, strict models; the models themselves live beside each room's entry function."""

import os
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import pydantic
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from pipeline.errors import InputError
from pipeline.plan import parsed


class Section(pydantic.BaseModel):
    """Base of every params model: frozen, strict, no unknown keys; fields carry no defaults, since a default hides from DVC."""

    model_config = pydantic.ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)


S = TypeVar("S", bound=Section)
T = TypeVar("T", bool, int, str)
KINDS: dict[type, str] = {bool: "true or false", int: "a whole number", str: "text"}


def read_section(path: str | os.PathLike[str], key: str, model: type[S], override: str | None = None) -> S:
    """Read the dotted section `key` of a params file into `model`.

    `override` names a dict (possibly empty) that is merged deeply over the section: `targets.man.crop` over `crop`. For a part of
    a section, `reference.keep`, the dict of the whole section must be there (`targets.man.reference`), the part need not.
    An unknown, missing or mistyped key raises InputError with its full path and the legal values.
    """
    tree = read_all(path)
    values = _plain(_lookup(tree, key, path))
    over = _plain(_override(tree, key, override, path)) if override else {}
    if not isinstance(values, dict) or not isinstance(over, dict):
        raise InputError(f"{path}: {key if not isinstance(values, dict) else override} must be a mapping of keys to values.")
    merged = _merge(values, over)
    try:
        return model.model_validate(merged)
    except pydantic.ValidationError as error:
        raise InputError(_explain(path, key, override, over, merged, error, model)) from None


def read_value(path: str | os.PathLike[str], key: str, override: str | None = None) -> Any:
    """Return the plain value under a dotted key, or that of `override`, as read_section() has it; InputError when it is absent."""
    tree = read_all(path)
    value = _lookup(tree, key, path)
    over = _override(tree, key, override, path) if override else {}
    return _plain(value if over == {} else over)


def read_path(path: str | os.PathLike[str], key: str) -> Path:
    """Return the path that a user wrote under a dotted key; InputError when it is absent or no text."""
    value = read_value(path, key)
    if not isinstance(value, str) or not value:
        raise InputError(f"{path}: {key} must be a path as text, found {value!r}: put it in quotes.")
    return Path(value)


def read_as(path: str | os.PathLike[str], key: str, kind: type[T], override: str | None = None) -> T:
    """As read_value(), of a value that must be true or false (bool), a whole number (int) or text (str); InputError for another."""
    value = read_value(path, key, override)
    if type(value) is not kind:
        raise InputError(f"{path}: {key} must be {KINDS[kind]}, found {value!r}.")
    return value


def read_entries(path: str | os.PathLike[str], key: str, needed: tuple[str, ...]) -> dict[str, dict[str, str]]:
    """Return what the entries of a section (pairs, targets, external) say under the needed keys, by name; InputError unless it is text."""
    section = read_value(path, key)
    if not isinstance(section, dict):
        raise InputError(f"{path}: {key} must be a mapping of names to entries, {{}} for none, found {section!r}.")
    for name, entry in section.items():
        for wanted in needed:
            found = entry.get(wanted) if isinstance(entry, dict) else None
            if not isinstance(found, str):
                raise InputError(f"{path}: {key}.{name}.{wanted} must be text, found {found!r}; needed here: {', '.join(needed)}.")
    return {name: {wanted: entry[wanted] for wanted in needed} for name, entry in section.items()}


def read_all(path: str | os.PathLike[str]) -> Any:
    """Return the whole file as YAML reads it, keys that are no text included; InputError when it is missing or no YAML."""
    if not Path(path).is_file():
        raise InputError(f"{path} does not exist: run from the project's root, or name the file with --params.")
    try:
        return parsed(Path(path).read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not valid YAML: it must be text in UTF-8, found other bytes ({error}): save it as UTF-8.") from None
    except (YAMLError, ValueError, RecursionError) as error:  # a date that is none is a ValueError
        raise InputError(f"{path} is not valid YAML: {yaml_fault(error)}.") from None


def yaml_fault(error: Exception) -> str:
    """What is wrong with a YAML text, and where, in one line."""
    mark = error.problem_mark if isinstance(error, MarkedYAMLError) else None
    if not isinstance(error, MarkedYAMLError) or mark is None or not error.problem:
        return " ".join(str(error).split()).rstrip(".")
    hint = ", which is a tab: indent by spaces" if "'\\t'" in error.problem else ": correct it there"
    return f"{' '.join(error.problem.split())} in line {mark.line + 1}, column {mark.column + 1}{hint}"


def _lookup(tree: Any, key: str, path: str | os.PathLike[str]) -> Any:
    seen = []
    for part in key.split("."):
        if not isinstance(tree, Mapping) or part not in tree:
            legal = ", ".join(map(str, tree)) if isinstance(tree, Mapping) else "nothing"
            raise InputError(f"{path}: {'.'.join([*seen, part])} is missing; {'.'.join(seen) or 'the file'} has: {legal}.")
        seen.append(part)
        tree = tree[part]
    return tree


def _override(tree: Any, key: str, override: str, path: str | os.PathLike[str]) -> Any:
    """What an override says of a key: {} where its section's dict leaves the key out."""
    parts = len(key.split(".")) - 1
    section, *rest = override.rsplit(".", parts)
    found = _lookup(tree, section, path)
    for part in rest:
        found = found.get(part, {}) if isinstance(found, Mapping) else found
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    return [_plain(v) for v in value] if isinstance(value, list) else value


def _merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merge(merged[key], value) if both else value
    return merged


def _explain(
    path: str | os.PathLike[str],
    key: str,
    override: str | None,
    over: dict[str, Any],
    values: dict[str, Any],
    error: pydantic.ValidationError,
    model: type[Section],
) -> str:
    found = error.errors()
    first = next((e for e in found if e["type"] == "extra_forbidden"), found[0])  # a typo is an unknown key and a missing one
    missing = first["type"] == "missing"
    loc = _keys(first["loc"], values, missing)
    home = override if override and _holds(over, loc) else key
    place = ".".join([home, *loc])
    if missing or first["type"] == "extra_forbidden":
        finding = "is missing; needed" if missing else "is not a known key; legal"
        return f"{path}: {place} {finding} here: {', '.join(_owner(model, loc[:-1]).model_fields)}."
    return f"{path}: {place} is {first['input']!r}: {said(first['msg'])}."


def said(message: str) -> str:
    """Pydantic's message as the rest of a sentence."""
    message = message.removeprefix("Value error, ")
    return message[0].lower() + message[1:]


def _keys(loc: tuple[int | str, ...], values: Any, missing: bool) -> list[str]:
    """The keys of pydantic's location of an error, without the members of unions (`float` of float | None) that it adds."""
    keys: list[str] = []
    for part in loc:
        if isinstance(values, dict) and (part in values or missing):
            values = values.get(part)
        elif isinstance(values, list) and isinstance(part, int):
            values = values[part]
        else:
            break
        keys.append(str(part))
    return keys


def _holds(over: Any, loc: list[str]) -> bool:
    """Whether an override sets the value at a location itself."""
    for part in loc:
        if not isinstance(over, dict) or part not in over:
            return False
        over = over[part]
    return bool(loc)


def _owner(model: type[Section], keys: list[str]) -> type[Section]:
    """The model whose field the key after `keys` is."""
    for key in keys:
        field = model.model_fields.get(key)
        inner = _section_of(field.annotation) if field else None
        if inner is None:
            break
        model = inner
    return model


def _section_of(annotation: Any) -> type[Section] | None:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return next((s for s in map(_section_of, typing.get_args(annotation)) if s), None)
    return None
