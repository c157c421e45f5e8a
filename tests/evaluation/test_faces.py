"""Laws of the scores of faces, on meshes that are made up: what counts, what does not, and which frames are left out."""

import json
from dataclasses import replace

import numpy as np
import pytest
from skimage.transform import estimate_transform

from pipeline.artifacts.identities import Described, Identities
from pipeline.artifacts.meshes import Meshes
from pipeline.artifacts.scores import write_scores
from pipeline.errors import InputError
from pipeline.evaluation.faces import (
    CHIN,
    FOREHEAD,
    compare_faces,
    compare_identities,
    expression_distances,
    eyes_px,
    identity_distance,
    landmark_distances,
    turn_deg,
)
from pipeline.networks.face_mesh import EXPRESSIONS, EYE_CORNERS, POINTS

RNG = np.random.default_rng(7)
T = 8
FRAMES = np.arange(T)
LOWER_LIP = [14, 17, 84, 87, 88, 91, 95, 146, 178, 181, 314, 317, 318, 321, 324, 375, 402, 405]
SHAPE = RNG.normal(0, 1, (POINTS, 3)) * np.array([20.0, 26.0, 8.0])
SHAPE[list(EYE_CORNERS)] = (-20.0, -10.0, 0.0), (20.0, -10.0, 0.0)
SHAPE[[FOREHEAD, CHIN]] = (0.0, -30.0, 0.0), (0.0, 30.0, 0.0)
CALM, OPEN = np.zeros(len(EXPRESSIONS)), np.zeros(len(EXPRESSIONS))
OPEN[EXPRESSIONS.index("jawOpen")] = 0.8


def meshes(shapes=SHAPE, expressions=CALM, skipped=()) -> Meshes:
    """T frames of one shape (p 3) or of one each, likewise of expressions."""
    points = np.broadcast_to(shapes, (T, POINTS, 3)).astype(np.float32)
    expression = np.broadcast_to(expressions, (T, len(EXPRESSIONS))).astype(np.float32)
    return Meshes(points.copy(), expression.copy(), np.ones(T, np.float32), (200, 300), skipped)


def rolled(shape: np.ndarray, degrees: float, scale: float, at: tuple[float, float]) -> np.ndarray:
    """The face rolled in the picture, larger or smaller, elsewhere."""
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return scale * shape @ np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]]) + np.array([*at, 0.0])


def turned(shape: np.ndarray, degrees: float) -> np.ndarray:
    """The face turned about its upright axis."""
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return shape @ np.array([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]]).T


def opened(shape: np.ndarray, by: float) -> np.ndarray:
    changed = shape.copy()
    changed[LOWER_LIP, 1] += by
    return changed


@pytest.fixture
def asked(params):
    return params.model_copy(update={"metrics": ["face_landmarks", "face_expression", "face_identity"]})


def compared(true, found, asked, frames=FRAMES):
    return compare_faces(true, found, ("driver", "result"), frames, asked)


def gone(found: Meshes, *frames: int) -> Meshes:
    points, expression = found.points.copy(), found.expression.copy()
    points[list(frames)], expression[list(frames)] = np.nan, np.nan
    return replace(found, points=points, expression=expression)


# --- distances --------------------------------------------------------------------------------------------------------


def test_identical_faces_are_at_no_distance(asked):
    scores = compared(meshes(), meshes(), asked)
    assert scores.values["face_landmarks"] == pytest.approx(0, abs=1e-9)
    assert scores.values["face_expression"] == 0
    assert scores.settings["compared"] == T
    assert (scores.why, scores.said()) == ({}, "")


@pytest.mark.parametrize(("degrees", "scale", "at"), [(0, 1, (50, 9)), (40, 1, (0, 0)), (0, 3, (0, 0)), (-170, 0.4, (900, -3))])
def test_place_size_and_roll_of_a_face_change_nothing(degrees, scale, at):
    true, found = np.stack([SHAPE, turned(SHAPE, 20)]), np.stack([opened(SHAPE, 5.0), turned(opened(SHAPE, 5.0), 25)])
    before = landmark_distances(found, true)
    assert before.min() > 0.003
    moved = [np.stack([rolled(shape, degrees, scale, at) for shape in shapes]) for shapes in (true, found)]
    np.testing.assert_allclose(landmark_distances(moved[1], true), before, rtol=1e-9)
    np.testing.assert_allclose(landmark_distances(found, moved[0]), before, rtol=1e-9)


