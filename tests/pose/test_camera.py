"""Laws of a moving camera: it is found when it moves, only then, and every frame lies where it was filmed."""

from dataclasses import dataclass

import cv2
import numpy as np
import pytest
from figure import Motion
from filmed import SCENE_HW, SIZE_HW, Filmed, film, path, scene

from pipeline.errors import InputError
from pipeline.picture.camera import Camera, apply_homography
from pipeline.pose.camera import Wish, camera_of, read_camera, scene_of
from pipeline.pose.tracks import Tracks
from pipeline.video.clock import NO_TIME, Clock

LENGTH = 16
MOVES = {
    "pan": path(LENGTH, pan=45),
    "zoom": path(LENGTH, zoom=0.2),
    "shake": path(LENGTH, shake=5, turn=0.03),
    "all": path(LENGTH, pan=40, zoom=0.15, shake=3, turn=0.04),
}
GRID = np.stack(np.meshgrid(np.linspace(8, SIZE_HW[1] - 9, 7), np.linspace(8, SIZE_HW[0] - 9, 5)), axis=-1).reshape(-1, 2)


@dataclass(frozen=True)
class Shown:
    """Frames in memory, read as those of an artifact."""

    array: np.ndarray
    clock: Clock = NO_TIME

    @property
    def size_hw(self) -> tuple[int, int]:
        return self.array.shape[1], self.array.shape[2]

    def __len__(self) -> int:
        return len(self.array)

    def __getitem__(self, t: int) -> np.ndarray:
        return self.array[t]


def camera(
    frames: np.ndarray,
    points: np.ndarray,
    wish: Wish = "auto",
    border: int | None = None,
    cuts: tuple[int, ...] = (),
    clock: Clock = NO_TIME,
) -> Camera | None:
    tracks = Tracks(points[:, None], np.ones((len(points), 1, points.shape[1])), np.zeros((1, 1, 3)), ((),), False)
    found = scene_of("ana", Shown(frames, clock), tracks, 0, list(cuts), len(frames) if border is None else border)  # type: ignore[arg-type]
    return camera_of(found, wish)


def laid(found: Camera) -> np.ndarray:
    """Maps (t 3 3) from each frame to the reference's own pixels: the view's, shifted back."""
    return np.linalg.inv(found.maps[found.reference]) @ found.maps


def errors(found: Camera, clip: Filmed) -> np.ndarray:
    """How far (t n) px points of each trusted frame lie from where they were filmed, in the reference's pixels."""
    maps = laid(found)
    true = [apply_homography(clip.between(t, found.reference), GRID) for t in range(len(maps))]
    return np.stack([np.linalg.norm(apply_homography(maps[t], GRID) - true[t], axis=1) for t in np.flatnonzero(found.trusted)])


@pytest.mark.parametrize("name", MOVES)
def test_frames_lie_where_they_were_filmed(name):
    clip = film(MOVES[name])
    found = camera(clip.frames, clip.points)
    assert found is not None
    assert found.trusted.all()
    off = errors(found, clip)
    assert off.max() < 1
    assert off.mean() < 0.2


def test_errors_do_not_add_up_on_the_way():
    """Round and round: after four turns the camera is where it was, and is found there."""
    once = path(14, pan=60)
    clip = film(np.concatenate([once] * 4))
    found = camera(clip.frames, clip.points, "moving")
    assert found is not None
    off = errors(found, clip).mean(axis=1)
    assert off[:7].mean() < 0.25
    assert off[-7:].mean() < 0.25


