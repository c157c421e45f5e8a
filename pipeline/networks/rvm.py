"""Robust Video Matting (Lin et al. 2022) with a MobileNetV3, run by OpenCV: a picture, and what was seen before → its opacity."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from pipeline.errors import InputError
from pipeline.networks.onnx_tanh import with_bounded_tanh

FILE = "rvm_mobilenetv3_fp32.onnx"
STEP_PX = 16  # both sides of a picture are multiples of it
STRIDES = (2, 4, 8, 16)  # pixels of the picture to one of each state
REMEDY = "Run: dvc repro fetch_matte_weights"
_IN, _OUT = ("r1i", "r2i", "r3i", "r4i"), ("fgr", "pha", "r1o", "r2o", "r3o", "r4o")

States = tuple[np.ndarray, ...]  # per stride (1 c h/stride w/stride) float32; () where nothing was seen before
Rvm = Callable[[np.ndarray, States], tuple[np.ndarray, States]]


def load_rvm(weights_folder: Path, threads: int) -> Rvm:
    """Return f(image (h w 3) uint8 RGB, states) → opacity (h w) float32 in 0..1, and the states for the picture after it.

    Sides are multiples of 16; states are those of a picture of the same size. The same image and states give the same answer
    whatever was seen before. InputError when the network is missing, or is one that this OpenCV cannot read or run.
    """
    path = Path(weights_folder) / FILE
    if not path.is_file():
        raise InputError(f"matte: rvm needs its network {path}, found none. {REMEDY}")
    cv2.setNumThreads(threads)
    try:
        network = cv2.dnn.readNetFromONNX(np.frombuffer(with_bounded_tanh(path.read_bytes()), np.uint8))
        opacity, states = _seen(network, np.zeros((STEP_PX, 2 * STEP_PX, 3), np.uint8), ())
    except (cv2.error, ValueError) as error:
        raise InputError(f"{path} must be RVM's ONNX file, which OpenCV {cv2.__version__} reads, {_why(error)}. {REMEDY}") from None
    shapes = [opacity.shape, *(state.shape[2:] for state in states)]
    if shapes != [(STEP_PX // s, 2 * STEP_PX // s) for s in (1, *STRIDES)]:
        raise InputError(f"{path} must give one opacity a pixel and states of strides {STRIDES}, found {shapes}. {REMEDY}")
    return lambda image, states: _seen(network, image, states)


def _seen(network: cv2.dnn.Net, image: np.ndarray, states: States) -> tuple[np.ndarray, States]:
    network.setInput(cv2.dnn.blobFromImage(image, 1 / 255), "src")
    for name, state in zip(_IN, states or (np.zeros((1, 1, 1, 1), np.float32),) * len(_IN), strict=True):
        network.setInput(state, name)
    # At ratio 1 the network looks at the whole picture; below, it would look at a smaller one and refine what it sees.
    network.setInput(np.ones(1, np.float32), "downsample_ratio")
    _, opacity, *after = network.forward(_OUT)
    return opacity[0, 0].clip(0, 1), tuple(after)


def _why(error: Exception) -> str:
    """OpenCV's reason without its file and line."""
    text = " ".join(str(error).split())
    return f"found: {text.rpartition('error: ')[2][:120]}"
