"""Laws of faces compared and driven by meshes, and of heads laid on by them."""

import cv2
import numpy as np
import pytest

from pipeline.artifacts.faces import FaceRow, create_faces, open_faces
from pipeline.face.mesh import EYES, LIPS, TILT, driven_meshes, mean_shape, mesh_distances, misfit, point_weights
from pipeline.face.place import CHIN, FOREHEAD, Head, crown_beyond, head_boxes, laid, outline_mask, placed
from pipeline.picture.geometry import apply_affine

RNG = np.random.default_rng(3)
SHAPE = RNG.normal(0, 1, (478, 3)) * np.array([20.0, 26.0, 8.0])
SHAPE[10], SHAPE[152] = (0, -30, 0), (0, 30, 0)  # brow and chin
EVEN = point_weights(478, 1.0)


def turned(shape: np.ndarray, yaw: float, at: tuple[float, float] = (0.0, 0.0), scale: float = 1.0) -> np.ndarray:
    """The shape turned about its upright axis, seen from the front."""
    cos, sin = np.cos(yaw), np.sin(yaw)
    return scale * shape @ np.array([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]]).T + np.array([*at, 0])


def opened(shape: np.ndarray, by: float) -> np.ndarray:
    """The same face with its mouth opened."""
    changed = shape.copy()
    changed[list(LIPS[:20]), 1] += by
    return changed


def test_weights_add_up_and_favour_mouth_and_eyes() -> None:
    weights = point_weights(478, 3.0)
    assert weights.sum() == pytest.approx(1)
    assert weights[LIPS[0]] == weights[EYES[-1]] == pytest.approx(3 * weights[10])


def test_the_same_face_elsewhere_and_larger_fits_and_others_less() -> None:
    query = turned(SHAPE, 0.3)[:, :2]
    pool = np.stack([turned(SHAPE, 0.3, (50, 9), 2.0), turned(SHAPE, 0.1), turned(SHAPE, -0.4), opened(turned(SHAPE, 0.3), 8.0)])[..., :2]
    found = mesh_distances(query, pool, EVEN)
    assert found[0] == pytest.approx(0, abs=1e-9)
    assert found[0] < found[1] < found[2]
    more = mesh_distances(query, pool, point_weights(478, 10.0))
    assert more[3] > found[3] > 0.01  # an open mouth counts, and more where expression does
    roll = np.array([[0.0, 1.0], [-1.0, 0.0]])
    assert mesh_distances(query, (query @ roll)[None], EVEN)[0] == pytest.approx(TILT * np.pi / 2)
    assert np.isnan(mesh_distances(query * np.nan, pool, EVEN)).all()


def test_a_misfit_counts_place_and_size() -> None:
    query = turned(SHAPE, 0.3)[:, :2]
    size = np.sqrt(((query - query.mean(axis=0)) ** 2).sum(axis=1).mean())
    assert misfit(query, query, EVEN) == 0
    assert misfit(query, query + np.array([size, 0]), EVEN) == pytest.approx(1)
    assert misfit(query, 1.5 * (query - query.mean(axis=0)) + query.mean(axis=0), EVEN) == pytest.approx(0.5)


def test_ones_own_face_stays_where_it_is() -> None:
    driver = np.stack([turned(SHAPE, yaw, (100, 90)) for yaw in (0.0, 0.3, -0.2)])
    joints = RNG.normal(0, 20, (3, 5, 2))
    np.testing.assert_array_equal(driven_meshes(driver, joints, joints, None), driver[..., :2])


def test_a_driver_gives_turn_and_expression_the_target_its_shape() -> None:
    """The driver's face is narrow and its mouth opens; the target's is wide: what is asked for is the wide face with an open mouth."""
    wide = SHAPE * np.array([1.3, 1.0, 1.0])
    yaws = (0.0, 0.25, -0.25, 0.1)
    driver = np.stack([turned(opened(SHAPE, 6.0 if i == 3 else 0.0), yaw, (100, 90)) for i, yaw in enumerate(yaws)])
    shape = mean_shape(np.stack([turned(wide, yaw, (400, 300), 2.0) for yaw in (0.1, 0.2, -0.1)]))
    joints = RNG.normal(0, 20, (4, 5, 2))
    asked = driven_meshes(driver, joints, 2 * joints + [7, 9], shape)
    for i, yaw in enumerate(yaws):
        truth = turned(opened(wide, 6.0 if i == 3 else 0.0), yaw)[:, :2]
        assert mesh_distances(asked[i], truth[None], EVEN)[0] < 0.04
        assert mesh_distances(asked[i], turned(SHAPE, yaw)[None, :, :2], EVEN)[0] > 0.07
    spread = np.sqrt(((asked[0] - asked[0].mean(axis=0)) ** 2).sum(axis=1).mean())
    own = np.sqrt(((driver[0, :, :2] - driver[0, :, :2].mean(axis=0)) ** 2).sum(axis=1).mean())
    assert spread == pytest.approx(2 * own, rel=0.1)  # as large as the retargeted joints say
    gone = driven_meshes(driver, joints * np.nan, 2 * joints, shape)
    assert np.isnan(gone).all()


