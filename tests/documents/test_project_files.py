"""The front page, its two commands and its picture; versions, citation and constraints agree with each other."""

import importlib.metadata
import re
import tomllib
from pathlib import Path

import cv2
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parent.parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CONSTRAINTS = [line for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
PINNED = dict(line.split("==") for line in CONSTRAINTS)
INSTALL = "pip install -e '.[test]'"


def test_the_front_page_is_short():
    assert len(README.splitlines()) <= 150


@pytest.mark.parametrize(
    "command", ["python3 -m venv .venv && . .venv/bin/activate && pip install -e . && dvc repro", f"{INSTALL} && pytest"]
)
def test_the_two_commands_stand_there(command):
    assert f"    {command}\n" in README


def test_ci_runs_the_second_command_by_the_constraints():
    assert "-c constraints.txt" in README
    lines = (ROOT / ".ci/run").read_text(encoding="utf-8").splitlines()
    assert lines.index(f"{INSTALL.replace('install', 'install -q')} -c constraints.txt") < lines.index("pytest")


def test_the_picture_moves_and_is_small():
    picture = re.search(r"^!\[.{40,}\]\((docs/\S+\.webp)\)$", README, re.M)
    assert picture
    path = ROOT / picture[1]
    done, film = cv2.imreadanimation(str(path))
    assert done
    assert path.stat().st_size < 1_000_000
    assert len(film.frames) > 20
    assert film.loop_count == 0
    assert any((film.frames[0] != frame).any() for frame in film.frames)


def test_constraints_are_names_and_versions():
    assert len(CONSTRAINTS) > 100
    assert all(re.fullmatch(r"[A-Za-z0-9][\w.\-]*==\d[\w.]*", line) for line in CONSTRAINTS)
    assert len({canonicalize_name(name) for name in PINNED}) == len(CONSTRAINTS)
    assert canonicalize_name(PROJECT["name"]) not in {canonicalize_name(name) for name in PINNED}


def test_constraints_fit_what_the_project_asks_for():
    pinned = {canonicalize_name(name): version for name, version in PINNED.items()}
    extras = PROJECT["optional-dependencies"]
    lists = (PROJECT["dependencies"], *(extras[e] for e in ("test", "labels", "fid", "identity", "cluster", "export")))
    asked = [Requirement(line) for lines in lists for line in lines]
    assert len(asked) > 20
    for requirement in asked:
        version = pinned[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), f"{requirement} against {version}"


def test_constraints_hold_what_those_packages_ask_for_in_turn():
    pinned = {canonicalize_name(name) for name in PINNED}
    for name, version in PINNED.items():
        try:
            found = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # not of this platform or version of Python
        if found.version != version:
            continue
        needed = [Requirement(line) for line in found.requires or []]
        lacking = {r.name for r in needed if not r.marker or r.marker.evaluate({"extra": ""})} - {"pip"}
        assert not {n for n in lacking if canonicalize_name(n) not in pinned}, name


def test_versions_of_python_are_declared():
    declared = {c.rsplit(" ", 1)[1] for c in PROJECT["classifiers"] if re.search(r"Python :: 3\.\d+$", c)}
    assert declared == {"3.11", "3.12", "3.13", "3.14"}
    assert PROJECT["requires-python"] == ">=3.11"
    assert "Python 3.11 to 3.14" in README


def test_the_citation_names_the_paper_and_this_version():
    citation = YAML(typ="safe", pure=True).load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert (citation["cff-version"], citation["version"], citation["license"]) == ("1.2.0", PROJECT["version"], PROJECT["license"])
    paper = citation["preferred-citation"]
    assert paper["title"] == "Do as I Do: Pose Guided Human Motion Copy"
    assert [author["family-names"] for author in paper["authors"]] == ["Wu", "Liu", "Zhang", "Zimmermann", "Ba", "Zhang", "Ren"]
    for work in (citation, paper, *citation["references"]):
        assert {"title", "authors"} <= set(work)


def test_the_changes_reach_this_version():
    heads = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.M)
    assert PROJECT["version"] in heads
    assert heads[0] in ("Unreleased", PROJECT["version"])
