"""Large crops: windows go through one by one, which saves memory and changes L_GW's slope alone beside it; small ones as ever."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from appearance.test_references import LEARN, clip_of, filmed
from appearance.test_train import ALL, CPU, outputs
from drawn_stick import small

from pipeline.appearance.systems import base as module
from pipeline.appearance.train import Inputs, build_system, train_appearance
from pipeline.body.pose_maps import pose_channels
from pipeline.networks.vgg import load_features
from pipeline.training.device import prepare_cpu
from pipeline.training.processes import World


def stepped(tmp_path, stick, features_folder, monkeypatch, large_px: int, seen: list[int]) -> tuple:
    """Losses, poorness of windows and gradients of a step of two windows, without L_GW, which is of all that a batch
    shows."""
    prepare_cpu(1)
    clip = clip_of(tmp_path, stick)
    params = small(losses={"gw": 0.0}, discriminators={"spectral_norm": False})  # whose estimate sharpens with every look
    gan = build_system(params, pose_channels(stick, params.pose_map), load_features("st_vgg16", features_folder), CPU, LEARN, clip)
    batch = clip.batch(clip.budget.order(1)[0], 0, 1, CPU.device, 0)
    assert batch.patches is not None
    assert sorted(batch.patches.window) == [0, 1]
    render = gan.render
    monkeypatch.setattr(gan, "render", lambda part: (seen.append(len(part.windows)), render(part))[1])
    monkeypatch.setattr(module, "LARGE_PX", large_px)
    gradients: list[torch.Tensor] = []
    monkeypatch.setattr(gan, "_update", lambda network, _: gradients.extend(p.grad.clone() for p in network.parameters()))
    losses, windows = gan.step([batch], 1.0)
    return losses, windows, gradients


def test_windows_one_by_one_add_up_to_their_batch(tmp_path, stick, features_folder, monkeypatch):
    whole, alone = [], []
    losses, windows, gradients = stepped(tmp_path / "a", stick, features_folder, monkeypatch, 4096, whole)
    others = stepped(tmp_path / "b", stick, features_folder, monkeypatch, 4, alone)
    assert (whole, alone) == ([2], [1, 1])
    torch.testing.assert_close(others[0], losses, rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(others[1], windows)
    assert windows[0] != windows[1]
    assert len(gradients) == len(others[2]) > 0
    for one, other in zip(gradients, others[2], strict=True):
        assert (one - other).norm() <= 0.001 * one.norm() + 1e-6


@pytest.mark.parametrize(
    ("dtype", "side", "windows", "device", "expected"),
    [
        (torch.float32, 128, 2, "cpu", False),
        (torch.float32, 128, 16, "cpu", False),
        (torch.float32, 256, 2, "cpu", True),
        (torch.float32, 256, 1, "cpu", False),
        (torch.bfloat16, 256, 2, "cpu", False),
        (torch.bfloat16, 512, 2, "cpu", True),
        (torch.float32, 512, 2, "cuda", False),
    ],
)
def test_only_large_crops_on_the_cpu_go_one_by_one(tmp_path, stick, features_folder, dtype, side, windows, device, expected):
    params = small()
    gan = build_system(params, 2, load_features("st_vgg16", features_folder), CPU, None, clip_of(tmp_path, stick))
    gan.dtype, gan.world = dtype, World(0, 1, torch.device(device))
    assert gan.goes_one_by_one((windows, 3, 61, side, side)) is expected


def test_large_crops_are_spoken_of(tmp_path, stick, features_folder, monkeypatch, capsys):
    track, crops, references, _, _ = filmed(tmp_path, stick, 12)
    work = (Inputs(crops, track, features_folder, references), small(steps=1), ALL)
    train_appearance(*work, outputs(tmp_path, "a"), tmp_path / ".scratch", learn=LEARN, count=2)
    assert "one by one" not in capsys.readouterr().out
    monkeypatch.setattr(module, "LARGE_PX", 4)
    train_appearance(*work, outputs(tmp_path, "b"), tmp_path / ".scratch", learn=LEARN, count=2)
    height, width = crops.crop_hw
    said = capsys.readouterr().out
    assert f"train_appearance: at {width}x{height} px windows go through one by one, to save memory" in said


def test_training_frames_are_read_from_their_file_in_any_order(tmp_path, stick):
    clip = clip_of(tmp_path, stick)
    whole = np.fromfile(tmp_path / "pixels", np.uint8).reshape(12, *clip.crop_hw, 4)
    rows = np.array([[3, 0, 3], [11, 7, -1]])
    assert np.array_equal(clip.pixels(rows), whole[rows])
    assert len(np.unique(whole.reshape(12, -1), axis=0)) == 12


def test_a_batch_keeps_every_window_s_own_when_taken_apart(tmp_path, stick):
    clip = clip_of(tmp_path, stick)
    batch = clip.batch(np.arange(4), 0, 1, CPU.device, 0)
    parts = batch.one_by_one()
    for name in ("poses", "halved_poses", "foregrounds", "mattes", "backgrounds", "warped"):
        assert torch.equal(torch.cat([getattr(part, name) for part in parts]), getattr(batch, name))
    assert [window for part in parts for window in part.windows] == batch.windows
    assert batch.patches is not None
    found = [(b, part.patches) for b, part in enumerate(parts) if part.patches is not None]
    assert [b for b, _ in found] == batch.patches.window
    assert all(patches.window == [0] for _, patches in found)
    assert torch.equal(torch.cat([patches.truth for _, patches in found]), batch.patches.truth)
    lone = replace(batch.patches, window=[0] * len(batch.patches.window))
    assert lone.of(1) is None
