import json
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from pipeline.artifacts.frames import open_frames
from pipeline.artifacts.keypoints import write_keypoints
from pipeline.artifacts.scores import read_scores
from pipeline.errors import InputError
from pipeline.evaluation.external import External, ExternalParams
from pipeline.evaluation.fidelity import IDENTICAL_DB
from pipeline.evaluation.imitation import PairInputs, evaluate_external_imitation, evaluate_imitation
from pipeline.evaluation.reconstruction import evaluate_external_reconstruction, evaluate_reconstruction
from pipeline.evaluation.temporal import load_flow
from pipeline.timeline.split import SplitParams
from pipeline.video.clock import NO_TIME, Clock

ROOT = Path(__file__).resolve().parents[2]
HELD_OUT = SplitParams(hold_out_fraction=0.4)  # of 20 frames, the last 8: 12..19
SELF = ExternalParams(driver="man", target="man", video="", shows="full", first_frame=0)
OTHER = SELF.model_copy(update={"driver": "woman"})


def write_video(path, images, pts=None, base=Fraction(1, 1000), step=40):
    """Lossless, at 25 frames/s unless timestamps are given."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.height, stream.width, stream.pix_fmt = *images[0].shape[:2], "bgr0"
        stream.codec_context.time_base = base
        for i, image in enumerate(images):
            frame = av.VideoFrame.from_ndarray(image, "rgb24")
            frame.pts, frame.time_base = (i * step if pts is None else pts[i]), base
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def write_images(folder, images):
    folder.mkdir()
    for i, image in enumerate(images):
        cv2.imwrite(str(folder / f"{i}.png"), image[..., ::-1])
    return folder


def opened(scene, video, params=SELF, clock=None):
    crops = scene.open_crops()
    return External("theirs", video, params, clock or crops.clock, crops.crop, crops.crop_hw, crops.size_hw)


def reconstruct(scene, params, external, split=HELD_OUT):
    inputs = scene.open_generated(), scene.open_crops(), scene.track, params, split, {}, load_flow("dis", Path())
    return evaluate_external_reconstruction(external, *inputs)


def imitate(scene, params, external):
    inputs = PairInputs(scene.open_generated(), open_frames(scene.folder / "frames.zarr"), scene.track, motion_of(scene))
    return evaluate_external_imitation(external, inputs, params, load_flow("dis", Path()))


def motion_of(scene):
    return replace(scene.track, attributes={"retargeting": {"method": "bone_ratio"}})


@pytest.fixture
def video(scene):
    return write_video(scene.folder / "true.mkv", scene.frames)


def test_the_true_frames_score_as_a_perfect_reconstruction(scene, params, video):
    scores = reconstruct(scene, params, opened(scene, video))
    perfect = scores["external"]["theirs"]
    assert perfect["psnr"] == perfect["psnr_person"] == IDENTICAL_DB
    assert perfect["ssim"] == pytest.approx(1)
    assert perfect["tcm"] == pytest.approx(1)


def test_the_protocol_is_ours(scene, params):
    # the very pixels that ours shows, given as another system's, have our scores: a full-frame video, or crops
    images = np.clip(scene.frames.astype(int) + 15, 0, 255).astype(np.uint8)
    seen = np.stack([scene.seen(image, t) for t, image in enumerate(images)])
    scene.write_fused(seen)
    crops = scene.open_crops()
    ours, _ = evaluate_reconstruction(
        scene.open_fused(), scene.open_generated(), crops, scene.track, params, HELD_OUT, {}, load_flow("dis", Path())
    )
    whole = opened(scene, write_video(scene.folder / "full.mkv", images))
    cut = opened(scene, write_images(scene.folder / "crop", seen), SELF.model_copy(update={"shows": "crop"}))
    for external in (whole, cut):
        theirs = reconstruct(scene, params, external)
        assert theirs["external"]["theirs"] == ours["reconstruction"]
        assert theirs["settings"]["frames"] == ours["settings"]["frames"]


def test_imitation_follows_the_protocol_too(scene, params, video):
    frames, fused = open_frames(scene.folder / "frames.zarr"), scene.open_fused()
    inputs = PairInputs(scene.open_generated(), frames, scene.track, motion_of(scene), fused=fused)
    ours = evaluate_imitation(inputs, params, load_flow("dis", Path()))
    theirs = imitate(scene, params, opened(scene, video, OTHER))
    assert theirs["external"]["theirs"] == ours["imitation"]
    assert theirs["settings"]["external"]["frames_without_counterpart"] == 0
    assert "not detected again" in theirs["settings"]["not_computed"]["pose"]


def test_a_video_shifted_by_a_frame_is_misaligned(scene, params):
    late = write_video(scene.folder / "late.mkv", np.concatenate([scene.frames[:1], scene.frames[:-1]]))
    shifted = reconstruct(scene, params, opened(scene, late))["external"]["theirs"]
    assert shifted["psnr"] < 40
    assert shifted["ssim"] < 0.99
    # and it is put right by saying where it begins
    cut = write_video(scene.folder / "cut.mkv", scene.frames[1:])
    told = reconstruct(scene, params, opened(scene, cut, SELF.model_copy(update={"first_frame": 1})))
    assert told["external"]["theirs"]["psnr"] == IDENTICAL_DB


JITTER = [t * 40 + (16 if t % 2 else 0) for t in range(20)]  # of 0.4 frames


@pytest.mark.parametrize(("rate", "pts"), [("jitter", JITTER), ("twice the rate", None)])
def test_the_nearest_timestamp_counts(scene, params, rate, pts):
    images = scene.frames
    if pts is None:  # between two true frames, grey ones
        images = np.full((40, *scene.frames.shape[1:]), 128, np.uint8)
        images[::2] = scene.frames
        pts = [t * 20 for t in range(40)]
    scores = reconstruct(scene, params, opened(scene, write_video(scene.folder / "near.mkv", images, pts)))
    assert scores["external"]["theirs"]["psnr"] == IDENTICAL_DB, rate


def test_a_folder_of_frames_is_taken_by_number(scene, params):
    folder = write_images(scene.folder / "images", scene.frames)  # 0.png .. 19.png: 10 after 9
    scores = reconstruct(scene, params, opened(scene, folder))
    assert scores["external"]["theirs"]["psnr"] == IDENTICAL_DB
    assert scores["settings"]["external"]["frames"].startswith("by number")


def test_a_clip_without_time_is_taken_by_number(scene, video):
    images = list(opened(scene, video, clock=NO_TIME).frames([3, 7]))
    assert all((image == scene.seen(scene.frames[t], t)).all() for image, t in zip(images, (3, 7)))


def test_a_held_out_frame_without_counterpart_is_refused(scene, params):
    short = write_video(scene.folder / "short.mkv", scene.frames[:15])
    with pytest.raises(InputError, match=r"must show frames 12 to 19 of man, found nothing within half a frame of frame 15: .*first_frame"):
        reconstruct(scene, params, opened(scene, short))


def test_an_imitation_counts_what_is_missing(scene, params):
    gap = [t for t in range(20) if t not in (7, 8)]
    video = write_video(scene.folder / "gap.mkv", scene.frames[gap], [t * 40 for t in gap])
    scores = imitate(scene, params, opened(scene, video, OTHER))
    assert scores["settings"]["external"]["frames_without_counterpart"] == 2
    assert scores["settings"]["pairs"] == 19 - 3
    assert scores["external"]["theirs"]["motion_consistency"] == pytest.approx(1)


def test_an_imitation_of_nothing_is_refused(scene, params):
    never = Clock("25", "1/25", (0, *range(1000, 1019)))  # the driver goes on where the video has ended
    external = opened(scene, write_video(scene.folder / "one.mkv", scene.frames[:1]), OTHER, never)
    motion = replace(motion_of(scene), points=scene.track.points.copy())
    motion.points[0] = np.nan
    inputs = PairInputs(scene.open_generated(), open_frames(scene.folder / "frames.zarr"), scene.track, motion)
    with pytest.raises(InputError, match="must show the driver's motion, found nothing"):
        evaluate_external_imitation(external, inputs, params, load_flow("dis", Path()))


def test_another_size_is_scaled_and_said(scene, params):
    large = [cv2.resize(image, None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST) for image in scene.frames]
    scores = reconstruct(scene, params, opened(scene, write_video(scene.folder / "large.mkv", large)))
    assert "scaled from 384x224 to 192x112 px" in scores["settings"]["external"]["pixels"]
    assert scores["external"]["theirs"]["psnr"] > 30
    small = [cv2.resize(image, (48, 80)) for image in scene.frames]
    scores = reconstruct(scene, params, opened(scene, write_video(scene.folder / "small.mkv", small)))
    assert 15 < scores["external"]["theirs"]["psnr"] < IDENTICAL_DB


def test_what_is_missing_or_no_video_is_refused(scene):
    with pytest.raises(InputError, match=r"none\.mp4 does not exist"):
        opened(scene, scene.folder / "none.mp4")
    (scene.folder / "text.mp4").write_text("no video")
    with pytest.raises(InputError, match=r"text\.mp4"):
        opened(scene, scene.folder / "text.mp4")


def test_a_first_frame_beyond_the_driver_is_refused(scene, video):
    with pytest.raises(InputError, match=r"external\.theirs\.first_frame must be a frame of the driver man, 0 to 19, found 20"):
        opened(scene, video, SELF.model_copy(update={"first_frame": 20}))


PARAMS = """
split: {hold_out_fraction: 0.4}
external:
  theirs: {driver: DRIVER, target: man, video: VIDEO, shows: full, first_frame: 0}
