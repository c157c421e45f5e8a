"""DCPose's network against goldens of the authors' code, its weights filled by rule: names, shapes, every stage, outputs."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from reference.oracle_weights import digest, fill
from torch import nn

from pipeline.pose.refiners.dcpose.fold import fold_normalisation
from pipeline.pose.refiners.dcpose.network import DCPose

FOLDER = Path(os.environ.get("MOTION_COPY_ORACLES", "/nonexistent"))
needs_oracles = pytest.mark.skipif(not (FOLDER / "dcpose_golden.npz").is_file(), reason="MOTION_COPY_ORACLES names no folder with goldens")
MARGIN = {"base": [[1, 2]], "strong": [[1, 1], [3, 1]]}
TOLERANCE = {"base": 2e-5, "strong": 5e-4}
STAGES = {
    "rough": "rough_pose_estimation_net", "prf": "diff_temporal_fuse", "ptm": "support_temporal_fuse",
    "combine": "offset_mask_combine_conv", "offset0": "offsets_list.0", "mask0": "masks_list.0",
    "dcn0": "modulated_deform_conv_list.0", "dcn4": "modulated_deform_conv_list.4",
}  # fmt: skip


def spec() -> list[tuple[str, tuple[int, ...], str]]:
    return [(one["key"], tuple(one["shape"]), one["dtype"]) for one in json.loads((FOLDER / "dcpose_state_dict.json").read_text())]


def weights(variant: str) -> dict[str, np.ndarray]:
    if variant == "base":
        small = lambda n: n.astype(np.float32) * np.float32(1 / np.sqrt(np.prod(n.shape[1:]))) * np.float32(2**-11)  # noqa: E731
        return fill(spec(), overrides={"rough_pose_estimation_net.final_layer.weight": small})
    norms = {
        "running_mean": lambda n: 0.1 * n,
        "running_var": lambda n: 2 * np.exp(0.2 * n),
        "weight": lambda n: 1 + 0.1 * n if n.ndim == 1 else None,
    }
    return fill(spec(), overrides=norms)


@needs_oracles
def test_oracle_names_and_shapes_are_the_checkpoint_s() -> None:
    with torch.device("meta"):
        state = DCPose().state_dict()
    assert [(key, tuple(value.shape), str(value.dtype)) for key, value in state.items()] == [(k, s, f"torch.{d}") for k, s, d in spec()]


@needs_oracles
@pytest.mark.slow
@pytest.mark.parametrize("variant", ["base", "strong"])
def test_golden_of_every_stage(variant: str) -> None:
    golden = np.load(FOLDER / "dcpose_golden.npz")
    meta = json.loads(str(golden["meta"]))
    filled = weights(variant)
    assert digest(filled) == meta["weights_sha256_sorted_key_bytes"][variant]
    network = DCPose().eval()
    network.load_state_dict({key: torch.from_numpy(np.asarray(value)) for key, value in filled.items()})
    seen: dict[str, np.ndarray] = {}

    def keep(name: str):
        def hook(_module: nn.Module, _given: object, output: torch.Tensor) -> None:
            seen[name] = output.numpy().copy()

        return hook

    for name, module in STAGES.items():
        network.get_submodule(module).register_forward_hook(keep(name))
    shown = np.random.Generator(np.random.PCG64(1234)).standard_normal((len(MARGIN[variant]), 9, 384, 288)).astype(np.float32)
    frames, margin = torch.from_numpy(shown), torch.tensor(MARGIN[variant])
    with torch.inference_mode():
        seen["out"] = network(frames, margin).numpy()
    for name in ("out", *STAGES):
        true, step = golden[f"{name}_{variant}"], meta["strides_last_two_axes"][f"{name}_{variant}"]
        atol = TOLERANCE[variant] * max(1, np.abs(true).max())
        np.testing.assert_allclose(seen[name][..., ::step, ::step], true, rtol=0, atol=atol, err_msg=name)
    np.testing.assert_allclose(seen["out"], golden[f"out_{variant}"], rtol=0, atol=TOLERANCE[variant])


@needs_oracles
@pytest.mark.slow
def test_golden_with_folded_normalisation() -> None:
    network = DCPose().eval()
    network.load_state_dict({key: torch.from_numpy(np.asarray(value)) for key, value in weights("base").items()})
    folded = fold_normalisation(network).to(memory_format=torch.channels_last)
    shown = np.random.Generator(np.random.PCG64(1234)).standard_normal((1, 9, 384, 288)).astype(np.float32)
    with torch.inference_mode():
        found = folded(torch.from_numpy(shown), torch.tensor(MARGIN["base"])).numpy()
    np.testing.assert_allclose(found, np.load(FOLDER / "dcpose_golden.npz")["out_base"], rtol=0, atol=TOLERANCE["base"])
