"""Training and using the local generators on a drawn figure: identity, overfitting, resuming, held-out pixels, bad input."""

import shutil
from pathlib import Path

import figure
import numpy as np
import pytest
import torch
import zarr
from stored import store_clip

from pipeline.artifacts.foregrounds import open_foregrounds
from pipeline.artifacts.frames import create_frames, open_frames
from pipeline.artifacts.keypoints import read_keypoints
from pipeline.artifacts.mattes import open_mattes
from pipeline.artifacts.models import load_model
from pipeline.artifacts.residuals import create_residuals, open_residuals
from pipeline.body.regions import RegionParams, cut_from_crop, cut_region, region_boxes
from pipeline.body.skeleton import load_skeleton
from pipeline.errors import InputError
from pipeline.picture.geometry import box_to_crop
from pipeline.refine import train
from pipeline.refine.apply import RefineInputs, load_generators, refine_regions
from pipeline.refine.params import RefineParams
from pipeline.refine.patches import polished
from pipeline.refine.train import RegionTrainer, TrainInputs, TrainOutputs, train_refiner
from pipeline.timeline.split import SplitParams
from pipeline.video.clock import Clock

HUMAN = load_skeleton(Path("pipeline/skeletons/human.yaml"))
REGIONS = RegionParams(region_px=32, face_side=1.8, hand_side=1.1, foot_side=0.9, smooth_frames=5, min_side_px=4)
SPLIT = SplitParams(hold_out_fraction=0.25)
T, SIZE = 12, 160
PIXEL_ONLY = {"pixel": 10.0, "perceptual": 0.0, "adversarial": 0.0}
MATRIX = box_to_crop(np.array([0.0, 0.0, SIZE, SIZE]), (64, 64))


def refine_params(**changes: object) -> RefineParams:
    values = {
        "enabled": True, "regions": "all", "steps": 4, "batch": 2, "width": 4, "discriminator_width": 4,
        "learning_rate": 2e-3, "ema_decay": 0.0,
        "losses": {"pixel": 10.0, "perceptual": 0.0, "adversarial": 0.1}, "jitter": 0.1, "blur_px": 1.0, "most_frames": 100,
        "precision": "float32", "threads": 1, "checkpoint_steps": 2, "seed": 3,
    }  # fmt: skip
    return RefineParams.model_validate({**values, **changes})


@pytest.fixture
def clip(tmp_path: Path) -> dict[str, Path]:
    return write_clip(tmp_path, held_out_seed=None)


def write_clip(folder: Path, held_out_seed: int | None) -> dict[str, Path]:
    """A figure, generated as a crop at 64 px (so its details are gone); other pixels and poses after frame 9 on demand."""
    person = figure.Figure(height_px=130)
    posed = person.points(T, (80, 150))
    frames, mattes = person.render(posed, figure.static_background((SIZE, SIZE)))
    table = figure.truth(posed, person.joints, HUMAN, (SIZE, SIZE))
    if held_out_seed is not None:
        rng = np.random.default_rng(held_out_seed)
        frames[9:] = rng.integers(0, 256, frames[9:].shape)
        table.points[9:] += rng.normal(0, 3, table.points[9:].shape).astype(np.float32)
    paths = {**store_clip(folder, frames, mattes, table, MATRIX, (64, 64)), "enhanced": folder / "enhanced.zarr"}
    face = region_boxes(table.points[:, 0], HUMAN, REGIONS, 9)["face"]
    with create_residuals(paths["enhanced"], {"face": face}, {}, 32, table.clock, (SIZE, SIZE), T) as writer:
        writer.append("face", np.full((T, 32, 32, 3), 5, np.int16))
    return paths


def inputs_of(clip: dict[str, Path]) -> TrainInputs:
    return TrainInputs(
        generated=open_foregrounds(clip["generated"]),
        enhanced=open_residuals(clip["enhanced"]),
        frames=open_frames(clip["frames"]),
        mattes=open_mattes(clip["mattes"]),
        track=read_keypoints(clip["keypoints"]).track(),
        features=None,
    )


def fit(clip: dict[str, Path], folder: Path, params: RefineParams) -> tuple[bytes, str]:
    out = TrainOutputs(folder / "m.safetensors", folder / "m.json", folder / "m.tsv")
    train_refiner(inputs_of(clip), params, REGIONS, SPLIT, out, scratch=folder / "scratch")
    return out.weights.read_bytes(), out.description.read_text()


