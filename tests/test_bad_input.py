"""Bad input: one line that says what must hold, what was found and what to do; a non-zero exit; nothing lost."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
from figure import human
from walking import FRAMES, SIZE_HW, Project, edit_params, make_project

from pipeline.artifacts.frames import create_frames
from pipeline.artifacts.keypoints import read_keypoints, write_keypoints
from pipeline.video.clock import NO_TIME, Clock

pytestmark = pytest.mark.slow
EARLIER = ""  # an empty file may be replaced, and must not be before the new artifact is whole


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """The drawn project before any run, with frames, keypoints and mattes of its target."""
    project = make_project(tmp_path_factory.mktemp("bad") / "p")
    folder = project.folder
    write_frames(folder / "data/frames/ann.zarr", FRAMES)
    write_frames(folder / "data/mattes/ann.zarr", FRAMES, "mattes")
    (folder / "data/keypoints").mkdir()
    shutil.copy(folder / "data/source/ann.parquet", folder / "data/keypoints/ann.parquet")
    return project


@pytest.fixture
def project(drawn, tmp_path):
    """A copy of it for one test."""
    shutil.copytree(drawn.folder, tmp_path / "p", ignore=shutil.ignore_patterns(".git", ".dvc", ".scratch"))
    return Project(tmp_path / "p")


def write_frames(path: Path, frames: int, kind: str = "frames") -> None:
    """Write noise of so many frames."""
    shape = (frames, *SIZE_HW, 3) if kind == "frames" else (frames, *SIZE_HW)
    with create_frames(path, Clock.regular("25", frames), SIZE_HW, {"images": None}, kind) as writer:
        writer.append(np.random.default_rng(1).integers(0, 255, shape, dtype=np.uint8))


def write_plate(path: Path) -> None:
    """Write a black plate."""
    with create_frames(path, NO_TIME, SIZE_HW, {}, "plates") as writer:
        writer.append(np.zeros((1, *SIZE_HW, 3), np.uint8))


def refused(project: Project, stage: str, options: dict[str, str], *says: str, **environ: str) -> str:
    """Run a door that must refuse; returns its one line. What stood at --out before must still be there."""
    out = project.folder / options["out"]
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(EARLIER)
    others = project.bytes_of("data/source")
    done = project.door(stage, *(part for name, value in options.items() for part in (f"--{name}", value)), **environ)
    lines = done.stderr.strip().splitlines()
    assert done.returncode not in (0, None), done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    assert [line for line in lines if line.startswith("error: ")] == lines[-1:], done.stderr
    for words in says:
        assert words in lines[-1], lines[-1]
    assert out.read_text() == EARLIER
    assert [path.name for path in out.parent.iterdir() if "partial" in path.name] == []
    assert project.bytes_of("data/source") == others
    return lines[-1]


# --- clips ------------------------------------------------------------------------------------------------------------


def extract(project: Project, video: str, *says: str) -> str:
    """Refuse a video."""
    point(project, video)
    return refused(project, "extract_frames", {"clip": "ann", "out": "data/frames/x.zarr"}, *says)


def point(project: Project, video: str) -> None:
    """Let the target's clip be another video; done in the text, which need not be a legal file."""
    path = project.folder / "params.yaml"
    path.write_text(path.read_text().replace("video: data/source/ann.mkv", f"video: data/source/{video}"))


def test_a_missing_file(project):
    extract(project, "nobody.mp4", "data/source/nobody.mp4 does not exist", "put")


def test_text_renamed_to_mp4(project):
    (project.folder / "data/source/letter.mp4").write_text("Dear reader,\n" * 200)
    extract(project, "letter.mp4", "data/source/letter.mp4", "not a video", "Put a file there")


@pytest.mark.parametrize("clip", ["ben.mp4", "ann.mkv"])
def test_a_truncated_video(clip, project):
    path = project.folder / "data/source" / clip
    path.with_name(f"cut_{clip}").write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    extract(project, f"cut_{clip}", f"data/source/cut_{clip}", "cut short", "again")


def test_a_video_without_frames(project):
    path = project.folder / "data/source/hollow.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.height, stream.width, stream.pix_fmt = 32, 32, "yuv420p"
        container.start_encoding()
    extract(project, "hollow.mkv", "data/source/hollow.mkv", "no frames")


