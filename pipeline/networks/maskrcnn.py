"""What both of torchvision's Mask R-CNNs share: their weights' reading, and people in a frame's own pixels."""

import pickle
from pathlib import Path

import numpy as np
import torch
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.transform import resize_boxes

from pipeline.errors import InputError

CLASSES, PERSON = 91, 1


def require_weights(path: Path, file: str, backend: str) -> Path:
    """The file of a network's weights, given itself or the folder that holds it; InputError when it is missing."""
    path = path / file if path.is_dir() else path
    if not path.is_file():
        raise InputError(f"matte {backend} needs {path}, found none. Run: dvc repro fetch_matte_weights")
    return path


def with_weights(network: MaskRCNN, path: Path, name: str) -> MaskRCNN:
    """The network with the weights of a file; it leaves masks as small soft grids. InputError when they are another network's."""
    try:
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise InputError(f"{path} must be torchvision's {name} ({str(error).splitlines()[0]}); fetch it again") from None
    network.transform.postprocess = _in_full_pixels  # type: ignore[method-assign]
    return network


def find_people(network: MaskRCNN, frame: np.ndarray, device: torch.device) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Boxes xyxy (n 4) and scores (n) float64 of the people in a frame (h w 3) uint8 RGB, and their masks (n m m) in [0, 1]."""
    image = torch.from_numpy(np.ascontiguousarray(frame)).to(device).permute(2, 0, 1).float() / 255
    found = network([image])[0]
    mine = found["labels"] == PERSON
    boxes, scores, masks = (found[name][mine].float().cpu().numpy() for name in ("boxes", "scores", "masks"))
    return boxes.astype(float), scores.astype(float), masks[:, 0]


def _in_full_pixels(
    found: list[dict[str, torch.Tensor]], sizes: list[tuple[int, int]], original_sizes: list[tuple[int, int]]
) -> list[dict[str, torch.Tensor]]:
    """Boxes in the frame's pixels, masks left as small soft grids: torchvision would paste all hundred at full size."""
    pairs = zip(found, sizes, original_sizes, strict=True)
    return [{**one, "boxes": resize_boxes(one["boxes"], size, original)} for one, size, original in pairs]  # type: ignore[arg-type]
