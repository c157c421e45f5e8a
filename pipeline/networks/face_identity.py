"""Who a face is: dlib's face recognition network, run by the package dlib-bin: 128 numbers, near for one person, far for two.

King 2017: a ResNet of 29 layers, taught on faces of 150 px that lie alike. Here the mesh's points lay them, where dlib's own
detector of five landmarks would: outer and inner corners of the eyes and the base of the nose onto the means that it was taught with.
"""

import importlib
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import InputError
from pipeline.picture.geometry import sample_crop, similarity_from_points

FILE = "dlib_face_recognition_resnet_model_v1.dat"
CHIP_PX = 150
PADDING = 0.25  # of a chip, beyond the square that PLACES are shares of
POINTS = (263, 362, 33, 133, 2)  # of the mesh: the left eye's outer and inner corner, the right eye's, the base of the nose
PLACES = (  # where they lie, x and y as shares of that square: dlib's mean face
    (0.8595674595992, 0.2134981538014),
    (0.6460604764104, 0.2289674387677),
    (0.1205750620789, 0.2137274526848),
    (0.3340850613712, 0.2290642403242),
    (0.4901123135679, 0.6277975316475),
)


class FaceIdentity:
    """Describes faces; InputError without the package or the network's file, or when that holds something else."""

    def __init__(self, folder: Path) -> None:
        path = Path(folder) / FILE
        try:
            dlib = importlib.import_module("dlib")  # an extra, whose wheel says nothing of its types
        except ImportError:
            cure = "pip install -e '.[identity]', or unlist it"
            raise InputError(f"evaluation.metrics lists face_identity, which needs the package dlib-bin: {cure}") from None
        if not path.is_file():
            cure = "Run: dvc repro fetch_metric_weights, or unlist it"
            raise InputError(f"evaluation.metrics lists face_identity, which needs {path}. {cure}")
        try:
            self._network: Any = dlib.face_recognition_model_v1(str(path))
        except RuntimeError as error:
            raise InputError(f"{path} must be dlib's face recognition network, found something else ({error}): fetch it again") from error

    def __call__(self, image: np.ndarray, mesh: np.ndarray) -> np.ndarray:
        """Descriptor (128) float32 of the face in image (h w 3) uint8 RGB whose mesh (478 2 or more) lies there, full px."""
        chip = sample_crop(image, chip_map(mesh), (CHIP_PX, CHIP_PX))
        return np.array(self._network.compute_face_descriptor(np.ascontiguousarray(chip)), np.float32)


def chip_map(mesh: np.ndarray) -> np.ndarray:
    """The similarity (2 3) full px → chip of CHIP_PX² that lays the face of a mesh (478 2 or more) as the network was taught."""
    places = (PADDING + np.array(PLACES)) / (2 * PADDING + 1) * CHIP_PX - 0.5  # from shares between the chip's edges to pixel centres
    return similarity_from_points(np.asarray(mesh, np.float64)[list(POINTS), :2], places)
