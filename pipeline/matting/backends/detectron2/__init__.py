"""Mattes by detectron2 (§3.1, §4.1.2: the paper's Mask R-CNN): any instance segmentation of its model zoo."""

import json
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pipeline.errors import InputError
from pipeline.matting.backends.detectron2.checkpoint import converted, read_tensors
from pipeline.matting.instances import Instances, mattes_of
from pipeline.training.device import choose_device, prepare_cpu

SHORT_SIDE_PX, LONG_SIDE_PX = 800, 1333
PERSON = 0
NOT_STORED = ("pixel_mean", "pixel_std", "num_batches_tracked", "cell_anchors")
INSTALL = "pip install --no-build-isolation 'git+https://github.com/facebookresearch/detectron2.git'"


def load(
    weights: Path,
    device: str | None = None,
    threads: int | None = None,
    config: str | None = None,
    cache: Path = Path(".scratch/converted"),
) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """Return f(frames (t h w 3) uint8 RGB, boxes_xyxy (t 4)) → mattes (t h w) uint8, 255 = person, soft at the outline.

    boxes are the half-open boxes of the person's joints, NaN where it is absent; the matte is then 0, as it is where no
    instance matches. weights: the model zoo's .pkl, or the folder that holds it with asset.json, whose address names the
    configuration unless `config` ("COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_3x.yaml") does. The .pkl is converted once
    into `cache`. Raises InputError when detectron2 is not installed, or the file is missing or another network's.
    """
    prepare_cpu(threads)
    place = torch.device(device) if device else choose_device()
    path = _find_file(Path(weights))
    network = _build(config or _config_of(path), converted(path, cache), path, place)

    @torch.inference_mode()
    def find(frame: np.ndarray) -> Instances:
        return _people(network.inference([_shown(frame)], do_postprocess=False)[0], frame.shape[:2])

    return partial(mattes_of, find)


def _find_file(path: Path) -> Path:
    if path.is_file():
        return path
    found = sorted(path.glob("*.pkl"))
    if len(found) != 1:
        raise InputError(f"matte detectron2 needs one .pkl of its zoo in {path}, found {len(found)}. Run: dvc repro fetch_matte_weights")
    return found[0]


def _config_of(path: Path) -> str:
    """The configuration that the file's address names: .../detectron2/<configuration>/<run>/<file>."""
    manifest = path.parent / "asset.json"
    try:
        address = str(json.loads(manifest.read_text(encoding="utf-8"))["files"][path.name]["from"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{manifest} must say where {path.name} comes from ({error!r}). Run: dvc repro fetch_matte_weights") from None
    match = re.search(r"/detectron2/(.+)/\d+/[^/]+\.pkl$", address)
    if not match:
        raise InputError(f"{manifest}: the address of {path.name} must be .../detectron2/<configuration>/<run>/<file>.pkl, found {address}")
    return f"{match[1]}.yaml"


def _build(config: str, tensors: Path, source: Path, place: torch.device) -> Any:
    try:
        from detectron2 import model_zoo  # pyright: ignore[reportMissingImports, reportAttributeAccessIssue]
        from detectron2.modeling import build_model  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise InputError(
            f"matte detectron2 needs the package detectron2, found none ({error}). It has no wheel: {INSTALL} "
            "(needs a C++ compiler), or choose maskrcnn_v2"
        ) from None
    try:
        settings = model_zoo.get_config(config, trained=False)
    except RuntimeError as error:
        raise InputError(f"detectron2's model zoo must have {config} ({error}); correct pipeline/assets/detectron2.yaml") from None
    settings.defrost()
    settings.MODEL.DEVICE = str(place)
    settings.MODEL.WEIGHTS = ""
    network = build_model(settings).eval()
    unknown = network.load_state_dict(read_tensors(tensors), strict=False)
    wrong = [key for key in (*unknown.missing_keys, *unknown.unexpected_keys) if not key.endswith(NOT_STORED) and "cell_anchors" not in key]
    if wrong:
        raise InputError(f"{source} must hold the weights of {config}, {len(wrong)} keys differ, first {wrong[0]}")
    if not hasattr(network, "inference"):
        raise InputError(f"{config} must be an instance segmentation, found {type(network).__name__}; choose another for the asset")
    return network


def _shown(frame: np.ndarray) -> dict[str, object]:
    """What detectron2 wants to see: BGR 0..255 float (3 h w), short side 800 px unless the long one would pass 1333."""
    height, width = frame.shape[:2]
    scale = min(SHORT_SIDE_PX / min(height, width), LONG_SIDE_PX / max(height, width))
    size = (int(height * scale + 0.5), int(width * scale + 0.5))
    image = torch.from_numpy(np.ascontiguousarray(frame[..., ::-1].transpose(2, 0, 1))).float()
    # Its own loader resizes with Pillow, which averages when it shrinks; antialias does the same.
    image = torch.nn.functional.interpolate(image[None], size, mode="bilinear", align_corners=False, antialias=True)[0]
    return {"image": image.round_(), "height": height, "width": width}


def _people(found: object, size_hw: tuple[int, ...]) -> Instances:
    """People among detectron2's Instances, in the frame's pixels."""
    fields = found.get_fields()  # type: ignore[attr-defined]
    mine = (fields["pred_classes"] == PERSON).cpu().numpy()
    seen_hw = found.image_size  # type: ignore[attr-defined]
    scale = np.tile([size_hw[1] / seen_hw[1], size_hw[0] / seen_hw[0]], 2)
    boxes = fields["pred_boxes"].tensor.float().cpu().numpy()[mine].astype(float) * scale
    masks = fields["pred_masks"].float().cpu().numpy()[mine]
    return Instances(boxes, fields["scores"].float().cpu().numpy()[mine].astype(float), masks[:, 0] if masks.ndim == 4 else masks)
