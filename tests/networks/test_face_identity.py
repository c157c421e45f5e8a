"""Faces are laid as the network was taught, and people come out apart."""

import sys

import numpy as np
import pytest
from backend_cases import fetched
from skimage.data import astronaut

from pipeline.assets.catalogue import assets_of_evaluation, read_asset
from pipeline.errors import InputError
from pipeline.networks.face_identity import CHIP_PX, FILE, FaceIdentity, chip_map
from pipeline.networks.face_mesh import EXPRESSIONS, EYE_CORNERS, FaceMesh
from pipeline.networks.mediapipe import Roi
from pipeline.picture.geometry import apply_affine, sample_crop
from pipeline.video.reading import read_video

# where the mean face's points lie on a chip, (.25 + p) * 100 - .5
LAID = {263: (110.457, 45.85), 362: (89.106, 47.397), 33: (36.558, 45.873), 133: (57.908, 47.406), 2: (73.511, 87.28)}


def mesh_of(points: dict[int, tuple[float, float]]) -> np.ndarray:
    mesh = np.full((478, 3), 7.0)
    for i, place in points.items():
        mesh[i, :2] = place
    return mesh


def test_a_face_is_laid_onto_the_mean_face_wherever_it_is():
    np.testing.assert_allclose(chip_map(mesh_of(LAID)), [[1, 0, 0], [0, 1, 0]], atol=1e-3)
    turn = np.array([[0.0, -2.0, 300.0], [2.0, 0.0, -40.0]])  # upside down, twice as large
    moved = {i: tuple(apply_affine(turn, np.array(place))) for i, place in LAID.items()}
    np.testing.assert_allclose(apply_affine(chip_map(mesh_of(moved)), np.array(moved[2])), LAID[2], atol=1e-2)
    right, left = (LAID[corner][0] for corner in EYE_CORNERS)
    assert 0 < right < left < CHIP_PX  # the person's right eye is on the picture's left


def test_without_the_package_one_line_names_the_cure(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "dlib", None)
    with pytest.raises(InputError, match=r"needs the package dlib-bin: pip install -e '\.\[identity\]', or unlist it") as told:
        FaceIdentity(tmp_path)
    assert "\n" not in str(told.value)


def test_the_network_is_fetched_only_where_the_metric_is_listed():
    assert "face_identity" not in assets_of_evaluation(["psnr", "face_landmarks", "face_expression"], "dis")
    assert "face_identity" in assets_of_evaluation(["face_identity"], "dis")
    (file,) = read_asset("face_identity").files
    assert file.name == FILE


# --- the networks themselves ------------------------------------------------------------------------------------------

WOMAN = Roi((685.0, 475.0), 110.0)  # about her face in the first frames of the demo's clip of two people; the man's is never seen
ASTRONAUT = Roi((222.0, 115.0), 160.0)
LOWER_LIP = [14, 17, 84, 87, 88, 91, 95, 146, 178, 181, 314, 317, 318, 321, 324, 375, 402, 405]
CHIN = [18, 83, 106, 140, 148, 152, 171, 175, 176, 182, 194, 199, 200, 201, 208, 211, 313, 335, 369, 377, 396, 400, 406, 418, 421, 428]


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    """Two women: each one's pictures and the meshes in them; the mesh network, and the identity network's folder."""
    pytest.importorskip("dlib")
    folder = tmp_path_factory.mktemp("fetched")
    found = {name: fetched(name, folder / name) for name in ("face_mesh", "face_identity", "demo_multi_cam04")}
    network = FaceMesh(found["face_mesh"], 1)
    woman = next(iter(read_video(found["demo_multi_cam04"] / "cam04.mp4"))).frames[::5]
    seen = {"woman": (woman, WOMAN), "astronaut": (astronaut()[None], ASTRONAUT)}
    meshes = {name: [network(image, square) for image in images] for name, (images, square) in seen.items()}
    assert all(face.presence > 0.9 for of in meshes.values() for face in of)
    return {name: images for name, (images, _) in seen.items()}, meshes, network, found["face_identity"]


@pytest.mark.slow
def test_another_person_is_farther_off_than_the_same(faces):
    pictures, meshes, _, folder = faces
    describe = FaceIdentity(folder)
    woman, other = ([describe(i, m.points) for i, m in zip(pictures[name], meshes[name])] for name in ("woman", "astronaut"))
    own = [np.linalg.norm(a - b) for i, a in enumerate(woman) for b in woman[:i]]
    apart = [np.linalg.norm(a - other[0]) for a in woman]
    assert len(own) >= 3
    assert max(own) < 0.45 < 0.55 < min(apart)
    np.testing.assert_array_equal(describe(pictures["woman"][0], meshes["woman"][0].points), woman[0])


@pytest.mark.slow
def test_a_chip_is_cut_as_the_package_cuts_it(faces):
    dlib = pytest.importorskip("dlib")
    pictures, meshes, _, _ = faces
    image, mesh = pictures["astronaut"][0], meshes["astronaut"][0].points.copy()
    mesh[list(LAID), :2] = np.rint(mesh[list(LAID), :2])  # the package takes whole pixels
    points = [dlib.point(*(int(v) for v in mesh[i, :2])) for i in LAID]
    theirs = dlib.get_face_chip(image, dlib.full_object_detection(dlib.rectangle(100, 50, 350, 250), points), size=CHIP_PX, padding=0.25)
    ours = sample_crop(image, chip_map(mesh), (CHIP_PX, CHIP_PX))
    assert np.abs(theirs.astype(int) - ours).mean() < 2.5  # 4.5 with half a pixel's shift


@pytest.mark.slow
def test_an_open_mouth_is_an_expression_and_a_rigid_move_is_none(faces):
    _, meshes, network, _ = faces
    points = meshes["woman"][0].points
    open_mouth = points.copy()
    open_mouth[LOWER_LIP, 1] += 14.0
    open_mouth[CHIN, 1] += 14.0
    angle, middle = np.radians(20), points.mean(axis=0)
    roll = np.array([[np.cos(angle), np.sin(angle), 0], [-np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    calm, opened, moved = (network._express(shape) for shape in (points, open_mouth, 1.7 * (points - middle) @ roll + 300))
    assert opened[EXPRESSIONS.index("jawOpen")] > calm[EXPRESSIONS.index("jawOpen")] + 0.25
    assert np.abs(opened - calm).mean() > 10 * np.abs(moved - calm).mean()