@pytest.mark.parametrize("size", [0, 1])
def test_an_empty_file(size, project):
    (project.folder / "data/source/empty.mp4").write_bytes(b"\0" * size)
    extract(project, "empty.mp4", "data/source/empty.mp4")


def test_a_folder_without_images(project):
    (project.folder / "data/source/pictures").mkdir()
    extract(project, "pictures", "data/source/pictures", "without images")


# --- people -----------------------------------------------------------------------------------------------------------


def estimate(project: Project, *says: str) -> str:
    """Refuse the target's keypoints."""
    options = {
        "clip": "ann",
        "frames": "data/frames/ann.zarr",
        "skeleton": "pipeline/skeletons/human.yaml",
        "sheet": "sheet.png",
        "out": "data/keypoints/x.parquet",
    }
    return refused(project, "estimate_poses", options, *says)


def change_labels(project: Project, change) -> None:
    """Rewrite the target's imported keypoints: change(points (t p j 2), score) edits them or returns others."""
    path = project.folder / "data/source/ann.parquet"
    table = read_keypoints(path)
    points, score = table.points.copy(), table.score.copy()
    points, score = change(points, score) or (points, score)
    origin = np.where(np.isfinite(points[..., 0]), 5, 0).astype(np.uint8)
    changed = type(table)(points, score, origin, human(), table.clock, table.size_hw, selected=None)
    write_keypoints(path, changed)


def test_no_person_at_all(project):
    def nobody(points, score):
        points[:], score[:] = np.nan, 0

    change_labels(project, nobody)
    estimate(project, "clip ann must show a person", "no person", "name another video")


def test_a_person_in_under_half_of_the_frames(project):
    def leaves(points, score):
        points[12:], score[12:] = np.nan, 0

    change_labels(project, leaves)
    estimate(project, "clip ann", "at least 50%", "12 of 30", "pose.min_present_fraction")


def test_two_people_and_no_choice(project):
    def double(points, score):
        second = points * 0.6 + np.array([5, 60])
        second[:15] = np.nan
        return np.concatenate([points, second], 1).astype(np.float32), np.concatenate([score, np.isfinite(second[..., 0])], 1).astype(
            np.float32
        )

    change_labels(project, double)
    line = estimate(project, "clip ann shows several people", "track 0 (30 frames", "track 1 (15 frames", "clips.ann.select", "sheet.png")
    assert (project.folder / "sheet.png").stat().st_size > 1000
    edit_params(project.folder / "params.yaml", {"clips.ann.select": {"track": 1}})
    assert "track 1" in line
    chosen = project.door(
        *("estimate_poses", "--clip", "ann", "--frames", "data/frames/ann.zarr"),
        *("--skeleton", "pipeline/skeletons/human.yaml", "--out", "data/keypoints/y.parquet"),
    )
    assert chosen.returncode == 0, chosen.stderr


def test_a_clip_of_two_frames(project):
    table = read_keypoints(project.folder / "data/source/ann.parquet")
    clock = Clock.regular("25", 2)
    short = type(table)(table.points[:2], table.score[:2], table.origin[:2], human(), clock, table.size_hw, selected=0)
    write_keypoints(project.folder / "data/keypoints/short.parquet", short)
    write_frames(project.folder / "data/frames/short.zarr", 2)
    write_frames(project.folder / "data/mattes/short.zarr", 2, "mattes")
    write_plate(project.folder / "data/plates/ann.zarr")
    options = {name: path.replace("ann.", "short.") for name, path in CROP.items() if name != "plate"}
    says = ("at least 3 frames", "found 2 of 2 in data/keypoints/short.parquet", "use a longer clip")
    refused(project, "crop_person", {**options, "plate": CROP["plate"]}, *says)
    driver = {
        "pair": "ben-to-ann",
        "driver-keypoints": "data/keypoints/short.parquet",
        "keypoints": "data/keypoints/ann.parquet",
        "driver-frames": "data/frames/short.zarr",
        "frames": "data/frames/ann.zarr",
        "sheet": "data/motions/x.png",
        "out": "data/motions/x.parquet",
    }
    done = project.door("retarget_motion", *(part for name, value in driver.items() for part in (f"--{name}", value)))
    assert done.returncode == 0, done.stderr  # a pose needs no time to be copied
    motion = read_keypoints(project.folder / driver["out"], "motions")
    assert len(motion.points) == 2
    assert np.isfinite(motion.points).any(axis=(1, 2, 3)).all()
    unseen = type(table)(np.full_like(short.points, np.nan), short.score * 0, short.origin, human(), clock, table.size_hw, selected=0)
    write_keypoints(project.folder / "data/keypoints/short.parquet", unseen)
    refused(project, "retarget_motion", driver, "seen in at least one frame", "none of 2", "another clip")


