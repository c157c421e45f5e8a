"""The commands of README's front page, word for word, in a clean copy: the real clips and networks, every value as shipped but for FEWER.

What is installed already is not installed a second time: the copy's environment sees the packages of this one.
"""

import os
import re
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import zarr
from browser import needs_browser, videos_that_play
from ruamel.yaml import YAML
from test_reruns import expected, resolve
from walking import ROOT, STAGE, Project, bring_downloads, edit_params, environment, psnr, read_json

from pipeline.artifacts.keypoints import read_keypoints

pytestmark = pytest.mark.slow
FRAMES = 40
FEWER = {
    "clips.man.span": [0, FRAMES - 1],
    "clips.woman.span": [0, FRAMES - 1],
    "appearance.steps": 12,
    "evaluation.watch_frames": 3,
}
NAMES = {"<clip>": "woman", "<target>": "man", "<pair>": "woman-to-man"}
SITE = Path(sysconfig.get_path("purelib"))
VENV_SITE = f".venv/lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"
OWN_PIP = '[ "$(command -v pip)" = "$PWD/.venv/bin/pip" ]'  # or another environment would be written to


@dataclass
class FrontPage:
    """A clean copy after the commands of a section, and what each line printed."""

    project: Project
    said: list[str]


def lines_of(section: str) -> list[str]:
    """The first indented block of a section of README.md."""
    text = (ROOT / "README.md").read_text(encoding="utf-8").split(f"\n## {section}\n")[1]
    block = re.search(r"(?:^    .+\n)+", text, re.M)
    assert block is not None
    return [line.strip() for line in block[0].splitlines()]