def test_the_distance_is_what_another_implementation_leaves_over():
    found = turned(opened(SHAPE, 6.0), 15)
    fitted = estimate_transform("similarity", found[:, :2], SHAPE[:, :2])(found[:, :2])
    expected = np.linalg.norm(fitted - SHAPE[:, :2], axis=1).mean() / 40  # px between these eyes
    assert landmark_distances(found[None], SHAPE[None])[0] == pytest.approx(expected)


def test_an_open_mouth_counts_the_more_the_wider():
    found = [landmark_distances(opened(SHAPE, by)[None], SHAPE[None])[0] for by in (0.0, 4.0, 8.0)]
    assert found[0] < 1e-9 < found[1] < found[2]


def test_the_expression_is_the_mean_over_its_scores_without_the_neutral_one():
    calm, talking = CALM.copy(), OPEN.copy()
    calm[EXPRESSIONS.index("_neutral")] = 1.0
    assert expression_distances(talking[None], calm[None])[0] == pytest.approx(0.8 / 51)


def test_depth_keeps_the_distance_between_the_eyes_when_the_head_turns():
    for degrees in (0, 30, 70):
        assert eyes_px(turned(SHAPE, degrees)[None])[0] == pytest.approx(40)
        assert turn_deg(rolled(turned(SHAPE, degrees), 25, 2, (9, 9))[None])[0] == pytest.approx(degrees, abs=1e-4)
    assert turn_deg(turned(SHAPE, 120)[None])[0] == pytest.approx(120)  # seen from behind


def test_an_expression_that_is_followed_beats_one_that_stands_still(asked):
    driver = meshes(expressions=np.stack([OPEN if t % 2 else CALM for t in range(T)]))
    followed = compared(driver, driver, asked).values
    assert followed["face_expression"] == 0 < followed["face_expression_still"]
    still = compared(driver, meshes(), asked).values
    assert still["face_expression"] == pytest.approx(0.4 / 51, rel=1e-6)
    assert still["face_expression_still"] == still["face_expression"]


# --- which frames -----------------------------------------------------------------------------------------------------


def test_a_face_that_is_small_turned_or_not_there_is_left_out_and_counted_once(asked):
    driver = gone(meshes(), 0)
    shapes = np.stack([SHAPE] * T)
    shapes[1] = rolled(SHAPE, 0, 0.1, (0, 0))  # 4 px between the eyes
    shapes[2] = turned(SHAPE, 75)
    shapes[3] = turned(rolled(SHAPE, 0, 0.1, (0, 0)), 75)  # both
    shapes[4] = opened(SHAPE, 5.0)
    scores = compared(driver, gone(meshes(shapes), 5), asked)
    assert scores.settings["left_out"] == {
        "no face found (driver)": 1,
        "no face found (result)": 1,
        "under 8 px between the eyes (result)": 2,
        "turned beyond 60 degrees (result)": 1,
    }
    assert (scores.settings["frames"], scores.settings["compared"]) == (T, 3)
    assert list(scores.by_frame["face_landmarks"]) == [4, 6, 7]
    column = scores.by_frame["face_landmarks"]
    assert column[4] > 0.003 > 1e-6 > column[6]
    assert scores.values["face_landmarks"] == pytest.approx(np.mean(list(column.values())))
    assert scores.said().startswith("faces compared in 3 of 8 frames; left out: 1 no face found (driver), 1 no face found (result), 2 ")


def test_frames_that_are_not_asked_for_count_nowhere(asked):
    found = meshes(np.stack([SHAPE, *[opened(SHAPE, 9.0)] * (T - 1)]))
    assert compared(meshes(), found, asked, np.array([0])).values["face_landmarks"] == pytest.approx(0, abs=1e-9)
    assert compared(meshes(), found, asked, np.array([], int)).values == {}


