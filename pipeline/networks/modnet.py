"""MODNet (Ke et al. 2022), a portrait matting network, run by OpenCV: a picture of a person → its opacity."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from pipeline.errors import InputError

FILE = "modnet.onnx"
STEP_PX = 32  # both sides of a picture are multiples of it
REMEDY = "Run: dvc repro fetch_edge_weights (matting.edges: none does without it)"


def load_modnet(weights_folder: Path, threads: int) -> Callable[[np.ndarray], np.ndarray]:
    """Return f(image (h w 3) uint8 RGB, sides multiples of 32) → opacity (h w) float32 in 0..1.

    The same picture gives the same opacity whatever was seen before. InputError when the network is missing, or is one that
    this OpenCV cannot read or run.
    """
    path = Path(weights_folder) / FILE
    if not path.is_file():
        raise InputError(f"matting.edges modnet needs its network {path}, found none. {REMEDY}")
    cv2.setNumThreads(threads)
    try:
        network = cv2.dnn.readNetFromONNX(str(path))
        found = _opacity(network, np.zeros((STEP_PX, STEP_PX, 3), np.uint8))
    except cv2.error as error:
        raise InputError(f"{path} must be MODNet's ONNX file, which OpenCV {cv2.__version__} reads, {_why(error)}. {REMEDY}") from None
    if found.shape != (STEP_PX, STEP_PX):
        raise InputError(f"{path} must give one opacity a pixel, found {found.shape} for {STEP_PX} × {STEP_PX} pixels. {REMEDY}")
    return lambda image: _opacity(network, image)


def _opacity(network: cv2.dnn.Net, image: np.ndarray) -> np.ndarray:
    network.setInput(cv2.dnn.blobFromImage(image, 1 / 127.5, mean=(127.5, 127.5, 127.5)))
    return np.array(network.forward(), np.float32).squeeze().clip(0, 1)


def _why(error: cv2.error) -> str:
    """OpenCV's reason without its file and line."""
    text = " ".join(str(error).split())
    return f"found: {text.rpartition('error: ')[2][:120]}"
