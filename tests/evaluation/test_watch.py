"""Scores at the size people watch: what is perfect, what is blurred, who moved, and that the working size does not matter."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from pipeline.artifacts.composites import Composites
from pipeline.artifacts.foregrounds import FLOWS, SHARES, CarriedFields, Foregrounds, create_foregrounds, open_foregrounds
from pipeline.artifacts.frames import create_frames, open_frames
from pipeline.artifacts.residuals import open_residuals
from pipeline.errors import InputError
from pipeline.evaluation.fidelity import IDENTICAL_DB
from pipeline.evaluation.watch import KEPT, METHODS, score_watched
from pipeline.timeline.split import SplitParams

HELD_OUT = SplitParams(hold_out_fraction=0.4)  # of 20 frames, the last 8: 12..19
LISTED = ["psnr", "psnr_person", "st_lpips", "sharpness"]


def l1(true, *others):
    return [np.abs(true - other.astype(float)).mean((1, 2, 3)) for other in others]


def foreground(scene, rgb: np.ndarray, matte: int = 255, name: str = "own", beyond_px: int = 0) -> Foregrounds:
    """Colours (t h w 3) of full frames as a foreground at the source's resolution, whose crop reaches beyond the frame."""
    path, size_hw, b = scene.folder / f"{name}.zarr", rgb.shape[1:3], beyond_px
    crop = np.tile(np.array([[1.0, 0, b], [0, 1, b]]), (len(rgb), 1, 1))
    seen = np.pad(rgb, ((0, 0), (b, b), (b, b), (0, 0)), mode="edge")
    with create_foregrounds(path, seen.shape[1:3], scene.track.clock, crop, scene.track.present, size_hw, {"k": 3}) as writer:
        writer.append(seen, np.full(seen.shape[:3], matte, np.uint8))
    return open_foregrounds(path)


@pytest.fixture
def made(scene, region_params) -> Composites:
    """The perfect result: an opaque foreground of the true frames at the source's resolution, and no residuals."""
    for name in ("enhanced", "refined"):
        scene.write_residuals(name, 0, (), region_params, 12)
    residuals = [open_residuals(scene.folder / f"{name}.zarr") for name in ("enhanced", "refined")]
    plate = open_frames(scene.folder / "plate.zarr", "plates")
    own = foreground(scene, scene.frames)
    return Composites(own, own, *residuals, plate, scene.open_fused())


@pytest.fixture
def listed(params):
    return params.model_copy(update={"metrics": LISTED})


def score(scene, made, params, split=HELD_OUT, distances=None, track=None, frames=None):
    opened = open_frames(scene.folder / "frames.zarr"), open_frames(scene.folder / "mattes.zarr", "mattes")
    return score_watched(made, frames or opened[0], opened[1], track or scene.track, params, split, distances or {"st_lpips": l1})


def test_a_perfect_reconstruction(scene, made, listed):
    watched = score(scene, made, listed)
    assert set(watched.scores) == set(METHODS)
    assert watched.scores["reconstruction"] == {"psnr": IDENTICAL_DB, "psnr_person": IDENTICAL_DB, "st_lpips": 0, "sharpness": 1}
    assert all(set(watched.scores[method]) == set(LISTED) for method in METHODS)
    assert watched.frames == list(range(12, 20))
    assert watched.by_frame["watch.reconstruction_psnr"] == dict.fromkeys(range(12, 20), IDENTICAL_DB)
    assert set(watched.pictures) == {"truth", *KEPT}
    assert np.array_equal(watched.pictures["truth"], watched.pictures["reconstruction"])


def test_blur_costs_sharpness_and_perception(scene, made, listed):
    before = {"sharpness": 1.0, "st_lpips": 0.0, "psnr": IDENTICAL_DB}
    for sigma in (0.7, 1.5, 3.0):
        blurred = np.stack([cv2.GaussianBlur(image, (0, 0), sigma) for image in scene.frames])
        found = score(scene, replace(made, generated=foreground(scene, blurred)), listed).scores["reconstruction"]
        assert found["sharpness"] < before["sharpness"]
        assert found["st_lpips"] > before["st_lpips"]
        assert found["psnr"] < before["psnr"]
        before = found


