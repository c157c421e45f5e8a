"""Mattes by torchvision's Mask R-CNN (§3.1, §4.1.2), first version: the instance that overlaps the followed person's box."""

import pickle
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
from torchvision.models.detection.transform import resize_boxes
from torchvision.ops.misc import FrozenBatchNorm2d

from pipeline.errors import InputError
from pipeline.matting.instances import Instances, mattes_of

FILE = "maskrcnn_resnet50_fpn_coco-bf2d0c1e.pth"
CLASSES, PERSON = 91, 1


def load(weights: Path, device: str | None = None, threads: int | None = None) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """Return f(frames (t h w 3) uint8 RGB, boxes_xyxy (t 4)) → mattes (t h w) uint8, 255 = person, soft at the outline.

    boxes are the half-open boxes of the person's joints, NaN where it is absent; the matte is then 0, as it is where no
    instance matches. weights: torchvision's file, or the folder that holds it; nothing is downloaded. device None = a GPU
    where there is one. Raises InputError when the file is missing or another network's.
    """
    if threads:
        torch.set_num_threads(threads)
    torch.set_flush_denormal(True)
    place = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    network = _read_network(Path(weights)).to(place)

    @torch.inference_mode()
    def find(frame: np.ndarray) -> Instances:
        image = torch.from_numpy(np.ascontiguousarray(frame)).to(place).permute(2, 0, 1).float() / 255
        return _people(network([image])[0])

    return partial(mattes_of, find)


def _read_network(path: Path) -> MaskRCNN:
    path = path / FILE if path.is_dir() else path
    if not path.is_file():
        raise InputError(f"matte maskrcnn needs {path}, found none. Run: dvc repro fetch_matte_weights")
    # The published weights were trained, and are meant to be used, with an epsilon of 0 in the frozen normalisations.
    norm = partial(FrozenBatchNorm2d, eps=0.0)
    backbone = resnet_fpn_backbone(backbone_name="resnet50", weights=None, norm_layer=norm, trainable_layers=5)
    network = MaskRCNN(backbone, CLASSES).eval()
    try:
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise InputError(f"{path} must be torchvision's maskrcnn_resnet50_fpn ({str(error).splitlines()[0]}); fetch it again") from None
    network.transform.postprocess = _in_full_pixels  # type: ignore[method-assign]
    return network


def _in_full_pixels(
    found: list[dict[str, torch.Tensor]], sizes: list[tuple[int, int]], original_sizes: list[tuple[int, int]]
) -> list[dict[str, torch.Tensor]]:
    """Boxes in the frame's pixels, masks left as small soft grids: torchvision would paste all hundred at full size."""
    pairs = zip(found, sizes, original_sizes, strict=True)
    return [{**one, "boxes": resize_boxes(one["boxes"], size, original)} for one, size, original in pairs]  # type: ignore[arg-type]


def _people(found: dict[str, torch.Tensor]) -> Instances:
    mine = found["labels"] == PERSON
    boxes, scores, masks = (found[name][mine].float().cpu().numpy() for name in ("boxes", "scores", "masks"))
    return Instances(boxes.astype(float), scores.astype(float), masks[:, 0])
