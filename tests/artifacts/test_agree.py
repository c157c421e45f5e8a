"""Which artifacts belong together: those of one clip, and of one motion, whatever their lengths."""

from dataclasses import replace

import numpy as np
import pytest
from line import LINE

from pipeline.artifacts.agree import (
    MOTION,
    of_motion,
    passed_on,
    require_motion,
    require_one_motion,
    require_same_clip,
    require_same_length,
)
from pipeline.artifacts.keypoints import Track
from pipeline.artifacts.source import Source
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


def test_what_is_of_another_clip_is_named_with_its_file_and_the_stage_that_makes_it():
    filmed = replace(TRACK, source=Source.of("data/keypoints/ann.parquet", "keypoints", "estimate_poses"))
    made = replace(TRACK, source=Source.of("data/foregrounds/ben-to-ann-warped.zarr", "foregrounds", "generate_foreground"))
    require_same_clip(filmed, made, TRACK)
    short = replace(made, points=made.points[:3])
    said = r"ben-to-ann-warped\.zarr has 3 frames, data/keypoints/ann\.parquet has 4\. Run: dvc repro warp_references@ben-to-ann$"
    with pytest.raises(InputError, match=said):
        require_same_length(filmed, TRACK, short)
    wide = replace(filmed, size_hw=(8, 9))
    said = r"ann\.parquet is for frames of \(8, 9\), the keypoints has \(8, 8\) \(h, w\)\. Run: dvc repro estimate_poses@ann$"
    with pytest.raises(InputError, match=said):
        require_same_clip(TRACK, wide)
