"""DeepFill v2 against recorded outputs of the public port: weights by rule, images by rule, both layouts."""

import json
import os
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from reference.oracle_weights import digest, fill

from pipeline.background.backends.deepfill.attention import ContextualAttention
from pipeline.background.backends.deepfill.network import DeepFill, network_input

FOLDER = Path(os.environ.get("MOTION_COPY_ORACLES", "/nowhere"))
TOLERANCE = 5e-5
EYE = {"fuse_weight": lambda draw: np.eye(3).reshape(draw.shape)}

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="MOTION_COPY_ORACLES must name the folder with the recorded outputs")


def spec(name: str) -> list[tuple[str, tuple[int, ...], str]]:
    return [(e["key"], tuple(e["shape"]), e["dtype"]) for e in json.loads((FOLDER / f"{name}_state_dict.json").read_text())]


@cache
def golden(layout: str) -> tuple[dict[str, np.ndarray], dict]:
    with np.load(FOLDER / f"deepfill_{layout}_golden.npz") as archive:
        arrays = {name: archive[name] for name in archive.files}
    return arrays, json.loads(str(arrays.pop("meta")))


def holed_image(which: str) -> tuple[torch.Tensor, torch.Tensor]:
    size, seed = ((128, 192), 1235) if which == "gain2" else ((256, 256), 1234)
    draw = np.random.Generator(np.random.PCG64(seed)).standard_normal((1, 3, *size)).astype(np.float32)
    mask = np.zeros((1, 1, *size), np.float32)
    if which == "gain2":
        mask[..., 20:60, 30:100] = mask[..., 70:118, 110:150] = 1
    else:
        mask[..., 72:168, 88:200] = 1
    return torch.from_numpy(np.clip(np.float32(0.5) * draw, -1, 1)), torch.from_numpy(mask)


@pytest.mark.parametrize("layout", ["pt", "tf"])
def test_golden_keys_and_shapes_are_those_of_the_published_file(layout):
    state = DeepFill(layout).state_dict()
    assert [(k, tuple(v.shape), str(v.dtype)) for k, v in state.items()] == [(k, s, f"torch.{d}") for k, s, d in spec(f"deepfill_{layout}")]


def test_golden_layouts_pair_up_by_position():
    pairs = [(e["tf"], e["pt"]) for e in json.loads((FOLDER / "deepfill_tf_to_pt_keys.json").read_text())]
    pt = [key for key in DeepFill("pt").state_dict() if not key.endswith("fuse_weight")]
    assert list(zip(DeepFill("tf").state_dict(), pt, strict=True)) == pairs


@pytest.mark.slow
@pytest.mark.parametrize(
    ("layout", "which"),
    [("pt", "base"), ("pt", "gain"), ("pt", "gain2"), ("tf", "base"), ("tf", "gain"), ("tf", "gain2"), ("tf", "gain_fuse")],
)
def test_golden_outputs_of_the_whole_network(layout, which):
    arrays, meta = golden(layout)
    weights = fill(spec(f"deepfill_{layout}"), 1.0 if which == "base" else 2.0, EYE)
    assert digest(weights) == meta["weights_sha256_sorted_key_bytes"][which]
    network = DeepFill(layout, fuse=True if which == "gain_fuse" else None).eval()
    network.load_state_dict({key: torch.from_numpy(value) for key, value in weights.items()})
    seen = {}
    network.get_submodule("stage2.contextual_attention" if layout == "pt" else "attention").register_forward_hook(
        lambda _, given, out: seen.update(ca_in=given[0], ca_out=out)
    )
    image, mask = holed_image(which)
    with torch.inference_mode():
        seen["stage1"], seen["stage2"] = network(network_input(image, mask), mask)
    seen["completed"] = image * (1 - mask) + seen["stage2"] * mask
    for name, found in seen.items():
        step = meta["strides_last_two_axes"].get(f"{name}_{which}")
        if step:
            expected = arrays[f"{name}_{which}"]
            tolerance = TOLERANCE * max(1.0, float(np.abs(expected).max()))
            assert np.abs(found[..., ::step, ::step].numpy() - expected).max() < tolerance, name


@pytest.mark.parametrize("layout", ["pt", "tf"])
@pytest.mark.parametrize("fuse", [False, True])
@pytest.mark.parametrize("masked", [False, True])
def test_golden_attention_alone(layout, fuse, masked):
    features = torch.from_numpy(np.random.Generator(np.random.PCG64(1236)).standard_normal((1, 8, 32, 48)).astype(np.float32))
    mask = torch.zeros(1, 1, 128, 192)
    mask[..., 24:72, 40:112] = 1
    with np.load(FOLDER / "deepfill_ca_golden.npz") as archive:
        expected = archive[f"{layout}_fuse{int(fuse)}{'' if masked else '_nomask'}"]
    found = ContextualAttention(layout, fuse)(features, mask if masked else None)
    assert np.abs(found.numpy() - expected).max() < TOLERANCE