def test_the_plate_has_no_person(scene, made, listed):
    nobody = replace(made, generated=foreground(scene, scene.frames, matte=0))
    scores = score(scene, nobody, listed).scores
    assert scores["reconstruction"] == scores["plate"]
    assert scores["plate"]["psnr_person"] < scores["plate"]["psnr"] - 1
    assert scores["plate"]["st_lpips"] > 0


def test_the_working_size_does_not_matter(scene, made, listed):
    other = replace(made, generated=foreground(scene, scene.frames, name="other", beyond_px=16))
    one, two = score(scene, made, listed), score(scene, other, listed)
    assert one.scores == two.scores
    assert one.by_frame == two.by_frame


def test_ours_is_what_the_video_shows_and_stages_stand_beside(scene, made, listed, region_params):
    for name, value in (("enhanced", 30), ("refined", -30)):
        scene.write_residuals(name, value, ("face",), region_params, 12)
    enhanced, refined = (open_residuals(scene.folder / f"{name}.zarr") for name in ("enhanced", "refined"))
    for stage in ("generated", "enhanced", "refined"):
        fused = scene.open_fused()
        fused.attributes["stage"] = stage
        watched = score(scene, replace(made, enhanced=enhanced, refined=refined, fused=fused), listed)
        assert list(watched.stages) == ["generated", "enhanced", "refined"]  # nothing was carried
        ours = watched.scores["reconstruction"]
        assert watched.stages[stage] == {name: ours[name] for name in ("psnr_person", "st_lpips")}
        assert (ours["psnr_person"] == IDENTICAL_DB) == (stage == "generated")
    assert watched.by_frame["stages.enhanced.watch.st_lpips"].keys() == set(range(12, 20))
    assert list(score(scene, made, listed).stages) == ["generated"]


def test_stages_that_leave_a_frame_as_it_was_are_composed_once(scene, made, region_params):
    for name, value in (("enhanced", 0), ("refined", -30)):
        scene.write_residuals(name, value, ("face",), region_params, 12)
    enhanced, refined = (open_residuals(scene.folder / f"{name}.zarr") for name in ("enhanced", "refined"))
    composites = replace(made, enhanced=enhanced, refined=refined)
    for t in (13, 12, 13):
        plain, same, other = (composites.frame(made.generated, residuals, t) for residuals in (None, enhanced, refined))
        assert same is plain
        assert composites.frame(made.generated, refined, t) is other
        assert not np.array_equal(other, plain)
        assert np.array_equal(replace(composites).frame(made.generated, refined, t), other)


def test_carried_pixels_are_a_stage_of_their_own(scene, made, listed):
    blurred = foreground(scene, np.stack([cv2.GaussianBlur(image, (0, 0), 2) for image in scene.frames]), name="blurred")
    t, (h, w) = len(blurred), blurred.crop_hw
    fields = CarriedFields(
        base_rgb=blurred.rgb, reference=np.zeros(t, np.int64), second=np.zeros(t, np.int64),
        **dict.fromkeys(SHARES, blurred.matte), **dict.fromkeys(FLOWS, np.zeros((t, h, w, 2), np.int16)),
    )  # fmt: skip
    fused = scene.open_fused()
    fused.attributes["stage"] = "warped"
    watched = score(scene, replace(made, generated=replace(blurred, carried=fields), fused=fused), listed)
    assert watched.scores["reconstruction"]["psnr"] == IDENTICAL_DB
    assert list(watched.stages) == ["generated", "warped"]
    assert watched.stages["warped"]["st_lpips"] == 0 < watched.stages["generated"]["st_lpips"]


def test_who_only_moved_is_copied_by_moving(scene, made, listed):
    # every frame shows the person of frame 0, two px further to the right
    picture, matte, points = scene.frames[0], scene.mattes[0], scene.track.points[0]
    frames, mattes, track = [], [], []
    for t in range(20):
        matrix = np.array([[1.0, 0, 2 * t - 12], [0, 1, 0]])
        rgb, alpha = (cv2.warpAffine(image, matrix, picture.shape[1::-1]) for image in (picture, matte))
        frames.append(np.where(alpha[..., None] > 127, rgb, scene.plate))
        mattes.append(np.where(alpha > 127, 255, 0).astype(np.uint8))
        track.append(points + matrix[:, 2].astype(np.float32))
    _rewrite(scene, "frames", np.stack(frames))
    _rewrite(scene, "mattes", np.stack(mattes))
    moving = replace(scene.track, points=np.stack(track))
    scores = score(scene, made, listed, track=moving).scores
    assert scores["nearest_pose_moved"]["psnr"] == IDENTICAL_DB
    assert scores["warped_pose"]["psnr_person"] > 30
    assert scores["nearest_pose"]["psnr_person"] < 20


