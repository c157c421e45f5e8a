"""Eq. 6 in numbers, and a turning head that must find its neighbours."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.body.skeleton import load_skeleton
from pipeline.errors import InputError
from pipeline.face.similarity import (
    CandidateChooser,
    allowed_faces,
    choose_vectors,
    face_landmarks,
    orientation_distances,
    similarity_weights,
    vector_field,
)

HUMAN = load_skeleton(Path("pipeline/skeletons/human.yaml"))
NAMES = face_landmarks(HUMAN)
HEAD = {  # a head of radius 1: angle from straight ahead, height below the ears
    "nose": (0, 0.1), "right_eye": (-28, -0.3), "left_eye": (28, -0.3), "right_ear": (-88, 0), "left_ear": (88, 0),
    "right_mouth": (-20, 0.5), "left_mouth": (20, 0.5),
}  # fmt: skip


def head(yaw_degrees: float, radius: float = 1.0) -> np.ndarray:
    """Landmarks (l 2) of a head turned by so many degrees."""
    angles = np.radians([HEAD[name][0] + yaw_degrees for name in NAMES])
    return radius * np.stack([np.sin(angles), [HEAD[name][1] for name in NAMES]], axis=1)


def fields(yaws: np.ndarray, pairs: list[tuple[str, str]]) -> np.ndarray:
    return vector_field(np.stack([head(yaw) for yaw in yaws]), NAMES, pairs)


@pytest.mark.parametrize("count", [3, 5, 6])  # two or four of them hardly tell left from right
def test_turning_head_returns_its_true_neighbours(count: int) -> None:
    pairs = choose_vectors(HUMAN.face_vectors, NAMES, count)
    yaws = np.arange(-60, 61, 10.0)
    pool = fields(yaws, pairs)
    for yaw in (-52.0, -13.0, 1.0, 34.0, 58.0):
        distances = orientation_distances(fields(np.array([yaw]), pairs)[0], pool)
        chosen, weights = CandidateChooser(2, 0.0).choose(distances, np.ones(len(yaws), bool))
        truth = np.argsort(np.abs(yaws - yaw))[:2]
        np.testing.assert_array_equal(chosen, truth)
        assert weights[0] > weights[1]


def test_six_vectors_are_the_papers() -> None:
    assert choose_vectors(HUMAN.face_vectors, NAMES, 6) == [
        ("right_eye", "left_eye"), ("left_eye", "nose"), ("right_eye", "nose"),
        ("right_ear", "left_ear"), ("nose", "right_ear"), ("nose", "left_ear"),
    ]  # fmt: skip


def test_eq_6_by_hand() -> None:
    query = np.array([[3.0, 0.0], [0.0, 0.0]])
    pool = np.array([[[0.0, 4.0], [0.0, 2.0]], [[3.0, 0.0], [1.0, 0.0]]])
    # face 0: ‖(3, -4)‖ + ‖(0, -2)‖ = 5 + 2; face 1: 0 + 1
    np.testing.assert_allclose(orientation_distances(query, pool), [7.0, 1.0])
    # S = 1/7 and 1: weights (1/7) / (8/7) = 1/8 and 7/8
    np.testing.assert_allclose(similarity_weights(np.array([7.0, 1.0])), [1 / 8, 7 / 8])


def test_zero_distance_takes_all_the_weight() -> None:
    np.testing.assert_array_equal(similarity_weights(np.array([0.0, 2.0, 3.0])), [1, 0, 0])
    np.testing.assert_array_equal(similarity_weights(np.array([0.0, 2.0, 0.0])), [0.5, 0, 0.5])


def test_missing_vectors_are_left_out_and_too_few_are_nan() -> None:
    query = np.array([[1.0, 0], [np.nan, np.nan], [1.0, 0], [1.0, 0]])
    pool = np.zeros((2, 4, 2))
    pool[1, 2:] = np.nan
    # face 0: three vectors at distance 1, scaled up to four; face 1 shares one of four with the query
    np.testing.assert_allclose(orientation_distances(query, pool), [4.0, np.nan])


def test_vectors_ignore_where_the_face_is_and_normalised_ones_how_large() -> None:
    field = vector_field(head(20), NAMES, HUMAN.face_vectors)
    np.testing.assert_allclose(vector_field(head(20) + np.array([50, -3]), NAMES, HUMAN.face_vectors), field)
    np.testing.assert_allclose(vector_field(head(20, radius=7), NAMES, HUMAN.face_vectors) / 7, field)


def test_hysteresis_keeps_the_chosen_face_until_clearly_beaten() -> None:
    everyone = np.ones(2, bool)
    steady, eager = CandidateChooser(1, 0.2), CandidateChooser(1, 0.0)
    trace = [[1.0, 2.0], [1.1, 1.0], [1.0, 0.95], [1.0, 0.7]]
    assert [int(steady.choose(np.array(d), everyone)[0][0]) for d in trace] == [0, 0, 0, 1]
    assert [int(eager.choose(np.array(d), everyone)[0][0]) for d in trace] == [0, 1, 1, 1]


def test_neighbours_and_blurred_faces_are_not_allowed() -> None:
    frame, sharp = np.array([0, 4, 5, 8, 9]), np.array([9.0, 9.0, 9.0, 1.0, 9.0])
    np.testing.assert_array_equal(allowed_faces(frame, sharp, 2.0, 5, 1), [True, False, False, False, True])
    np.testing.assert_array_equal(allowed_faces(frame, sharp, 2.0, None, 1), [True, True, True, False, True])


def test_fewer_faces_than_candidates_and_none() -> None:
    chosen, weights = CandidateChooser(3, 0.1).choose(np.array([2.0, np.nan]), np.array([True, True]))
    np.testing.assert_array_equal(chosen, [0])
    np.testing.assert_array_equal(weights, [1.0])
    chosen, weights = CandidateChooser(3, 0.1).choose(np.array([2.0]), np.array([False]))
    assert len(chosen) == len(weights) == 0


def test_five_vectors_need_the_mouth() -> None:
    coco = [name for name in NAMES if "mouth" not in name]
    with pytest.raises(InputError, match="needs the joints left_mouth, right_mouth"):
        choose_vectors(HUMAN.face_vectors, coco, 5)
