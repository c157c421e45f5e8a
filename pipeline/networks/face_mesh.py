"""MediaPipe's face landmarker, run by ai-edge-litert: 478 points of a face with its irises, and 52 scores of its expression.

The arithmetic around the two networks (rotated square about the face, its second look, the points that the expressions are read
from) follows the graphs of mediapipe's face landmarker 1. Points are full pixels with integer = pixel centre; a point's z is its
depth towards the camera's far side in the same pixels, 0 at the head's middle.
"""

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from pipeline.errors import InputError
from pipeline.networks.mediapipe import Roi, interpreter, run_by_shape

TASK_FILE = "face_landmarker.task"  # a zip of networks
MESH_MEMBER, EXPRESSION_MEMBER = "face_landmarks_detector.tflite", "face_blendshapes.tflite"
INPUT_PX = 256
POINTS = 478
ROI_SCALE = 1.5  # side of the square that the network sees over the larger extent of the face's points
FOREHEAD, CHIN = 10, 152  # on the middle line
EYE_CORNERS = 33, 263  # the outer ones, the person's right and left: their line lies level in what the network sees
EXPRESSIONS = (
    "_neutral", "browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight", "cheekPuff", "cheekSquintLeft",
    "cheekSquintRight", "eyeBlinkLeft", "eyeBlinkRight", "eyeLookDownLeft", "eyeLookDownRight", "eyeLookInLeft", "eyeLookInRight",
    "eyeLookOutLeft", "eyeLookOutRight", "eyeLookUpLeft", "eyeLookUpRight", "eyeSquintLeft", "eyeSquintRight", "eyeWideLeft",
    "eyeWideRight", "jawForward", "jawLeft", "jawOpen", "jawRight", "mouthClose", "mouthDimpleLeft", "mouthDimpleRight",
    "mouthFrownLeft", "mouthFrownRight", "mouthFunnel", "mouthLeft", "mouthLowerDownLeft", "mouthLowerDownRight", "mouthPressLeft",
    "mouthPressRight", "mouthPucker", "mouthRight", "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper",
    "mouthSmileLeft", "mouthSmileRight", "mouthStretchLeft", "mouthStretchRight", "mouthUpperUpLeft", "mouthUpperUpRight",
    "noseSneerLeft", "noseSneerRight",
)  # fmt: skip
EXPRESSION_POINTS = (
    0, 1, 4, 5, 6, 7, 8, 10, 13, 14, 17, 21, 33, 37, 39, 40, 46, 52, 53, 54, 55, 58, 61, 63, 65, 66, 67, 70, 78, 80, 81, 82, 84, 87, 88,
    91, 93, 95, 103, 105, 107, 109, 127, 132, 133, 136, 144, 145, 146, 148, 149, 150, 152, 153, 154, 155, 157, 158, 159, 160, 161, 162,
    163, 168, 172, 173, 176, 178, 181, 185, 191, 195, 197, 234, 246, 249, 251, 263, 267, 269, 270, 276, 282, 283, 284, 285, 288, 291,
    293, 295, 296, 297, 300, 308, 310, 311, 312, 314, 317, 318, 321, 323, 324, 332, 334, 336, 338, 356, 361, 362, 365, 373, 374, 375,
    377, 378, 379, 380, 381, 382, 384, 385, 386, 387, 388, 389, 390, 397, 398, 400, 402, 405, 409, 415, 454, 466, 468, 469, 470, 471,
    472, 473, 474, 475, 476, 477,
)  # fmt: skip


@dataclass(frozen=True)
class Face:
    """points (478 3) float64 full px, expression (52) float32 in 0..1 in the order of EXPRESSIONS, presence of a face in 0..1."""

    points: np.ndarray
    expression: np.ndarray
    presence: float


class FaceMesh:
    """Looks twice: through a square guessed from elsewhere, then through the square about the points that it found."""

    def __init__(self, weights_folder: Path, threads: int) -> None:
        path = Path(weights_folder) / TASK_FILE
        if not path.is_file():
            cure = "run: dvc repro fetch_face_mesh, or set face_mesh.network: none and face.align: joints"
            raise InputError(f"The face mesh needs the networks {path}, which are not there; {cure}")
        self._mesh, self._expression = _open_networks(path, threads)

    def __call__(self, image: np.ndarray, square: Roi) -> Face:
        """The face in image (h w 3) uint8 that lies upright in the square, filling about two thirds of it."""
        points, _ = self._look(image, square)
        points, presence = self._look(image, square_about(points))
        return Face(points, self._express(points), presence)

    def _look(self, image: np.ndarray, square: Roi) -> tuple[np.ndarray, float]:
        matrix = square.matrix(INPUT_PX)
        outputs = run_by_shape(self._mesh, square.crop(image, INPUT_PX).astype(np.float32) / 255)
        points = outputs[(1, 1, 1, 3 * POINTS)].reshape(POINTS, 3).astype(np.float64)
        full = points[:, :2] @ np.linalg.inv(matrix[:, :2]).T + cv2.invertAffineTransform(matrix)[:, 2]
        depth = points[:, 2:] * (square.size_px / INPUT_PX)
        return np.concatenate([full, depth], axis=1), float(1 / (1 + np.exp(-outputs[(1, 1, 1, 1)].item())))

    def _express(self, points: np.ndarray) -> np.ndarray:
        seen = points[list(EXPRESSION_POINTS), :2].astype(np.float32)
        return run_by_shape(self._expression, seen)[(len(EXPRESSIONS),)]


def square_about(points: np.ndarray) -> Roi:
    """The square that the network sees a face through, about its points (478 2 or more) of a first look."""
    right, left = points[EYE_CORNERS[0], :2], points[EYE_CORNERS[1], :2]
    rotation = float(np.arctan2(left[1] - right[1], left[0] - right[0]))
    low, high = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
    cos, sin = np.cos(rotation), np.sin(rotation)
    middle = (low + high) / 2
    turned = (points[:, :2] - middle) @ np.array([[cos, -sin], [sin, cos]])
    low, high = turned.min(axis=0), turned.max(axis=0)
    centre = middle + np.array([[cos, -sin], [sin, cos]]) @ ((low + high) / 2)
    return Roi((float(centre[0]), float(centre[1])), max(float((high - low).max()) * ROI_SCALE, 1.0), rotation)


def _open_networks(path: Path, threads: int) -> list[Any]:
    try:
        with zipfile.ZipFile(path) as task:
            return [interpreter(threads, model_content=task.read(member)) for member in (MESH_MEMBER, EXPRESSION_MEMBER)]
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        raise InputError(f"{path} must be a face landmarker's bundle, found something else ({error}); fetch it again") from error
