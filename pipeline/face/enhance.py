"""Self-supervised face enhancement: real faces of similar orientation mixed into the generated ones (§3.2, Eq. 6-7, Fig. 5)."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.artifacts.agree import passed_on, require_motion, require_same_length
from pipeline.artifacts.faces import FaceIndex, own_faces
from pipeline.artifacts.foregrounds import Foregrounds
from pipeline.artifacts.keypoints import Track
from pipeline.artifacts.residuals import ResidualWriter, create_residuals
from pipeline.body.regions import RegionParams, cut_from_crop, drop_unusable, region_boxes
from pipeline.errors import InputError
from pipeline.face.blend import Query, enhancement
from pipeline.face.heads import Heads, MeshInputs
from pipeline.face.params import FaceParams
from pipeline.face.similarity import CandidateChooser, allowed_faces, choose_vectors, orientation_distances, vector_field
from pipeline.progress import Progress
from pipeline.timeline.split import SplitParams, split_frames

BLOCK = 16


@dataclass(frozen=True)
class FaceInputs:
    """The foreground of a motion, the motion, the target's faces; and what similarity: image_features and align: mesh need.

    features: st_vgg16 weights; meshes: of driver and target.
    """

    generated: Foregrounds
    track: Track
    faces: FaceIndex
    features: Path | None
    meshes: MeshInputs | None


def enhance_faces(inputs: FaceInputs, params: FaceParams, regions: RegionParams, split: SplitParams | None, out: Path) -> int:
    """Publish the face's residuals f' - f of a pair; returns the number of enhanced frames.

    align: mesh places whole heads by meshes, joints mixes faces the paper's way.

    `split` is given for a target's self pair: then the query frame and its neighbours are no candidates, and no frame
    before the held-out part depends on one within it. A skeleton without face vectors, an empty index or α = 0 gives no
    region or zeros.
    """
    generated, track, faces = inputs.generated, inputs.track, inputs.faces
    require_same_length(track, generated)
    require_motion(str(generated.source), generated.attributes, track)
    # Without faces to search there are no residuals, and the artifact says why.
    extra = {"alpha": params.alpha, "beta": params.beta_value, **passed_on(generated.attributes)}
    empty = out, {}, {}, regions.region_px, generated.clock, track.size_hw, len(generated)
    face = track.skeleton.face
    if face is None or not track.skeleton.face_vectors or not len(faces):
        reason = "the face index is empty" if track.skeleton.face_vectors else f"skeleton {track.skeleton.name} has no face vectors"
        return _publish_nothing(empty, extra, reason)
    region = face.name
    if params.align == "mesh" and params.alpha:
        if inputs.meshes is None:
            needed = "--driver-meshes, --meshes, --driver-keypoints and --weights"
            raise InputError(f"face.align: mesh needs {needed}, found not all of them; name them or set face.align: joints")
        heads = Heads(generated, own_faces(faces), track, inputs.meshes, params, is_self=split is not None)
        if not np.isfinite(heads.boxes).any():
            return _publish_nothing(empty, extra, "; ".join(heads.skipped))
        return _place_heads(out, region, heads, generated, track, regions.region_px, extra)
    border = None if split is None else split_frames(track.present, split).border
    boxes = {region: region_boxes(track.points, track.skeleton, regions, border)[region]}
    boxes, skipped = drop_unusable(boxes, track.size_hw, regions.min_side_px)
    # Where no candidate may be compared the face stays as generated.
    search = _Search(faces, track, params, is_self=split is not None, features=inputs.features)
    searchable = search.has_candidates(boxes[region])
    lost = np.isfinite(boxes[region]).all(axis=1) & ~searchable
    if lost.any():
        skipped[region].append(f"{int(lost.sum())} of {len(lost)} frames: no face of the index may be compared with it")
    boxes[region][~searchable] = np.nan
    arguments = out, boxes, skipped, regions.region_px, generated.clock, track.size_hw, len(generated), extra
    with create_residuals(*arguments) as writer:
        _append_residuals(writer, region, boxes[region], generated, search, params, regions.region_px)
    return int(searchable.sum())


class _Search:
    """Finds the candidates of each frame of a motion in a face index."""

    def __init__(self, faces: FaceIndex, track: Track, params: FaceParams, is_self: bool, features: Path | None) -> None:
        self.faces, self.params, self.is_self = faces, params, is_self
        names = faces.landmark_names
        skeleton = track.skeleton
        self.landmarks = track.points[:, [skeleton.index(name) for name in names]].astype(np.float64)
        self.anchors = [i for i, name in enumerate(names) if any(name in pair for pair in skeleton.face_vectors)]
        pairs = choose_vectors(skeleton.face_vectors, names, params.vectors)
        self.queries = vector_field(self.landmarks, names, pairs)
        self.pool = vector_field(faces.landmarks, names, pairs)
        if params.normalise:
            self.pool = self.pool / faces.size_px[:, None, None]
        self.chooser = CandidateChooser(params.candidates, params.hysteresis)
        self.describe = None
        if params.similarity == "image_features":
            from pipeline.face.features import FaceDescriber  # torch is needed for this variant only

            self.describe = FaceDescriber(faces, features)

    def has_candidates(self, boxes: np.ndarray) -> np.ndarray:
        """Frames (t) whose face can be compared with at least one face of the index."""
        return np.array([self._comparable(t, box).any() for t, box in enumerate(boxes)], bool)

    def candidates(self, t: int, query: Query) -> tuple[np.ndarray, np.ndarray]:
        """Chosen faces (k) and their weights (k) for frame t."""
        distances = self._distances(t, query.box) if self.describe is None else self.describe.distances(query)
        return self.chooser.choose(distances, self._comparable(t, query.box))

    def _comparable(self, t: int, box: np.ndarray) -> np.ndarray:
        query = t if self.is_self else None
        allowed = allowed_faces(self.faces.frame, self.faces.sharpness, self.params.min_sharpness, query, self.params.exclude_neighbours)
        if self.describe is None:
            allowed = allowed & np.isfinite(self._distances(t, box))
        return allowed & np.isfinite(box).all()

    def _distances(self, t: int, box: np.ndarray) -> np.ndarray:
        size = box[2] - box[0] if self.params.normalise else 1.0
        return orientation_distances(self.queries[t] / size, self.pool)


def _publish_nothing(arguments: tuple[Any, ...], extra: dict[str, Any], reason: str) -> int:
    print(f"enhance_faces: {reason}; faces stay as generated.")
    with create_residuals(*arguments, extra={**extra, "reason": reason}):
        return 0


def _place_heads(
    out: Path, region: str, heads: Heads, generated: Foregrounds, track: Track, region_px: int, extra: dict[str, Any]
) -> int:
    """Publish the residuals of placed heads; what was measured too small or turned away is said, and stays as generated."""
    if heads.skipped:
        print(f"enhance_faces: heads stay as generated in {'; '.join(heads.skipped)}.")
    extra = {**extra, "align": "mesh"}
    arguments = out, {region: heads.boxes}, {region: heads.skipped}, region_px, generated.clock, track.size_hw, len(generated), extra
    with create_residuals(*arguments, placed={region: heads.px}) as writer, Progress(len(generated), "enhance_faces") as progress:
        for block in heads.residuals():
            writer.append(region, block)
            progress.advance(len(block))
    larger = f", or looks out above the real one ({heads.larger})" if heads.larger else ""
    shown = f"{heads.placed} of {len(generated)} frames show a real head"
    print(f"enhance_faces: {shown}, others the generated one, which fits as well{larger}.")
    return heads.placed


def _append_residuals(
    writer: ResidualWriter, region: str, boxes: np.ndarray, generated: Foregrounds, search: _Search, params: FaceParams, region_px: int
) -> None:
    with Progress(len(generated), "enhance_faces") as progress:
        for start, images in generated.rgb.blocks(BLOCK):
            mattes = generated.matte[start : start + len(images)]
            block = np.zeros((len(images), region_px, region_px, 3), np.int16)
            for i in np.flatnonzero(np.isfinite(boxes[start : start + len(images)]).all(axis=1)):
                t = start + int(i)
                patch = cut_from_crop(images[i], generated.crop[t], boxes[t], region_px)
                matte = cut_from_crop(mattes[i], generated.crop[t], boxes[t], region_px, "zero")
                query = Query(patch, matte, boxes[t], search.landmarks[t])
                chosen, weights = search.candidates(t, query)
                block[i] = enhancement(query, search.faces, chosen, weights, params.alpha, params.beta_value, search.anchors)
            writer.append(region, block)
            progress.advance(len(images))
