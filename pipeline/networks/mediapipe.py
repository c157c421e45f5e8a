"""What MediaPipe's networks share: the rotated square that a person, hand or face is seen through, and ai-edge-litert, which runs them.

Points are full pixels with integer = pixel centre.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from pipeline.errors import InputError


@dataclass(frozen=True)
class Roi:
    """A rotated square in full pixels: centre, side and the angle (radians, clockwise as y is down) of its x axis."""

    centre_xy: tuple[float, float]
    size_px: float
    rotation: float = 0.0

    def matrix(self, crop_px: int) -> np.ndarray:
        """Return the (2 3) float64 map from full pixels to a crop of crop_px²: the square's first corner falls on (0, 0)."""
        scale = crop_px / self.size_px
        cos, sin = np.cos(self.rotation) * scale, np.sin(self.rotation) * scale
        turn = np.array([[cos, sin], [-sin, cos]])
        shift = crop_px / 2 - turn @ np.asarray(self.centre_xy, dtype=np.float64)
        return np.concatenate([turn, shift[:, None]], axis=1)

    def crop(self, image: np.ndarray, crop_px: int) -> np.ndarray:
        """Return the square of image (h w 3) uint8 as a crop of crop_px², upright; beyond the image its rim is repeated."""
        size = (crop_px, crop_px)
        return cv2.warpAffine(image, self.matrix(crop_px), size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def open_network(path: Path, threads: int, who_needs: str, stages: str) -> Any:
    """Return an interpreter of a .tflite file; InputError when it is no network or missing, which names its user and what fetches it."""
    if not path.is_file():
        raise InputError(f"{who_needs} the network {path}, which is not there; run: dvc repro {stages}, or put it there")
    try:
        return interpreter(threads, model_path=str(path))
    except ValueError as error:
        raise InputError(f"{path} must be a TensorFlow Lite network, found something else ({error}); fetch it again") from error


def interpreter(threads: int, **model: str | bytes) -> Any:
    """Return an interpreter of model_path, or of model_content; ValueError when that is no network."""
    from ai_edge_litert.interpreter import Interpreter

    network = Interpreter(**model, num_threads=threads)  # type: ignore[arg-type]
    network.allocate_tensors()
    return network


def run_network(network: Any, values: np.ndarray) -> list[np.ndarray]:
    """Return the outputs for one input, which comes without its first axis, in the order of the file."""
    network.set_tensor(network.get_input_details()[0]["index"], np.ascontiguousarray(values[None], dtype=np.float32))
    network.invoke()
    return [network.get_tensor(output["index"]) for output in network.get_output_details()]


def run_by_shape(network: Any, values: np.ndarray) -> dict[tuple[int, ...], np.ndarray]:
    """The same by the outputs' shapes: where all differ, and the files' names say nothing."""
    return {output.shape: output for output in run_network(network, values)}
