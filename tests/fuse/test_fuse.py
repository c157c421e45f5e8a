"""Laws of fusing a pair: the driver's time and sound, one JSON that tells, whole or absent, and nothing of a clock."""

import dataclasses
import json
import resource
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import media
import numpy as np
import pytest

from pipeline.artifacts.foregrounds import create_foregrounds, open_foregrounds
from pipeline.artifacts.frames import create_frames, open_frames
from pipeline.artifacts.replacing import VIDEO_COMMENT
from pipeline.artifacts.residuals import create_residuals, open_residuals
from pipeline.artifacts.sounds import write_sound
from pipeline.errors import InputError
from pipeline.fuse import fuse
from pipeline.fuse.fuse import FuseInputs, FuseOutputs, FuseParams, fuse_pair
from pipeline.fuse.sidecar import digest_path
from pipeline.picture.geometry import box_to_crop, sample_crop
from pipeline.video.clock import NO_TIME, Clock
from pipeline.video.reading import probe, read_video
from pipeline.video.sound import extract_sound

T, CROP_HW, FULL = 20, (32, 40), (64, 96)
CLOCK = Clock("30000/1001", "1/30000", tuple(range(0, T * 1001, 1001)))
PARAMS = FuseParams(stage="refined", crf=8, preset="veryfast", mark="none", fps_without_time=10)
ROW = box_to_crop(np.array([20.0, 4, 90, 60]), CROP_HW)
OUTPUTS = ("video", "sidecar", "fused")
ABSENT = 5


def first_of(clock, frames):
    """The clock of a clip's first frames."""
    return dataclasses.replace(clock, pts=None if clock.pts is None else clock.pts[:frames])


