"""A colleague clones, pulls and has everything: a result that was shared is never made a second time."""

import io
import subprocess
from pathlib import Path

import pytest
from figure import Figure, Motion
from ruamel.yaml import YAML
from walking import Project, draw_clip, edit_params, environment, make_project

pytestmark = pytest.mark.slow
KEPT = ("check_names", "fetch_pose_weights", "fetch_refiner_weights", "fetch_hand_weights", "extract_frames", "estimate_poses")


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(
        ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", *arguments],
        cwd=folder, check=True, env=environment(), capture_output=True,
    )  # fmt: skip


@pytest.fixture(scope="module")
def shared(tmp_path_factory) -> Project:
    """One clip taken in, committed to Git and pushed to a DVC remote that is a folder."""
    base = tmp_path_factory.mktemp("shared")
    project = make_project(base / "mine")
    draw_clip(project.folder, "ann.mkv", Figure(), Motion(), frames=4)
    yaml = YAML()
    plan = yaml.load((project.folder / "dvc.yaml").read_text())
    plan["stages"] = {name: stage for name, stage in plan["stages"].items() if name in KEPT}
    out = io.StringIO()
    yaml.dump(plan, out)
    (project.folder / "dvc.yaml").write_text(out.getvalue())
    clips = YAML(typ="safe").load((project.folder / "params.yaml").read_text())["clips"]
    edit_params(project.folder / "params.yaml", {"clips": {"ann": clips["ann"]}, "targets": {}, "pairs": {}, "external": {}})
    project.dvc("remote", "add", "-d", "shelf", str(base / "shelf"))
    project.ran = project.repro()
    project.dvc("push")
    git(project.folder, "add", "-A")
    git(project.folder, "commit", "-q", "-m", "one clip")
    return project


def test_after_a_pull_nothing_is_left_to_do(shared, tmp_path):
    assert set(shared.ran) == {name if name == "check_names" else f"{name}@ann" for name in KEPT}
    subprocess.run(["git", "clone", "-q", str(shared.folder), str(tmp_path / "theirs")], check=True, env=environment())
    theirs = Project(tmp_path / "theirs")
    theirs.dvc("pull")
    assert "up to date" in theirs.dvc("status").stdout
    assert theirs.repro() == []
    times = "data/metrics/time"
    assert theirs.bytes_of(times) == shared.bytes_of(times) != {}


def test_a_door_run_by_hand_does_not_write_into_the_cache(shared):
    cached = {path: path.read_bytes() for path in shared.folder.glob(".dvc/cache/files/**/*") if path.is_file()}
    time = "data/metrics/time/extract_frames@ann.json"
    done = shared.door(
        "extract_frames", "--clip", "ann", "--out", "data/frames/ann.zarr", "--time", time
    )
    assert (done.returncode, done.stderr.count("error")) == (0, 0), done.stderr
    assert {path: path.read_bytes() for path in cached} == cached


