"""What every array that these tests write must be, whatever else they look at."""

import json
from pathlib import Path

import pytest


def axes_of(group: Path) -> dict[str, set[int]]:
    """Lengths by name of the axes of a Zarr group's arrays; the files of an array that a test has damaged count for nothing."""
    lengths: dict[str, set[int]] = {}
    for description in group.glob("*/zarr.json"):
        try:
            array = json.loads(description.read_text())
        except ValueError:
            continue
        names = array["dimension_names"]
        assert len(names) == len(set(names)) == len(array["shape"]), description
        for name, length in zip(names, array["shape"], strict=True):
            lengths.setdefault(name, set()).add(length)
    return lengths


@pytest.fixture(autouse=True)
def _axes_have_names(tmp_path):
    """Axes of one name have one length within a group, as xarray wants it."""
    yield
    for group in tmp_path.rglob("*.zarr"):
        assert {name: found for name, found in axes_of(group).items() if len(found) > 1} == {}, group
