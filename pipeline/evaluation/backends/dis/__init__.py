"""Dense inverse search (Kroeger et al. 2016) as OpenCV has it: optical flow without weights."""

from pathlib import Path

import cv2
import numpy as np

from pipeline.evaluation.temporal import Flow

SMALLEST_PX = 64  # the preset matches 8 px patches on a half-size image and its coarser levels


def load(weights: Path) -> Flow:
    """Return the flow from one uint8 RGB image (h w 3) to another as float32 (h w 2); it needs no weights."""
    del weights
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)

    def flow(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        grey = [_pad(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)) for image in (first, second)]
        height, width = first.shape[:2]
        return search.calc(grey[0], grey[1], None)[:height, :width]  # pyright: ignore[reportCallIssue, reportArgumentType]

    return flow


def _pad(image: np.ndarray) -> np.ndarray:
    height, width = image.shape
    down, right = max(0, SMALLEST_PX - height), max(0, SMALLEST_PX - width)
    return cv2.copyMakeBorder(image, 0, down, 0, right, cv2.BORDER_REPLICATE)
