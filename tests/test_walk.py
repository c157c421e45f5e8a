"""All doors through real `dvc repro` on drawn clips of known truth; then again: nothing runs; then one change at a time."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
import zarr
from figure import JOINTS, Figure, Motion
from painting import write_video
from ruamel.yaml import YAML
from test_reruns import EDITS, FURTHER, expected
from walking import SIZE_HW, arrays_and_tables, built, differing, draw_ann, draw_clip, edit_params, group_of, psnr, read_json

from pipeline.artifacts.frames import open_frames
from pipeline.artifacts.keypoints import read_keypoints
from pipeline.picture.geometry import crop_to_box

pytestmark = pytest.mark.slow
HELD_OUT = 24  # first of the 30 frames that split.hold_out_fraction 0.2 holds out
PLAN = None
SIGNED = {"sign@ann-to-ann", "sign@ben-to-ann"}
SEEN_ANEW = ("fetch_hand_weights@ben", "extract_frames@ben", "estimate_poses@ben")  # whatever an entry of clips changes
CROPPED = ("crops/ann", "foregrounds/ann-to-ann-generated", "fused/ann-to-ann")


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """The project after its first run; nobody changes it."""
    return built(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="module")
def truth(tmp_path_factory):
    """Frames, mattes, points and background of the target, as drawn."""
    return draw_ann(tmp_path_factory.mktemp("truth"))


@pytest.fixture(scope="module")
def walked(first, tmp_path_factory):
    """A copy that the tests below change, one after the other, each starting from the params of the first run."""
    project = first.copy(tmp_path_factory.mktemp("walked") / "p")
    project.base = (project.folder / "params.yaml").read_text()
    return project


def restore(project):
    (project.folder / "params.yaml").write_text(project.base)


def stages_of_project(project):
    return set(YAML(typ="safe").load((project.folder / "dvc.lock").read_text())["stages"])


# --- the first run ----------------------------------------------------------------------------------------------------


def test_the_first_run_runs_every_stage_once(first):
    stages = YAML(typ="safe").load((first.folder / "dvc.yaml").read_text())["stages"]
    assert len(first.ran) == len(set(first.ran))
    of_none = {name for name, stage in stages.items() if stage.get("foreach") in ("${demo}", "${footage}")}
    assert set(stages) - group_of(first.ran) == of_none  # these params ask for no demo footage, nor for further clips


def test_scores_have_the_promised_names(first):
    scores = read_json(first.folder / "data/metrics/ann.json")
    keys = {"psnr", "psnr_person", "ssim", "st_lpips", "alex", "tcm", "e_warp", "flicker", "watch"}
    for method in ("reconstruction", "warped_pose", "nearest_pose", "plate"):
        assert set(scores[method]) == keys
    for method in ("reconstruction", "warped_pose", "nearest_pose", "nearest_pose_moved", "plate"):
        assert set(scores[method]["watch"]) == {"psnr", "psnr_person", "st_lpips", "alex", "sharpness"}
    assert set(scores["stages"]) == {"generated", "warped", "enhanced", "refined"}
    assert scores["reconstruction"]["watch"].items() >= scores["stages"]["refined"]["watch"].items()
    assert set(scores["regions"]) >= {"face", "left_hand", "right_hand", "left_foot", "right_foot"}
    for region in scores["regions"].values():
        assert set(region) == {"warped", "enhanced", "refined"}
        assert all(set(stage) == {"st_lpips", "psnr"} for stage in region.values())
    imitation = read_json(first.folder / "data/metrics/ben-to-ann.json")["imitation"]
    assert set(imitation) == {"motion_consistency", "e_warp", "flicker"}  # redetect is none, so no score of poses


def test_dvc_shows_the_scores(first):
    shown = json.loads(first.dvc("metrics", "show", "--json").stdout)[""]["data"]
    assert {"data/metrics/ann.json", "data/metrics/ben-to-ann.json"} <= {name.replace("\\", "/") for name in shown}


def test_keypoints_are_the_drawn_ones(first, truth):
    track = read_keypoints(first.folder / "data/keypoints/ann.parquet").track()
    indices = [track.skeleton.index(joint) for joint in JOINTS]
    np.testing.assert_allclose(track.points[:, indices], truth["points"], atol=1e-3)


def test_a_pair_with_oneself_moves_as_filmed(first):
    own = read_keypoints(first.folder / "data/keypoints/ann.parquet").track()
    motion = read_keypoints(first.folder / "data/motions/ann-to-ann.parquet", "motions").track()
    np.testing.assert_allclose(motion.points, own.points, atol=0.01)


def test_frames_mattes_and_plate_are_the_drawn_ones(first, truth):
    data = first.folder / "data"
    frames = open_frames(data / "frames/ann.zarr")[:]
    assert frames.shape == truth["frames"].shape
    assert psnr(_grey(frames), _grey(truth["frames"])) > 38  # colours are stored at half the resolution
    found, true = zarr.open(data / "mattes/ann.zarr")["mattes"][:] > 127, truth["mattes"] > 127
    assert (found & true).sum() / (found | true).sum() > 0.8
    plate = zarr.open(data / "plates/ann.zarr")
    plate = next(array for _, array in plate.arrays())[0]
    assert psnr(_grey(plate), _grey(truth["background"])) > 32


def _grey(pictures):
    """Brightness of RGB pictures, as video stores it."""
    return pictures @ np.array([0.299, 0.587, 0.114])


def test_the_crop_is_neither_square_nor_the_identity(first):
    crops, generated, fused = (zarr.open(first.folder / f"data/{name}.zarr") for name in CROPPED)
    assert crops.attrs["mode"] == "fixed"  # chosen by auto
    height, width = crops.attrs["crop_hw"]
    assert (height, width) == (64, 96)
    assert crops["frames"].shape[1:] == generated["rgb"].shape[1:] == fused["fused"].shape[1:] == (height, width, 3)
    row = crops["crop"][0]
    assert row[0, 0] == row[1, 1] < 0.6
    x0, y0, x1, y1 = crop_to_box(row, (height, width))
    assert x0 > 1
    assert y0 > 1
    assert x1 <= SIZE_HW[1]
    assert y1 <= SIZE_HW[0]
    assert np.array_equal(crops["crop"][:], generated["crop"][:])


def test_the_video_has_the_drivers_frames_and_says_what_it_is(first):
    import av

    sidecar = read_json(first.folder / "data/videos/ben-to-ann.json")
    assert "generated" in json.dumps(sidecar)
    with av.open(str(first.folder / "data/videos/ben-to-ann.mp4")) as video:
        assert video.streams.video[0].frames == 30
        assert "generated" in json.dumps(dict(video.metadata)).lower()


def test_the_signed_video_is_valid_and_its_bytes_are_in_no_comparison(first):
    from pipeline.sign.verify import verify

    for pair in ("ann-to-ann", "ben-to-ann"):
        assert verify(first.folder / f"data/signed/{pair}.mp4").state == "valid"
        assert verify(first.folder / f"data/videos/{pair}.mp4").state == "unsigned"
    assert not [name for name in arrays_and_tables(first) if "signed" in name]


# --- what runs again --------------------------------------------------------------------------------------------------


def test_the_second_run_runs_nothing(walked):
    assert walked.repro() == []


def test_comments_order_and_unchosen_backends_rerun_nothing(walked):
    lines = (walked.folder / "params.yaml").read_text().splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("report:"))
    (walked.folder / "params.yaml").write_text("\n".join(["# a comment", *lines[at:], *lines[:at]]) + "\n")
    unchosen_packages = ("pose/backends/openpose", "pose/refiners/dcpose", "matting/backends/maskrcnn", "background/backends/deepfill")
    for unchosen in ("pose/backends/blazepose", "matting/backends/blazepose", *unchosen_packages):  # both clips are imported
        with open(walked.folder / "pipeline" / unchosen / "__init__.py", "a") as file:
            file.write("\n# a comment\n")
    assert walked.repro() == ["check_names"]  # which lists the code anew, and finds all stages' as it was
    restore(walked)


@pytest.mark.parametrize(
    ("edit", "stages"),
    [
        ({"clips.ben.span": [0, 9]}, {*SEEN_ANEW, "report"}),
        ({"clips.ben.pose": "openpose"}, {"fetch_pose_weights@ben", *SEEN_ANEW, "report"}),
        ({"clips.ann.refiner": "dcpose"}, {"fetch_refiner_weights@ann", *(name.replace("ben", "ann") for name in SEEN_ANEW), "report"}),
        # what is signed is signed anew with any change of its target, as a consent may be among its params or not
        ({"targets.ann.matte": "maskrcnn"}, {"fetch_matte_weights@ann", "fetch_edge_weights@ann", "segment_person@ann", *SIGNED, "report"}),
        ({"background.fill": "deepfill"}, {"fetch_fill_weights", "inpaint_background@ann", "report"}),
    ],
)
def test_another_span_or_backend_asks_for_its_own_stages_and_weights(edit, stages, first, tmp_path):
    project = first.copy(tmp_path / "p")  # nothing runs here, so only what changed itself is listed
    edit_params(project.folder / "params.yaml", edit)
    assert set(json.loads(project.dvc("status", "--json").stdout)) == {"check_names", *stages}


@pytest.mark.parametrize("row", ["`report`", "`face`", "`pairs.<pair>.motion`"])
def test_exactly_the_stages_of_the_table_run(row, walked):
    restore(walked)
    edit_params(walked.folder / "params.yaml", EDITS[row])
    assert set(walked.repro()) == expected(row, stages_of_project(walked))


def test_another_metric_evaluates_again_and_renders_nothing(walked):
    restore(walked)
    walked.set(evaluation__metrics=["psnr", "flicker"])
    ran = walked.repro()
    assert set(ran) == expected("`evaluation.metrics`, `evaluation.flow`", stages_of_project(walked))
    assert set(read_json(walked.folder / "data/metrics/ann.json")["reconstruction"]) == {"psnr", "flicker", "watch"}


def test_another_stage_of_polish_is_fused_again(walked):
    restore(walked)
    walked.set(fuse__stage="generated")
    assert set(walked.repro()) == {"check_names"} | expected("`fuse`", stages_of_project(walked))  # it names a store


def test_checkpointing_more_rarely_changes_no_weights(first, walked):
    restore(walked)
    walked.set(appearance__checkpoint_s=1000)
    assert set(walked.repro("train_appearance@ann")) == {"train_appearance@ann"}
    weights = "data/models/ann-appearance.safetensors"
    assert walked.bytes_of(weights) == first.bytes_of(weights)


def test_reverting_everything_executes_nothing(first, walked):
    restore(walked)
    assert walked.repro() == []
    assert differing(arrays_and_tables(first), arrays_and_tables(walked)) == []


def test_a_new_driver_runs_only_its_own_stages(walked):
    draw_clip(walked.folder, "eve.mp4", Figure(proportions={"thigh": 1.1}), Motion(wave=0.5))
    edit_params(walked.folder / "params.yaml", EDITS["a new driver and its pair"])
    assert set(walked.repro()) == expected("a new driver and its pair", stages_of_project(walked))


def test_a_further_clip_runs_only_its_own_stages_and_the_training_that_goes_on(first, tmp_path):
    project = first.copy(tmp_path / "p")
    draw_clip(project.folder, "eve.mp4", Figure(), Motion(wave=0.5))
    edit_params(project.folder / "params.yaml", EDITS[FURTHER])
    own = [f"data/{kind}/ann.zarr" for kind in ("frames", "mattes", "plates", "crops", "faces", "references")]
    own += [f"data/models/ann-appearance{end}" for end in (".safetensors", ".json", ".discriminators.safetensors")]
    before = project.bytes_of(*own)
    assert set(project.repro()) == expected(FURTHER, stages_of_project(project))
    assert differing(before, project.bytes_of(*own)) == []
    data = project.folder / "data"
    assert read_json(data / "models/ann/eve-appearance.json")["further_clips"] == ["eve"]
    generated = zarr.open(data / "foregrounds/ben-to-ann-generated.zarr")
    assert generated.attrs["model_sha256"] == read_json(data / "models/ann/eve-appearance.json")["weights_sha256"]
    chosen = pq.read_table(data / "references/ann-to-ann.parquet").column("reference").to_numpy()
    assert chosen.max() >= zarr.open(data / "references/ann.zarr")["frames"].shape[0]  # of the further clip, at some frame
    assert project.repro() == []
    learnt = project.bytes_of("data/models/ann")
    project.dvc("repro", "-s", "-f", "continue_appearance@eve")
    assert differing(learnt, project.bytes_of("data/models/ann")) == []


# --- what must not matter ---------------------------------------------------------------------------------------------


def test_held_out_pixels_change_no_model_plate_or_index(first, truth, tmp_path):
    project = first.copy(tmp_path / "p")
    frames = truth["frames"].copy()
    frames[HELD_OUT:] = 255 - frames[HELD_OUT:]
    write_video(project.folder / "data/source/ann.mkv", frames, "25", "ffv1")
    ran = project.repro("train_refiner@ann")
    assert {"extract_frames@ann", "index_faces@ann", "train_appearance@ann", "train_refiner@ann"} <= set(ran)
    learnt = ("data/models", "data/plates", "data/faces")
    assert differing(first.bytes_of(*learnt), project.bytes_of(*learnt)) == []
    assert differing(first.bytes_of("data/crops"), project.bytes_of("data/crops"))  # the change did arrive


def test_a_forced_run_gives_the_same_bytes_and_takes_nothing_of_the_users(first, tmp_path):
    project = first.copy(tmp_path / "p")
    weight = project.folder / "data/weights/metrics/st_vgg16/vgg_shift_tolerant.pth"
    incoming = project.folder / "data/incoming"
    incoming.mkdir(parents=True)
    (incoming / weight.name).write_bytes(weight.read_bytes())
    (incoming / "notes.txt").write_text("mine")
    (project.folder / "data/source/unused.mp4").write_bytes(b"mine too")
    before = project.bytes_of("data/source", "data/incoming")
    ran = project.dvc("repro", "-f").stdout
    assert "train_appearance@ann" in ran
    assert project.bytes_of("data/source", "data/incoming") == before
    assert differing(arrays_and_tables(first), arrays_and_tables(project)) == []
