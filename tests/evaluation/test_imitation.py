from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.artifacts.frames import open_frames
from pipeline.artifacts.keypoints import ORIGINS, Track
from pipeline.errors import InputError
from pipeline.evaluation import imitation
from pipeline.evaluation.imitation import PairInputs, evaluate_imitation, pose_scores
from pipeline.evaluation.temporal import load_flow
from pipeline.picture.geometry import apply_affine


def evaluate(scene, params, redetected=None, method="bone_ratio", motion=None):
    motion = replace(motion or scene.track, attributes={"retargeting": {"method": method}})
    inputs = PairInputs(
        scene.open_generated(),
        open_frames(scene.folder / "frames.zarr"),
        scene.track,
        motion,
        fused=scene.open_fused(),
        redetected=redetected,
    )
    return evaluate_imitation(inputs, params, load_flow("dis", Path()))


def redetected_in(scene, shift=(0.0, 0.0)) -> Track:
    points = np.stack([apply_affine(m, p) for m, p in zip(scene.crop, scene.track.points)]) + shift
    return replace(scene.track, points=points.astype(np.float32), size_hw=scene.crop_hw)


def test_a_video_imitates_itself(scene, params):
    # the result is the driver seen through the same crop, so both warping errors are equal
    scores = evaluate(scene, params, redetected_in(scene))["imitation"]
    assert set(scores) == {"motion_consistency", "e_warp", "flicker", "pose_error_px", "pose_detected", "pose_sides_exchanged"}
    assert scores["motion_consistency"] == pytest.approx(1)
    assert scores["pose_error_px"] == pytest.approx(0, abs=1e-4)
    assert scores["pose_detected"] == 1


def test_a_trembling_result_is_less_consistent(scene, params):
    images = scene.open_fused()[:].astype(int)
    images[::2] += 30
    scene.write_fused(np.clip(images, 0, 255).astype(np.uint8))
    calm = evaluate(scene, params)["imitation"]
    assert calm["motion_consistency"] < 0.5


def test_consistency_is_of_the_result_s_error_over_the_driver_s(scene, params, monkeypatch):
    pair = {"result": 0.2, "driver": 0.1, "result_shared": 0.05, "driver_shared": 0.1}
    monkeypatch.setattr(imitation, "_pairs", lambda *_: ([pair], [False]))
    scores = evaluate(scene, params, method="none")["imitation"]
    assert scores["motion_consistency"] == pytest.approx(np.exp(-1))
    assert scores["tcm"] == pytest.approx(np.exp(-0.5))
    assert scores["e_warp"] == pytest.approx(0.2)


def test_each_video_is_judged_under_its_own_flow_and_shared_pixels_under_the_driver_s(params):
    """The driver moves two px to the right, the result stands still; seen through the result's crop the driver moves as well."""
    still = np.random.default_rng(5).integers(0, 256, (40, 48, 3)).astype(np.uint8)
    driver = np.random.default_rng(6).integers(0, 256, (40, 48, 3)).astype(np.uint8)
    moved = np.roll(driver, 2, axis=1)

    def flow(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        way = 0.0 if first is still else 2.0 if first is driver else -2.0
        return np.broadcast_to(np.array([way, 0.0], np.float32), (40, 48, 2)).copy()

    errors = imitation._errors([still, driver, driver], [still, moved, moved], params, flow)
    assert errors["result"] == errors["driver"] == errors["driver_shared"] == 0
    assert errors["result_shared"] > 0.01  # a still result does not follow the driver


def test_tcm_needs_shared_pixels(scene, params):
    shared = evaluate(scene, params, method="none")
    assert shared["imitation"]["tcm"] == pytest.approx(1)
    retargeted = evaluate(scene, params)
    assert "tcm" not in retargeted["imitation"]
    assert "retargeted (bone_ratio)" in retargeted["settings"]["not_computed"]["tcm"]


def test_without_redetected_poses_the_keys_are_absent(scene, params):
    scores = evaluate(scene, params)
    assert not {"pose_error_px", "pose_detected"} & set(scores["imitation"])
    assert "redetect" in scores["settings"]["not_computed"]["pose"]


def test_a_known_shift_is_the_pose_error(scene):
    # 3 right and 4 down in crop px: 5
    scores = pose_scores(scene.track, scene.crop, redetected_in(scene, (3.0, 4.0)))
    assert scores["pose_error_px"] == pytest.approx(5, abs=1e-4)


def test_a_front_taken_for_a_back_is_no_error_but_is_told(scene):
    found = redetected_in(scene)
    order = list(range(len(found.joints)))
    for left, right in found.skeleton.mirror:
        a, b = found.skeleton.index(left), found.skeleton.index(right)
        order[a], order[b] = b, a
    points = found.points.copy()
    points[:5] = points[:5, order]
    scores = pose_scores(scene.track, scene.crop, replace(found, points=points))
    assert scores["pose_error_px"] == pytest.approx(0, abs=1e-4)
    assert scores["pose_sides_exchanged"] == pytest.approx(5 / len(points))


def test_only_seen_joints_count(scene):
    found = redetected_in(scene)
    points, origin = found.points.copy(), found.origin.copy()
    points[:, 0] += 50
    origin[:, 0] = ORIGINS.index("interpolated")
    points[:, 1] = np.nan
    origin[7:] = ORIGINS.index("interpolated")
    scores = pose_scores(scene.track, scene.crop, replace(found, points=points, origin=origin))
    assert scores["pose_error_px"] == pytest.approx(0, abs=1e-4)
    assert scores["pose_detected"] == pytest.approx(7 / 20)


def test_frames_without_motion_do_not_count_as_missed(scene):
    motion = replace(scene.track, points=scene.track.points.copy())
    motion.points[10:] = np.nan
    found = redetected_in(scene)
    found.points[5:] = np.nan
    scores = pose_scores(motion, scene.crop, found)
    assert scores["pose_detected"] == pytest.approx(0.5)


def test_nothing_seen_again_is_no_error(scene):
    found = redetected_in(scene)
    found.points[:] = np.nan
    assert pose_scores(scene.track, scene.crop, found) == {"pose_detected": 0.0}


def test_a_motion_absent_throughout_has_no_scores(scene, params):
    nowhere = replace(scene.track, points=np.full_like(scene.track.points, np.nan))
    scores = evaluate(scene, params, motion=nowhere)
    assert set(scores) == {"settings"}
    assert scores["settings"]["frames"] == 0


def test_keypoints_of_the_full_frame_are_refused(scene, params):
    with pytest.raises(InputError, match=r"the keypoints is for frames of \(112, 192\), .*fused\.zarr has \(64, 96\)"):
        evaluate(scene, params, redetected=scene.track)


def test_artifacts_of_different_length_are_refused(scene, params):
    with pytest.raises(InputError, match=r"the keypoints has 15 frames, .*frames\.zarr has 20"):
        evaluate(scene, params, motion=replace(scene.track, points=scene.track.points[:15]))