def in_shell(line: str, folder: Path) -> str:
    """What a line prints, run by bash in the folder, in the folder's environment where there is one."""
    line = line.replace("python3 -m venv .venv &&", f"python3 -m venv .venv && echo {SITE} > {VENV_SITE}/outer.pth &&")
    line = line.replace("&& pip install", f"&& {OWN_PIP} && pip install")
    env = {**environment(), "PIP_NO_DEPS": "1", "PIP_REQUIRE_VIRTUALENV": "1"}
    env = {name: value for name, value in env.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    env["PATH"] = f"{folder / '.venv/bin'}{os.pathsep}{env['PATH']}"
    done = subprocess.run(["bash", "-c", line], cwd=folder, env=env, capture_output=True, text=True, timeout=3000)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout


def bring_edits(folder: Path) -> None:
    """What this checkout has that is not committed."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    for name in listed.stdout.split("\0")[:-1]:
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes((ROOT / name).read_bytes())
        else:
            (folder / name).unlink(missing_ok=True)


@pytest.fixture(scope="module")
def first_result(tmp_path_factory) -> FrontPage:
    """`A first result in a minute`."""
    clone, *rest = lines_of("A first result in a minute")
    assert clone == "git clone … && cd …"
    folder = tmp_path_factory.mktemp("front") / "copy"
    subprocess.run(["git", "clone", "-q", str(ROOT), str(folder)], check=True, env=environment())
    bring_edits(folder)
    bring_downloads(folder)
    return FrontPage(Project(folder), [in_shell(line, folder) for line in rest])


@pytest.fixture(scope="module")
def demo(first_result) -> FrontPage:
    """`The two commands`, the first of them, with less to do."""
    folder = first_result.project.folder
    edit_params(folder / "params.yaml", FEWER)
    (line,) = lines_of("The two commands")
    assert line.endswith(" && dvc repro")
    said = in_shell(line, folder)
    return FrontPage(first_result.project, [said])


def stages_of_lock(project: Project) -> set[str]:
    return set(YAML(typ="safe").load((project.folder / "dvc.lock").read_text())["stages"])


def decoded(path: Path) -> tuple[np.ndarray, list[float]]:
    """All frames of a video (t h w 3), RGB, and their times in seconds from the first one's."""
    with av.open(str(path)) as video:
        frames = list(video.decode(video=0))
    times = [float(frame.time) for frame in frames]
    return np.stack([frame.to_ndarray(format="rgb24") for frame in frames]), [time - times[0] for time in times]


def test_the_first_result_takes_its_own_stages_and_shows_the_man(first_result):
    _, ran, said = first_result.said
    assert STAGE.findall(ran)[0] == "check_names"
    own = ("fetch_pose_weights@man", "fetch_refiner_weights@man", "fetch_hand_weights@man", "extract_frames@man", "estimate_poses@man")
    assert set(STAGE.findall(ran)) == {"check_names", *own, *(name for name in STAGE.findall(ran) if name.startswith("fetch_demo@"))}
    assert "nose" in said
    picture = cv2.imread(str(first_result.project.folder / "joints.png"))
    assert picture is not None
    assert min(picture.shape[:2]) > 100
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 5  # drawn, not blank
    keypoints = read_keypoints(first_result.project.folder / "data/keypoints/man.parquet").track()
    assert len(keypoints.points) == 100
    hip = keypoints.points[:, keypoints.skeleton.index("left_hip")]
    assert np.isfinite(hip).all(1).mean() > 0.9


def test_the_copy_runs_its_own_code(first_result):
    where = in_shell("cd / && python -c 'import pipeline; print(pipeline.__file__)'", first_result.project.folder)
    assert Path(where.strip()) == first_result.project.folder / "pipeline/__init__.py"
    assert (first_result.project.folder / ".venv/bin/motion-copy").is_file()


def test_every_stage_ran(demo):
    stages = stages_of_lock(demo.project)
    assert stages == set(resolve(demo.project.folder))
    ran = STAGE.findall(demo.said[0])
    assert len(ran) == len(set(ran))
    first = {f"fetch_{kind}_weights@man" for kind in ("pose", "refiner", "hand")}  # of the block before, and not run again
    assert stages - set(ran) <= {"check_names", *first, "fetch_demo@demo_single_cam02"}


def test_the_video_decodes_and_has_the_drivers_frames_at_the_targets_size(demo):
    data = demo.project.folder / "data"
    made, made_at = decoded(data / "videos/woman-to-man.mp4")
    _, driver_at = decoded(data / "demo/demo_multi_cam04/cam04.mp4")
    target, _ = decoded(data / "demo/demo_single_cam02/cam02.mp4")
    assert len(made) == FRAMES
    np.testing.assert_allclose(made_at, driver_at[:FRAMES], atol=1e-3)
    assert made.shape[1:] == target.shape[1:]
    with av.open(str(data / "videos/woman-to-man.mp4")) as ours, av.open(str(data / "demo/demo_multi_cam04/cam04.mp4")) as theirs:
        assert ours.streams.video[0].average_rate == theirs.streams.video[0].average_rate
    # his surroundings: far from him the video is what was filmed
    far = np.s_[:, :200, :200]
    assert psnr(made[far], np.broadcast_to(target[far].mean(0), made[far].shape)) > 25


def test_a_person_is_seen_in_the_video_where_the_motion_says(demo):
    scores = read_json(demo.project.folder / "data/metrics/woman-to-man.json")
    imitation = scores["imitation"]
    assert imitation["pose_detected"] > 0.9
    assert imitation["pose_error_px"] < 0.04 * max(scores["settings"]["crop_hw"])
    assert imitation["pose_sides_exchanged"] < 0.1


def test_held_out_frames_are_nearer_to_the_truth_than_the_empty_background(demo):
    scores = read_json(demo.project.folder / "data/metrics/man.json")
    result, plate = scores["reconstruction"]["watch"], scores["plate"]["watch"]
    assert 0 < result["st_lpips"] < 0.7 * plate["st_lpips"]
    assert 0 < result["alex"] < 0.7 * plate["alex"]
    assert plate["psnr_person"] + 3 < result["psnr_person"] < 35
    assert plate["psnr"] < result["psnr"] < 40
    assert scores["reconstruction"]["psnr_person"] > scores["plate"]["psnr_person"] + 3


def test_it_was_the_shipped_path(demo):
    """Nothing but FEWER differs from the params that are shipped, and what the networks were asked for is what they were run with."""
    yaml = YAML(typ="safe")
    shipped = yaml.load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    for dotted, value in FEWER.items():
        *parents, last = dotted.split(".")
        node = shipped
        for part in parents:
            node = node[part]
        node[last] = value
    assert yaml.load((demo.project.folder / "params.yaml").read_text(encoding="utf-8")) == shipped
    mattes = zarr.open(demo.project.folder / "data/mattes/man.zarr")
    assert mattes.attrs["backend"] == "blazepose"
    assert mattes["mattes"].shape[0] == FRAMES


@needs_browser
def test_the_report_opens_from_disk_and_its_videos_play(demo, tmp_path):
    played, all_of_them = videos_that_play(demo.project.folder / "data/report/index.html", tmp_path / "profile")
    assert played == all_of_them >= 2


def test_a_second_run_runs_nothing_and_another_value_only_its_stages(demo):
    assert demo.project.repro() == []
    edit_params(demo.project.folder / "params.yaml", {"pairs.woman-to-man.redetect": "none"})
    ran = demo.project.repro()
    assert set(ran) == expected("`pairs.<pair>.redetect`", stages_of_lock(demo.project), NAMES)
    imitation = read_json(demo.project.folder / "data/metrics/woman-to-man.json")["imitation"]
    assert not [name for name in imitation if name.startswith("pose")]
