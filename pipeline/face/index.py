"""The face index: every usable training face of the target with its orientation, sharpness and picture (§3.2, Fig. 5)."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from pydantic import Field

from pipeline.artifacts.agree import require_same_clip
from pipeline.artifacts.faces import FaceRow, FaceWriter, create_faces
from pipeline.artifacts.frames import Frames
from pipeline.artifacts.keypoints import Track
from pipeline.body.regions import RegionParams, cut_region, drop_unusable, region_boxes
from pipeline.body.skeleton import Skeleton
from pipeline.face.similarity import face_landmarks, vector_field
from pipeline.params import Section
from pipeline.progress import Progress
from pipeline.timeline.sampling import spread_evenly
from pipeline.timeline.split import SplitParams, split_frames

BLOCK = 16
LEAST_VECTORS = 3  # fewer do not tell an orientation


class FaceIndexParams(Section):
    """Section `face_index` of params.yaml."""

    size_px: int = Field(ge=16, le=512)
    room: float = Field(ge=1, le=4)
    most: int = Field(ge=1)


@dataclass(frozen=True)
class IndexInputs:
    """What is read of a target."""

    frames: Frames
    mattes: Frames
    track: Track


def index_faces(
    inputs: IndexInputs, params: FaceIndexParams, regions: RegionParams, split: SplitParams, table: Path, crops: Path
) -> int:
    """Publish the index of the training frames' faces; returns how many there are (0 for a skeleton without face vectors).

    A face is usable when its region can be computed, is large enough and lies wholly in the frame, and at least
    three of its vectors are seen. At most `most` are kept, evenly spread.
    """
    frames, mattes, track = inputs.frames, inputs.mattes, inputs.track
    require_same_clip(frames, mattes, track)
    training = split_frames(track.present, split)
    skeleton = track.skeleton
    names = face_landmarks(skeleton)
    boxes = _face_boxes(track, regions, training.border)
    usable = [int(t) for t in training.training if _is_usable(boxes[t], track.points[t], skeleton, names, frames.size_hw)]
    usable = [int(t) for t in spread_evenly(np.array(usable, np.int64), params.most)]
    if not usable:
        print(f"index_faces: no usable face in {track.source}; the index is empty and faces stay as generated.")
    with create_faces(table, crops, params.size_px, skeleton.face_vectors, names) as writer:
        _append_faces(writer, usable, frames, mattes, track, boxes, names, params)
    return len(usable)


def picture_box(box: np.ndarray, params: FaceIndexParams) -> np.ndarray:
    """What a face's picture shows (4): size_px of the frame's own pixels about the face's box (4), more where `room` asks for more."""
    middle, side = (box[:2] + box[2:]) / 2, params.room * (box[2] - box[0])
    if side > params.size_px:
        return np.concatenate([middle - side / 2, middle + side / 2])
    corner = np.rint(middle - params.size_px / 2)  # whole pixels, so that none is resampled
    return np.concatenate([corner, corner + params.size_px])


def face_in_picture(box: np.ndarray, seen: np.ndarray, size_px: int) -> tuple[slice, slice]:
    """Rows and columns that a face's box (4) has in a picture of size_px that shows the box `seen` (4)."""
    scale = size_px / (seen[2] - seen[0])
    (x0, y0), (x1, y1) = (np.rint((corner - seen[:2]) * scale).astype(int).clip(0, size_px) for corner in (box[:2], box[2:]))
    return slice(y0, y1), slice(x0, x1)


def sharpness(crop: np.ndarray, matte: np.ndarray) -> float:
    """Variance of the Laplacian of a face crop (s s 3) in grey levels², where its matte (s s) says person; 0 where none is."""
    inside = matte > 127
    grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
    return float(cv2.Laplacian(grey, cv2.CV_64F)[inside].var()) if inside.any() else 0.0


def _append_faces(
    writer: FaceWriter,
    usable: list[int],
    frames: Frames,
    mattes: Frames,
    track: Track,
    boxes: np.ndarray,
    names: tuple[str, ...],
    params: FaceIndexParams,
) -> None:
    wanted = np.zeros(len(frames), bool)
    wanted[usable] = True
    with Progress(len(usable), "index_faces", "face") as progress:
        for start in range(0, len(frames), BLOCK):
            if not wanted[start : start + BLOCK].any():
                continue
            images, alphas = frames[start : start + BLOCK], mattes[start : start + BLOCK]
            for t in np.flatnonzero(wanted[start : start + BLOCK]) + start:
                seen = picture_box(boxes[t], params)
                crop = cut_region(images[t - start], seen, params.size_px)
                matte = cut_region(alphas[t - start], seen, params.size_px, "zero")
                landmarks = track.points[t][[track.skeleton.index(name) for name in names]].astype(np.float64)
                vectors = vector_field(landmarks, names, track.skeleton.face_vectors)
                inner = face_in_picture(boxes[t], seen, params.size_px)
                writer.append(FaceRow(int(t), boxes[t], seen, vectors, landmarks, sharpness(crop[inner], matte[inner])), crop, matte)
                progress.advance()


def _face_boxes(track: Track, regions: RegionParams, border: int) -> np.ndarray:
    """Boxes (t 4) of the face region, all NaN for a skeleton without face vectors."""
    face = track.skeleton.face
    if face is None or not track.skeleton.face_vectors:
        return np.full((len(track.points), 4), np.nan)
    boxes = {face.name: region_boxes(track.points, track.skeleton, regions, border)[face.name]}
    return drop_unusable(boxes, track.size_hw, regions.min_side_px)[0][face.name]


def _is_usable(box: np.ndarray, points: np.ndarray, skeleton: Skeleton, names: tuple[str, ...], size_hw: tuple[int, int]) -> bool:
    if not np.isfinite(box).all() or box[:2].min() < 0 or box[2] > size_hw[1] or box[3] > size_hw[0]:
        return False
    landmarks = points[[skeleton.index(name) for name in names]]
    vectors = vector_field(landmarks, names, skeleton.face_vectors)
    return int(np.isfinite(vectors).all(axis=1).sum()) >= min(LEAST_VECTORS, len(vectors))
