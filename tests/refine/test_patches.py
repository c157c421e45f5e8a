"""What local generators learn from and are asked with, by hand: patches, their truth, the residual's fading, the losses."""

from pathlib import Path

import numpy as np
import pytest
import torch
import zarr
from refine.test_refine import HUMAN, MATRIX, PIXEL_ONLY, REGIONS, SIZE, SPLIT, T, apply, fit, inputs_of, refine_params, write_clip
from torch.nn.functional import softplus

from pipeline.artifacts.foregrounds import open_foregrounds
from pipeline.artifacts.frames import open_frames
from pipeline.artifacts.keypoints import read_keypoints
from pipeline.artifacts.models import load_model
from pipeline.artifacts.residuals import create_residuals, open_residuals
from pipeline.body.regions import cut_from_crop, cut_region, feather, region_boxes
from pipeline.refine import train
from pipeline.refine.apply import RefineInputs, refine_regions
from pipeline.refine.patches import Pairs, polished
from pipeline.refine.train import RegionTrainer

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The drawn clip, whose face is enhanced by 5 levels; nobody changes it."""
    return write_clip(tmp_path_factory.mktemp("clip"), held_out_seed=None)


def pairs_of(clip: dict[str, Path], region: str, **changes: object) -> Pairs:
    return train._read_pairs(inputs_of(clip), refine_params(**changes), REGIONS, SPLIT)[region]


class Inverse(torch.nn.Module):
    """A local generator whose residual is what it sees, negated."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(()))

    def forward(self, patches: torch.Tensor, mattes: torch.Tensor) -> torch.Tensor:
        return -self.weight * patches


def test_a_pair_is_the_enhanced_patch_and_its_truth_with_room_for_the_jitter(clip: dict[str, Path]) -> None:
    pairs, box = pairs_of(clip, "face", jitter=0.1), open_residuals(clip["enhanced"]).boxes["face"]
    generated, frames, inner = open_foregrounds(clip["generated"]), open_frames(clip["frames"]), np.s_[3:-3, 3:-3]
    assert (pairs.spare, len(pairs)) == (3, 9)
    assert pairs.true.shape[1:] == pairs.generated.shape[1:] == (38, 38, 3)
    for t in range(9):
        plain = cut_from_crop(generated.rgb[t], MATRIX, box[t], 32)
        seen = pairs.generated[t][inner].astype(int)
        assert np.abs(seen - polished(plain, np.full((32, 32, 3), 5))).max() <= 1
        assert np.abs(seen[16, 16] - plain[16, 16].astype(int) - 5).max() <= 1
        assert np.abs(pairs.true[t][inner].astype(int) - cut_region(frames[t], box[t], 32)).max() <= 1


@pytest.mark.parametrize("k", [1, 3])
def test_what_was_rendered_in_a_window_with_held_out_frames_is_not_learnt_from(k: int, tmp_path: Path) -> None:
    clip = write_clip(tmp_path, held_out_seed=None)
    zarr.open_group(clip["generated"], mode="r+").attrs["k"] = k
    assert len(pairs_of(clip, "left_foot")) == 9 - (k - 1)  # frames 9 to 11 are held out


def test_the_residual_fades_out_at_the_patch_s_border(clip: dict[str, Path]) -> None:
    """A local generator that adds the same everywhere: its loss is that of the patch with the faded residual."""
    trainer = RegionTrainer(0, pairs_of(clip, "face"), refine_params(losses=PIXEL_ONLY), 32, None, CPU)
    torch.nn.init.constant_(trainer.generator.residual.bias, 0.3)
    x, _, true, mask = trainer._batch(0)
    gap = (x + 0.3 * torch.from_numpy(feather(32)) - true).abs() * mask
    assert trainer.step(0)["pixel"] == pytest.approx(float(gap.sum() / (3 * mask.sum() + 1)), rel=1e-4)


def test_the_discriminator_is_paid_for_telling_truth_from_patch(clip: dict[str, Path]) -> None:
    trainer = RegionTrainer(0, pairs_of(clip, "face"), refine_params(), 32, None, CPU)
    x, _, true, mask = trainer._batch(0)
    seen, fake, real = x * mask, 0.5 * x * mask, true * mask
    with torch.no_grad():
        wanted = softplus(-trainer.discriminator(seen, real)).mean() + softplus(trainer.discriminator(seen, fake)).mean()
    before = trainer.discriminator(seen, real).mean() - trainer.discriminator(seen, fake).mean()
    assert float(trainer._update_discriminator(seen, fake, real).detach()) == pytest.approx(float(wanted), rel=1e-5)
    assert trainer.discriminator(seen, real).mean() - trainer.discriminator(seen, fake).mean() > before


def test_an_average_is_published_and_learning_does_not_depend_on_it(clip: dict[str, Path], tmp_path: Path) -> None:
    states = []
    for name, decay in (("last", 0.0), ("average", 0.9)):
        fit(clip, tmp_path / name, refine_params(regions=["face"], ema_decay=decay))
        states.append(load_model(tmp_path / name / "m.safetensors", tmp_path / name / "m.json")[0])
    assert (tmp_path / "last/m.tsv").read_bytes() == (tmp_path / "average/m.tsv").read_bytes()
    assert any(not torch.equal(states[0][key], states[1][key]) for key in states[0])


def test_a_local_generator_is_asked_about_the_enhanced_patch(clip: dict[str, Path], tmp_path: Path) -> None:
    generated, enhanced = open_foregrounds(clip["generated"]), open_residuals(clip["enhanced"])
    motion = read_keypoints(clip["motion"], "motions").track()
    refine_regions(RefineInputs(generated, enhanced, motion, {"face": Inverse()}), refine_params(), REGIONS, SPLIT, tmp_path / "r.zarr")
    refined = open_residuals(tmp_path / "r.zarr")
    for t in (0, 8):
        patch = cut_from_crop(generated.rgb[t], MATRIX, enhanced.boxes["face"][t], 32)
        wanted = 5 + 127.5 - polished(patch, enhanced.residual("face", t)).astype(float)
        assert np.abs(refined.residual("face", t) - wanted).max() <= 1


def test_a_real_head_that_was_placed_is_not_refined(clip: dict[str, Path], tmp_path: Path) -> None:
    fit(clip, tmp_path, refine_params(steps=2, learning_rate=0.01))
    table = read_keypoints(clip["keypoints"])
    face = region_boxes(table.points[:, 0], HUMAN, REGIONS, 9)["face"]
    with create_residuals(tmp_path / "e.zarr", {"face": face}, {}, 32, table.clock, (SIZE, SIZE), T, {}, {"face": 32}) as writer:
        writer.append("face", np.full((T, 32, 32, 4), 5, np.int16))
    refined = open_residuals(apply({**clip, "enhanced": tmp_path / "e.zarr"}, tmp_path, refine_params()))
    assert set(refined.placed) == {"face"}
    assert (refined.patches["face"][:] == 5).all()
    assert refined.residual("left_foot", 4).any()