def make_inputs(folder, clock=CLOCK, t=T, patches=T, plate_hw=FULL, plates=1, sound=True, full=FULL, motions=("m", "m")) -> FuseInputs:
    """A grey square that brightens in the middle of a plate of random tiles; absent in frame 5."""
    rng = np.random.default_rng(0)
    crop = np.repeat(ROW[None], t, axis=0)
    present = np.arange(t) != ABSENT
    rgb = np.broadcast_to((np.arange(t) * 10 + 30).astype(np.uint8)[:, None, None, None], (t, *CROP_HW, 3))
    matte = np.zeros((t, *CROP_HW), np.uint8)
    matte[:, 8:24, 8:24] = 255
    extra = {"model_sha256": "abc", "motion_sha256": motions[0]}
    with create_foregrounds(folder / "generated.zarr", CROP_HW, clock, crop, present, full, extra) as writer:
        writer.append(rgb, matte)
    boxes = {"face": np.repeat(np.array([[44.0, 28, 52, 36]]), patches, axis=0)}
    refined = folder / "refined.zarr", boxes, {}, 16, first_of(clock, patches), full, patches, {"motion_sha256": motions[1]}
    with create_residuals(*refined) as writer:
        writer.append("face", np.full((patches, 16, 16, 3), 40, np.int16))
    tiles = rng.integers(0, 256, (plates, plate_hw[0] // 16 + 1, plate_hw[1] // 16 + 1, 3)).astype(np.uint8)
    plate = tiles.repeat(16, axis=1).repeat(16, axis=2)[:, : plate_hw[0], : plate_hw[1]]
    with create_frames(folder / "plate.zarr", NO_TIME, plate_hw, kind="plates") as writer:
        writer.append(plate)
    driver = media.write_clip(folder / "driver.mp4", media.scenes(t), sound="aac")
    with create_frames(folder / "driver.zarr", clock, (32, 48)) as writer:
        writer.append(np.stack(media.scenes(t)))
        if sound:
            write_sound(writer, extract_sound(driver))
    (folder / "model.json").write_text(json.dumps({"weights_sha256": "d1", "params": {"k": 3}, "kind": "model"}))
    generated, refined = open_foregrounds(folder / "generated.zarr"), open_residuals(folder / "refined.zarr")
    plate, driver = open_frames(folder / "plate.zarr", "plates"), open_frames(folder / "driver.zarr")
    return FuseInputs(generated, generated, refined, plate, driver, (folder / "model.json",))


def outputs_in(folder) -> FuseOutputs:
    return FuseOutputs(folder / "out" / "a.mp4", folder / "out" / "a.json", folder / "out" / "a.zarr")


def with_(params: FuseParams, **changes) -> FuseParams:
    return FuseParams(**{**params.model_dump(), **changes})


@pytest.fixture(scope="module")
def fused(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fuse")
    inputs, outputs = make_inputs(folder), outputs_in(folder)
    assert fuse_pair(inputs, PARAMS, outputs) == T
    return inputs, outputs


def test_the_video_has_the_drivers_time_and_sound(fused):
    inputs, outputs = fused
    assert media.seconds_of(outputs.video) == [Fraction(p, 30000) for p in CLOCK.pts]
    assert probe(outputs.video).audio == "aac"
    driver = Path(inputs.foreground.source.path).parent / "driver.mp4"
    assert abs(len(media.sound_of(outputs.video)) - len(media.sound_of(driver))) <= 2048


def test_the_plate_stays_and_the_person_is_in_its_place(fused):
    inputs, outputs = fused
    frames = np.concatenate([b.frames for b in read_video(outputs.video)]).astype(int)
    plate = inputs.plate[0].astype(int)
    assert np.abs(frames[ABSENT] - plate).mean() < 8  # 4:2:0 softens the tiles' edges
    middle = frames[:, 22, 40]  # within the matte, beside the patch
    wanted = np.arange(T) * 10 + 30
    there = np.arange(T) != ABSENT
    assert np.abs(middle[there] - wanted[there][:, None]).max() <= 4
    patch = frames[there][:, 31:33, 47:49].mean(axis=(1, 2))
    assert np.abs(patch - np.minimum(wanted[there] + 40, 255)[:, None]).max() <= 8


def test_fused_crops_are_exact(fused):
    inputs, outputs = fused
    crops = open_frames(outputs.fused, kind="fused")
    assert crops.shape == (T, *CROP_HW, 3)
    assert crops.clock == CLOCK
    for t in (0, 7, T - 1):
        assert (crops[t][9:11, 9:23] == t * 10 + 30).all()
    assert not np.array_equal(crops[ABSENT][8:24, 8:24], crops[ABSENT + 1][8:24, 8:24])
    assert np.array_equal(crops[0][:5], crops[ABSENT][:5])  # beyond the reach of a cubic kernel and an average
    plate = inputs.plate[0]
    assert np.array_equal(crops[ABSENT], sample_crop(plate, ROW, CROP_HW))


def test_fused_crops_have_the_working_size_whatever_is_pasted(fused, tmp_path):
    """The same person given in the source's own pixels: pasted sharp, seen through the same crop."""
    inputs, coarse = fused
    box = np.array([16, 0, 88, 64])
    finer = box_to_crop(box.astype(float), (64, 72))
    rgb = np.broadcast_to((np.arange(T) * 10 + 30).astype(np.uint8)[:, None, None, None], (T, 64, 72, 3))
    matte = np.zeros((T, 64, 72), np.uint8)
    matte[:, 18:46, 18:46] = 255  # the matte of the coarse one at the source's resolution, from 34 18 to 62 46
    path = tmp_path / "fine.zarr"
    rows, present = np.repeat(finer[None], T, axis=0), np.arange(T) != ABSENT
    with create_foregrounds(path, (64, 72), CLOCK, rows, present, FULL, {"motion_sha256": "m"}) as writer:
        writer.append(rgb, matte)
    outputs = outputs_in(tmp_path)
    fuse_pair(dataclasses.replace(inputs, foreground=open_foregrounds(path)), with_(PARAMS, stage="warped", crf=0), outputs)
    crops = open_frames(outputs.fused, kind="fused")
    assert crops.shape == (T, *CROP_HW, 3)
    frames = np.concatenate([b.frames for b in read_video(outputs.video)]).astype(int)
    assert np.abs(frames[7][22:42, 38:58] - 100).max() <= 3  # 4:2:0 mixes the border
    plate = inputs.plate[0]
    true = plate.copy()
    true[18:46, 34:62] = 100
    assert np.array_equal(crops[7], sample_crop(true, ROW, CROP_HW))
    near = open_frames(coarse.fused, kind="fused")[7].astype(int)
    assert np.abs(crops[7].astype(int) - near)[9:13, 9:23].max() <= 1


def test_a_foreground_of_another_clip_is_refused(fused, tmp_path):
    inputs, _ = fused
    other = make_inputs(tmp_path, t=T - 1, clock=NO_TIME)
    with pytest.raises(InputError, match=r"generated\.zarr has 20 frames, .*generated\.zarr has 19"):
        fuse_pair(dataclasses.replace(inputs, generated=other.generated), PARAMS, outputs_in(tmp_path))


def test_video_and_json_say_what_they_are(fused):
    inputs, outputs = fused
    with av.open(str(outputs.video)) as container:
        assert container.metadata["comment"] == VIDEO_COMMENT
        assert container.metadata["title"] == "Generated video"
    told = json.loads(outputs.sidecar.read_text())
    assert told["generated"] is True
    assert told["models"] == {"model": {"weights_sha256": "d1", "params": {"k": 3}}}
    assert told["made_by"]["foreground"] == {"model_sha256": "abc", "motion_sha256": "m"}
    assert told["inputs"]["plate"]["sha256"] == digest_path(Path(inputs.plate.source.path))
    assert set(told["inputs"]) == {"foreground", "generated", "plate", "driver_frames", "residuals"}
    assert told["params"]["fuse"] == PARAMS.model_dump()
    assert told["frames"] == T


def test_again_is_the_same(fused, tmp_path):
    inputs, outputs = fused
    fuse_pair(inputs, PARAMS, outputs_in(tmp_path))
    assert outputs.sidecar.read_bytes() == outputs_in(tmp_path).sidecar.read_bytes()
    assert digest_path(outputs.fused) == digest_path(outputs_in(tmp_path).fused)


def test_generated_leaves_the_patches_out(fused, tmp_path):
    inputs, _ = fused
    without = FuseInputs(inputs.foreground, inputs.generated, None, inputs.plate, inputs.driver_frames, ())
    fuse_pair(without, with_(PARAMS, stage="generated"), outputs_in(tmp_path))
    crops = open_frames(outputs_in(tmp_path).fused, kind="fused")
    assert (crops[3][9:23, 9:23] == 60).all()
    with pytest.raises(InputError, match=r"fuse\.stage is enhanced, which needs --residuals"):
        fuse_pair(without, with_(PARAMS, stage="enhanced"), outputs_in(tmp_path))


def test_a_mark_is_seen_in_the_video_only(fused, tmp_path):
    inputs, plain = fused
    outputs = outputs_in(tmp_path)
    fuse_pair(inputs, with_(PARAMS, mark="AI"), outputs)
    marked, bare = (np.concatenate([b.frames for b in read_video(p)]).astype(int) for p in (outputs.video, plain.video))
    changed = np.abs(marked - bare).mean(axis=(0, 3)) > 30
    assert changed[40:, 60:].any()
    assert not changed[:32].any()
    assert digest_path(outputs.fused) == digest_path(plain.fused)


def test_without_a_mark_nothing_is_drawn(fused, tmp_path, monkeypatch):
    inputs, _ = fused
    drawn = []
    monkeypatch.setattr(fuse, "draw_mark", lambda image, text: drawn.append(text))
    fuse_pair(inputs, PARAMS, outputs_in(tmp_path))
    assert not drawn
    fuse_pair(inputs, with_(PARAMS, mark="AI"), outputs_in(tmp_path))
    assert drawn == ["AI"] * T


def test_a_folder_s_digest_is_of_names_and_contents(tmp_path):
    digests = set()
    for number, (name, content) in enumerate((("a", "1"), ("a", "2"), ("b", "1"), ("c/a", "1"))):
        (tmp_path / f"{number}" / name).parent.mkdir(parents=True)
        (tmp_path / f"{number}" / name).write_text(content)
        digests.add(digest_path(tmp_path / f"{number}"))
    assert len(digests) == 4
    (tmp_path / "4").mkdir()
    (tmp_path / "4" / "a").write_text("1")
    assert digest_path(tmp_path / "4") in digests


def test_a_driver_without_time_gives_a_mute_video_at_the_params_rate(tmp_path):
    inputs = make_inputs(tmp_path, clock=NO_TIME)
    fuse_pair(inputs, PARAMS, outputs_in(tmp_path))
    assert media.seconds_of(outputs_in(tmp_path).video) == [Fraction(t, 10) for t in range(T)]
    assert probe(outputs_in(tmp_path).video).audio is None
    assert not open_frames(outputs_in(tmp_path).fused, kind="fused").clock.has_time


def test_odd_frames_and_a_plate_per_frame(tmp_path):
    inputs = make_inputs(tmp_path, full=(65, 97), plate_hw=(65, 96), sound=False)
    with pytest.raises(InputError, match=r"plate\.zarr is 96x65 px, .*generated\.zarr belongs to frames of 97x65"):
        fuse_pair(inputs, PARAMS, outputs_in(tmp_path))
    inputs = make_inputs(tmp_path, full=(65, 96), plate_hw=(65, 96), plates=T, sound=False)
    fuse_pair(inputs, PARAMS, outputs_in(tmp_path))
    assert probe(outputs_in(tmp_path).video).size_hw == (66, 96)


def test_inputs_that_do_not_fit(tmp_path):
    inputs = make_inputs(tmp_path, patches=T - 1)
    with pytest.raises(InputError, match=r"refined\.zarr has 19 frames, .*generated\.zarr has 20"):
        fuse_pair(inputs, PARAMS, outputs_in(tmp_path))
    inputs = make_inputs(tmp_path, motions=("m", "another"))
    with pytest.raises(InputError, match=r"refined\.zarr must be made for the same motion as .*generated\.zarr"):
        fuse_pair(inputs, PARAMS, outputs_in(tmp_path))
    inputs = make_inputs(tmp_path, plates=3)
    with pytest.raises(InputError, match=r"must have 1 frame or the 20 of"):
        fuse_pair(inputs, PARAMS, outputs_in(tmp_path))
    (tmp_path / "model.json").unlink()
    with pytest.raises(InputError, match=r"model\.json does not exist"):
        fuse_pair(make_missing(inputs, tmp_path), PARAMS, outputs_in(tmp_path))
    assert not (tmp_path / "out").exists()


def make_missing(inputs: FuseInputs, folder) -> FuseInputs:
    made = make_inputs(folder)
    (folder / "model.json").unlink()
    return made


@pytest.mark.parametrize(
    ("key", "value"), [("stage", "polished"), ("crf", 52), ("mark", ""), ("mark", "ä"), ("fps_without_time", 0), ("preset", "x")]
)
def test_params_out_of_range(key, value):
    with pytest.raises(ValueError, match=key):
        with_(PARAMS, **{key: value})


def test_door_writes_whole_or_nothing_when_the_disk_is_full(tmp_path):
    inputs = make_inputs(tmp_path)
    (tmp_path / "params.yaml").write_text("fuse: {stage: refined, crf: 0, preset: veryfast, mark: none, fps_without_time: 10}\n")
    paths = {
        "foreground": inputs.foreground.source, "generated": inputs.generated.source, "residuals": tmp_path / "refined.zarr",
        "plate": inputs.plate.source, "driver-frames": inputs.driver_frames.source, "params": tmp_path / "params.yaml",
        "out": tmp_path / "out" / "a.mp4", "sidecar": tmp_path / "out" / "a.json", "fused": tmp_path / "out" / "a.zarr",
        "time": tmp_path / "time.json",
    }  # fmt: skip
    door = [sys.executable, "-m", "stages.fuse", *(str(x) for k, v in paths.items() for x in (f"--{k}", v))]
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))  # noqa: E731
    run = subprocess.run(door, capture_output=True, text=True, check=False, preexec_fn=limit)
    assert run.returncode == 1, run.stderr
    assert run.stderr.splitlines()[-1].startswith("error:")
    assert not list((tmp_path / "out").iterdir())
    run = subprocess.run(door, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["a.json", "a.mp4", "a.zarr"]
    assert json.loads((tmp_path / "time.json").read_text())["frames"] == T
