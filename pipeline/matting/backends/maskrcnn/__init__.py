"""Mattes by torchvision's Mask R-CNN (§3.1, §4.1.2), first version: the instance that overlaps the followed person's box."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
from torchvision.ops.misc import FrozenBatchNorm2d

from pipeline.matting.instances import Instances, mattes_of
from pipeline.networks.maskrcnn import CLASSES, find_people, require_weights, with_weights
from pipeline.training.device import choose_device, prepare_cpu

FILE = "maskrcnn_resnet50_fpn_coco-bf2d0c1e.pth"


def load(weights: Path, device: str | None = None, threads: int | None = None) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """Return f(frames (t h w 3) uint8 RGB, boxes_xyxy (t 4)) → mattes (t h w) uint8, 255 = person, soft at the outline.

    boxes are the half-open boxes of the person's joints, NaN where it is absent; the matte is then 0, as it is where no
    instance matches. weights: torchvision's file, or the folder that holds it; nothing is downloaded. device None = a GPU
    where there is one. Raises InputError when the file is missing or another network's.
    """
    prepare_cpu(threads)
    place = torch.device(device) if device else choose_device()
    network = _read_network(Path(weights)).to(place)

    @torch.inference_mode()
    def find(frame: np.ndarray) -> Instances:
        return Instances(*find_people(network, frame, place))

    return partial(mattes_of, find)


def _read_network(path: Path) -> MaskRCNN:
    path = require_weights(path, FILE, "maskrcnn")
    # The published weights were trained, and are meant to be used, with an epsilon of 0 in the frozen normalisations.
    norm = partial(FrozenBatchNorm2d, eps=0.0)
    backbone = resnet_fpn_backbone(backbone_name="resnet50", weights=None, norm_layer=norm, trainable_layers=5)
    return with_weights(MaskRCNN(backbone, CLASSES).eval(), path, "maskrcnn_resnet50_fpn")
