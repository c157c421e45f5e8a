"""Shift-tolerant AlexNet: a perceptual metric whose network no training loss uses.

"ST-LPIPS with AlexNet" of stlpips-pytorch 0.0.2. Not in the paper.
"""

from pathlib import Path

import torch
from torch import nn

from pipeline.errors import InputError
from pipeline.networks.shift_tolerant import Blur, ShiftTolerant

FILE = "alex_shift_tolerant.pth"
WIDTHS = (64, 192, 384, 256, 256)


class StAlex(ShiftTolerant):
    """Shift-tolerant AlexNet with linear heads, which says how far two images are apart.

    Its first convolution has stride 1 and a blur before its ReLU; dense pooling and a blur stand before slices 2 and 3.
    """

    def __init__(self) -> None:
        pool = nn.MaxPool2d(3, stride=1)
        super().__init__(
            (
                {0: nn.Conv2d(3, 64, 11, padding=2), 1: Blur(64), 2: nn.ReLU()},
                {3: pool, 4: Blur(64), 5: nn.Conv2d(64, 192, 5, padding=2), 6: nn.ReLU()},
                {7: pool, 8: Blur(192), 9: nn.Conv2d(192, 384, 3, padding=1), 10: nn.ReLU()},
                {11: nn.Conv2d(384, 256, 3, padding=1), 12: nn.ReLU()},
                {13: nn.Conv2d(256, 256, 3, padding=1), 14: nn.ReLU()},
            ),
            WIDTHS,
        )


def load_st_alex(path: str | Path) -> StAlex:
    """Read alex_shift_tolerant.pth of the wheel stlpips-pytorch 0.0.2; frozen, in evaluation mode.

    InputError without the file, or when it holds another network.
    """
    if not Path(path).is_file():
        raise InputError(f"evaluation.metrics lists alex, which needs {path}. Run: dvc repro fetch_metric_weights, or unlist it")
    network = StAlex()
    try:
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:  # a cut file, a pickle, missing keys, other shapes: all mean that it is not the network
        why = type(error).__name__
        raise InputError(f"{path} must hold the shift-tolerant AlexNet, reading it failed ({why}): fetch it again") from error
    return network.eval().requires_grad_(False)