def test_a_still_camera_is_still_whatever_moves_before_it():
    """Noise, light that flickers, a passer-by whom nobody marked, leaves in the wind."""
    rng, behind = np.random.default_rng(5), np.repeat(scene()[None], LENGTH, axis=0)
    leaves = behind[:, :160, :640].copy()
    for t in range(LENGTH):
        x = 120 + 22 * t
        behind[t, 150:330, x : x + 60] = scene(9)[150:330, 100:160]
        field = cv2.resize(rng.normal(0, 4, (6, 12, 2)).astype(np.float32), (640, 160), interpolation=cv2.INTER_CUBIC)
        field += np.stack(np.meshgrid(np.arange(640), np.arange(160)), axis=-1).astype(np.float32)
        behind[t, :160] = cv2.remap(leaves[t], field, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
        behind[t] = (behind[t] * (1 + 0.1 * np.sin(2.0 * t))).clip(0, 255).astype(np.uint8)
    clip = film(path(LENGTH), behind, noise=6.0)
    assert camera(clip.frames, clip.points) is None


@pytest.mark.parametrize("wish", ["auto", "moving"])
def test_white_walls_are_still(wish):
    clip = film(MOVES["pan"], np.full((*SCENE_HW, 3), 240, np.uint8))
    assert camera(clip.frames, clip.points, wish) is None


def test_a_passer_by_does_not_carry_the_camera_away():
    behind = np.repeat(scene()[None], LENGTH, axis=0)
    for t in range(LENGTH):
        behind[t, 130:330, 150 + 12 * t : 240 + 12 * t] = scene(9)[130:330, 100:190]
    clip = film(MOVES["all"], behind)
    found = camera(clip.frames, clip.points)
    assert found is not None
    assert errors(found, clip).max() < 1


def test_a_camera_that_is_said_to_stand_still_is_not_asked():
    clip = film(MOVES["pan"])
    assert camera(clip.frames, clip.points, "still") is None


def test_beyond_a_cut_nothing_is_trusted():
    clip, other = film(MOVES["pan"]), film(MOVES["zoom"][:6], scene(20))
    frames, points = np.concatenate([clip.frames, other.frames]), np.concatenate([clip.points, other.points])
    found = camera(frames, points, cuts=(LENGTH,))
    assert found is not None
    assert found.trusted.tolist() == [True] * LENGTH + [False] * 6


def test_frames_that_show_nothing_known_are_said_and_not_trusted(capsys):
    clip = film(MOVES["pan"])
    clip.frames[:2] = 128
    found = camera(clip.frames, clip.points)
    assert found is not None
    assert np.flatnonzero(~found.trusted).tolist() == [0, 1]
    assert errors(found, clip).max() < 1
    assert "could not be followed in 2 frames (0, 1): the subject counts as absent there" in capsys.readouterr().err


def test_a_blurred_frame_lies_between_its_neighbours_but_not_across_the_border(capsys):
    clip = film(MOVES["zoom"])
    clip.frames[3] = 128
    found, beside = camera(clip.frames, clip.points), camera(clip.frames, clip.points, border=3)
    assert found is not None
    assert found.trusted.all()
    assert errors(found, clip)[3].max() < 4
    assert capsys.readouterr().err.count("could not be followed") == 1
    assert beside is not None
    assert np.flatnonzero(~beside.trusted).tolist() == [3]


def test_a_blurred_frame_before_a_pause_lies_where_it_was_in_time():
    clip = film(MOVES["zoom"])
    clip.frames[3] = 128
    times = (*range(4), *range(6, len(clip.frames) + 2))
    found = camera(clip.frames, clip.points, clock=Clock("25", "1/25", times))
    assert found is not None
    at = laid(found)
    np.testing.assert_allclose(at[3], 0.75 * at[2] + 0.25 * at[4], atol=1e-3)


def test_held_out_frames_change_no_map_before_them():
    clip = film(MOVES["all"])
    other = clip.frames.copy()
    other[12:] = 255 - other[12:]
    found, again = (camera(frames, clip.points, border=12) for frames in (clip.frames, other))
    assert found is not None
    assert again is not None
    assert found.reference == again.reference
    np.testing.assert_allclose(laid(found)[:12], laid(again)[:12], rtol=0, atol=1e-9)
    assert np.array_equal(found.trusted[:12], again.trusted[:12])
    assert not np.array_equal(laid(found)[12:], laid(again)[12:])


def test_frames_to_learn_from_stay_as_filmed_where_only_later_ones_move():
    clip = film(np.concatenate([path(12), MOVES["pan"][1:5]]))
    found = camera(clip.frames, clip.points, border=12)
    assert found is not None
    shift = found.maps[0] - np.eye(3)
    assert np.array_equal(found.maps[:12], np.repeat(found.maps[:1], 12, axis=0))
    assert np.array_equal(shift, np.round(shift))
    assert errors(found, clip)[12:].max() < 1


def test_the_view_is_the_reference_frame_widened_to_where_the_subject_goes():
    clip = film(MOVES["pan"], motion=Motion(travel=2.5, period=LENGTH))  # the camera swings, the subject walks out of the reference's view
    kept = clip.frames.shape[1:3]
    found = camera(clip.frames, clip.points)
    assert found is not None
    first, last = apply_homography(found.maps[found.reference], np.array([[0, 0], [kept[1] - 1, kept[0] - 1]]))
    assert np.array_equal(first, np.round(first))
    assert (first >= 0).all()
    assert (last <= np.array(found.size_hw[::-1]) - 1).all()
    assert found.size_hw[1] > kept[1]
    for t in np.flatnonzero(found.trusted):
        inside = ((clip.points[t] >= 0) & (clip.points[t] <= np.array(kept[::-1]) - 1)).all(axis=1)
        there = found.points(t, clip.points[t][inside])
        assert (there >= -0.5).all()
        assert (there <= np.array(found.size_hw[::-1]) - 0.5).all()


def test_a_way_too_far_for_one_view_is_said(capsys, monkeypatch):
    clip = film(MOVES["pan"])
    monkeypatch.setattr("pipeline.pose.camera.LARGEST_VIEW", 0.5)
    assert camera(clip.frames, clip.points) is None
    assert "the camera is taken to stand still; give it a shorter span, clips.ana.span" in capsys.readouterr().err
    with pytest.raises(InputError, match=r"at most 0\.5 times a frame: the subject of clip ana goes through .*; give it a shorter span"):
        camera(clip.frames, clip.points, "moving")


@pytest.mark.parametrize(("written", "wish"), [("", "auto"), *((f"camera: {wish}", wish) for wish in ("auto", "still", "moving"))])
def test_what_is_written_of_a_camera_is_read(tmp_path, written, wish):
    params = tmp_path / "params.yaml"
    params.write_text(f"clips:\n  ana:\n    video: a.mp4\n    {written}\n")
    assert read_camera(params, "ana") == wish


@pytest.mark.parametrize("written", ["camera: steady", "camera: true", "camera: [still]"])
def test_another_word_is_refused(tmp_path, written):
    params = tmp_path / "params.yaml"
    params.write_text(f"clips:\n  ana:\n    video: a.mp4\n    {written}\n")
    with pytest.raises(InputError, match=r"clips\.ana\.camera must be one of auto, still, moving, found .*: correct it"):
        read_camera(params, "ana")
