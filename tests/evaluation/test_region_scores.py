from dataclasses import replace

import numpy as np
import pytest

from pipeline.artifacts.foregrounds import create_foregrounds
from pipeline.artifacts.frames import open_frames
from pipeline.artifacts.residuals import open_residuals
from pipeline.body.regions import cut_region, region_boxes
from pipeline.errors import InputError
from pipeline.evaluation.fidelity import psnr
from pipeline.evaluation.region_scores import score_regions
from pipeline.timeline.split import SplitParams, split_frames

HELD_OUT = SplitParams(hold_out_fraction=0.4)
REGIONS = ("face", "left_hand", "right_hand", "left_foot", "right_foot")
BORDER = 12


def score(scene, params, region_params, split=HELD_OUT, distances=None, track=None):
    return score_regions(
        open_frames(scene.folder / "frames.zarr"),
        open_frames(scene.folder / "plate.zarr", "plates"),
        scene.open_generated(),
        open_residuals(scene.folder / "enhanced.zarr"),
        open_residuals(scene.folder / "refined.zarr"),
        track or scene.track,
        params,
        split,
        region_params,
        distances or {},
    )


@pytest.fixture
def residuals(scene, region_params):
    """Residuals of the face by the index and of all regions by the networks: all zero."""
    scene.write_residuals("enhanced", 0, ("face",), region_params, BORDER)
    scene.write_residuals("refined", 0, REGIONS, region_params, BORDER)


def test_residuals_of_zero_change_nothing(scene, params, region_params, residuals):
    scores, settings, _ = score(scene, params, region_params)
    assert set(scores) == set(REGIONS)
    for stages in scores.values():
        assert set(stages) == {"warped", "enhanced", "refined"}
        assert stages["warped"] == stages["enhanced"] == stages["refined"]
    assert settings["frames"] == dict.fromkeys(REGIONS, 8)


def test_without_a_matte_the_region_shows_the_plate(scene, params, region_params, residuals):
    generated = scene.open_generated()
    rgb = generated.rgb[:]
    path = scene.folder / "generated.zarr"
    track = scene.track
    with create_foregrounds(path, scene.crop_hw, track.clock, scene.crop, track.present, track.size_hw, {"k": 3}) as writer:
        writer.append(rgb, np.zeros(rgb.shape[:3], np.uint8))
    scene.write_residuals("refined", 90, REGIONS, region_params, BORDER)
    scores, _, _ = score(scene, params, region_params)
    boxes = region_boxes(scene.track.points, scene.track.skeleton, region_params, BORDER)
    held_out = split_frames(scene.track.present, HELD_OUT).held_out
    for region in REGIONS:
        cuts = [(cut_region(scene.frames[t], boxes[region][t], 32), cut_region(scene.plate, boxes[region][t], 32)) for t in held_out]
        by_hand = np.mean([psnr(a, b) for a, b in cuts])
        assert scores[region]["warped"]["psnr"] == pytest.approx(by_hand)
        assert scores[region]["refined"]["psnr"] == pytest.approx(by_hand)


def test_a_stage_counts_its_own_residuals_only(scene, params, region_params, residuals):
    scene.write_residuals("enhanced", 60, ("face",), region_params, BORDER)
    scores, _, _ = score(scene, params, region_params)
    assert scores["face"]["enhanced"]["psnr"] < scores["face"]["warped"]["psnr"] - 3
    assert scores["face"]["refined"] == scores["face"]["warped"]
    assert scores["left_foot"]["enhanced"] == scores["left_foot"]["warped"]


def test_each_frame_has_its_own_residual(scene, params, region_params, residuals):
    """The residual grows from frame to frame, from nothing in the first: the further, the worse."""
    growing = 6 * np.arange(len(scene.frames))[:, None, None, None]
    scene.write_residuals("enhanced", growing, ("face",), region_params, BORDER)
    _, _, by_frame = score(scene, params, region_params)
    warped, enhanced = (list(by_frame[f"regions.face.{stage}.psnr"].values()) for stage in ("warped", "enhanced"))
    assert all(a > b + 3 for a, b in zip(warped, enhanced, strict=True))
    assert enhanced == sorted(enhanced, reverse=True)


def test_a_stage_that_did_not_run_has_no_key(scene, params, region_params, residuals):
    scene.write_residuals("enhanced", 0, (), region_params, BORDER)
    scene.write_residuals("refined", 0, ("face",), region_params, BORDER)
    scores, _, _ = score(scene, params, region_params)
    assert set(scores["face"]) == {"warped", "refined"}
    assert set(scores["left_hand"]) == {"warped"}


def test_the_perceptual_distance_is_scored_too(scene, params, region_params, residuals):
    scores, _, _ = score(scene, params, region_params, distances={"st_lpips": lambda a, *b: [np.zeros(len(a)) for _ in b]})
    assert scores["face"]["refined"]["st_lpips"] == 0


def test_a_region_without_joints_and_a_clip_without_held_out_frames_have_no_key(scene, params, region_params, residuals):
    blind = scene.track.points.copy()
    elbow, wrist = (scene.track.skeleton.index(f"left_{name}") for name in ("elbow", "wrist"))
    blind[:, [elbow, wrist]] = np.nan
    hand = [scene.track.skeleton.index(j) for j in scene.track.joints if j.startswith(("left_thumb", "left_index", "left_pinky"))]
    blind[:, hand] = np.nan
    scores, settings, _ = score(scene, params, region_params, track=replace(scene.track, points=blind))
    assert set(scores) == set(REGIONS) - {"left_hand"}
    assert settings["frames"]["left_hand"] == 0
    nothing, _, rows = score(scene, params, region_params, SplitParams(hold_out_fraction=0.0))
    assert nothing == rows == {}


def test_scores_by_frame_are_those_of_the_mean(scene, params, region_params, residuals):
    scores, _, by_frame = score(scene, params, region_params)
    assert set(by_frame) == {f"regions.{r}.{stage}.psnr" for r in REGIONS for stage in ("warped", "enhanced", "refined")}
    for region in REGIONS:
        values = by_frame[f"regions.{region}.refined.psnr"]
        assert list(values) == split_frames(scene.track.present, HELD_OUT).held_out.tolist()
        assert np.mean(list(values.values())) == pytest.approx(scores[region]["refined"]["psnr"])


def test_residuals_of_another_length_are_refused(scene, params, region_params, residuals):
    short = replace(scene.track, points=scene.track.points[:15])
    with pytest.raises(InputError, match=r"the keypoints has 15 frames, .*frames\.zarr has 20"):
        score(scene, params, region_params, track=short)
