"""Models: safetensors with a JSON of the same name beside it; never a pickled module."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch

from pipeline.artifacts.store import VERSION, publish
from pipeline.errors import InputError


def save_model(
    weights: str | os.PathLike[str], description_path: str | os.PathLike[str], state: dict[str, torch.Tensor], description: dict[str, Any]
) -> None:
    """Publish weights and their description (params, digests of the inputs, sizes); the weights' sha256 joins the description."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    blob = safetensors.torch.save(tensors)
    described = {**description, "kind": "model", "version": VERSION, "weights_sha256": hashlib.sha256(blob).hexdigest()}
    with publish(weights) as temporary:
        temporary.write_bytes(blob)
    with publish(description_path) as temporary:
        temporary.write_text(json.dumps(described, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def load_model(
    weights: str | os.PathLike[str], description_path: str | os.PathLike[str]
) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Read weights and description; InputError when one is missing, damaged, or they do not belong together."""
    for path in (weights, description_path):
        if not Path(path).is_file():
            raise InputError(f"{path} does not exist. Run: dvc repro")
    try:
        description = json.loads(Path(description_path).read_text(encoding="utf-8"))
        blob = Path(weights).read_bytes()
        state = safetensors.torch.load(blob)
    except (ValueError, safetensors.SafetensorError) as error:
        raise InputError(f"{weights} or {description_path} is damaged: {error}. Run: dvc repro") from error
    if description.get("kind") != "model" or description.get("version") != VERSION:
        raise InputError(f"{description_path} does not describe a model of version {VERSION}. Run: dvc repro")
    if hashlib.sha256(blob).hexdigest() != description["weights_sha256"]:
        raise InputError(f"{weights} is not the file that {description_path} describes. Run: dvc repro")
    return state, description
