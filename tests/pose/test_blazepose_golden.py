"""BlazePose against mediapipe itself, on frames of the demo (made by make_blazepose_reference.py)."""

import json
import os
from pathlib import Path

import av
import numpy as np
import pytest

from pipeline.networks.blazepose import DetectorNet, LandmarkNet, roi_from_alignment

ROOT = Path(__file__).parents[2]
REFERENCE = Path(__file__).parent / "data" / "blazepose_reference.json"
FOLDERS = [ROOT / "data", *([Path(os.environ["MOTION_COPY_DEMO"])] if "MOTION_COPY_DEMO" in os.environ else [])]


def find_file(parts: tuple[str, ...]) -> Path:
    """Return the first file under the demo folders whose path ends so; skip the test when there is none."""
    for folder in FOLDERS:
        for path in sorted(folder.rglob(parts[-1])):
            if all(any(part in piece.lower() for piece in path.parts) for part in parts[:-1]):
                return path
    pytest.skip(f"{'/'.join(parts)} is not there: dvc repro fetch_assets, or name its folder in MOTION_COPY_DEMO")


@pytest.mark.slow
def test_landmarks_equal_mediapipes_within_two_pixels() -> None:
    weights = find_file(("pose_landmark_full.tflite",)).parent
    detector, landmarks = DetectorNet(weights, 1), LandmarkNet(weights, 1)
    reference, errors = json.loads(REFERENCE.read_text()), []
    for name, frames in reference["videos"].items():
        kind = "single" if "Single" in name else "multi"
        with av.open(str(find_file((kind, Path(name).name)))) as container:
            for index, frame in enumerate(container.decode(video=0)):
                if str(index) in frames:
                    image = frame.to_ndarray(format="rgb24")
                    hips, extent = detector(image).keypoints[0, :2]
                    found = landmarks(image, roi_from_alignment(hips, extent)).points[:33]
                    true = np.array(frames[str(index)]) * (image.shape[1], image.shape[0])
                    errors.append(np.linalg.norm(found - true, axis=1))
    assert len(errors) == 20
    assert np.median(np.concatenate(errors)) < 2.0
