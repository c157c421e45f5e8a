"""A target's generator → a folder with an ONNX graph that was held against torch, and a page that runs it where one is asked for."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.appearance.export.compare import COMPARED, LIMIT, Compared, compare, onnxruntime_of, openvino_of, torch_frames
from pipeline.appearance.export.graph import OUTPUTS, graph_of
from pipeline.appearance.export.motion import Motion
from pipeline.appearance.export.page import Page, write_page
from pipeline.appearance.export.window import Window
from pipeline.appearance.generate import GenerateInputs
from pipeline.appearance.renderers.base import GenerateParams
from pipeline.artifacts.replacing import VIDEO_COMMENT
from pipeline.artifacts.store import VERSION, publish
from pipeline.errors import InputError
from pipeline.timeline.sampling import spread_evenly
from pipeline.training.device import prepare_cpu

GRAPH, DESCRIPTION = "model.onnx", "export.json"
MEANING = {
    "points": "joints of each frame, px of the crop, x and y, NaN where missing",
    "scores": "how sure each joint is, 0..1",
    "pictures": "references of each frame, nearest first: colours weighted by the matte, the matte, what is transient; 0..255, crop's px",
    "picture_points": "joints of each reference, px of its picture, NaN throughout for none",
    "colours": "straight colours, 0..1",
    "mattes": "opacity, 0..1",
}


@dataclass(frozen=True)
class Exported:
    """How the graph compares with torch, whose frames_per_s is that of generating, with its own precision; openvino: None without it."""

    onnxruntime: Compared
    openvino: Compared | None
    torch_frames_per_s: float
    windows: int
    threads: int


def export_generator(inputs: GenerateInputs, params: GenerateParams, out: Path, dynamic: bool, page: Page | None) -> Exported:
    """Publish the folder `out`, which holds only what passed: InputError where a frame differs from torch's by more than LIMIT steps.

    The generator and all of its inputs are on the CPU. dynamic: as graph_of() has it.
    """
    motion = Motion.of(inputs)
    prepare_cpu(params.threads)
    exact = params.model_copy(update={"precision": "float32", "compile": False})
    window = Window(motion.model, params, motion.seen)
    feed = motion.feed(motion.windows[len(motion.windows) // 2])
    described = _description(motion, params, feed, dynamic)
    with publish(out, "export") as folder:
        graph = graph_of(window, feed, {"motion_copy": json.dumps(described, sort_keys=True)}, dynamic)
        folder.mkdir(parents=True)
        (folder / GRAPH).write_bytes(graph)
        # Some windows of the whole motion, by torch and by each runtime.
        part = motion.of_windows(spread_evenly(np.arange(len(motion.windows)), COMPARED))
        frames, _ = torch_frames(part, exact)
        found = compare(onnxruntime_of(graph, params.threads), part, frames)
        if found.largest > LIMIT:
            raise InputError(
                f"{out} was not written: frames by onnxruntime must lie within {LIMIT}/255 of torch's, found {found.largest}/255 in "
                f"{len(part.windows)} windows. Report it with the versions of torch, onnx, onnxscript and onnxruntime"
            )
        other = openvino_of(folder / GRAPH, params.threads)
        beside = None if other is None else compare(other, part, frames)
        (folder / DESCRIPTION).write_text(json.dumps(described, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        if page is not None:
            write_page(folder, motion, page)
        _, speed = torch_frames(part, params)
    return Exported(found, beside, speed, len(part.windows), params.threads)


def _description(motion: Motion, params: GenerateParams, feed: dict[str, np.ndarray], dynamic: bool) -> dict[str, Any]:
    """What a user of the graph must know of its inputs and outputs."""
    model, (height, width) = motion.model, motion.model.crop_hw
    shapes: dict[str, list[Any]] = {name: list(array.shape) for name, array in feed.items()}
    shapes |= {name: [1, model.k, channels, height, width] for name, channels in zip(OUTPUTS, (3, 1), strict=True)}
    if dynamic:
        shapes = {name: ["windows", *shape[1:]] for name, shape in shapes.items()}
        if "pictures" in shapes:
            shapes["pictures"][4:] = ["height", "width"]
    kinds = {name: str(array.dtype) for name, array in feed.items()}
    tensors = {name: {"shape": shape, "type": kinds.get(name, "float32"), "is": MEANING[name]} for name, shape in shapes.items()}
    return {
        "kind": "export",
        "version": VERSION,
        "generated": VIDEO_COMMENT,
        "inputs": {name: tensors[name] for name in feed},
        "outputs": {name: tensors[name] for name in OUTPUTS},
        "joints": list(model.skeleton.joints),
        "skeleton": model.skeleton.name,
        "crop_px_per_full_px": float(motion.rows[0, 0, 0]),
        "matte_contrast": params.matte_contrast,
        "favour_nearest": params.favour_nearest,
        "weights_sha256": model.weights_sha256,
    }
