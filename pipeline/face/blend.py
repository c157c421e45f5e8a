"""Eq. 7: real faces, laid over the generated one and mixed into it."""

from dataclasses import dataclass

import cv2
import numpy as np

from pipeline.artifacts.faces import FaceIndex
from pipeline.picture.geometry import box_to_crop, compose_affine, invert_affine, sample_crop, similarity_from_points

INNER, OUTER = 0.55, 0.95  # the face counts fully within this share of the half side, and fades out until that
LARGEST_CHANGE = 1.4  # an alignment that changes the size by more than this beyond the boxes' ratio is not believed


@dataclass(frozen=True)
class Query:
    """The generated face of one frame: patch (p p 3) and matte (p p) uint8, box (4) and landmarks (l 2) in full px."""

    patch: np.ndarray
    matte: np.ndarray
    box: np.ndarray
    landmarks: np.ndarray


def enhancement(
    query: Query, faces: FaceIndex, chosen: np.ndarray, weights: np.ndarray, alpha: float, beta: float, anchors: list[int]
) -> np.ndarray:
    """Residual f' - f (p p 3) int16 of f' = α Σ w_i f_i + β f (Eq. 7), within the face's soft mask.

    Each f_i is first laid over f by the similarity that takes its eyes, nose and ears (landmarks `anchors`) to the
    query's; the mask is a soft disc ∩ the generated matte ∩ the matte of the chosen faces. α = 0 switches the
    enhancement off whatever β is. With α + β ≠ 1 the face becomes brighter or darker, as Eq. 7 says.
    """
    size = len(query.patch)
    if alpha == 0 or not len(chosen):
        return np.zeros((size, size, 3), np.int16)
    blended, cover = np.zeros((size, size, 3)), np.zeros((size, size))
    for face, weight in zip(chosen, weights, strict=True):
        matrix = alignment(query, faces, int(face), anchors)
        matte = warped(faces.mattes[int(face)], matrix, size, "zero").astype(np.float64) / 255 * weight
        blended += matte[..., None] * warped(faces.crops[int(face)], matrix, size, "replicate")
        cover += matte
    blended /= np.maximum(cover, 1e-6)[..., None]
    mask = soft_disc(size) * (query.matte.astype(np.float64) / 255) * np.minimum(cover, 1)
    change = alpha * blended + (beta - 1) * query.patch.astype(np.float64)
    return np.rint(mask[..., None] * change).astype(np.int16)


def alignment(query: Query, faces: FaceIndex, face: int, anchors: list[int]) -> np.ndarray:
    """Map (2, 3) from a face's stored crop to the query's patch.

    Where fewer than two landmarks are shared, or the landmarks ask for a size far from the boxes', box goes to box.
    """
    size = len(query.patch)
    to_full = invert_affine(box_to_crop(faces.seen[face], (faces.crop_px, faces.crop_px)))
    to_patch = box_to_crop(query.box, (size, size))
    moved = similarity_from_points(faces.landmarks[face][anchors], query.landmarks[anchors])
    boxes_ratio = (query.box[2] - query.box[0]) / faces.size_px[face]
    change = float(np.hypot(moved[0, 0], moved[1, 0])) / boxes_ratio
    if not 1 / LARGEST_CHANGE <= change <= LARGEST_CHANGE:  # false for NaN too
        shift = (query.box[:2] - boxes_ratio * faces.box[face][:2]) - 0.5 * (1 - boxes_ratio)
        moved = np.array([[boxes_ratio, 0, shift[0]], [0, boxes_ratio, shift[1]]])
    return compose_affine(to_patch, compose_affine(moved, to_full))


def soft_disc(size: int) -> np.ndarray:
    """Weight (p p) float64: 1 in the middle, falling smoothly to 0 short of the patch's border."""
    axis = (np.arange(size) + 0.5) / size * 2 - 1
    radius = np.hypot(axis[:, None], axis[None, :])
    ramp = np.clip((OUTER - radius) / (OUTER - INNER), 0, 1)
    return ramp * ramp * (3 - 2 * ramp)


def warped(image: np.ndarray, matrix: np.ndarray, size: int, border: str) -> np.ndarray:
    """A real face's picture or matte (s s[ c]) uint8 through a map (2 3) to a patch (p p[ c]): cubic, averaged where it shrinks."""
    if np.hypot(matrix[0, 0], matrix[1, 0]) < 1:
        return sample_crop(image, matrix, (size, size), border)
    mode = cv2.BORDER_REPLICATE if border == "replicate" else cv2.BORDER_CONSTANT
    return cv2.warpAffine(image, matrix, (size, size), flags=cv2.INTER_CUBIC, borderMode=mode)