evaluation:
  metrics: [psnr, ssim, tcm, e_warp, motion_consistency]
  flow: dis
  mask: {consistency: 0.01, consistency_px2: 0.5, boundary: 0.01, boundary_px2: 0.002}
  static_below: 1.0e-6
  dilate_px: 4
  driver_margin: 1.25
  faces: {min_eyes_px: 8, max_turn_deg: 60}
  watch_px: 96
  watch_frames: 40
"""


def run(scene, driver, name="theirs"):
    folder = scene.folder
    write_keypoints(folder / "motion.parquet", scene.keypoints, kind="motions")
    (folder / "params.yaml").write_text(PARAMS.replace("DRIVER", driver).replace("VIDEO", str(folder / "true.mkv")))
    files = {"generated": "generated.zarr", "motion": "motion.parquet", "driver-frames": "frames.zarr"}
    files |= {"driver-keypoints": "keypoints.parquet", "crops": "crops.zarr", "weights": "weights", "out": "theirs.json"}
    argv = [f"--{key}={folder / value}" for key, value in files.items()] + [f"--params={folder / 'params.yaml'}", f"--external={name}"]
    command = [sys.executable, "-m", "stages.evaluate_external", *argv]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize(("driver", "metrics"), [("man", {"psnr", "ssim", "tcm", "e_warp"}), ("woman", {"motion_consistency", "e_warp"})])
def test_the_door_scores_either_kind_of_pair(scene, video, driver, metrics):
    done = run(scene, driver)
    assert done.returncode == 0, done.stderr
    scores = read_scores(scene.folder / "theirs.json")
    assert set(scores) == {"external", "settings"}
    assert set(scores["external"]["theirs"]) == metrics
    assert json.dumps(scores["settings"]["external"])


def test_the_door_names_an_entry_that_is_not_there(scene, video):
    done = run(scene, "man", name="ours")
    assert done.returncode == 1
    assert "external.ours is missing; external has: theirs" in done.stderr
