"""Faces compared and driven by their meshes: which real face fits a wanted one, and what the driver's face asks of the target's.

Not in the paper, whose Eq. 6 compares orientations alone, by joints: a mesh tells orientation, mouth and eyes at once.
"""

import numpy as np

from pipeline.picture.geometry import apply_affine, similarity_from_points

# Points of MediaPipe's mesh: outer and inner lips; both eyes' lids, irises.
LIPS = (
    0, 13, 14, 17, 37, 39, 40, 61, 78, 80, 81, 82, 84, 87, 88, 91, 95, 146, 178, 181, 185, 191, 267, 269, 270, 291, 308, 310, 311, 312,
    314, 317, 318, 321, 324, 375, 402, 405, 409, 415,
)  # fmt: skip
EYES = (
    7, 33, 133, 144, 145, 153, 154, 155, 157, 158, 159, 160, 161, 163, 173, 246, 249, 263, 362, 373, 374, 380, 381, 382, 384, 385, 386,
    387, 388, 390, 398, 466, *range(468, 478),
)  # fmt: skip
TILT = 0.1  # what a radian of roll costs, in sizes of the face: a turned picture brings its light and its neck along
ROUNDS = 3  # of averaging shapes


def point_weights(count: int, expression: float) -> np.ndarray:
    """Weights (count) of the mesh's points, their sum 1: those of mouth and eyes weigh `expression` times the others'."""
    weights = np.ones(count)
    weights[[i for i in (*LIPS, *EYES) if i < count]] = expression
    return weights / weights.sum()


def mesh_distances(query: np.ndarray, pool: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """How badly each of pool (n p 2) fits query (p 2) once laid over it by a similarity, in sizes of the query's face (n).

    The root mean square of what is left between the points, by weights (p), and what the roll costs. NaN in, NaN out.
    """
    q, c = (points[..., 0] + 1j * points[..., 1] for points in (np.asarray(query, np.float64), np.asarray(pool, np.float64)))
    q, c = q - (q @ weights), c - (c @ weights)[:, None]
    turn = (c.conj() * q) @ weights / (np.abs(c) ** 2 @ weights)
    left = np.abs(q - turn[:, None] * c) ** 2 @ weights
    return np.sqrt(left / (np.abs(q) ** 2 @ weights)) + TILT * np.abs(np.angle(turn))


def misfit(query: np.ndarray, face: np.ndarray, weights: np.ndarray) -> float:
    """The same of a face (p 2) where it lies: what it is off in place and size counts too, its roll does not."""
    size = np.sqrt(((query - weights @ query) ** 2).sum(axis=1) @ weights)
    return float(np.sqrt(((face - query) ** 2).sum(axis=1) @ weights) / size)


def mean_shape(meshes: np.ndarray) -> np.ndarray:
    """Mean (p 3) of one person's meshes (n p 3) laid over each other by rotation, shift and size, as large as the first."""
    mean = meshes[0].astype(np.float64)
    for _ in range(ROUNDS):
        mean = np.mean([_moved(mesh, mean) for mesh in meshes], axis=0)
        mean = _moved(mean, meshes[0])
    return mean


def driven_meshes(driver: np.ndarray, driver_joints: np.ndarray, motion_joints: np.ndarray, shape: np.ndarray | None) -> np.ndarray:
    """Where a target's points should lie (t p 2) full px, for the driver's meshes (t p 3): its turn and expression, the target's shape.

    shape (p 3) is the target's mean_shape, None for the driver's own face. driver_joints and motion_joints (t j 2): the head's joints
    before and after retargeting, which tell place and size. NaN where either is missing.
    """
    wanted = driver.astype(np.float64)
    seen = np.isfinite(wanted).all(axis=(1, 2))
    if shape is not None and seen.any():
        own = mean_shape(wanted[seen])
        other = _moved(shape, own)
        for t in np.flatnonzero(seen):
            turn, scale, _ = _rigid(own, wanted[t])
            wanted[t] += scale * (other - own) @ turn.T
    flat = wanted[..., :2]
    for t in np.flatnonzero(seen):
        if not np.array_equal(driver_joints[t], motion_joints[t], equal_nan=True):
            flat[t] = apply_affine(similarity_from_points(driver_joints[t], motion_joints[t]), flat[t])
    return flat


def _moved(mesh: np.ndarray, onto: np.ndarray) -> np.ndarray:
    turn, scale, shift = _rigid(mesh, onto)
    return scale * mesh @ turn.T + shift


def _rigid(source: np.ndarray, onto: np.ndarray) -> tuple[np.ndarray, float, np.ndarray]:
    """Rotation (3 3), size and shift (3) that take source (p 3) nearest to onto (p 3) (Umeyama 1991)."""
    mean_s, mean_o = source.mean(axis=0), onto.mean(axis=0)
    s, o = source - mean_s, onto - mean_o
    u, values, vt = np.linalg.svd(o.T @ s)
    sign = np.array([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    turn = (u * sign) @ vt
    scale = float((values * sign).sum() / (s**2).sum())
    return turn, scale, mean_o - scale * turn @ mean_s
