from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.artifacts.scores import write_curve, write_scores
from pipeline.errors import InputError
from pipeline.evaluation.fidelity import IDENTICAL_DB, psnr
from pipeline.evaluation.inception import Gallery
from pipeline.evaluation.reconstruction import METHODS, Measured, _summary, evaluate_reconstruction
from pipeline.evaluation.temporal import load_flow
from pipeline.picture.mixing import composite
from pipeline.timeline.split import SplitParams

HELD_OUT = SplitParams(hold_out_fraction=0.4)  # of 20 frames, the last 8: 12..19
NAMES = {"psnr", "psnr_person", "ssim", "tcm", "e_warp", "flicker"}


def evaluate(scene, params, split=HELD_OUT, distances=None, track=None):
    inputs = scene.open_fused(), scene.open_generated(), scene.open_crops(), track or scene.track
    return evaluate_reconstruction(*inputs, params, split, distances or {}, load_flow("dis", Path()))


def test_a_perfect_reconstruction(scene, params):
    scores, rows = evaluate(scene, params)
    perfect = scores["reconstruction"]
    assert set(perfect) == NAMES
    assert perfect["psnr"] == perfect["psnr_person"] == IDENTICAL_DB
    assert perfect["ssim"] == pytest.approx(1)
    assert perfect["tcm"] == pytest.approx(1)
    assert perfect["e_warp"] == scores["reference"]["e_warp"]
    assert perfect["flicker"] == scores["reference"]["flicker"]
    assert [row["frame"] for row in rows] == list(range(12, 20))


def test_the_plate_is_scored_exactly(scene, params):
    scores, rows = evaluate(scene, params)
    crops = scene.open_crops()
    by_hand = [psnr(crops.frames[t], crops.plate[0]) for t in range(12, 20)]
    assert scores["plate"]["psnr"] == pytest.approx(np.mean(by_hand))
    assert [row["plate_psnr"] for row in rows] == pytest.approx(by_hand)
    assert scores["plate"]["psnr_person"] < scores["plate"]["psnr"]


def test_the_nearest_training_pose_is_pasted(scene, params):
    # all joints are seen in every frame, and one scale for both axes leaves the order of distances as it is in full pixels
    apart = np.linalg.norm(scene.track.points - scene.track.points[12], axis=-1)
    nearest = int(np.nanmean(apart[:12], axis=1).argmin())
    _, rows = evaluate(scene, params)
    crops = scene.open_crops()
    true, plate = crops.frames[12], crops.plate_at(12)
    near = [psnr(true, composite(crops.frames[t], crops.mattes[t], plate)) for t in range(12)]
    assert rows[0]["nearest_pose_psnr"] == pytest.approx(near[nearest])


def test_held_out_poses_are_no_candidates(scene, params):
    # a copy of the last pose among the held-out frames must not be found
    track = replace(scene.track, points=scene.track.points.copy())
    track.points[15] = track.points[19]
    _, rows = evaluate(scene, params, track=track)
    assert rows[-1]["nearest_pose_psnr"] < IDENTICAL_DB


def test_all_methods_have_the_same_keys(scene, params):
    more = params.model_copy(update={"metrics": [*params.metrics, "st_lpips"]})
    scores, rows = evaluate(scene, more, distances={"st_lpips": lambda a, *b: [np.abs(a - c.astype(float)).mean((1, 2, 3)) for c in b]})
    assert all(set(scores[method]) == NAMES | {"st_lpips"} for method in METHODS)
    assert scores["reconstruction"]["st_lpips"] == 0 < scores["plate"]["st_lpips"]
    assert {f"{m}_st_lpips" for m in METHODS} <= set(rows[0])


def test_a_constant_offset_has_the_psnr_of_its_square(scene, params):
    crops = scene.open_crops()
    scene.write_fused(np.where(crops.frames[:] < 128, crops.frames[:] + 10, crops.frames[:] - 10).astype(np.uint8))
    scores, _ = evaluate(scene, params)
    # every squared difference is 100: 10 log10(255² / 100)
    assert scores["reconstruction"]["psnr"] == pytest.approx(28.130804, abs=1e-6)
    assert scores["reconstruction"]["psnr_person"] == pytest.approx(28.130804, abs=1e-6)


