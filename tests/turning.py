"""A drawn figure that turns its head, as the artifacts that the face room reads; tests of that room share it."""

from pathlib import Path

import figure
import numpy as np
from stored import store_clip

from pipeline.artifacts.frames import open_frames
from pipeline.artifacts.keypoints import read_keypoints
from pipeline.artifacts.mattes import open_mattes
from pipeline.body.regions import RegionParams
from pipeline.body.skeleton import load_skeleton
from pipeline.face.enhance import FaceParams
from pipeline.face.index import FaceIndexParams, IndexInputs, index_faces
from pipeline.picture.geometry import box_to_crop
from pipeline.timeline.split import SplitParams

HUMAN = load_skeleton(Path("pipeline/skeletons/human.yaml"))
REGIONS = RegionParams(region_px=32, face_side=2.0, hand_side=1.1, foot_side=0.9, smooth_frames=5, min_side_px=8)
SPLIT = SplitParams(hold_out_fraction=0.25)
T, SIZE = 24, 200
MATRIX = box_to_crop(np.array([0.0, 0.0, SIZE, SIZE]), (64, 64))
TURNING = figure.Motion(period=24.0, turn_degrees=60.0, sway=0.0)


def face_params(**changes: object) -> FaceParams:
    values = {
        "align": "joints", "alpha": 0.6, "beta": "1 - alpha", "candidates": 3, "expression": 3.0, "max_misfit": 0.35,
        "similarity": "vectors", "vectors": 6, "normalise": True, "exclude_neighbours": 2, "hysteresis": 0.0, "min_sharpness": 0.0,
    }  # fmt: skip
    return FaceParams.model_validate({**values, **changes})


def write_clip(folder: Path, held_out_seed: int | None = None, blank: bool = False) -> dict[str, Path]:
    """A figure of 160 px that turns its head from right to left; generated = its frames seen at 64 px."""
    person = figure.Figure(height_px=160)
    posed = person.points(T, (100, 185), TURNING)
    frames, mattes = person.render(posed, figure.static_background((SIZE, SIZE)))
    if blank:
        posed[:, [person.joints.index(name) for name in ("nose", "right_eye", "left_eye", "right_ear", "left_ear")]] = np.nan
    table = figure.truth(posed, person.joints, HUMAN, (SIZE, SIZE))
    if held_out_seed is not None:
        rng = np.random.default_rng(held_out_seed)
        frames[18:] = rng.integers(0, 256, frames[18:].shape)
        table.points[18:] += rng.normal(0, 2, table.points[18:].shape).astype(np.float32)
    return store_clip(folder, frames, mattes, table, MATRIX, (64, 64))


def index(clip: dict[str, Path], folder: Path, split: SplitParams = SPLIT) -> tuple[Path, Path]:
    outs = folder / "faces.parquet", folder / "faces.zarr"
    inputs = IndexInputs(open_frames(clip["frames"]), open_mattes(clip["mattes"]), read_keypoints(clip["keypoints"]).track())
    index_faces(inputs, FaceIndexParams(size_px=48, room=1.0, most=1000), REGIONS, split, *outs)
    return outs
