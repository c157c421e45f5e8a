"""The moving picture: each side sees its own person, frames last as long as they did, and a picture too large is refused."""

import struct
import sys

import cv2
import numpy as np
import pytest

from pipeline.artifacts.frames import create_frames
from pipeline.artifacts.keypoints import ORIGINS, Keypoints, Track, write_keypoints
from pipeline.artifacts.pictures import write_moving_picture
from pipeline.artifacts.replacing import tagged_webp
from pipeline.body.skeleton import load_skeleton
from pipeline.errors import InputError
from pipeline.report.moving import BAR_PX, GAP_PX, SHAPE, animated, composed, durations_ms, main, moving_picture, view
from pipeline.video.clock import NO_TIME, Clock
from pipeline.video.writing import write_video

T, H, W = 7, 120, 100
CLOCK = Clock("25", "1/1000", (500, 540, 580, 620, 700, 740, 780))
HUMAN = load_skeleton("pipeline/skeletons/human.yaml")
PERSON = np.array([[40.0, 30.0], [60.0, 30.0], [50.0, 90.0]])


def keypoints(corner_xy: tuple[float, float] = (0, 0)) -> Keypoints:
    """Three joints that stand still, shifted as a whole; the others are missing."""
    points = np.full((T, 1, len(HUMAN.joints), 2), np.nan, np.float32)
    points[:, 0, :3] = PERSON + corner_xy
    origin = np.full(points.shape[:-1], ORIGINS.index("missing"), np.uint8)
    origin[:, :, :3] = ORIGINS.index("measured")
    return Keypoints(points, np.where(np.isfinite(points[..., 0]), 0.9, 0).astype(np.float32), origin, HUMAN, CLOCK, (H, W), 0, {})


def track(corner_xy: tuple[float, float] = (0, 0)) -> Track:
    return keypoints(corner_xy).track()


def pictures(colour: tuple[int, int, int], t: int = T) -> np.ndarray:
    """Frames of one colour, darker from frame to frame."""
    return np.stack([np.full((H, W, 3), np.array(colour) * (1 - i / 10), np.uint8) for i in range(t)])


def write_data(folder, t_result: int = T):
    """What the picture is made of: a red driver and a blue result."""
    for kind in ("frames", "keypoints", "motions", "videos"):
        (folder / kind).mkdir()
    with create_frames(folder / "frames/ben.zarr", CLOCK, (H, W)) as out:
        out.append(pictures((250, 0, 0)))
    write_keypoints(folder / "keypoints/ben.parquet", keypoints())
    write_keypoints(folder / "motions/ben-to-ann.parquet", keypoints(), "motions")
    with write_video(folder / "videos/ben-to-ann.mp4", (H, W), Clock.regular("25", t_result), 10, "veryfast", {}) as out:
        out.append(pictures((0, 0, 250), t_result))
    return folder


def frames_of(path) -> tuple[np.ndarray, list[int], int]:
    """RGB pictures, durations and number of rounds of an animated WebP."""
    done, film = cv2.imreadanimation(str(path))
    assert done
    return np.stack([frame[..., 2::-1] for frame in film.frames]), list(film.durations), film.loop_count


