"""Fixtures of exports."""

from pathlib import Path

import pytest
from exporting import GENERATE, store


@pytest.fixture(scope="session")
def data(tmp_path_factory) -> Path:
    """What a project has of the target ann."""
    folder = tmp_path_factory.mktemp("project") / "data"
    store(folder)
    return folder


@pytest.fixture(scope="session")
def params(data) -> Path:
    """The params.yaml of that project."""
    path = data.parent / "params.yaml"
    values = "\n".join(f"  {name}: {str(value).lower()}" for name, value in GENERATE.model_dump().items())
    cast = "targets:\n  ann: {clip: ann}\npairs:\n  ann-to-ann: {driver: ann, target: ann}\n  ann-to-ben: {driver: ann, target: ben}\n"
    path.write_text(f"{cast}generate:\n{values}\n")
    return path
