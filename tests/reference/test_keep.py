"""Kept references are training frames, unmixed, cut out where they lie."""

import dataclasses

import cv2
import numpy as np
import pytest
from reference.conftest import make_track

from pipeline.artifacts.keypoints import Track
from pipeline.artifacts.references import open_references
from pipeline.artifacts.source import Source
from pipeline.errors import InputError
from pipeline.picture.mixing import composite
from pipeline.reference.keep import KeepInputs, KeepParams, keep_references
from pipeline.timeline.split import SplitParams
from pipeline.video.clock import Clock

HW = (120, 160)
SPLIT = SplitParams(hold_out_fraction=0.25)


class Arrays:
    """What is read of a Frames artifact, from memory."""

    def __init__(self, arrays: np.ndarray) -> None:
        self.arrays, self.size_hw, self.source = arrays, arrays.shape[1:3], Source("mattes")

    def __len__(self) -> int:
        return len(self.arrays)

    def __getitem__(self, t: int) -> np.ndarray:
        return self.arrays[t]


@pytest.fixture
def filmed(swinging):
    draw = np.random.default_rng(0)
    plate = draw.integers(0, 256, (*HW, 3)).astype(np.uint8)
    colours = draw.integers(0, 256, (40, *HW, 3)).astype(np.uint8)
    mattes = np.zeros((40, *HW), np.uint8)
    for t in range(40):
        mattes[t, 10 + t : 50 + t, 40:70] = 255
        mattes[t, 10 + t : 50 + t, 70] = 100
    frames = np.stack([composite(c, m, plate) for c, m in zip(colours, mattes, strict=True)])
    inputs = KeepInputs(Arrays(frames), Arrays(mattes), make_track(swinging, HW), Arrays(plate[None]))  # type: ignore[arg-type]
    return inputs, colours, mattes


def test_references_are_the_subject_alone_where_it_was(filmed, tmp_path):
    inputs, colours, mattes = filmed
    assert keep_references(inputs, KeepParams(most=7), SPLIT, True, tmp_path / "r.zarr") == 7
    found = open_references(tmp_path / "r.zarr")
    assert found.frames.max() < 30  # the rest is held out
    assert found.mattes.shape[1:] == (40, 31)
    for rank, t in enumerate(found.frames):
        x, y = found.corner_xy[rank]
        assert (x, y) == (40, 10 + t)
        part = np.s_[y : y + 40, x : x + 31]
        assert (found.mattes[rank] == mattes[t][part]).all()
        assert np.abs(found.colours[rank] - colours[t][part] * (mattes[t][part][..., None] / 255.0)).max() <= 1.01
        assert np.allclose(found.points[rank], inputs.track.points[t])


