"""Fixtures of the appearance room."""

import json
from pathlib import Path

import pytest
import torch
from drawn_stick import STICK

from pipeline.appearance.renderers.base import GenerateParams
from pipeline.body.skeleton import Skeleton
from pipeline.networks.vgg import StVgg16


@pytest.fixture(scope="session")
def stick() -> Skeleton:
    return Skeleton.from_json(json.dumps(STICK))


@pytest.fixture(scope="session")
def features_folder(tmp_path_factory) -> Path:
    """Random weights of the feature network: the laws of training hold for any."""
    torch.manual_seed(0)
    network = StVgg16()
    state = {name: value * 2 if value.ndim == 4 and value.shape[-1] == 3 else value for name, value in network.state_dict().items()}
    state |= {name: torch.full_like(value, 1 / 9) for name, value in state.items() if name.endswith("filt")}
    folder = tmp_path_factory.mktemp("features")
    torch.save(state, folder / "vgg_shift_tolerant.pth")
    return folder


@pytest.fixture(scope="session")
def generate_params() -> GenerateParams:
    return GenerateParams(
        overlap_stride=3, fade_s=0.0, matte_contrast=1.0, favour_nearest=0.0, batch_windows=2, threads=1, precision="float32", compile=False
    )
