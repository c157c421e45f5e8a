"""Reads the published files of DeepFill v2's port; nothing in them is executed."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pipeline.background.backends.deepfill.attention import Layout
from pipeline.background.backends.deepfill.network import DeepFill
from pipeline.errors import InputError

FIRST_KEY: dict[Layout, str] = {"pt": "stage1.conv1.conv.weight", "tf": "conv1.conv.weight"}
FUSE_KEY = "stage2.contextual_attention.fuse_weight"  # a constant that older files lack


def read_generator(path: Path, fuse: bool | None = None) -> DeepFill:
    """The generator of a file, or of the one .pth file in a folder; frozen, in evaluation mode.

    A file holds {G, D, ...}, of which G is taken, or the generator's state itself.
    """
    file = _only_file(path)
    state = _generator_state(file)
    layout: Layout | None = next((name for name, key in FIRST_KEY.items() if key in state), None)
    if layout is None:
        raise InputError(
            f"{file} must hold DeepFill v2 as states_pt_*.pth or states_tf_*.pth do (key {' or '.join(FIRST_KEY.values())}), "
            f"found {len(state)} keys, first {next(iter(state), 'none')}: fetch the file that pipeline/assets/deepfill.yaml names"
        )
    network = DeepFill(layout, fuse)
    if layout == "pt":
        state = {FUSE_KEY: network.state_dict()[FUSE_KEY], **state}
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise InputError(f"{file} must hold a whole generator of DeepFill v2 in the layout {layout}: {reason} Fetch it again") from error
    return network.eval().requires_grad_(False)


def _only_file(path: Path) -> Path:
    if path.is_file():
        return path
    found = sorted(path.glob("*.pth"))
    if len(found) != 1:
        names = ", ".join(file.name for file in found) or "none"
        raise InputError(f"{path} must hold one .pth file, the weights of DeepFill v2, found {names}. Run: dvc repro fetch_fill_weights")
    return found[0]


def _generator_state(file: Path) -> dict[str, Tensor]:
    try:
        content: Any = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # a cut file, a page saved as a file, code in a pickle: all mean that these are not the weights
        raise InputError(f"{file} must hold tensors only, reading it failed ({type(error).__name__}): fetch it again") from error
    state = content.get("G", content) if isinstance(content, dict) else {}
    return {key: value for key, value in state.items() if isinstance(value, Tensor)}
