"""Nothing that a user writes reaches a shell or a file's name unchecked: laws of dvc.yaml, and real runs."""

import re
import subprocess
import sys

import pytest
from media import scenes, write_clip
from ruamel.yaml import YAML
from test_reruns import resolve
from walking import ROOT, STAGE, Project, cast, edit_params, environment

from pipeline.check.choices import choices

STAGES = YAML(typ="safe", pure=True).load((ROOT / "dvc.yaml").read_text())["stages"]
NAMES = {"key", "item", "item.clip", "item.target", "item.driver", "item.after"}  # checked as names; item: of demo, checked as a choice
ENTRIES = ("clips", "targets", "footage", "pairs")
CHOICES = {re.sub(rf"^({'|'.join(ENTRIES)})\.", "item.", key) for key in choices()} - {"demo"}
OK = "data/names.ok"
EVERYDAY = ["My Dance (1).mp4", "WhatsApp Video 2024-01-05 at 10.00.mp4", "a&b;c.mp4", "price$5.mp4", "Ann's.mov", "$(touch x).mp4"]
# pairs' and clips' outs lie where two stages of a hostile name would meet, which DVC refuses; these do not
AWAY = "../../../precious"


def _body(stage):
    return stage.get("do", stage)


@pytest.mark.parametrize("name", STAGES)
def test_a_command_holds_checked_names_and_choices_only(name):
    assert set(re.findall(r"\$\{([^}]*)\}", _body(STAGES[name])["cmd"])) <= NAMES | CHOICES


@pytest.mark.parametrize("name", [name for name in STAGES if name != "check_names"])
def test_every_stage_waits_for_the_check(name):
    assert OK in _body(STAGES[name])["deps"]


def test_the_check_looks_at_all_that_commands_and_outs_hold():
    assert [out for out in STAGES["check_names"]["outs"] if not out.startswith("data/code/")] == [OK]
    read = STAGES["check_names"]["params"]
    assert {*ENTRIES, "external", "demo"} <= set(read)
    assert {key for key in choices() if key.split(".")[0] not in ENTRIES} <= set(read)
    outs = [str(out) for stage in STAGES.values() for kind in ("outs", "metrics", "plots") for out in _body(stage).get(kind, [])]
    assert set(re.findall(r"\$\{([^}]*)\}", " ".join(outs))) <= NAMES


@pytest.mark.parametrize("door", sorted(path.name for path in (ROOT / "stages").glob("*.py")))
def test_a_door_checks_the_names_that_it_takes(door):
    text = (ROOT / "stages" / door).read_text()
    options = re.findall(r"add_argument\(\s*\"--(clip|target|footage|pair|external|redetect)\"([^)]*\))", text)
    kinds = {"clip": "clip", "target": "target", "footage": "clip", "pair": "pair", "redetect": "pair", "external": "external"}
    assert all(f'type=named("{kinds[option]}")' in rest for option, rest in options)
    assert not re.search(r'"(--)?(video|labels|name)"', text)


def test_doors_that_take_names_are_known_to_the_test_above():
    assert sum('type=named("' in path.read_text() for path in (ROOT / "stages").glob("*.py")) >= 12


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """The drawn cast without footage: dvc.yaml, params and code."""
    folder = tmp_path_factory.mktemp("shell") / "p"
    folder.mkdir()
    for name in ("pipeline", "stages"):
        (folder / name).symlink_to(ROOT / name)
    for name in ("dvc.yaml", "params.yaml"):
        (folder / name).write_text((ROOT / name).read_text())
    subprocess.run([sys.executable, "-m", "dvc", "init", "-q", "--no-scm"], cwd=folder, env=environment(), check=True)
    return Project(folder)


def test_no_path_of_the_user_is_in_any_command_as_dvc_resolves_it(project):
    people = cast()
    for i, entry in enumerate([*people["clips"].values(), *people["external"].values()]):
        entry |= {key: f"{{mark}} $(touch x) {EVERYDAY[i]}" for key in ("video", "labels") if key in entry}
    edit_params(project.folder / "params.yaml", people)
    stages = resolve(project.folder)
    assert any("{mark}" in dep for stage in stages.values() for dep in stage.get("deps", []))
    assert len(stages) > 40
    assert not [stage["cmd"] for stage in stages.values() if "mark" in stage["cmd"] or "touch" in stage["cmd"] or "$" in stage["cmd"]]


@pytest.mark.slow
def test_everyday_names_of_videos_are_extracted(project):
    people = cast()
    source = project.folder / "data/source"
    source.mkdir(parents=True)
    for i, name in enumerate(EVERYDAY):
        write_clip(source / name, scenes(3))
        path = f"data/source/{name}"
        people["clips"][f"clip{i}"] = {**people["clips"]["ben"], "video": path, "labels": path}
    edit_params(project.folder / "params.yaml", people)
    ran = project.repro(*(f"extract_frames@clip{i}" for i in range(len(EVERYDAY))))
    assert set(ran) == {"check_names", *(f"extract_frames@clip{i}" for i in range(len(EVERYDAY)))}
    assert sorted(p.name for p in (project.folder / "data/frames").iterdir()) == [f"clip{i}.zarr" for i in range(len(EVERYDAY))]
    assert not (project.folder / "x").exists()


@pytest.mark.slow
@pytest.mark.parametrize("targets", [[], [f"evaluate_external@{AWAY}"]], ids=["everything", "one stage"])
def test_a_hostile_name_is_refused_before_anything_is_removed(targets, project):
    others = cast()["external"]["truth"]
    edit_params(project.folder / "params.yaml", {**cast(), "external": {AWAY: others}})
    kept = project.folder / "precious.json"  # data/metrics/external/../../../precious.json is an out of the stage of this name
    kept.write_text("mine")
    done = project.dvc("repro", *targets, check=False)
    assert done.returncode != 0
    assert STAGE.findall(done.stdout) == ["check_names"]
    assert f"external: the name '{AWAY}' must be" in done.stderr
    assert kept.read_text() == "mine"
