"""Baselines as presets: each is legal over params.yaml as shipped, is what it says, and can be trained and rendered."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from drawn_stick import STICK, make_crops, make_track
from ruamel.yaml import YAML

from pipeline.appearance.generate import GenerateInputs, GenerateParams, generate_foreground, load_generator
from pipeline.appearance.params import AppearanceParams
from pipeline.appearance.train import Inputs, Outputs, train_appearance
from pipeline.artifacts.foregrounds import open_foregrounds
from pipeline.artifacts.keypoints import motion_of, write_keypoints
from pipeline.artifacts.references import NONE, ChosenReferences, create_references, write_chosen
from pipeline.artifacts.scores import read_curve
from pipeline.body.skeleton import Skeleton, load_skeleton
from pipeline.face.enhance import FaceParams
from pipeline.motion.params import MotionParams
from pipeline.networks.vgg import StVgg16
from pipeline.params import Section, read_section
from pipeline.refine.params import RefineParams
from pipeline.timeline.split import SplitParams
from stages.generate_foreground import main as generate_door
from stages.train_appearance import main as train_door

ROOT = Path(__file__).resolve().parent.parent.parent
PRESETS = YAML(typ="safe", pure=True).load((ROOT / "pipeline/experiments/presets.yaml").read_text(encoding="utf-8"))
MODELS: dict[str, type[Section]] = {"appearance": AppearanceParams, "face": FaceParams, "refine": RefineParams, "motion": MotionParams}
TINY = {
    "steps": 2, "threads": 1, "precision": "float32", "perceptual": {"shrink": 1}, "network": {"base_width": 8, "levels": 3, "blocks": 1},
    "discriminators": {"width": 8, "layers": 2}, "edn": {"width": 8, "blocks": 1, "discriminators": {"width": 8}},
    "as_published": {"width": 8, "blocks": 1, "discriminators": {"width": 8}},
}  # fmt: skip
WHOLE_FRAMES = ("edn", "as_published")  # without mattes
LOSSES = {
    "edn": {"perceptual", "feature_matching", "adversarial", "discriminators"},
    "as_published": {"perceptual", "feature_matching", "adversarial", "transport", "temporal", "discriminators"},
    "fakemotion": {"perceptual", "gw", "pixel", "matte", "quality", "discriminators"},
    "unet": {"pixel", "matte"},
    "paper": {"perceptual", "gw", "pixel", "matte", "quality", "temporal", "discriminators"},
}


def read(folder: Path, name: str, section: str, tiny: dict[str, Any] | None = None) -> Any:
    """A section of the shipped params with a preset laid over it as a user would, and `tiny` over that."""
    tree = YAML(typ="safe", pure=True).load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    preset = PRESETS[name]
    tree["targets"] = {"ann": {**tree["targets"]["man"], **preset["target"]}}
    tree["pairs"] = {"ben-to-ann": {"driver": "ben", "target": "ann", "redetect": "none", "motion": {}, **preset["pair"]}}
    home = "pairs.ben-to-ann" if section == "motion" else "targets.ann"
    path = folder / "params.yaml"
    with path.open("w") as file:
        YAML().dump(tree, file)
    params = read_section(path, section, MODELS[section], f"{home}.{section}")
    if not tiny:
        return params
    tree[section] = params.model_dump()
    with path.open("w") as file:
        YAML().dump({**tree, "tiny": tiny}, file)
    return read_section(path, section, MODELS[section], "tiny")


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_told_and_legal(name, tmp_path):
    preset = PRESETS[name]
    assert set(preset) == {"doc", "target", "pair"}
    assert preset["doc"].endswith(".")
    assert set(preset["target"]) <= {"reference", "appearance", "face", "refine"}
    assert set(preset["pair"]) <= {"motion"}
    for section in MODELS:
        read(tmp_path, name, section)


def test_they_are_what_they_say(tmp_path):
    def params(name: str, section: str) -> Any:
        return read(tmp_path, name, section)

    human = [region.name for region in load_skeleton(ROOT / "pipeline/skeletons/human.yaml").regions]
    edn = params("edn", "appearance")
    assert (edn.system, edn.k, edn.max_stride, edn.augment.share) == ("edn", 2, 1, 0)
    assert (edn.optimiser.generator_rate, edn.optimiser.discriminator_rate, edn.optimiser.betas) == (1e-3, 2e-4, [0.5, 0.999])
    assert (edn.edn.losses.feature_matching, edn.edn.losses.perceptual) == (10, 10)
    assert params("edn", "face").alpha == 0
    assert params("edn", "refine").chosen_regions(human) == ["face"]
    assert params("edn", "motion").method == "ankle_height"
    public = params("as_published", "appearance")
    assert (public.system, public.k, public.max_stride, public.batch_windows) == ("as_published", 2, 1, 1)
    assert (public.augment.share, public.augment.mirror) == (0, 0.5)
    assert (public.optimiser.generator_rate, public.optimiser.betas, public.optimiser.decay_share) == (2e-4, [0.5, 0.999], 0.5)
    assert (public.as_published.repeat.interval, public.as_published.repeat.below) == (15, 20)
    assert params("as_published", "refine").chosen_regions(human) == human
    fake = params("fakemotion", "appearance")
    assert (fake.k, fake.memory.enabled, fake.losses.temporal) == (1, False, 0)
    assert fake.losses.gw > 0  # "generates human appearance with optimal transport theory"
    assert params("fakemotion", "face").vectors == 5
    assert params("fakemotion", "refine").chosen_regions(human) == human
    plain = params("unet", "appearance")
    assert (plain.network.dense_skips, plain.k, plain.memory.enabled) == (False, 1, False)
    assert {loss for loss, weight in plain.losses.model_dump().items() if weight} == {"pixel", "matte"}
    assert params("unet", "face").alpha == 0
    assert not params("unet", "refine").enabled
    assert all(preset["target"]["reference"] == {"enabled": False} for preset in PRESETS.values())  # none of them carries real pixels
    paper = params("paper", "appearance")
    assert (paper.k, paper.losses.pixel, paper.adversarial, paper.memory.enabled) == (3, 0, "log", True)


def test_the_documents_print_them():
    text = (ROOT / "docs/how-to/baselines.md").read_text(encoding="utf-8").split("```")[1].removeprefix("yaml\n")
    assert YAML(typ="safe", pure=True).load(text) == {name: preset["target"] for name, preset in PRESETS.items()}


@pytest.fixture(scope="module")
def features(tmp_path_factory) -> Path:
    """Random weights of the feature network, as small as they come."""
    torch.manual_seed(0)
    state = StVgg16().state_dict()
    state |= {name: torch.full_like(value, 1 / 9) for name, value in state.items() if name.endswith("filt")}
    folder = tmp_path_factory.mktemp("features")
    torch.save(state, folder / "vgg_shift_tolerant.pth")
    return folder


@pytest.mark.parametrize("name", PRESETS)
def test_a_tiny_training_can_be_rendered(name, tmp_path, features):
    track = make_track(Skeleton.from_json(json.dumps(STICK)), 5)
    crops = make_crops(tmp_path / "crops.zarr", track)
    out = Outputs(tmp_path / "m.safetensors", tmp_path / "m.json", tmp_path / "m.tsv")
    params = read(tmp_path, name, "appearance", TINY)
    train_appearance(Inputs(crops, track, features), params, SplitParams(hold_out_fraction=0.2), out, tmp_path / ".scratch")
    assert set(read_curve(out.curve)) == {"step", "epoch", "rate", *LOSSES[name]}
    assert json.loads(out.description.read_text())["images_seen"] == 2 * (2 if name == "as_published" else 6)  # steps, images a step
    made = GenerateParams(
        overlap_stride=1, fade_s=0.0, matte_contrast=1.0, favour_nearest=0.0, batch_windows=2, threads=1, precision="float32", compile=False
    )
    generate_foreground(GenerateInputs(load_generator(out.weights, out.description), track, crops), made, tmp_path / "made.zarr")
    mattes = open_foregrounds(tmp_path / "made.zarr").matte[0:5]
    assert (mattes == 255).all() == (name in WHOLE_FRAMES)
    assert np.ptp(mattes) > 0 or name in WHOLE_FRAMES


@pytest.mark.parametrize("name", WHOLE_FRAMES)
def test_the_doors_train_and_render_them(name, tmp_path, features, monkeypatch):
    track = make_track(Skeleton.from_json(json.dumps(STICK)), 5)
    make_crops(tmp_path / "crops.zarr", track)
    for kind in ("keypoints", "motions"):
        write_keypoints(tmp_path / f"{kind}.parquet", motion_of(track), kind)
    none = (np.zeros((0, *shape)) for shape in ((), (2,), (2, 2)))
    with create_references(tmp_path / "references.zarr", (8, 8), *none, track.size_hw):
        pass  # they make whole frames, and see none
    nobody, no_ends = np.full((5, 1), NONE), np.zeros((5, 0), bool)
    write_chosen(tmp_path / "chosen.parquet", ChosenReferences(nobody, nobody, np.full((5, 1), np.nan), {}, no_ends))
    tree = YAML(typ="safe", pure=True).load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    tree["appearance"] = read(tmp_path, name, "appearance", TINY).model_dump()
    tree["generate"] |= {"threads": 1, "precision": "float32"}
    with (tmp_path / "params.yaml").open("w") as file:
        YAML().dump(tree, file)
    monkeypatch.chdir(tmp_path)

    def door(main: Callable[[], None], *options: str) -> None:
        monkeypatch.setattr("sys.argv", ["door", *options])
        main()

    model = ("--description", "m.json", "--crops", "crops.zarr", "--references", "references.zarr")
    learnt = ("--target", "man", "--keypoints", "keypoints.parquet", "--features", str(features), "--model", "m.safetensors")
    door(train_door, *learnt, "--curve", "m.tsv", "--discriminators", "m.discriminators.safetensors", *model, "--time", "time.json")
    asked = ("--motion", "motions.parquet", "--chosen", "chosen.parquet")
    door(generate_door, "--model", "m.safetensors", *asked, "--out", "made.zarr", *model)
    made = open_foregrounds(tmp_path / "made.zarr")
    assert made.matte[0:5].min() == 255
    assert made.attributes["model_sha256"] == json.loads((tmp_path / "m.json").read_text())["weights_sha256"]
