"""Eq. 7 in numbers."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.artifacts.faces import FaceIndex, FaceRow, create_faces, open_faces
from pipeline.face.blend import Query, alignment, enhancement, soft_disc
from pipeline.picture.geometry import apply_affine, box_to_crop

NAMES = ("nose", "right_eye", "left_eye")
POINTS = np.array([[50.0, 55.0], [44.0, 48.0], [56.0, 48.0]])
BOX = np.array([34.0, 34.0, 66.0, 66.0])


def index(tmp_path: Path, colours: list[int]) -> FaceIndex:
    with create_faces(tmp_path / "f.parquet", tmp_path / "f.zarr", 32, [("right_eye", "left_eye")], NAMES) as writer:
        for i, colour in enumerate(colours):
            row = FaceRow(i, BOX, BOX, np.array([[12.0, 0.0]]), POINTS, 1.0)
            writer.append(row, np.full((32, 32, 3), colour, np.uint8), np.full((32, 32), 255, np.uint8))
    return open_faces(tmp_path / "f.parquet", tmp_path / "f.zarr")


def query(colour: int = 100, points: np.ndarray = POINTS, box: np.ndarray = BOX) -> Query:
    return Query(np.full((64, 64, 3), colour, np.uint8), np.full((64, 64), 255, np.uint8), box, points)


def test_eq_7_by_hand(tmp_path: Path) -> None:
    faces = index(tmp_path, [200, 40])
    residual = enhancement(query(100), faces, np.array([0, 1]), np.array([0.75, 0.25]), 0.5, 0.5, [0, 1, 2])
    # f' = 0.5 (0.75 · 200 + 0.25 · 40) + 0.5 · 100 = 80 + 50, so f' - f = 30 in the middle, 0 at the border
    assert (residual[28:36, 28:36] == 30).all()
    assert (residual[0] == 0).all()


def test_beta_scales_the_generated_face(tmp_path: Path) -> None:
    faces = index(tmp_path, [200])
    residual = enhancement(query(100), faces, np.array([0]), np.array([1.0]), 0.5, 0.6, [0, 1, 2])
    assert residual[32, 32, 0] == 60  # 0.5 · 200 + 0.6 · 100 - 100


@pytest.mark.parametrize("beta", [1.0, 0.3])
def test_alpha_zero_is_the_identity(tmp_path: Path, beta: float) -> None:
    faces = index(tmp_path, [200])
    residual = enhancement(query(), faces, np.array([0]), np.array([1.0]), 0.0, beta, [0, 1, 2])
    assert residual.dtype == np.int16
    assert not residual.any()


def test_no_candidate_and_an_empty_matte_change_nothing(tmp_path: Path) -> None:
    faces = index(tmp_path, [200])
    assert not enhancement(query(), faces, np.empty(0, int), np.empty(0), 0.6, 0.4, [0, 1, 2]).any()
    hidden = Query(query().patch, np.zeros((64, 64), np.uint8), BOX, POINTS)
    assert not enhancement(hidden, faces, np.array([0]), np.array([1.0]), 0.6, 0.4, [0, 1, 2]).any()


def test_alignment_takes_landmark_to_landmark(tmp_path: Path) -> None:
    faces = index(tmp_path, [200])
    turn = np.array([[0.96, -0.28], [0.28, 0.96]])
    there = (POINTS - 50) @ turn.T * 1.2 + [80, 30]
    box = np.array([60.0, 10.0, 100.0, 50.0])
    matrix = alignment(query(points=there, box=box), faces, 0, [0, 1, 2])
    in_crop = apply_affine(box_to_crop(BOX, (32, 32)), POINTS)
    np.testing.assert_allclose(apply_affine(matrix, in_crop), apply_affine(box_to_crop(box, (64, 64)), there), atol=1e-9)


def test_without_landmarks_box_goes_to_box(tmp_path: Path) -> None:
    faces = index(tmp_path, [200])
    matrix = alignment(query(points=np.full((3, 2), np.nan), box=BOX + 7), faces, 0, [0, 1, 2])
    np.testing.assert_allclose(matrix, [[2, 0, 0.5], [0, 2, 0.5]], atol=1e-9)  # 32 px to 64 px, pixel centres


def test_disc_is_one_in_the_middle_and_zero_at_the_border() -> None:
    disc = soft_disc(64)
    assert disc[32, 32] == 1
    assert disc[0].max() == disc[:, -1].max() == 0
