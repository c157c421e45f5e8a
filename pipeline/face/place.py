"""Eq. 7 by meshes: a real head laid over the generated one, point on point, with its own outline.

The paper mixes faces as they are. Mixed, even a little misplaced, they are blurred; and a head that turns otherwise has another
outline. So the whole head is taken, from chin to hair, and the matte with it.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from pipeline.artifacts.faces import FaceIndex
from pipeline.face.blend import warped
from pipeline.networks.face_mesh import CHIN, FOREHEAD
from pipeline.picture.geometry import apply_affine, box_to_crop, compose_affine, invert_affine, similarity_from_points

WIDER = 1.8  # the head's outline over that of the mesh, which ends at brow, cheeks and chin
HAIR = 0.7  # and how much further it reaches beyond the brow, in faces' heights
SOFT = 0.12  # sigma of its rim, in the mesh's root mean square radius
REACH = 3.0  # rims of a Gaussian beyond which nothing is left
LEAST_PX, LARGEST_PX = 16, 512
COARSEST = 8  # sides are multiples of it
BESIDE = 2.0  # rims of the outline beyond it, where it is asked whether the generated head looks out
RIM_POINTS = 256  # and at how many places along it


@dataclass(frozen=True)
class Head:
    """The generated head of one frame: rgb (p p 3) and matte (p p) uint8 through the square box (4), wanted mesh (k 2) in full px."""

    rgb: np.ndarray
    matte: np.ndarray
    box: np.ndarray
    mesh: np.ndarray

    @property
    def mesh_in_patch(self) -> np.ndarray:
        """The mesh (k 2) in the patch's px."""
        return apply_affine(box_to_crop(self.box, self.matte.shape), self.mesh)


def head_boxes(meshes: np.ndarray) -> tuple[np.ndarray, int]:
    """Square boxes xyxy (t 4) about the heads of meshes (t k 2), NaN without one, all of one side; and their patches' side in px.

    A patch has the frame's own pixels unless the head is larger than LARGEST_PX: nothing is resampled.
    """
    boxes = np.full((len(meshes), 4), np.nan)
    seen = np.flatnonzero(np.isfinite(meshes).all(axis=(1, 2)))
    outlines = {int(t): _outline(meshes[t]) for t in seen}
    reach = {t: max(float(np.ptp(line, axis=0).max()) / 2 + REACH * SOFT * _radius(meshes[t]), 1.0) for t, line in outlines.items()}
    side = COARSEST * int(np.ceil(max(2 * max(reach.values(), default=1.0), LEAST_PX) / COARSEST))
    for t, line in outlines.items():
        corner = np.rint((line.min(axis=0) + line.max(axis=0)) / 2 + 0.5 - side / 2)
        boxes[t] = np.concatenate([corner, corner + side])
    return boxes, min(side, LARGEST_PX)


@dataclass(frozen=True)
class Laid:
    """Real heads in the place of one: colours (p p 3) times their opacity, cover (p p), and known (p p), where their pictures reach."""

    colours: np.ndarray
    cover: np.ndarray
    known: np.ndarray


def laid(head: Head, faces: FaceIndex, chosen: np.ndarray, meshes: np.ndarray, weights: np.ndarray) -> Laid:
    """Σ w_i f_i of Eq. 7: faces (m) of the index, with their meshes (m k 2) and weights (m), laid point on point over the head.

    Colours are mixed by opacity, so that what is transparent on one side has no colour there.
    """
    size = len(head.matte)
    real, cover, known = np.zeros((size, size, 3), np.float32), np.zeros((size, size), np.float32), np.ones((size, size), np.float32)
    whole = np.full((faces.crop_px, faces.crop_px), 255, np.uint8)
    to_patch = box_to_crop(head.box, (size, size))
    for face, mesh, weight in zip(chosen, meshes, weights, strict=True):
        to_full = invert_affine(box_to_crop(faces.seen[int(face)], (faces.crop_px, faces.crop_px)))
        matrix = compose_affine(to_patch, compose_affine(similarity_from_points(mesh, head.mesh), to_full))
        matte = warped(faces.mattes[int(face)], matrix, size, "zero").astype(np.float32) / 255 * np.float32(weight)
        real += matte[..., None] * warped(faces.crops[int(face)], matrix, size, "replicate")
        cover += matte
        known = np.minimum(known, warped(whole, matrix, size, "zero").astype(np.float32) / 255)  # beyond a picture nothing is known
    return Laid(real, cover, known)


def placed(head: Head, real: Laid, alpha: float) -> np.ndarray:
    """Residual (p p 4) int16 of colour and matte, in 8-bit steps: f' = α Σ w_i f_i + (1 - α) f (Eq. 7) within the head's soft outline."""
    share = np.float32(alpha) * real.known * outline_mask(head.mesh_in_patch, len(head.matte))
    own, opacity = head.rgb.astype(np.float32), head.matte.astype(np.float32) / 255
    mixed = (1 - share) * opacity + share * real.cover
    colour = ((1 - share) * opacity)[..., None] * own + share[..., None] * real.colours
    colour = np.where(mixed[..., None] > 1 / 512, colour / np.maximum(mixed, 1 / 512)[..., None], own)
    return np.rint(np.concatenate([colour - own, (mixed - opacity)[..., None] * 255], axis=2)).astype(np.int16)


def outline_mask(mesh: np.ndarray, size: int) -> np.ndarray:
    """Weight (p p) float32 of the real head: 1 inside its outline, falling softly; mesh (k 2) in the patch's px."""
    mask = np.zeros((size, size), np.float32)
    cv2.fillConvexPoly(mask, np.rint(_outline(mesh)).astype(np.int32), 1.0)
    return cv2.GaussianBlur(mask, (0, 0), max(SOFT * _radius(mesh), 0.5))


def crown_beyond(head: Head, cover: np.ndarray) -> float:
    """Share of the outline above the brow beyond which the generated head goes on where real ones of opacity cover (p p) do not.

    All of it where the generated head is larger, none where the real one has the same hat; an arm crosses a part of it.
    """
    mesh = head.mesh_in_patch
    line = _outline(mesh)
    sides = np.roll(line, -1, axis=0) - line
    along = np.concatenate([[0], np.cumsum(np.linalg.norm(sides, axis=1))])
    at = np.linspace(0, along[-1], RIM_POINTS, endpoint=False)
    rim = np.stack([np.interp(at, along, np.append(line[:, axis], line[0, axis])) for axis in (0, 1)], 1)
    outwards = rim - line.mean(axis=0)
    beyond = rim + BESIDE * SOFT * _radius(mesh) * outwards / np.linalg.norm(outwards, axis=1, keepdims=True)
    above = (rim - mesh[FOREHEAD]) @ (mesh[FOREHEAD] - mesh[CHIN]) > 0
    x, y = np.clip(np.rint(beyond[above]).astype(int), 0, len(cover) - 1).T
    return float(((head.matte[y, x] > 127) & (cover[y, x] < 0.5)).mean()) if above.any() else 0.0


def _outline(mesh: np.ndarray) -> np.ndarray:
    """Convex polygon (n 2) about head and hair."""
    middle = mesh.mean(axis=0)
    up = mesh[FOREHEAD] - mesh[CHIN]
    wide = middle + WIDER * (mesh - middle)
    above = wide[(mesh - middle) @ up > 0] + HAIR * up
    return cv2.convexHull(np.concatenate([wide, above]).astype(np.float32))[:, 0]


def _radius(mesh: np.ndarray) -> float:
    return float(np.sqrt(((mesh - mesh.mean(axis=0)) ** 2).sum(axis=1).mean()))
