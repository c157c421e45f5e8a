"""A NumPy array of keypoints: (t j 2) x y or (t j 3) x y score, NaN = missing; the joints' names stand in params.yaml."""

from pathlib import Path

import numpy as np

from pipeline.errors import InputError
from pipeline.pose.backends.imported.labels import Clip, Labels


def read_array(path: Path, joint_names: list[str] | None, clip: Clip) -> Labels:
    """Read an .npy file with a pose for each frame of the video; InputError unless its shape and the names agree."""
    try:
        values = np.load(path, mmap_mode="r", allow_pickle=False)  # mapped: a header that promises too much allocates nothing
    except (ValueError, OSError, EOFError, SyntaxError, TypeError, OverflowError) as error:
        raise InputError(f"{path} must be an .npy array of numbers, found it unreadable ({error}); save it again") from error
    if not isinstance(values, np.ndarray):
        raise InputError(f"{path} must be one .npy array, found an archive of arrays (.npz); save the array by numpy.save")
    if joint_names is None:
        raise InputError(f"{path} does not name its joints: list them in order in the clip's joint_names, found shape {values.shape}")
    if values.dtype.kind not in "fiu" or values.ndim != 3 or values.shape[2] not in (2, 3) or values.shape[1] != len(joint_names):
        found = f"{values.dtype} {values.shape} for {len(joint_names)} joint_names"
        raise InputError(f"{path} must hold numbers (frames, joints, 2 or 3), found {found}; save it so, or correct joint_names")
    clip.require_every_frame(path, len(values))
    values = values.astype(np.float64)
    seen = np.asarray(np.isfinite(values[..., :2]).all(axis=2))
    points = np.where(seen[..., None], values[..., :2], np.nan)
    score = np.where(seen, values[..., 2] if values.shape[2] == 3 else 1.0, 0.0)
    return Labels(list(joint_names), points[:, None], score[:, None], range(len(values)), followed=True)