def apply(clip: dict[str, Path], folder: Path, params: RefineParams, regions: RegionParams = REGIONS) -> Path:
    out, motion = folder / "refined.zarr", read_keypoints(clip["motion"], "motions").track()
    generators = load_generators(folder / "m.safetensors", folder / "m.json", REGIONS) if params.enabled else {}
    inputs = RefineInputs(open_foregrounds(clip["generated"]), open_residuals(clip["enhanced"]), motion, generators)
    refine_regions(inputs, params, regions, SPLIT, out)
    return out


def test_disabled_passes_the_enhancement_through(clip: dict[str, Path], tmp_path: Path) -> None:
    params = refine_params(enabled=False)
    fit(clip, tmp_path, params)
    refined = open_residuals(apply(clip, tmp_path, params))
    assert refined.regions == ("face",)
    assert (refined.residual("face", 4) == 5).all()


def test_learning_rate_of_nothing_is_the_identity(clip: dict[str, Path], tmp_path: Path) -> None:
    """A local generator that was not trained adds nothing: the final residual is the enhancement, and zero elsewhere."""
    params = refine_params(steps=1, learning_rate=1e-30)
    fit(clip, tmp_path, params)
    refined = open_residuals(apply(clip, tmp_path, params))
    assert set(refined.regions) == {"face", "left_hand", "right_hand", "left_foot", "right_foot"}
    assert (refined.residual("face", 4) == 5).all()
    assert not refined.residual("left_foot", 4).any()


def test_a_foreground_without_colour_is_refined_without(clip: dict[str, Path], tmp_path: Path) -> None:
    params = refine_params(steps=2, learning_rate=0.01)
    fit(clip, tmp_path, params)
    coloured = open_residuals(apply(clip, tmp_path, params)).residual("left_foot", 4)
    zarr.open_group(clip["generated"], mode="r+").attrs["grey"] = True
    grey = open_residuals(apply(clip, tmp_path, params)).residual("left_foot", 4)
    assert np.ptp(coloured, axis=-1).max() > 0
    assert np.ptp(grey, axis=-1).max() == 0
    assert np.abs(grey[..., 0] - coloured.mean(-1)).max() <= 0.5


@pytest.mark.slow
def test_refiners_bring_the_training_patches_nearer_to_the_truth(clip: dict[str, Path], tmp_path: Path) -> None:
    params = refine_params(steps=60, width=8, jitter=0.0, blur_px=0.0, losses=PIXEL_ONLY)
    fit(clip, tmp_path, params)
    refined, generated = open_residuals(apply(clip, tmp_path, params)), open_foregrounds(clip["generated"])
    frames, mattes = open_frames(clip["frames"]), open_mattes(clip["mattes"])
    nearer = 0
    for name in refined.regions:
        box = refined.boxes[name][3]
        patch = cut_from_crop(generated.rgb[3], MATRIX, box, 32).astype(float)
        truth, matte = cut_region(frames[3], box, 32).astype(float), cut_region(mattes[3], box, 32)[..., None] > 127
        after = polished(patch, refined.residual(name, 3)).astype(float)
        nearer += np.abs((after - truth) * matte).sum() < 0.9 * np.abs((patch - truth) * matte).sum()
    assert nearer >= 4


def test_one_patch_overfits(clip: dict[str, Path]) -> None:
    params = refine_params(most_frames=1, width=12, jitter=0.0, blur_px=0.0, losses=PIXEL_ONLY)
    pairs = train._read_pairs(inputs_of(clip), params, REGIONS, SPLIT)["left_foot"]
    trainer = RegionTrainer(0, pairs, params, 32, None, torch.device("cpu"))
    losses = [trainer.step(i)["pixel"] for i in range(120)]
    assert losses[-1] < 0.45 * losses[0]  # the border, where the residual fades out, keeps its error


def test_discriminator_step_leaves_the_refiner_alone(clip: dict[str, Path]) -> None:
    pairs = train._read_pairs(inputs_of(clip), refine_params(), REGIONS, SPLIT)["face"]
    trainer = RegionTrainer(0, pairs, refine_params(), 32, None, torch.device("cpu"))
    x, matte, true, mask = trainer._batch(0)
    fake = x + trainer.generator(x, matte)
    trainer._update_discriminator(x * mask, (fake * mask).detach(), true * mask)
    assert all(p.grad is None for p in trainer.generator.parameters())