# --- artifacts --------------------------------------------------------------------------------------------------------

SEGMENT = {"target": "ann", "frames": "data/frames/ann.zarr", "keypoints": "data/keypoints/ann.parquet", "out": "data/mattes/x.zarr"}
CROP = {**SEGMENT, "mattes": "data/mattes/ann.zarr", "plate": "data/plates/ann.zarr", "out": "data/crops/x.zarr"}
INPAINT = {**{k: v for k, v in SEGMENT.items() if k != "target"}, "mattes": "data/mattes/ann.zarr", "out": "data/plates/x.zarr"}


def test_a_corrupted_chunk(project):
    chunk = next(path for path in (project.folder / "data/frames/ann.zarr/frames/c").rglob("*") if path.is_file())
    content = bytearray(chunk.read_bytes())
    content[len(content) // 2] ^= 0xFF
    chunk.write_bytes(content)
    refused(project, "segment_person", SEGMENT, "data/frames/ann.zarr is damaged", "dvc repro extract_frames")


def test_a_lost_chunk(project):
    for path in (project.folder / "data/frames/ann.zarr/frames/c").rglob("*"):
        if path.is_file():
            path.unlink()
    refused(project, "segment_person", SEGMENT, "data/frames/ann.zarr is damaged", "dvc repro extract_frames")


@pytest.mark.parametrize("damage", ["cut", "flipped", "text"])
def test_a_corrupted_table(damage, project):
    path = project.folder / "data/keypoints/ann.parquet"
    content = bytearray(path.read_bytes())
    if damage == "cut":
        content = content[: len(content) // 2]
    elif damage == "flipped":
        content[100] ^= 0xFF
    else:
        content = bytearray(b"frame,x,y\n")
    path.write_bytes(content)
    refused(project, "segment_person", SEGMENT, "data/keypoints/ann.parquet", "dvc repro estimate_poses")


def test_frames_and_mattes_of_different_length(project):
    shutil.rmtree(project.folder / "data/mattes/ann.zarr")
    write_frames(project.folder / "data/mattes/ann.zarr", FRAMES - 1, "mattes")
    says = ("data/mattes/ann.zarr has 29 frames", "data/frames/ann.zarr has 30", "dvc repro segment_person")
    refused(project, "inpaint_background", INPAINT, *says)
    refused(project, "index_faces", {**INPAINT, "out": "data/faces/x.parquet", "face-crops": "data/faces/x.zarr"}, "29", "30", "dvc repro")
    (project.folder / "data/faces/x.parquet").unlink()
    write_plate(project.folder / CROP["plate"])
    refused(project, "crop_person", CROP, *says)


# --- params -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("max_height_px:", "max_heigth_px:", ("frames.max_heigth_px", "max_height_px")),
        ("max_height_px:", "max_height_px: high", ("frames.max_height_px", "high")),
        ("max_height_px:", "max_height_px: 8", ("frames.max_height_px", "16")),
        ("images_fps:", "images_fps: fast", ("frames.images_fps", "fast")),
        ("images_fps:", 'images_fps: "99999999999"', ("frames.images_fps", "1,000,000")),
        ("\nframes:", "\nfrmes:", ("frames is missing",)),
        ("\nframes:", "\nframes: [", ("params.yaml is not valid YAML",)),
    ],
)
def test_wrong_params(old, new, says, project):
    path = project.folder / "params.yaml"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))
    extract(project, "ann.mkv", "params.yaml", *says)


