"""Real heads for a motion: for each frame the one whose mesh fits best, where it fits better than the generated head."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pipeline.artifacts.faces import FaceIndex
from pipeline.artifacts.foregrounds import Foregrounds
from pipeline.artifacts.keypoints import Track
from pipeline.artifacts.meshes import Meshes
from pipeline.body.regions import cut_from_crop
from pipeline.body.sides import exchanged, in_runs
from pipeline.errors import InputError
from pipeline.face.measure import SURE, look_at_face
from pipeline.face.mesh import driven_meshes, mean_shape, mesh_distances, misfit, point_weights
from pipeline.face.params import FaceParams
from pipeline.face.place import LEAST_PX, Head, crown_beyond, head_boxes, laid, placed
from pipeline.face.similarity import CandidateChooser, allowed_faces, face_landmarks
from pipeline.networks.face_mesh import FaceMesh, square_about
from pipeline.picture.geometry import apply_affine, box_to_crop

GREY = 127.5  # behind a generated head when its mesh is looked for
LEAST_PRESENCE = 0.5  # of a generated head: one that is no face at all fits nothing
LEAST_SHARE = 0.05  # of a target's faces: where fewer are sure to be one, those are mistakes (a pixelated face, a profile)
BLOCK = 16
OFF = 0.15  # how much less what a generated head is off in place and size counts than in shape: the body, too, tells where it belongs
CROWN = 0.2  # share of a real head's outline beyond which a larger generated one may go on: its crown would stand there as an arc
LEAST_PLACE_JOINTS = 2  # that tell where a driver's head goes


@dataclass(frozen=True)
class MeshInputs:
    """Meshes of driver and target, the driver's joints, and the folder of the mesh network."""

    driver: Meshes
    target: Meshes
    joints: Track
    weights: Path


class Heads:
    """boxes (t 4) of the heads, NaN where no head may be placed; px, their patches' side; why frames have none; in how many so far the
    generated one was larger."""

    def __init__(
        self, generated: Foregrounds, faces: FaceIndex, motion: Track, inputs: MeshInputs, params: FaceParams, is_self: bool
    ) -> None:
        driver, target, joints = inputs.driver, inputs.target, inputs.joints
        _check(generated, driver, target, faces, joints)
        self._generated, self._faces, self._params, self._is_self = generated, faces, params, is_self
        sure = _sure(target)[faces.frame]
        self._rows = np.flatnonzero(sure & (sure.sum() > LEAST_SHARE * len(sure)))  # faces of the index
        pool = target.points[faces.frame[self._rows]].astype(np.float64)
        self._pool = pool[..., :2]
        self._chooser = CandidateChooser(params.candidates, params.hysteresis)
        self._kept = np.zeros(len(generated), bool)
        self.larger = 0
        self._network: FaceMesh | None = None
        self.wanted, self.boxes, self.px = np.empty((len(generated), 0, 2)), np.full((len(generated), 4), np.nan), LEAST_PX
        asked = _sure(driver)
        self.skipped = _why_not(driver, asked) if len(pool) else [_none_to_place(target.seen[faces.frame], sure)]
        if not len(pool) or not asked.any():
            return
        self._network = FaceMesh(inputs.weights, 1)
        self._weights = point_weights(pool.shape[1], params.expression)
        points = np.where(asked[:, None, None], driver.points, np.nan)
        self.wanted = driven_meshes(points, *_head_joints(joints, motion), None if is_self else mean_shape(pool))
        self.boxes, self.px = head_boxes(self.wanted)

    @property
    def placed(self) -> int:
        """Frames that got a real head so far."""
        return int(self._kept.sum())

    def residuals(self) -> Iterator[np.ndarray]:
        """Blocks (n p p 4) int16 in the order of the frames; zeros where the head stays as generated."""
        for start, images in self._generated.rgb.blocks(BLOCK):
            mattes = self._generated.matte[start : start + len(images)]
            block = np.zeros((len(images), self.px, self.px, 4), np.int16)
            for i in np.flatnonzero(np.isfinite(self.boxes[start : start + len(images)]).all(axis=1)):
                self._place(start + int(i), images[i], mattes[i], block[i])
            yield block

    def _place(self, t: int, image: np.ndarray, matte: np.ndarray, out: np.ndarray) -> None:
        crop, box, params = self._generated.crop[t], self.boxes[t], self._params
        rgb, opacity = (cut_from_crop(a, crop, box, self.px, border) for a, border in ((image, "replicate"), (matte, "zero")))
        query = t if self._is_self else None
        sharpness = self._faces.sharpness[self._rows]
        allowed = allowed_faces(self._faces.frame[self._rows], sharpness, params.min_sharpness, query, params.exclude_neighbours)
        distances = mesh_distances(self.wanted[t], self._pool, self._weights)
        head = Head(rgb, opacity, box, self.wanted[t])
        # The generated head is a candidate too, with the same advantage for what was shown in the frame before.
        stays = 1 - params.hysteresis
        advantage = 1 / stays if t and self._kept[t - 1] else stays
        bound = min(self._own_misfit(rgb, opacity, t) * advantage, params.max_misfit)
        chosen, weights = self._chooser.choose(distances, allowed & (distances < bound))
        if not len(chosen):
            return
        real = laid(head, self._faces, self._rows[chosen], self._pool[chosen], weights)
        if crown_beyond(head, real.cover) > CROWN * advantage:
            self.larger += 1
            return
        out[:] = placed(head, real, params.alpha)
        self._kept[t] = True

    def _own_misfit(self, rgb: np.ndarray, matte: np.ndarray, t: int) -> float:
        """How badly the generated head fits, as mesh_distances() has it, and where it lies; infinite where it shows no face."""
        assert self._network is not None
        opacity = matte[..., None].astype(np.float32) / 255
        shown = np.rint(opacity * rgb + (1 - opacity) * GREY).astype(np.uint8)
        wanted = apply_affine(box_to_crop(self.boxes[t], (self.px, self.px)), self.wanted[t])
        found = look_at_face(self._network, shown, [square_about(wanted)])
        if found.presence < LEAST_PRESENCE:
            return np.inf
        own = found.points[:, :2].astype(np.float64)
        return float(mesh_distances(wanted, own[None], self._weights)[0]) + OFF * misfit(wanted, own, self._weights)


