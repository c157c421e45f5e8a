"""Laws of what is followed of a frame: the background alone, and on a long way less and less surely."""

import cv2
import numpy as np
import pytest
from filmed import SIZE_HW, scene

from pipeline.picture.camera import apply_homography
from pipeline.pose import matching, registration
from pipeline.pose.matching import Small, small
from pipeline.pose.registration import register

NOBODY = np.full((1, 4), np.nan)
STEP_PX = 40


def test_features_that_no_camera_explains_give_no_map_and_no_error():
    """Maps that run away: matches far off at a hundredth of the size, and all in one place."""
    rng = np.random.default_rng(3)
    for _ in range(60):
        here = rng.uniform(0, 1, (int(rng.choice([12, 20, 60])), 2)) * SIZE_HW[::-1]
        gathered = here.mean(0) + (here - here.mean(0)) * rng.choice([0, 1e-3, 0.02])
        for there, of in ((here[::-1] * 0.001 + rng.normal(0, 1, here.shape), here), (gathered + rng.normal(0, 30, 2), gathered)):
            found = matching._fitted(there, of, SIZE_HW, SIZE_HW, matching.FITS_PX)
            assert found is None or np.isfinite(found.matrix).all()


@pytest.mark.parametrize("scale", [1, 5])
def test_features_are_the_backgrounds_and_none_is_a_persons(scale):
    picture = cv2.resize(scene()[: SIZE_HW[0], : SIZE_HW[1]], None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    x0, y0, x1, y1 = box = scale * np.array([110.0, 60, 200, 240])

    def features(boxes: np.ndarray) -> np.ndarray:
        """Where features are, in the picture's own pixels."""
        found = small(picture, boxes)
        return apply_homography(np.linalg.inv(found.shrink), found.features)

    def inside(points: np.ndarray) -> int:
        return int(((points > [x0, y0]) & (points < [x1, y1])).all(axis=1).sum())

    assert inside(features(NOBODY)) > 20
    around = features(np.stack([box, NOBODY[0]]))
    assert inside(around) == 0
    x, y = around.T
    assert min((x < x0).sum(), (x > x1).sum(), (y < y0).sum()) > 20


def test_doubts_add_up_on_the_way_until_nobody_knows_where_a_frame_lies(monkeypatch):
    """A pan over key after key, each of which is as sure of the one before it."""
    wide, rng = np.concatenate([scene(seed)[: SIZE_HW[0], :400] for seed in range(3)], axis=1), np.random.default_rng(0)

    def look(t: int) -> Small:
        seen = wide[:, STEP_PX * t : STEP_PX * t + SIZE_HW[1]]
        return small((seen + rng.normal(0, 3, seen.shape)).clip(0, 255).astype(np.uint8), NOBODY)

    def known() -> list[int]:
        return np.flatnonzero(register(look, 0, (), [range(1, 20)], 20)[1]).tolist()

    assert known() == list(range(20))
    monkeypatch.setattr(registration, "MOST_DOUBT_PX", 0.38)  # of one key: 0.25; of two: 0.35; of three: 0.43
    found = known()
    assert found == list(range(len(found)))
    assert 8 <= len(found) <= 14


@pytest.mark.parametrize("light", [lambda t: 1 - 0.05 * t, lambda t: 0.75 + 0.2 * (t % 2), lambda t: 1.0 if t < 6 else 0.5])
def test_light_that_changes_neither_moves_a_camera_nor_loses_it(light):
    """An exposure that follows a pan, a lamp that flickers, a lamp that goes out."""
    wide, rng, frames = scene(), np.random.default_rng(0), 12
    wide = wide * (150 / wide.max())

    def look(t: int) -> Small:
        seen = wide[: SIZE_HW[0], 5 * t : 5 * t + SIZE_HW[1]] * light(t)
        return small((seen + rng.normal(0, 1, seen.shape)).clip(0, 255).astype(np.uint8), NOBODY)

    maps, known = register(look, 0, (), [range(1, frames)], frames)
    assert known.all()
    corners = np.array([[0.0, 0], [SIZE_HW[1], 0], [0, SIZE_HW[0]], [SIZE_HW[1], SIZE_HW[0]]])
    for t in range(frames):
        np.testing.assert_allclose(apply_homography(maps[t], corners), corners + np.array([5 * t, 0]), atol=1.0)
