"""Files of weights in their publishers' layouts, filled by the oracles' rule: what comes out means nothing, but every layer runs."""

import pickle
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import numpy as np
import torch
from reference.oracle_weights import Override, fill
from torch import nn
from torchvision.models import detection
from torchvision.models.optical_flow import raft_large

from pipeline.background.backends.deepfill.network import DeepFill
from pipeline.evaluation.backends import raft
from pipeline.matting.backends import maskrcnn, maskrcnn_v2
from pipeline.pose.backends import openpose
from pipeline.pose.backends.openpose.network import BodyNet, HandNet
from pipeline.pose.refiners.dcpose.checkpoint import FILE as DCPOSE_FILE
from pipeline.pose.refiners.dcpose.network import DCPose

DETECTRON2_CONFIG = "COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_3x.yaml"
OPENPOSE = {"body": BodyNet, "hand": HandNet}
SURE, NEVER = 6.0, -20.0  # biases of the class person, against 0 of all others


def filled(network: nn.Module, gain: float = 1.0, overrides: Mapping[str, Override] | None = None) -> dict[str, torch.Tensor]:
    """Return a state for the network by the rule; see reference/oracle_weights.py."""
    spec = [(key, tuple(value.shape), str(value.dtype).removeprefix("torch.")) for key, value in network.state_dict().items()]
    return {key: torch.from_numpy(np.asarray(value)) for key, value in fill(spec, gain, overrides).items()}


def write_openpose(folder: Path, sees: bool = True) -> dict[str, Path]:
    """Write both networks' files, seeded by the files' own keys; with `sees` false all weights are 0, and nobody is ever seen."""
    paths = {}
    for role, name in openpose.FILES.items():
        with torch.device("meta"):
            state = OPENPOSE[role]().state_dict()
        spec = [(key.split(".", 1)[1], tuple(value.shape), "float32") for key, value in state.items()]
        drawn = {key: torch.from_numpy(value) for key, value in fill(spec, 2**0.5).items()} if sees else {}
        nothing = {key: torch.zeros(1).expand(shape) for key, shape, _ in spec}
        torch.save(drawn or nothing, folder / name)
        paths[role] = folder / name
    return paths


def write_dcpose(folder: Path) -> Path:
    """Write DCPose's checkpoint; its rough maps are made small as in the oracle's variant base."""
    with torch.device("meta"):
        network = DCPose()
    state = filled(network, overrides={"final_layer.weight": _small})
    torch.save({"state_dict": {f"module.{key}": value for key, value in state.items()}, "begin_epoch": 20}, folder / DCPOSE_FILE)
    return folder / DCPOSE_FILE


def write_maskrcnn(folder: Path, version: str, person: float, gain: float = 1.0) -> tuple[nn.Module, dict[str, torch.Tensor]]:
    """Write torchvision's file of a version (maskrcnn, maskrcnn_v2); returns the library's own network and the weights.

    The class scores come from the bias alone, so that everything (SURE) or nothing (NEVER) is a person.
    A gain of 1 keeps the picture alive in boxes and masks; with 0.5 they hardly depend on it, and stay near the proposals.
    """
    make, adapter = {
        "maskrcnn": (detection.maskrcnn_resnet50_fpn, maskrcnn),
        "maskrcnn_v2": (detection.maskrcnn_resnet50_fpn_v2, maskrcnn_v2),
    }[version]
    whole = make(weights=None, weights_backbone=None).eval()
    weights = filled(whole, gain, _by_bias(91, 1, person))
    torch.save(weights, folder / adapter.FILE)
    return whole, weights


def write_detectron2(folder: Path, person: float) -> Path:
    """Write a model zoo's .pkl, likewise; needs the package detectron2."""
    from detectron2 import model_zoo  # pyright: ignore[reportMissingImports]
    from detectron2.modeling import build_model  # pyright: ignore[reportMissingImports]

    settings = model_zoo.get_config(DETECTRON2_CONFIG, trained=False)
    settings.MODEL.DEVICE = "cpu"
    # Its input is not scaled to deviations of 1, so that masks drawn by the rule are wholly there or wholly empty: all are half there.
    halves = {"mask_head.predictor.weight": np.zeros_like, "mask_head.predictor.bias": np.zeros_like}
    state = filled(build_model(settings), 1.0, _by_bias(81, 0, person) | halves)
    content = {"model": {key: value.numpy() for key, value in state.items()}}
    (folder / "model.pkl").write_bytes(pickle.dumps(content, 2))
    return folder / "model.pkl"


def write_deepfill(folder: Path, layout: str = "tf") -> Path:
    """Write DeepFill v2's file of a layout (pt, tf) as the port names it."""
    torch.save({"G": deepfill_state(layout), "D": {"conv1.conv_sn.weight": torch.zeros(2)}}, folder / f"states_{layout}_places2.pth")
    return folder / f"states_{layout}_places2.pth"


@cache
def deepfill_state(layout: str) -> dict[str, torch.Tensor]:
    """Return the state of DeepFill's generator in a layout, its fusing weights as published; who changes it takes a copy."""
    return filled(DeepFill("pt" if layout == "pt" else "tf"), 2.0, {"fuse_weight": lambda draw: np.eye(3).reshape(draw.shape)})


def write_raft(folder: Path) -> Path:
    """Write torchvision's file of the large RAFT."""
    torch.save(filled(raft_large(weights=None), 0.5), folder / raft.WEIGHTS)
    return folder / raft.WEIGHTS


def _small(draw: np.ndarray) -> np.ndarray:
    return draw.astype(np.float32) * np.float32(2.0**-11 / np.sqrt(np.prod(draw.shape[1:])))


def _by_bias(classes: int, person: int, value: float) -> dict[str, Override]:
    bias = np.zeros(classes)
    bias[person] = value
    return {"cls_score.weight": np.zeros_like, "box_predictor.cls_score.bias": lambda draw: bias}
