"""Maps between two frames by the few motions that a camera has, and how sure a map is where no feature tells."""

from collections.abc import Callable

import numpy as np

from pipeline.picture.camera import apply_homography, corners_of

FOCAL_SHARE, FOCAL_SPREAD = 1.0, 0.35  # of lenses: focal length over the picture's longer side, and the deviation of its logarithm
LEAST_NOISE_PX = 0.15  # of a followed feature
STEP = 1e-5
ROUNDS = 8

Family = Callable[[np.ndarray], np.ndarray]  # parameters (k) → a map (3 3)


def turning(size_hw: tuple[int, int]) -> Family:
    """Maps of a camera that turns (yaw, pitch, roll) and zooms in one place; the fifth parameter is its focal length's logarithm."""
    h, w = size_hw

    def family(parameters: np.ndarray) -> np.ndarray:
        yaw, pitch, roll, zoom, lens = parameters
        focal = FOCAL_SHARE * max(h, w) * np.exp(lens)
        about_y = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
        about_x = np.array([[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]])
        about_z = np.array([[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
        seen = np.array([[focal, 0, (w - 1) / 2], [0, focal, (h - 1) / 2], [0, 0, 1]])
        return seen @ np.diag([np.exp(zoom), np.exp(zoom), 1.0]) @ about_z @ about_x @ about_y @ np.linalg.inv(seen)

    return family


def near(matrix: np.ndarray, size_hw: tuple[int, int]) -> Family:
    """All homographies, eight parameters, as departures from one (3 3)."""
    h, w = size_hw
    unit = np.array([[2 / w, 0, -1], [0, 2 / h, -1], [0, 0, 1]])
    middle = unit @ matrix @ np.linalg.inv(unit)

    def family(parameters: np.ndarray) -> np.ndarray:
        return np.linalg.inv(unit) @ (middle / middle[2, 2] + np.append(parameters, 0.0).reshape(3, 3)) @ unit

    return family


def turned(here: np.ndarray, there: np.ndarray, size_hw: tuple[int, int]) -> np.ndarray:
    """Parameters (5) of the turning that takes points here (n 2) to there, by least squares; a usual lens where they do not tell.

    LinAlgError where it comes near no turning at all.
    """
    family, parameters = turning(size_hw), np.zeros(5)
    for _ in range(ROUNDS):
        slopes = _slopes(family, parameters, here)
        wrong = (there - apply_homography(family(parameters), here)).ravel()
        slopes = np.vstack([slopes, [0, 0, 0, 0, LEAST_NOISE_PX / FOCAL_SPREAD]])
        wrong = np.append(wrong, -parameters[4] * LEAST_NOISE_PX / FOCAL_SPREAD)
        if not (np.isfinite(slopes).all() and np.isfinite(wrong).all()):
            raise np.linalg.LinAlgError("the turning runs away")
        parameters = parameters + np.linalg.lstsq(slopes, wrong, rcond=None)[0]
        parameters[4] = np.clip(parameters[4], -1.0, 1.0)
    return parameters


def doubt_px(family: Family, parameters: np.ndarray, here: np.ndarray, there: np.ndarray, size_hw: tuple[int, int]) -> float:
    """Standard error, px, of where a map puts the farthest off of a picture's corners, as far as features here → there (n 2) fix it."""
    slopes, rest = _slopes(family, parameters, here), there - apply_homography(family(parameters), here)
    noise = max(LEAST_NOISE_PX, float(np.sqrt((rest**2).mean())))
    weight = slopes.T @ slopes
    if len(parameters) == 5:
        weight[4, 4] += (noise / FOCAL_SPREAD) ** 2
    at_corners = _slopes(family, parameters, corners_of(size_hw)).reshape(4, 2, -1)
    spread = noise**2 * np.linalg.pinv(weight, hermitian=True)
    return float(np.sqrt(np.einsum("cik,kl,cil->c", at_corners, spread, at_corners).max()))


def _slopes(family: Family, parameters: np.ndarray, points: np.ndarray) -> np.ndarray:
    """How points (n 2), mapped, move with each parameter: (2n k)."""
    steps = np.eye(len(parameters)) * STEP
    ways = [apply_homography(family(parameters + s), points) - apply_homography(family(parameters - s), points) for s in steps]
    return np.stack([way.ravel() for way in ways], axis=1) / (2 * STEP)