def test_four_steps_equal_two_and_two_resumed(clip: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = fit(clip, tmp_path / "whole", refine_params())
    real_step = RegionTrainer.step

    def die_in_step_four(self: RegionTrainer, number: int) -> dict[str, float]:
        if number == 3:
            raise KeyboardInterrupt
        return real_step(self, number)

    with monkeypatch.context() as patch:
        patch.setattr(RegionTrainer, "step", die_in_step_four)
        with pytest.raises(KeyboardInterrupt):
            fit(clip, tmp_path / "cut", refine_params())
    assert not (tmp_path / "cut" / "m.safetensors").exists()
    assert list((tmp_path / "cut" / "scratch").rglob("checkpoint.pt"))
    assert fit(clip, tmp_path / "cut", refine_params()) == whole
    assert not list((tmp_path / "cut").rglob("checkpoint.pt"))


def test_held_out_pixels_and_poses_change_no_byte(tmp_path: Path) -> None:
    first = fit(write_clip(tmp_path / "a", held_out_seed=1), tmp_path / "a", refine_params())
    second = fit(write_clip(tmp_path / "b", held_out_seed=2), tmp_path / "b", refine_params())
    assert first == second


def test_model_names_its_regions_and_params(clip: dict[str, Path], tmp_path: Path) -> None:
    fit(clip, tmp_path, refine_params())
    _, description = load_model(tmp_path / "m.safetensors", tmp_path / "m.json")
    assert description["regions_trained"] == ["face", "left_hand", "right_hand", "left_foot", "right_foot"]
    assert description["params"]["steps"] == 4
    header = (tmp_path / "m.tsv").read_text().splitlines()[0].split("\t")
    assert header[0] == "step"
    assert "left_hand_pixel" in header


def test_only_the_chosen_regions_are_refined(clip: dict[str, Path], tmp_path: Path) -> None:
    """The face's local generator is that of a training of all regions; the other regions stay as enhanced, here untouched."""
    fit(clip, tmp_path / "all", refine_params())
    params = refine_params(regions=["face"])
    fit(clip, tmp_path, params)
    state, description = load_model(tmp_path / "m.safetensors", tmp_path / "m.json")
    whole, _ = load_model(tmp_path / "all" / "m.safetensors", tmp_path / "all" / "m.json")
    assert description["regions_trained"] == ["face"]
    assert set(state) == {name for name in whole if name.startswith("face.")}
    assert all(torch.equal(state[name], whole[name]) for name in state)
    refined = open_residuals(apply(clip, tmp_path, params))
    assert refined.regions == ("face",)
    assert (refined.residual("face", 4) != 5).any()


def test_a_region_that_is_none_is_named() -> None:
    assert refine_params(regions=["left_foot", "face"]).chosen_regions(("face", "left_hand", "left_foot")) == ["face", "left_foot"]
    assert refine_params(regions=["face"]).chosen_regions(()) == []
    with pytest.raises(InputError, match=r"name regions of the skeleton \(face, left_hand\), found fase"):
        refine_params(regions=["fase"]).chosen_regions(("face", "left_hand"))


def test_errors_name_what_to_do(clip: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="needs the st_vgg16 weights"):
        fit(clip, tmp_path, refine_params(losses={"pixel": 1.0, "perceptual": 1.0, "adversarial": 0.0}))
    fit(clip, tmp_path, refine_params())
    other = REGIONS.model_copy(update={"hand_side": 1.0})
    with pytest.raises(InputError, match="trained with other regions"):
        load_generators(tmp_path / "m.safetensors", tmp_path / "m.json", other)
    larger = REGIONS.model_copy(update={"face_side": 2.5})
    with pytest.raises(InputError, match=r"cut from other boxes\. Run: dvc repro enhance_faces"):
        apply(clip, tmp_path, refine_params(), larger)
    shutil.rmtree(clip["frames"])
    with create_frames(clip["frames"], Clock.regular("25", 2), (SIZE, SIZE)) as writer:
        writer.append(np.zeros((2, SIZE, SIZE, 3), np.uint8))
    with pytest.raises(InputError, match=r"mattes\.zarr has 12 frames, .*frames\.zarr has 2\."):
        fit(clip, tmp_path, refine_params())
    assert not (tmp_path / "refined.zarr").exists()