def _rewrite(scene, name, images):
    with create_frames(scene.folder / f"{name}.zarr", scene.track.clock, images.shape[1:3], kind=name) as writer:
        writer.append(images)


def test_held_out_frames_are_no_references(scene, made, listed):
    # a copy of the last pose among the held-out frames must not be found
    before = score(scene, made, listed).by_frame
    track = replace(scene.track, points=scene.track.points.copy())
    track.points[15] = track.points[19]
    after = score(scene, made, listed, track=track).by_frame
    for method in ("nearest_pose", "nearest_pose_moved", "warped_pose"):
        column = f"watch.{method}_psnr"
        assert after[column][19] == before[column][19] < IDENTICAL_DB


def test_at_most_watch_frames_are_scored(scene, made, listed):
    few = listed.model_copy(update={"watch_frames": 3})
    watched = score(scene, made, few)
    assert watched.frames == [12, 16, 19]
    assert set(watched.by_frame["watch.plate_psnr"]) == {12, 16, 19}
    assert watched.settings["frames_sampled"].startswith("3 of 8 held-out frames")


def test_an_unlisted_metric_has_no_key(scene, made, params):
    watched = score(scene, made, params.model_copy(update={"metrics": ["psnr", "ssim"]}), distances={"lpips_alex": l1})
    assert all(set(values) == {"psnr"} for values in watched.scores.values())
    assert not watched.stages
    assert {column.rsplit("_", 1)[1] for column in watched.by_frame} == {"psnr"}


def test_a_frame_without_a_person_has_psnr_alone(scene, made, listed):
    mattes = scene.mattes.copy()
    mattes[14] = 0
    _rewrite(scene, "mattes", mattes)
    by_frame = score(scene, made, listed).by_frame
    assert by_frame["watch.reconstruction_psnr"][14] == IDENTICAL_DB
    assert all(np.isnan(by_frame[f"watch.reconstruction_{metric}"][14]) for metric in LISTED[1:])


def test_nothing_to_score_is_said(scene, made, listed):
    watched = score(scene, made, listed, SplitParams(hold_out_fraction=0.0))
    assert not watched.scores
    assert "split.hold_out_fraction" in watched.settings["not_computed"]
    _rewrite(scene, "mattes", np.zeros_like(scene.mattes))
    assert score(scene, made, listed).settings["not_computed"] == "no true matte shows the person"


def test_artifacts_that_do_not_belong_together_are_refused(scene, made, listed):
    short = replace(scene.track, points=scene.track.points[:18])
    with pytest.raises(InputError, match=r"the keypoints has 18 frames, .*frames\.zarr has 20"):
        score(scene, made, listed, track=short)
    fused = scene.open_fused()
    del fused.attributes["stage"]
    with pytest.raises(InputError, match="must show one of the stages generated, warped, enhanced, refined, found None"):
        score(scene, replace(made, fused=fused), listed)


def test_the_networks_see_the_person_alone(scene, made, listed):
    """A pixel far from the person costs psnr and no perceptual distance; the networks get 32 px a side at least."""
    sizes = []

    def sized(true, *others):
        sizes.append(true.shape[1:3])
        return l1(true, *others)

    narrow = listed.model_copy(update={"dilate_px": 0.0})
    spoilt = scene.frames.copy()
    spoilt[:, -6:] = 255 - spoilt[:, -6:]  # below the feet, inside the view
    found = score(scene, replace(made, generated=foreground(scene, spoilt)), narrow, distances={"st_lpips": sized})
    assert found.scores["reconstruction"]["psnr"] < IDENTICAL_DB
    assert found.scores["reconstruction"]["psnr_person"] == IDENTICAL_DB
    assert found.scores["reconstruction"]["st_lpips"] == 0
    height, width = found.settings["view_hw"]
    assert len(sizes) == 8
    assert all(32 <= h < height and 32 <= w < width for h, w in sizes)