def test_a_name_that_no_target_has(project):
    refused(project, "segment_person", {**SEGMENT, "target": "nobody"}, "params.yaml: targets.nobody is missing", "ann")


def test_an_override_with_a_typo(project):
    edit_params(project.folder / "params.yaml", {"targets.ann.matting": {"smothing": 1}})
    refused(project, "segment_person", SEGMENT, "targets.ann.matting.smothing", "smoothing")


# --- downloads --------------------------------------------------------------------------------------------------------


def fetch(project: Project, *says: str, **environ: str) -> str:
    """Refuse an asset; an empty cache stands for a fresh checkout."""
    return refused(project, "fetch_assets", {"asset": "st_vgg16", "cache": "cache", "out": "data/weights/x"}, *says, **environ)


def test_a_file_brought_by_hand_with_a_wrong_digest(project):
    incoming = project.folder / "data/incoming"
    incoming.mkdir()
    (incoming / "vgg_shift_tolerant.pth").write_bytes(b"something else")
    fetch(project, "data/incoming/vgg_shift_tolerant.pth must have sha256", "replace it")
    assert (incoming / "vgg_shift_tolerant.pth").read_bytes() == b"something else"


def test_no_network_while_fetching(project):
    line = fetch(project, "Check the network", "data/incoming", PIP_NO_INDEX="1", PIP_NO_CACHE_DIR="1")
    assert "stlpips_pytorch" in line
    assert "https://pypi.org" in line
    assert not [path for path in (project.folder / "cache").iterdir() if path.suffix != ".lock"]


# --- a full disk ------------------------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 1 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)], capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a small disk")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_short_disk_is_refused_before_anything_is_written(project, small_disk):
    (small_disk / "x.zarr").write_text(EARLIER)
    done = project.door("extract_frames", "--clip", "ann", "--out", str(small_disk / "x.zarr"))
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {small_disk}/x.zarr needs about ")
    assert "free: make room" in done.stderr
    assert [path.name for path in small_disk.iterdir()] == ["x.zarr"]


def limited(project: Project, limit: int, *command: str) -> subprocess.CompletedProcess[str]:
    """Run Python where no file may grow beyond `limit` bytes."""
    shell = f'ulimit -f {limit // 512}; exec "$@"'  # dash counts in blocks of 512 bytes, bash in POSIX mode too
    environ = {**os.environ, "OMP_NUM_THREADS": "1"}
    arguments = ["sh", "-c", shell, "sh", sys.executable, *command]
    return subprocess.run(arguments, cwd=project.folder, env=environ, capture_output=True, text=True, timeout=300)


@pytest.mark.parametrize(
    ("stage", "options"),
    [
        ("extract_frames", {"clip": "ann", "out": "data/frames/x.zarr"}),
        (
            "estimate_poses",
            {
                "clip": "ann",
                "frames": "data/frames/ann.zarr",
                "skeleton": "pipeline/skeletons/human.yaml",
                "out": "data/keypoints/x.parquet",
            },
        ),
    ],
)
def test_a_disk_that_fills_leaves_the_earlier_artifact(stage, options, project):
    out = project.folder / options["out"]
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(EARLIER)
    done = limited(project, 8192, "-m", f"stages.{stage}", *(part for name, value in options.items() for part in (f"--{name}", value)))
    assert done.returncode != 0
    assert "Traceback" not in done.stderr, done.stderr
    assert done.stderr.strip().splitlines()[-1].startswith("error: "), done.stderr
    assert out.read_text() == EARLIER
    assert [path.name for path in out.parent.iterdir() if "partial" in path.name] == []


def test_a_model_is_whole_or_absent(project):
    script = (
        "import torch; from pipeline.artifacts.models import save_model\n"
        "save_model('data/models/a.safetensors', 'data/models/a.json', {'w': torch.zeros(100000)}, {})"
    )
    done = limited(project, 8192, "-c", script)
    assert done.returncode != 0
    assert list((project.folder / "data/models").iterdir()) == []
    whole = limited(project, 2**24, "-c", script)
    assert whole.returncode == 0, whole.stderr
    assert json.loads((project.folder / "data/models/a.json").read_text())["kind"] == "model"
