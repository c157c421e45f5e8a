"""RAFT (Teed and Deng 2020) from torchvision, with a weights file fetched by the user."""

from pathlib import Path

import numpy as np

from pipeline.errors import InputError
from pipeline.evaluation.temporal import Flow

WEIGHTS = "raft_large_C_T_SKHT_V2-ff5fadd5.pth"
URL = f"https://download.pytorch.org/models/{WEIGHTS}"
SMALLEST_PX, MULTIPLE_PX = 128, 8


def load(weights: Path) -> Flow:
    """Return the flow from one uint8 RGB image (h w 3) to another as float32 (h w 2); its file lies in the folder `weights`.

    Images are padded to the least size and multiple that RAFT takes, edges replicated. InputError without the file.
    """
    path = weights / WEIGHTS
    if not path.is_file():
        raise InputError(
            f"evaluation.flow is raft, which needs {path}: put {URL} into data/incoming and run dvc repro fetch_metric_weights, "
            "or set flow: dis"
        )
    import torch
    from torch.nn.functional import pad
    from torchvision.models.optical_flow import raft_large

    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        network = raft_large(weights=None)
        network.load_state_dict(state)
    except Exception as error:  # a cut file, a pickle, missing keys, other shapes: all mean that these are not the weights
        raise InputError(f"{path} must hold raft_large's weights, reading it failed ({type(error).__name__}): fetch it again") from error
    network.eval().requires_grad_(False)

    def flow(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        height, width = first.shape[:2]
        down, right = _missing(height), _missing(width)
        pair = np.stack([first, second]).astype(np.float32) / 127.5 - 1
        images = pad(torch.from_numpy(pair).permute(0, 3, 1, 2), (0, right, 0, down), mode="replicate")
        with torch.inference_mode():
            last = network(images[:1], images[1:])[-1]
        return last[0, :, :height, :width].permute(1, 2, 0).contiguous().numpy()

    return flow


def _missing(length: int) -> int:
    target = max(SMALLEST_PX, -(-length // MULTIPLE_PX) * MULTIPLE_PX)
    return target - length