def test_boxes_hold_the_whole_outline_in_whole_pixels() -> None:
    meshes = np.stack([turned(SHAPE, 0.2, (100.3, 90.7))[:, :2], SHAPE[:, :2] * np.nan, turned(SHAPE, -0.5, (60.1, 80.2), 0.8)[:, :2]])
    boxes, px = head_boxes(meshes)
    assert np.isnan(boxes[1]).all()
    for t in (0, 2):
        np.testing.assert_array_equal(boxes[t], np.rint(boxes[t]))
        assert boxes[t][2] - boxes[t][0] == px
        mask = outline_mask(meshes[t] - boxes[t][:2], px)
        assert mask.max() == pytest.approx(1)
        assert max(mask[[0, -1]].max(), mask[:, [0, -1]].max()) < 0.02


def _pool(folder, colours, opaque):
    """Faces of one colour each, pictures of 200 px, their mattes opaque in the middle."""
    paths, box = (folder / "f.parquet", folder / "f.zarr"), np.array([50.0, 50, 150, 150])
    with create_faces(*paths, 200, [], ["nose"]) as writer:
        for i, colour in enumerate(colours):
            matte = np.zeros((200, 200), np.uint8)
            matte[opaque, opaque] = 255
            row = FaceRow(i, box, np.array([0.0, 0, 200, 200]), np.empty((0, 2)), np.ones((1, 2)), 1.0)
            writer.append(row, np.full((200, 200, 3), colour, np.uint8), matte)
    return open_faces(*paths)


@pytest.mark.parametrize("turn", [0.0, 2.0])
def test_how_far_a_generated_head_goes_on_beyond_a_real_one(turn) -> None:
    """However it is turned, in a patch with no more room than the outline's: more for a larger head, little for an arm that crosses."""
    cos, sin = np.cos(turn), np.sin(turn)
    face = 0.3 * SHAPE[:, :2] @ np.array([[cos, sin], [-sin, cos]]) + 100
    boxes, px = head_boxes(face[None])
    mesh = face - boxes[0][:2]
    within = outline_mask(mesh, px) > 0.5
    middle = np.argwhere(within).mean(axis=0)[::-1]
    up = (mesh[FOREHEAD] - mesh[CHIN]) / np.linalg.norm(mesh[FOREHEAD] - mesh[CHIN])
    y, x = np.mgrid[:px, :px]
    aside = (y - middle[1]) * up[0] - (x - middle[0]) * up[1]
    below = (x - middle[0]) * up[0] + (y - middle[1]) * up[1] < 0

    def beyond(shown: np.ndarray, cover: np.ndarray) -> float:
        return crown_beyond(Head(np.zeros((px, px, 3), np.uint8), shown.astype(np.uint8) * 255, boxes[0], face), cover.astype(np.float32))

    def larger(factor: float) -> np.ndarray:
        matrix = np.array([[factor, 0, (1 - factor) * middle[0]], [0, factor, (1 - factor) * middle[1]]])
        return cv2.warpAffine(within.astype(np.uint8), matrix, (px, px)) > 0

    none = np.zeros((px, px), bool)
    found = [beyond(larger(factor), within) for factor in (1.0, 1.1, 1.2, 1.4, 2.0)]
    assert found[0] == 0
    assert found == sorted(found)
    assert found[-1] == 1
    assert beyond(larger(1.4), larger(1.4)) == 0  # a hat that the real one has too
    assert beyond(within | below, none) < 0.1
    assert 0 < beyond(within | (np.abs(aside) < 4), within) < 0.25
    assert beyond(none, none) == 0


def test_a_placed_head_has_the_real_colours_and_outline(tmp_path) -> None:
    mesh = SHAPE[:, :2] + [100, 100]
    faces = _pool(tmp_path, [200, 100], slice(60, 140))  # the pictures end 100 px beside the head
    wanted = apply_affine(np.array([[1.0, 0, 30], [0, 1.0, -20]]), mesh)
    boxes, px = head_boxes(wanted[None])
    own = Head(np.full((px, px, 3), 40, np.uint8), np.zeros((px, px), np.uint8), boxes[0], wanted)
    patch = placed(own, laid(own, faces, np.array([0]), mesh[None], np.ones(1)), 1.0)
    x, y = (int(v) for v in np.array([130, 80]) - boxes[0][:2])
    assert patch[y, x].tolist() == [160, 160, 160, 255]  # where nobody was there is a head now
    assert not patch[:, : x - 101].any()
    assert not patch[y, x + 45, 3]  # beyond the real head's own outline
    opaque = Head(own.rgb, np.full((px, px), 255, np.uint8), own.box, wanted)
    assert placed(opaque, laid(opaque, faces, np.array([0]), mesh[None], np.ones(1)), 1.0)[y, x + 45, 3] == -255
    two = placed(opaque, laid(opaque, faces, np.array([0, 1]), np.stack([mesh, mesh]), np.array([0.75, 0.25])), 1.0)
    assert two[y, x, 0] == pytest.approx(175 - 40, abs=1)
    half = placed(opaque, laid(opaque, faces, np.array([0]), mesh[None], np.ones(1)), 0.5)
    assert half[y, x, 0] == pytest.approx((200 - 40) / 2, abs=1)
