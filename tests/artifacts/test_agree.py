"""Which artifacts belong together: those of one motion, whatever their lengths."""

from dataclasses import replace

import numpy as np
import pytest
from line import LINE

from pipeline.artifacts.agree import MOTION, of_motion, passed_on, require_motion, require_one_motion
from pipeline.artifacts.keypoints import Track
from pipeline.errors import InputError
from pipeline.video.clock import Clock

SCORE = np.ones((4, 3), np.float32)
TRACK = Track(np.ones((4, 3, 2), np.float32), SCORE, SCORE.astype(np.uint8), LINE, Clock.regular("25", 4), (8, 8), {})
OTHER = replace(TRACK, points=TRACK.points + np.float32(1))


def test_a_motion_is_known_by_where_its_joints_are():
    assert of_motion(TRACK) == of_motion(replace(TRACK, points=TRACK.points.copy()))
    assert of_motion(TRACK) != of_motion(OTHER)
    assert of_motion(TRACK) != of_motion(replace(TRACK, score=TRACK.score / 2))
    assert passed_on({**of_motion(TRACK), "alpha": 1}) == of_motion(TRACK)
    assert passed_on({"alpha": 1}) == {}


def test_another_motion_of_the_same_length_is_refused():
    require_motion("a.zarr", of_motion(TRACK), TRACK)
    require_motion("a.zarr", {}, TRACK)  # made by hand
    with pytest.raises(InputError, match=r"a\.zarr must be made for the motion that is given with it, found it made for another"):
        require_motion("a.zarr", of_motion(OTHER), TRACK)


@pytest.mark.parametrize("third", [of_motion(OTHER), {}])
def test_artifacts_of_two_motions_are_refused(third):
    same = {"a.zarr": of_motion(TRACK), "b.zarr": of_motion(TRACK)}
    require_one_motion(same)
    require_one_motion({"a.zarr": {}, "b.zarr": {"alpha": 1}})
    with pytest.raises(InputError, match=r"c\.zarr must be made for the same motion as a\.zarr, found another pair's"):
        require_one_motion({**same, "c.zarr": third})
    assert MOTION in of_motion(TRACK)
