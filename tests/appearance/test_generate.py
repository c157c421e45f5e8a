"""Rendering a motion: every present frame once, absent frames empty, windows blended."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from drawn_stick import CROP_HW, ROW, draw, make_crops, make_track, small

from pipeline.appearance.blending import Blend
from pipeline.appearance.generate import (
    GenerateInputs,
    GenerateParams,
    generate_foreground,
    load_generator,
    prepare_generator,
)
from pipeline.appearance.renderers.fakevideo import FakeVideoRenderer
from pipeline.appearance.train import Inputs, Outputs, train_appearance
from pipeline.artifacts.foregrounds import open_foregrounds
from pipeline.body.skeleton import Skeleton
from pipeline.errors import InputError
from pipeline.networks.generator import Exchange, Generator, GeneratorShape
from pipeline.picture.geometry import apply_affine
from pipeline.timeline.split import SplitParams
from pipeline.video.clock import NO_TIME


def model(stick: Skeleton, k: int = 3) -> FakeVideoRenderer:
    torch.manual_seed(0)
    network = Generator(GeneratorShape(1, k, 8, 3, 1, True)).eval()
    for part in network.modules():
        if isinstance(part, Exchange):  # as after training: what a frame looks like depends on its window
            torch.nn.init.normal_(part.mix.weight, std=0.3)
    return FakeVideoRenderer(network, small().pose_map, stick, CROP_HW, False, "0" * 64)


def render(folder, loaded, track, params: GenerateParams):
    crops = make_crops(folder / "crops.zarr", track)
    figures = generate_foreground(GenerateInputs(prepare_generator(loaded, params), track, crops), params, folder / "out.zarr")
    assert figures["frames"] == len(track.points)
    assert figures["frames_per_s"] > 0
    out = open_foregrounds(folder / "out.zarr")
    return out, np.stack([out.rgb[t] for t in range(len(out))]), np.stack([out.matte[t] for t in range(len(out))])


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_every_present_frame_is_rendered_and_absent_ones_are_empty(tmp_path, stick, generate_params, stride):
    track = make_track(stick, 12, absent=(0, 4, 11))
    out, rgb, matte = render(tmp_path, model(stick), track, generate_params.model_copy(update={"overlap_stride": stride}))
    assert len(out) == 12
    assert matte[[0, 4, 11]].max() == 0
    assert rgb[[0, 4, 11]].max() == 0
    assert (matte[track.present].reshape(9, -1).max(1) > 0).all()
    assert out.present.tolist() == track.present.tolist()
    assert out.clock == track.clock


def test_a_frame_is_the_blend_of_its_windows(tmp_path, stick, generate_params):
    """Four frames at stride 1: frame 1 stands in windows 0 1 2 and 1 2 3; its matte is their mean."""
    track, loaded = make_track(stick, 4), model(stick)
    _, _, disjoint = render(tmp_path / "a", loaded, track, generate_params)
    _, _, overlapping = render(tmp_path / "b", loaded, track, generate_params.model_copy(update={"overlap_stride": 1}))
    assert np.array_equal(disjoint[0], overlapping[0])  # frame 0 stands in the first window only
    assert np.array_equal(disjoint, overlapping)  # four frames: the last window is shifted back, the same two windows
    track = make_track(stick, 6)
    _, _, disjoint = render(tmp_path / "c", loaded, track, generate_params)
    _, _, overlapping = render(tmp_path / "d", loaded, track, generate_params.model_copy(update={"overlap_stride": 1}))
    assert not np.array_equal(disjoint[1], overlapping[1])


def test_a_blend_is_the_mean_matte_and_the_mean_colour_by_mattes():
    """Three renderings of a pixel: mattes 1, 0.5 and 0; what is transparent in one has no say in the colour."""
    colours, mattes = ((1.0, -1.0, 0.0), (-1.0, -1.0, 1.0), (1.0, 1.0, 1.0)), (1.0, 0.5, 0.0)
    blends = [
        Blend.of({"rgb": torch.tensor(colour).view(3, 1, 1)}, {"matte": torch.full((1, 1, 1), matte)})
        for colour, matte in zip(colours, mattes, strict=True)
    ]
    for other in blends[1:]:
        blends[0].add(other)
    frame = blends[0].finish(1.0)
    assert frame.matte.tolist() == [[128]]
    expected = [(1 - 0.5) / 1.5, -1.0, 0.5 / 1.5]
    assert np.abs(frame.rgb[0, 0] - (np.array(expected) + 1) * 127.5).max() <= 1


def test_contrast_steepens_mattes_about_one_half_and_leaves_colours(tmp_path, stick, generate_params):
    track, loaded = make_track(stick, 6), model(stick)
    _, rgb, matte = render(tmp_path / "a", loaded, track, generate_params)
    _, steep_rgb, steep = render(tmp_path / "b", loaded, track, generate_params.model_copy(update={"matte_contrast": 3.0}))
    expected = np.clip((matte / 255 - 0.5) * 3 + 0.5, 0, 1) * 255
    assert expected.std() > matte.std()
    assert np.abs(steep - expected).max() <= 2.5  # the first was rounded before its slope was tripled
    assert np.array_equal(rgb, steep_rgb)


@pytest.mark.parametrize("grey", [False, True])
def test_a_target_filmed_without_colour_is_made_without(tmp_path, stick, generate_params, features_folder, grey):
    track = make_track(stick, 8)
    frames = draw(track)[0]
    crops = make_crops(tmp_path / "crops.zarr", track, np.repeat(frames[..., 1:2], 3, -1) if grey else frames)
    out = Outputs(tmp_path / "m.safetensors", tmp_path / "m.json", tmp_path / "m.tsv")
    train_appearance(Inputs(crops, track, features_folder), small(), SplitParams(hold_out_fraction=0.0), out, tmp_path / ".scratch", 1)
    loaded = load_generator(out.weights, out.description)
    generate_foreground(GenerateInputs(prepare_generator(loaded, generate_params), track, crops), generate_params, tmp_path / "out.zarr")
    made = open_foregrounds(tmp_path / "out.zarr")
    assert made.attributes["grey"] is grey
    assert bool(np.ptp(made.rgb[3], axis=-1).any()) is not grey


def test_the_number_of_windows_a_pass_changes_nothing(tmp_path, stick, generate_params):
    track, loaded = make_track(stick, 11, absent=(5,)), model(stick)
    found = []
    for size in (1, 2, 7):
        params = generate_params.model_copy(update={"batch_windows": size, "overlap_stride": 2})
        found.append(render(tmp_path / str(size), loaded, track, params)[1:])
    for rgb, matte in found[1:]:
        assert np.abs(rgb.astype(int) - found[0][0]).max() <= 1
        assert np.abs(matte.astype(int) - found[0][1]).max() <= 1


def test_a_motion_without_the_subject_is_empty(tmp_path, stick, generate_params):
    track = make_track(stick, 3)
    crops = make_crops(tmp_path / "crops.zarr", track)
    motion = make_track(stick, 5, absent=tuple(range(5)))
    inputs = GenerateInputs(prepare_generator(model(stick), generate_params), motion, crops)
    generate_foreground(inputs, generate_params, tmp_path / "out.zarr")
    out = open_foregrounds(tmp_path / "out.zarr")
    assert len(out) == 5
    assert max(int(out.matte[t].max()) for t in range(5)) == 0


@pytest.mark.parametrize("k", [1, 3])
def test_clips_without_time_and_single_frames_render(tmp_path, stick, generate_params, k):
    params = generate_params.model_copy(update={"overlap_stride": 1})
    track = dataclasses.replace(make_track(stick, 4), clock=NO_TIME)
    _, _, matte = render(tmp_path, model(stick, k), track, params)
    assert (matte.reshape(4, -1).max(1) > 0).all()


def test_the_self_pair_keeps_the_training_crop(tmp_path, stick, generate_params):
    track = make_track(stick, 4)
    out, _, _ = render(tmp_path, model(stick), track, generate_params)
    assert np.array_equal(out.crop, np.tile(ROW, (4, 1, 1)))


def test_what_training_publishes_can_be_rendered(tmp_path, stick, features_folder, generate_params):
    track = make_track(stick, 6)
    crops = make_crops(tmp_path / "crops.zarr", track)
    out = Outputs(tmp_path / "m.safetensors", tmp_path / "m.json", tmp_path / "m.tsv")
    train_appearance(Inputs(crops, track, features_folder), small(steps=2), SplitParams(hold_out_fraction=0.2), out, tmp_path / ".scratch")
    loaded = load_generator(out.weights, out.description)
    render(tmp_path, loaded, track, generate_params)
    assert open_foregrounds(tmp_path / "out.zarr").attributes["model_sha256"] == loaded.weights_sha256
    described = json.loads(out.description.read_text())
    out.description.write_text(json.dumps({**described, "network": "refiner"}))
    with pytest.raises(InputError, match="must be an appearance generator, found refiner"):
        load_generator(out.weights, out.description)


def test_bad_inputs_are_named(tmp_path, stick, generate_params):
    track, loaded = make_track(stick, 4), model(stick)
    crops = make_crops(tmp_path / "crops.zarr", track)
    other = dataclasses.replace(track, skeleton=dataclasses.replace(stick, name="other"))
    with pytest.raises(InputError, match="must have the model's skeleton stick, found other"):
        generate_foreground(GenerateInputs(loaded, other, crops), generate_params, tmp_path / "out.zarr")
    older = dataclasses.replace(track, skeleton=dataclasses.replace(stick, roles={"nose": stick.joints[:1]}))
    with pytest.raises(InputError, match="skeleton stick, found another version of stick, which dvc repro makes anew"):
        generate_foreground(GenerateInputs(loaded, older, crops), generate_params, tmp_path / "out.zarr")
    inputs = GenerateInputs(dataclasses.replace(loaded, crop_hw=(32, 64)), track, crops)
    with pytest.raises(InputError, match="must have the model's 64x32 px, found 48x32"):
        generate_foreground(inputs, generate_params, tmp_path / "out.zarr")
    assert not (tmp_path / "out.zarr").exists()


@pytest.mark.parametrize(("length", "crop_hw"), [(10.0, CROP_HW), (36.0, (64, 48))])
def test_a_body_too_large_for_the_crop_is_seen_through_a_larger_one(tmp_path, stick, generate_params, length, crop_hw):
    """A target that holds its arms down has a narrow crop; a driver who spreads them would lose the hands."""
    track = make_track(stick, 12)
    crops = make_crops(tmp_path / "crops.zarr", track)
    base, tip = track.points[:, :1], track.points[:, 1:]
    longer = (tip - base) * (length / 10 - 1) / 2
    motion = dataclasses.replace(track, points=np.concatenate([base - longer, tip + longer], 1))
    inputs = GenerateInputs(prepare_generator(model(stick), generate_params), motion, crops)
    generate_foreground(inputs, generate_params, tmp_path / "out.zarr")
    out = open_foregrounds(tmp_path / "out.zarr")
    assert out.crop_hw == crop_hw
    assert (out.crop[:, 0, 0] == ROW[0, 0]).all()
    seen = np.stack([apply_affine(row, points) for row, points in zip(out.crop, motion.points, strict=True)])
    assert (seen > -0.5).all()
    assert (seen < np.array(crop_hw[::-1]) - 0.5).all()