def test_held_out_frames_change_no_byte(filmed, tmp_path):
    inputs, _, _ = filmed
    keep_references(inputs, KeepParams(most=50), SPLIT, True, tmp_path / "a.zarr")
    other = inputs.frames.arrays.copy()
    other[30:] = 255 - other[30:]
    points = inputs.track.points.copy()
    points[30:] += 3
    changed = dataclasses.replace(inputs, frames=Arrays(other), track=make_track(points, HW))
    keep_references(changed, KeepParams(most=50), SPLIT, True, tmp_path / "b.zarr")
    first, second = (
        {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
        for folder in (tmp_path / "a.zarr", tmp_path / "b.zarr")
    )
    assert first == second


def test_where_carrying_is_off_nothing_is_kept(filmed, tmp_path):
    assert keep_references(filmed[0], KeepParams(most=7), SPLIT, False, tmp_path / "r.zarr") == 0
    assert len(open_references(tmp_path / "r.zarr")) == 0


def test_inputs_of_different_clips_are_refused(filmed, tmp_path):
    inputs, _, _ = filmed
    short = dataclasses.replace(inputs, mattes=Arrays(inputs.mattes.arrays[:-1]))
    with pytest.raises(InputError, match=r"the mattes has 39 frames, .* has 40"):
        keep_references(short, KeepParams(most=7), SPLIT, True, tmp_path / "r.zarr")
    assert not (tmp_path / "r.zarr").exists()


def test_those_of_a_further_clip_are_scaled_to_the_size_of_the_targets_own(filmed, swinging, tmp_path):
    """The same scene filmed with twice the pixels is kept as the own clip would be, half a level of rounding apart."""
    inputs, _, _ = filmed
    smooth = [np.stack([cv2.GaussianBlur(image, (0, 0), 3) for image in clip.arrays]) for clip in (inputs.frames, inputs.plate)]
    own = dataclasses.replace(inputs, frames=Arrays(smooth[0]), plate=Arrays(smooth[1]))
    twice = [np.repeat(np.repeat(a, 2, axis=1), 2, axis=2) for a in (smooth[0], inputs.mattes.arrays, smooth[1])]
    hw = HW[0] * 2, HW[1] * 2
    larger = KeepInputs(Arrays(twice[0]), Arrays(twice[1]), make_track(swinging * 2 + 0.5, hw), Arrays(twice[2]), own.track)  # type: ignore[arg-type]
    for inputs_, name in ((own, "own"), (larger, "larger")):
        keep_references(inputs_, KeepParams(most=5), SPLIT, True, tmp_path / name)
    here, there = (open_references(tmp_path / name) for name in ("own", "larger"))
    assert here.frames.tolist() == there.frames.tolist()
    assert there.size_hw == HW
    assert np.allclose(here.points, there.points, atol=1e-3)
    for rank in range(len(here)):
        (x, y), (u, v) = here.corner_xy[rank], there.corner_xy[rank]
        h, w = here.mattes.shape[1:]
        picture, matte = there.colours[rank][y - v : y - v + h, x - u : x - u + w], there.mattes[rank][y - v : y - v + h, x - u : x - u + w]
        assert np.abs(matte.astype(int) - here.mattes[rank]).max() <= 1
        assert np.abs(picture.astype(int) - here.colours[rank]).max() <= 2


def test_a_ball_is_marked_where_it_lay_in_each_picture_and_in_those_of_a_further_clip(swinging, tmp_path):
    """A swinging stick over which a ball rises: the same in a clip of twice the pixels, scaled."""

    def slow(points: np.ndarray, size_hw: tuple[int, int]) -> Track:
        return dataclasses.replace(make_track(points, size_hw), clock=Clock.regular("5", len(points)))

    frames, mattes = np.full((40, *HW, 3), 90, np.uint8), np.zeros((40, *HW), np.uint8)
    balls = [(61, 20 + 7 * (t * 5 % 8)) for t in range(40)]
    for t, points in enumerate(swinging):
        for a, b in ((0, 1), (1, 2)):
            ends = [tuple(int(v) for v in points[i]) for i in (a, b)]
            cv2.line(frames[t], *ends, (40, 60, 120), 12)
            cv2.line(mattes[t], *ends, 255, 12)
        if t % 4 == 0:
            cv2.circle(frames[t], balls[t], 6, (250, 250, 250), -1)
            cv2.circle(mattes[t], balls[t], 6, 255, -1)
    plate, split = np.full((1, *HW, 3), 90, np.uint8), SplitParams(hold_out_fraction=0.025)
    own = KeepInputs(Arrays(frames), Arrays(mattes), slow(swinging, HW), Arrays(plate))  # type: ignore[arg-type]
    twice = [np.repeat(np.repeat(a, 2, axis=1), 2, axis=2) for a in (frames, mattes, plate)]
    hw = HW[0] * 2, HW[1] * 2
    larger = KeepInputs(*(Arrays(a) for a in twice[:2]), slow(swinging * 2 + 0.5, hw), Arrays(twice[2]), own.track)  # type: ignore[arg-type]
    for name, inputs in (("own", own), ("larger", larger)):
        keep_references(inputs, KeepParams(most=40), split, True, tmp_path / name)
        found = open_references(tmp_path / name)
        assert not found.transient[1].any()
        for rank, t in enumerate(found.frames):
            marked, (x, y) = found.transient[rank] > 127, np.array(balls[t]) - found.corner_xy[rank]
            if t % 4:
                assert not marked.any()
            else:
                down, across = np.indices(marked.shape)
                away = np.hypot(across - x, down - y)
                assert marked[away < 4].mean() > 0.9
                assert not marked[away > 12].any()