def test_no_face_at_all_is_null_with_a_reason(asked, tmp_path):
    scores = compared(meshes(), gone(meshes(), *FRAMES), asked)
    assert scores.values == {"face_landmarks": None, "face_expression": None}
    assert scores.why["face_landmarks"].endswith("of 8 frames 8 no face found (result)")
    assert scores.said() == "faces compared in 0 of 8 frames; left out: 8 no face found (result)"
    write_scores(tmp_path / "x.json", {"imitation": scores.values, "settings": scores.settings})
    assert json.loads((tmp_path / "x.json").read_text())["imitation"]["face_expression"] is None


def test_faces_that_nobody_measured_have_no_score_but_a_reason(asked):
    nobody = Meshes(np.empty((T, 0, 3)), np.empty((T, 0)), np.zeros(T), (200, 300), ("face_mesh.network is none",))
    scores = compared(meshes(), nobody, asked)
    assert scores.values == {}
    assert scores.why["face_expression"] == "no faces of the result were measured: face_mesh.network is none"
    assert compare_identities(Identities(Described.nothing(), Described.nothing()), nobody, meshes(), asked).values == {}


def test_what_is_not_listed_has_no_score(asked):
    alone = asked.model_copy(update={"metrics": ["face_landmarks"]})
    assert set(compared(meshes(), meshes(), alone).values) == {"face_landmarks"}
    none = asked.model_copy(update={"metrics": ["psnr"]})
    assert compared(meshes(), meshes(), none).values == {}
    assert compare_identities(people(OWN, OWN), meshes(), meshes(), none).values == {}


def test_meshes_of_another_length_are_refused(asked):
    short = meshes()
    short = replace(short, points=short.points[:5], expression=short.expression[:5], presence=short.presence[:5])
    with pytest.raises(InputError, match=r"5 frames.* has 8"):
        compared(meshes(), short, asked)


# --- whose face -------------------------------------------------------------------------------------------------------

OWN = np.zeros((T, 128), np.float32)
OWN[:, 0] = np.arange(T) / 10  # a face that changes a little
OTHER = OWN.copy()
OTHER[:, 1] = 0.9


def people(result: np.ndarray, target: np.ndarray) -> Identities:
    return Identities(*(Described(np.arange(len(faces)), faces) for faces in (result, target)))


def test_the_distance_to_others_is_a_median_of_medians():
    assert identity_distance(np.array([[0.0], [1.0], [9.0]]), np.array([[0.0], [2.0], [4.0]])) == 2
    assert identity_distance(OWN[:1], OWN[:1]) == 0


def test_another_person_is_farther_off_than_oneself(asked):
    own, other = (compare_identities(people(faces, OWN), meshes(), meshes(), asked).values for faces in (OWN, OTHER))
    assert own["face_identity"] < other["face_identity"]
    assert other["face_identity"] > 0.9
    assert own["face_identity_own"] == other["face_identity_own"] == pytest.approx(0.4)  # the second half in time to the first


def test_faces_too_small_to_compare_tell_no_identity(asked):
    shapes = np.stack([SHAPE] * T)
    shapes[2:] *= 0.1
    scores = compare_identities(people(OTHER, OWN), meshes(shapes), meshes(), asked)
    assert scores.settings["described"] == {"result": 2, "target": T}
    nobody = compare_identities(people(OTHER[:0], OWN), gone(meshes(), *FRAMES), meshes(), asked)
    assert nobody.values["face_identity"] is None
    assert nobody.values["face_identity_own"] == pytest.approx(0.4)
    assert nobody.why["face_identity"] == "no frame of the result has a face that can be compared"
    few = compare_identities(people(OTHER, OWN), meshes(), gone(meshes(), *FRAMES[4:]), asked)
    assert few.values == {"face_identity": None}
    assert few.why["face_identity"] == "4 of the target's own faces can be compared, at least 5 tell who it is"