def test_driver_and_result_stand_side_by_side_frame_by_frame(tmp_path, monkeypatch):
    out = tmp_path / "docs" / "demo.webp"
    asked = ("ben-to-ann", "--data", str(write_data(tmp_path)), "--out", str(out), "--height-px", "48", "--every", "3")
    monkeypatch.setattr(sys, "argv", ["moving", *asked])
    main()
    shown, durations, rounds = frames_of(out)
    width = round(48 * SHAPE)
    assert shown.shape == (3, BAR_PX + 48, 2 * width + GAP_PX, 3)
    left, right = shown[:, BAR_PX + 24, width // 2], shown[:, BAR_PX + 24, width + GAP_PX + width // 2]
    np.testing.assert_allclose(left, pictures((250, 0, 0))[::3, 0, 0], atol=12)
    np.testing.assert_allclose(right, pictures((0, 0, 250))[::3, 0, 0], atol=12)
    assert (durations, rounds) == ([120, 160, 40], 0)


def test_a_file_of_another_name_is_refused(tmp_path, monkeypatch):
    out = tmp_path / "out.mp4"
    monkeypatch.setattr(sys, "argv", ["moving", "ben-to-ann", "--data", str(write_data(tmp_path)), "--out", str(out)])
    with pytest.raises(InputError, match=r"must be called \.webp, .* found .*out\.mp4"):
        main()
    assert not out.exists()


def test_frames_last_as_long_as_they_did():
    assert durations_ms(CLOCK, T, 1) == [40, 40, 40, 80, 40, 40, 40]
    assert sum(durations_ms(CLOCK, T, 2)) == sum(durations_ms(CLOCK, T, 5)) == 320
    assert sum(durations_ms(Clock.regular("30000/1001", 30), 30, 1)) == 1001  # rounding does not add up
    assert durations_ms(NO_TIME, 3, 1) == [200, 200, 200]
    assert durations_ms(Clock.regular("25", 1), 1, 1) == [200]


@pytest.mark.parametrize("corner", [(0, 0), (-35, 0), (30, 20), (-38, -28)])
def test_a_view_holds_the_person_and_lies_inside_the_frame(corner):
    x0, y0, x1, y1 = view(track(corner))
    low, high = PERSON.min(axis=0) + corner, PERSON.max(axis=0) + corner
    assert 0 <= x0 <= low[0] < high[0] < x1 <= W
    assert 0 <= y0 <= low[1] < high[1] < y1 <= H
    assert (x1 - x0) / (y1 - y0) == pytest.approx(SHAPE, abs=0.02)
    assert y1 - y0 == pytest.approx(61 * 1.2, abs=1)  # 1.2 times the longer side


def test_a_view_holds_spread_arms():
    spread = keypoints()
    spread.points[:, 0, :3] = [[20, 60], [80, 60], [50, 70]]
    x0, y0, x1, y1 = view(spread.track())
    assert x0 <= 20 < 80 < x1
    assert x1 - x0 == pytest.approx(61 * 1.2, abs=1)
    assert (x1 - x0) / (y1 - y0) == pytest.approx(SHAPE, abs=0.02)


def test_a_view_follows_where_the_person_is():
    here, there = np.array(view(track())), np.array(view(track((6, 4))))
    np.testing.assert_array_equal(there - here, [6, 4, 6, 4])


def test_somebody_must_be_seen():
    empty = keypoints((1000, 1000)).track()
    with pytest.raises(InputError, match="found no frame with the subject"):
        view(empty)


def test_views_are_not_touched_and_quality_costs_bytes():
    rng = np.random.default_rng(0)
    views = [rng.integers(0, 256, (32, 24, 3), np.uint8) for _ in range(2)]
    before = [v.copy() for v in views]
    canvas = composed(views)
    np.testing.assert_array_equal(canvas[BAR_PX:, :24], before[0])
    np.testing.assert_array_equal(canvas[BAR_PX:, 24 + GAP_PX :], before[1])
    assert len(animated([canvas, canvas[::-1]], [40, 40], 85)) > len(animated([canvas, canvas[::-1]], [40, 40], 35))
    np.testing.assert_array_equal(views, before)


def test_it_takes_the_place_of_its_own_kind_only(tmp_path):
    blobs = [animated([np.full((16, 16, 3), level, np.uint8)] * 2, [40, 40], 85) for level in (10, 200)]
    assert all(struct.unpack("<I", blob[4:8])[0] == len(blob) - 8 for blob in blobs)  # a whole RIFF file
    out = tmp_path / "demo.webp"
    for blob in blobs:
        write_moving_picture(out, blob)
        assert out.read_bytes() == tagged_webp(blob)
    others = out.read_bytes() + b"!"
    out.write_bytes(others)
    with pytest.raises(InputError, match="not made here"):
        write_moving_picture(out, blobs[0])
    assert out.read_bytes() == others


@pytest.mark.parametrize(
    ("pair", "t_result", "most_kb", "message"),
    [
        ("ben", T, 1000, "a pair is called <driver>-to-<target>, found ben"),
        ("ben-to-ann", 4, 1000, "must show all 7 frames of ben, it ends early.*dvc repro fuse@ben-to-ann"),
        ("ben-to-ann", T, 0, "takes .* kB, 0 are allowed: ask for a larger --every"),
    ],
)
def test_what_cannot_be_shown_is_said(tmp_path, pair, t_result, most_kb, message):
    with pytest.raises(InputError, match=message):
        moving_picture(write_data(tmp_path, t_result), pair, 48, 1, most_kb)