def _sure(meshes: Meshes) -> np.ndarray:
    """Frames (t) whose mesh is of a face for sure. A real one is: what is taken for a face elsewhere, as squares over one, seldom so."""
    return meshes.seen & (meshes.presence >= SURE)


def _none_to_place(seen: np.ndarray, sure: np.ndarray) -> str:
    """Why none of the index's faces (n), seen by the network or not, is a head to place."""
    return f"{sure.sum()} of {len(sure)} faces of the target are sure to be one" if seen.any() else "no face of the index has a mesh"


def _why_not(driver: Meshes, sure: np.ndarray) -> list[str]:
    """Why frames of a driver ask for no head."""
    unsure = int((driver.seen & ~sure).sum())
    return [*driver.skipped, *([f"{unsure} of {len(driver)} frames: what looks like a face may be none"] if unsure else [])]


def _head_joints(driver: Track, motion: Track) -> tuple[np.ndarray, np.ndarray]:
    """The head's joints (t j 2) before and after retargeting."""
    names = [name for name in face_landmarks(motion.skeleton) if name in driver.joints]
    if len(names) < LEAST_PLACE_JOINTS:
        raise InputError(f"face.align: mesh needs two joints of the head in driver and motion, found {len(names)}; set face.align: joints")
    turned_away = in_runs(motion.attributes.get("retargeting", {}).get("sides_exchanged", []), len(motion.points))
    was = replace(driver, points=exchanged(driver.points, turned_away, driver.skeleton))
    before, after = (track.points[:, [track.skeleton.index(name) for name in names]].astype(np.float64) for track in (was, motion))
    return before, after


def _check(generated: Foregrounds, driver: Meshes, target: Meshes, faces: FaceIndex, joints: Track) -> None:
    if not len(generated) == len(driver) == len(joints.points):
        found = f"{driver.source} {len(driver)}, {joints.source} {len(joints.points)}, {generated.source} {len(generated)}"
        raise InputError(f"Driver and foregrounds must have as many frames, found {found}. Run: dvc repro measure_faces enhance_faces")
    if len(faces) and faces.frame.max() >= len(target):
        found = f"{len(target)} frames and a face of frame {faces.frame.max()}"
        raise InputError(f"{target.source} must be of the clip of the face index, found {found}. Run: dvc repro measure_faces index_faces")
