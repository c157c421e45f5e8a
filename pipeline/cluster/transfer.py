"""Outs of stages to and from the DVC remote, by the stages themselves: given names, DVC would read dvc.yaml anew for each."""

from collections.abc import Iterable
from typing import Any

from pipeline.errors import InputError


def push_outs(repo: Any, stages: Iterable[Any]) -> None:
    """Push what the stages' entries name; InputError when part of it could not be pushed."""
    for stage in stages:
        for objects in stage.get_used_objs().values():
            _require_whole(repo.cloud.push(objects), "push", stage)


def pull_outs(repo: Any, stages: Iterable[Any], force: bool = False) -> None:
    """Pull what the stages' entries name and put it in its place (force: in place of whatever lies there); InputError as above."""
    for stage in stages:
        for objects in stage.get_used_objs().values():
            _require_whole(repo.cloud.pull(objects), "pull", stage)
        stage.checkout(force=force)


def _require_whole(result: Any, what: str, stage: Any) -> None:
    if result.failed:
        name = stage.addressing
        raise InputError(f"the DVC remote must take and give every out of {name}, {len(result.failed)} failed: try dvc {what} {name}.")