def test_a_seam_every_window_shows_as_flicker(scene, params):
    images = scene.open_crops().frames[:].astype(int)
    images[(np.arange(20) // 3) % 2 == 1] += 20
    scene.write_fused(np.clip(images, 0, 255).astype(np.uint8))
    scores, _ = evaluate(scene, params)
    assert scores["reconstruction"]["flicker"] > 2 * scores["reference"]["flicker"]


def test_tcm_is_of_the_method_s_error_over_the_reference_s(params):
    """Not the other way round: twice the reference's error is e**-1, half of it e**-0.5."""
    for error, expected in ((0.2, np.exp(-1)), (0.05, np.exp(-0.5))):
        measured = Measured(Gallery(None), pairs=[{"reference": 0.1, "plate": error, "reconstruction": 0.1}], border=[False])
        assert _summary(measured, "plate", params)["tcm"] == pytest.approx(expected)
        assert _summary(measured, "plate", params)["e_warp"] == pytest.approx(error)
        assert _summary(measured, "reconstruction", params)["tcm"] == pytest.approx(1)


def test_nothing_held_out_means_not_computed(scene, params, tmp_path):
    scores, rows = evaluate(scene, params, SplitParams(hold_out_fraction=0.0))
    assert rows == []
    assert set(scores) == {"settings"}
    assert "split.hold_out_fraction" in scores["settings"]["not_computed"]["reconstruction"]
    write_scores(tmp_path / "scores.json", scores)
    write_curve(tmp_path / "frames.tsv", rows)


def test_an_unlisted_metric_has_no_key_and_is_explained(scene, params):
    few = params.model_copy(update={"metrics": ["psnr"]})
    scores, _ = evaluate(scene, few)
    assert set(scores["reconstruction"]) == {"psnr"}
    assert "reference" not in scores
    missing = scores["settings"]["not_computed"]
    assert missing["lpips_alex"].startswith("add lpips_alex to evaluation.metrics, needs alexnet-owt-7be5be79.pth")
    assert {"ssim", "tcm", "fid", "is"} <= set(missing)


def test_missing_joints_are_no_numbers(scene, params):
    track = replace(scene.track, points=scene.track.points.copy())
    track.points[:, ::2] = np.nan
    track.points[5] = np.nan  # absent: in neither part
    scores, rows = evaluate(scene, params, track=track)
    assert len(rows) == round(19 * 0.4)
    assert np.isfinite(scores["nearest_pose"]["psnr"])


def test_the_same_inputs_give_the_same_file(scene, params, tmp_path):
    for name in ("a", "b"):
        scores, rows = evaluate(scene, params)
        write_scores(tmp_path / f"{name}.json", scores)
        write_curve(tmp_path / f"{name}.tsv", rows)
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    assert (tmp_path / "a.tsv").read_bytes() == (tmp_path / "b.tsv").read_bytes()


def test_artifacts_of_different_length_are_refused(scene, params):
    scene.write_fused(scene.open_crops().frames[:18])
    with pytest.raises(InputError, match=r"fused\.zarr has 18 frames, the keypoints has 20"):
        evaluate(scene, params)


def test_fused_crops_of_another_size_are_refused(scene, params):
    scene.write_fused(scene.open_crops().frames[:][:, ::2, ::2])
    with pytest.raises(InputError, match=r"must be \(64, 96\) \(h, w\) like the crops, found \(32, 48\)"):
        evaluate(scene, params)


def test_another_crop_is_refused(scene, params):
    generated = scene.open_generated()
    generated.crop[14] += 2
    with pytest.raises(InputError, match="through the target's own crop, found it shifted by"):
        evaluate_reconstruction(
            scene.open_fused(), generated, scene.open_crops(), scene.track, params, HELD_OUT, {}, load_flow("dis", Path())
        )


def test_foregrounds_must_say_their_window(scene, params):
    generated = scene.open_generated()
    del generated.attributes["k"]
    with pytest.raises(InputError, match="how many frames a window has, found k = None"):
        evaluate_reconstruction(
            scene.open_fused(), generated, scene.open_crops(), scene.track, params, HELD_OUT, {}, load_flow("dis", Path())
        )
