"""BlazePose against mediapipe itself, on frames of the demo (made by make_blazepose_reference.py)."""

import json
from pathlib import Path

import av
import numpy as np
import pytest

from pipeline.assets.catalogue import read_asset
from pipeline.assets.fetch import fetch_asset
from pipeline.errors import InputError
from pipeline.networks.blazepose import DetectorNet, LandmarkNet, roi_from_alignment

ROOT = Path(__file__).parents[2]
REFERENCE = Path(__file__).parent / "data" / "blazepose_reference.json"
DEMO = {"Single": "demo_single_cam02", "Multi": "demo_multi_cam04"}


@pytest.fixture(scope="module")
def assets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Networks and demo footage, fetched as a user's first command does; skipped where no index can be reached."""
    folder = tmp_path_factory.mktemp("assets")
    for name in ("blazepose", *DEMO.values()):
        try:
            fetch_asset(read_asset(name), folder / name, ROOT / "data" / "incoming", ROOT / ".scratch" / "downloads")
        except InputError as error:
            pytest.skip(f"{name} cannot be fetched here: {error}")
    return folder


@pytest.mark.slow
def test_landmarks_equal_mediapipes_within_two_pixels(assets: Path) -> None:
    detector, landmarks = DetectorNet(assets / "blazepose", 1), LandmarkNet(assets / "blazepose", 1)
    reference, errors = json.loads(REFERENCE.read_text()), []
    for name, frames in reference["videos"].items():
        demo = next(asset for kind, asset in DEMO.items() if kind in name)
        with av.open(str(assets / demo / Path(name).name)) as container:
            for index, frame in enumerate(container.decode(video=0)):
                if str(index) in frames:
                    image = frame.to_ndarray(format="rgb24")
                    hips, extent = detector(image).keypoints[0, :2]
                    found = landmarks(image, roi_from_alignment(hips, extent)).points[:33]
                    true = np.array(frames[str(index)]) * (image.shape[1], image.shape[0])
                    errors.append(np.linalg.norm(found - true, axis=1))
    assert len(errors) == 20
    assert np.median(np.concatenate(errors)) < 2.0
