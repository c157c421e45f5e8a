"""Laws of the keypoints of a clip whose camera moves: they are in still pixels, whatever the camera does; a still clip's are as ever."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from figure import JOINTS, Motion, human, truth
from filmed import SIZE_HW, Filmed, film, path

from pipeline.artifacts.frames import create_frames, open_frames
from pipeline.artifacts.keypoints import ORIGINS, Keypoints, write_keypoints
from pipeline.params import read_section
from pipeline.picture.camera import apply_homography
from pipeline.pose import estimate
from pipeline.pose.camera import Wish
from pipeline.pose.naming import UNNAMED
from pipeline.pose.params import PoseParams
from pipeline.pose.people import People
from pipeline.video.clock import Clock

ROOT, LENGTH = Path(__file__).parents[2], 14
MOVING = path(LENGTH, pan=30, zoom=0.1, shake=3, turn=0.03)
HUMAN = human()
DRAWN = [HUMAN.index(joint) for joint in JOINTS]


def estimated(folder: Path, clip: Filmed, wish: Wish) -> Keypoints:
    """Poses of a clip by a backend that sees what was drawn."""
    folder.mkdir(exist_ok=True)
    with create_frames(folder / "ana.zarr", Clock.regular("25", len(clip.frames)), SIZE_HW, {}) as writer:
        writer.append(clip.frames)
    drawn = truth(clip.points, JOINTS, HUMAN, SIZE_HW)
    handed = iter(People(points.astype(float), score, np.array([0])) for points, score in zip(drawn.points, drawn.score, strict=True))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(estimate, "load_backend", lambda *_: lambda block: [next(handed) for _ in block])
        params = read_section(ROOT / "params.yaml", "pose", PoseParams)
        subject = estimate.Subject("ana", "auto", None, None, redetect=False, camera=wish)
        sources = estimate.Sources("imported", "none", None, None, None, UNNAMED)
        return estimate.estimate_poses(estimate.PoseInputs(open_frames(folder / "ana.zarr"), HUMAN, sources), params, subject)


def test_a_figure_that_stands_still_stands_still_though_its_camera_moves(tmp_path):
    clip = film(MOVING, motion=Motion(stance=0.08, lift=0.0, sway=0.0, wave=0.0, turn_degrees=0.0))
    as_filmed, found = (estimated(tmp_path / wish, clip, wish) for wish in ("still", "auto"))
    spread = [float(k.points[:, 0, DRAWN].std(axis=0).max()) for k in (as_filmed, found)]
    assert spread[0] > 10
    assert spread[1] < 0.5


def test_keypoints_lie_in_the_view_where_the_reference_saw_them(tmp_path):
    clip = film(MOVING)
    found = estimated(tmp_path, clip, "auto")
    camera = found.camera
    assert camera is not None
    assert found.size_hw == camera.size_hw
    shift = camera.maps[camera.reference][:2, 2]
    for t in range(LENGTH):
        there = apply_homography(clip.between(t, camera.reference), clip.points[t]) + shift
        seen = found.points[t, 0, DRAWN]
        shown = np.isfinite(seen[:, 0])
        assert shown.mean() > 0.8
        assert np.linalg.norm(seen - there, axis=1)[shown].max() < 1


def test_frames_that_were_not_followed_have_nobody(tmp_path):
    clip = film(MOVING)
    clip.frames[:2] = [cv2.GaussianBlur(frame, (0, 0), 25) for frame in clip.frames[:2]]  # as a lens that has not found its focus
    found = estimated(tmp_path, clip, "moving")
    assert found.camera is not None
    assert found.camera.trusted.tolist() == [False] * 2 + [True] * (LENGTH - 2)
    assert found.track().present.tolist() == found.camera.trusted.tolist()
    assert {ORIGINS[code] for code in found.origin[0, 0, DRAWN]} == {"dropped"}


def test_a_still_clip_is_as_it_was_to_the_byte(tmp_path):
    clip = film(path(LENGTH))
    files = []
    for wish in ("still", "auto"):
        found = estimated(tmp_path / wish, clip, wish)
        assert found.camera is None
        assert found.size_hw == SIZE_HW
        write_keypoints(tmp_path / wish / "k.parquet", found)
        files.append((tmp_path / wish / "k.parquet").read_bytes())
    assert files[0] == files[1]
