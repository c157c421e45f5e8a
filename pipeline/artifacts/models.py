"""Models: safetensors with a JSON of the same name beside it; never a pickled module."""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch

from pipeline.artifacts.replacing import TAG
from pipeline.artifacts.store import VERSION, publish, readable
from pipeline.errors import InputError

REMEDY = "Run: dvc repro"
FACTS = "facts"


def save_model(
    weights: str | os.PathLike[str], description_path: str | os.PathLike[str], state: dict[str, torch.Tensor], description: dict[str, Any]
) -> str:
    """Publish weights and their description (params, digests of the inputs, sizes); the weights' sha256 joins it and is returned."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    blob = safetensors.torch.save(tensors, {TAG: "model"})
    digest = hashlib.sha256(blob).hexdigest()
    described = {**description, "kind": "model", "version": VERSION, "weights_sha256": digest}
    # Both or neither: what may not take one's place leaves the other as it was.
    with publish(description_path, "model") as text, publish(weights, "model") as binary:
        binary.write_bytes(blob)
        text.write_text(json.dumps(described, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return digest


def load_model(
    weights: str | os.PathLike[str], description_path: str | os.PathLike[str]
) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Read weights and description; InputError when one is missing, damaged, or they do not belong together."""
    for path in (weights, description_path):
        if not Path(path).is_file():
            raise InputError(f"{path} does not exist. {REMEDY}")
    blob = Path(weights).read_bytes()
    with readable(description_path, "description of a model", REMEDY):
        description = dict(json.loads(Path(description_path).read_text(encoding="utf-8")))
        expected = description["weights_sha256"]
    with readable(weights, "safetensors file", REMEDY):
        state = safetensors.torch.load(blob)
    if description.get("kind") != "model" or description.get("version") != VERSION:
        raise InputError(f"{description_path} does not describe a model of version {VERSION}. {REMEDY}")
    if hashlib.sha256(blob).hexdigest() != expected:
        raise InputError(f"{weights} is not the file that {description_path} describes. {REMEDY}")
    return state, description


def save_discriminators(path: str | os.PathLike[str], state: Mapping[str, torch.Tensor], facts: Mapping[str, Any]) -> None:
    """Publish what a training leaves beside its model for one that goes on: the discriminators' weights, and facts as JSON."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    text = json.dumps(facts, sort_keys=True).encode()
    tensors[FACTS] = torch.frombuffer(bytearray(text), dtype=torch.uint8)  # metadata of several keys have no order
    with publish(path, "discriminators") as temporary:
        temporary.write_bytes(safetensors.torch.save(tensors, {TAG: "discriminators"}))


def load_discriminators(path: str | os.PathLike[str]) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Inverse of save_discriminators(); InputError when the file is missing or damaged."""
    if not Path(path).is_file():
        raise InputError(f"{path} does not exist. {REMEDY}")
    with readable(path, "safetensors file of discriminators", REMEDY):
        state = safetensors.torch.load(Path(path).read_bytes())
        return state, dict(json.loads(bytes(state.pop(FACTS).numpy())))


def fill(network: torch.nn.Module, state: Mapping[str, torch.Tensor], weights: str | os.PathLike[str]) -> None:
    """Load tensors into a network; InputError when they are not those that the description beside them makes it of."""
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        said = str(error).splitlines()[-1].strip().rstrip(".")
        raise InputError(f"{weights} must hold the tensors of the network that its description tells of: {said}. {REMEDY}") from error
