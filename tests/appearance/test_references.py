"""Real frames in training and rendering: seen where they belong, carried better than generated."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from appearance.test_train import ALL, CPU, outputs
from drawn_stick import CROP_HW, FULL_HW, ROW, make_track, small

from pipeline.appearance import dataset, detail
from pipeline.appearance.dataset import TrainingClip, transient_crops
from pipeline.appearance.generate import GenerateInputs, GenerateParams, generate_foreground, load_generator, prepare_generator
from pipeline.appearance.params import LearnParams
from pipeline.appearance.references import ReferencePictures, warped_references
from pipeline.appearance.train import Inputs, build_system, train_appearance
from pipeline.artifacts.crops import open_crops, write_crops
from pipeline.artifacts.foregrounds import open_foregrounds
from pipeline.artifacts.models import load_model
from pipeline.artifacts.references import ChosenReferences, References, create_references, open_references
from pipeline.body.pose_distance import warp_distances
from pipeline.errors import InputError
from pipeline.networks.carrying import carry
from pipeline.networks.vgg import load_features
from pipeline.picture.geometry import sample_crop
from pipeline.reference.warp import WarpInputs, warp_references
from pipeline.training.checkpoints import Scratch

LEARN = LearnParams(band=0.02, flow=0.04, gate_start=1.0, detail_start=2.0, own=1.0, detail=1.0, absent=0.0, far=0.0)
PLATE = (20, 90, 40)
GENERATE = GenerateParams(
    overlap_stride=3, fade_s=0.0, matte_contrast=1.0, favour_nearest=0.0, batch_windows=1, threads=1, precision="float32", compile=False
)


def textured(track) -> tuple[np.ndarray, np.ndarray]:
    """Full frames (t h w 3) and mattes (t h w) of a stick with stripes two px wide along it, which turn with it."""
    y, x = np.mgrid[: FULL_HW[0], : FULL_HW[1]].astype(np.float64)
    frames = np.full((len(track.points), *FULL_HW, 3), PLATE, np.uint8)
    mattes = np.zeros((len(track.points), *FULL_HW), np.uint8)
    for t, (base, tip) in enumerate(track.points.astype(np.float64)):
        along = (tip - base) / np.linalg.norm(tip - base)
        u = (x - base[0]) * along[0] + (y - base[1]) * along[1]
        v = -(x - base[0]) * along[1] + (y - base[1]) * along[0]
        inside = (np.abs(v) <= 6) & (u >= -4) & (u <= np.linalg.norm(tip - base) + 4)
        mattes[t][inside] = 255
        stripes = np.stack([150 + 70 * (np.floor(u / 2) % 2), 90 + 60 * (np.floor(v / 2) % 2), np.full_like(u, 60)], -1)
        frames[t][inside] = stripes[inside].astype(np.uint8)
    return frames, mattes


def filmed(folder: Path, skeleton, t: int, kept: np.ndarray | None = None, transient: np.ndarray | None = None):
    """Track, crops and references of a textured stick, of which `kept` frames are references, and its full frames and mattes; transient
    (t h w) uint8 in them, full px."""
    track = make_track(skeleton, t)
    frames, mattes = textured(track)
    seen = [np.stack([sample_crop(image, ROW, CROP_HW) for image in images]) for images in (frames, mattes)]
    plate = np.full((1, *CROP_HW, 3), PLATE, np.uint8)
    write_crops(folder / "crops.zarr", [(*seen, plate)], np.tile(ROW, (t, 1, 1)), track.present, track.clock, CROP_HW, FULL_HW)
    kept = np.arange(t) if kept is None else kept
    with create_references(folder / "r.zarr", FULL_HW, kept, np.zeros((len(kept), 2)), track.points[kept], FULL_HW) as writer:
        for i in kept:
            writer.append(frames[i] * (mattes[i] > 0)[..., None], mattes[i])
        for i in () if transient is None else kept:
            writer.mark(transient[i])
    return track, open_crops(folder / "crops.zarr"), open_references(folder / "r.zarr"), frames, mattes


def clip_of(folder: Path, skeleton, count: int = 2, transient: np.ndarray | None = None, **changes) -> TrainingClip:
    track, crops, references, _, _ = filmed(folder, skeleton, 12, transient=transient)
    clip = TrainingClip(crops, track, np.arange(12), small(**changes), references, LEARN, count)
    clip.expand(crops, folder / "pixels")
    return clip


def test_a_batch_s_references_lie_over_its_foregrounds(tmp_path, stick):
    """The stick turns rigidly: warped to the pose of a window, a reference's matte covers the window's."""
    clip = clip_of(tmp_path, stick)
    batch = clip.batch(np.arange(6), 0, 1, CPU.device, 0)
    assert batch.warped is not None
    assert batch.warped.shape == (6, 3, 12, *CROP_HW)
    for order in range(2):
        matte = batch.warped[:, :, 6 * order + 3 : 6 * order + 4]
        both = (torch.minimum(matte, batch.mattes).sum() / torch.maximum(matte, batch.mattes).sum()).item()
        assert both > 0.8
        colours = batch.warped[:, :, 6 * order : 6 * order + 3]
        assert (colours - batch.foregrounds).abs().mean() < 0.3 * batch.foregrounds.abs().mean()


def test_what_is_transient_in_a_training_frame_lies_in_its_crop_where_it_lay_in_the_frame(tmp_path, stick):
    whole = np.zeros((4, *FULL_HW), np.uint8)
    for t in range(3):  # nothing in the last one
        whole[t, 20 + 4 * t : 44 + 4 * t, 30:60] = 255
    track = make_track(stick, 4)
    for x, y in ((0, 0), (7, 5)):
        name, corner = tmp_path / f"{x}.zarr", np.tile([[x, y]], (4, 1))
        with create_references(name, (FULL_HW[0] - y, FULL_HW[1] - x), np.arange(4), corner, track.points, FULL_HW) as writer:
            for layer in whole:
                writer.append(np.zeros((*layer[y:, x:].shape, 3), np.uint8), layer[y:, x:])
            for layer in whole:
                writer.mark(layer[y:, x:])
        found = transient_crops(open_references(name), np.array([9, 8, 7, 6]), np.tile(ROW, (10, 1, 1)), CROP_HW)
        assert sorted(found) == [7, 8, 9]
        for rank, row in enumerate((9, 8, 7)):
            assert np.abs(found[row].astype(int) - sample_crop(whole[rank], ROW, CROP_HW)).max() <= 1
            assert found[row].max() == 255


def test_a_batch_carries_nothing_of_what_is_transient(tmp_path, stick):
    """In every other training frame all is: of the same windows' references the others are as they were."""
    marks = np.zeros((12, *FULL_HW), np.uint8)
    marks[::2] = 255
    ordinary, marked = (clip_of(tmp_path / str(i), stick, 1, layers) for i, layers in enumerate((None, marks)))
    others = clip_of(tmp_path / "others", stick, 1, np.roll(marks, 1, 0))  # the same marks, of other frames
    assert len({clip.facts()["transient_sha256"] for clip in (ordinary, marked, others)}) == 3
    seen = set()
    for step in range(4):
        before, after = (clip.batch(np.arange(6), 0, 1, CPU.device, step).warped for clip in (ordinary, marked))
        for one, other in zip(before, after, strict=True):
            gone = bool(other[:, :4].abs().max() < 1e-3)
            assert gone or torch.equal(one, other)
            seen.add(gone)
    assert seen == {True, False}


def test_what_a_window_leaves_undrawn_is_left_out_of_its_references_too(tmp_path, stick, monkeypatch):
    """It is not hidden, as what a driver lacks on one side alone: the true picture shows it."""
    clip = clip_of(tmp_path, stick)
    tip = np.array([False, True])
    monkeypatch.setattr(dataset, "draw_undrawn", lambda _, count, *__: (np.arange(count) % 2 == 1)[:, None] & tip)
    poses = []

    def watch(room, name: str, reference: int, query: int) -> None:
        call = getattr(room, name)
        monkeypatch.setattr(room, name, lambda *given: (poses.append((given[reference], given[query])), call(*given))[1])

    watch(dataset, "warped_references", 1, 2)
    watch(detail, "detail_field", 1, 0)
    batch = clip.batch(np.arange(6), 0, 1, CPU.device, 0)
    assert batch.patches is not None
    assert len(poses) == 2
    for reference, query in poses:
        lacks = torch.isnan(reference).any(-1)
        assert torch.equal(lacks, torch.isnan(query).any(-1))
        assert torch.equal(lacks.any(0), torch.from_numpy(tip))
        assert not lacks.any(1).all()


def test_a_reference_that_is_not_there_is_neither_seen_nor_sound(stick):
    poses = torch.tensor([[[10.0, 12], [20, 14]], [[10.0, 12], [20, 14]]])
    pictures = torch.full((2, 5, *CROP_HW), 200.0)
    pictures[:, 4] = 0
    found = warped_references(pictures, poses + 3, poses, stick, CROP_HW, np.array([True, False]))
    assert found.shape == (2, 6, *CROP_HW)
    assert (found[0, 3:].flatten(1).amax(1) > 0.7).all()
    assert found[1].abs().max() == 0


def test_what_is_transient_is_neither_seen_nor_sound(stick):
    poses = torch.tensor([[[10.0, 12], [20, 14]]])
    pictures = torch.full((1, 5, *CROP_HW), 200.0)
    pictures[:, 4] = 0
    ordinary = warped_references(pictures, poses, poses, stick, CROP_HW, np.array([True]))
    pictures[:, 4, :, 16:] = 255
    pictures[:, 4, :, 14:16] = 102
    found = warped_references(pictures, poses, poses, stick, CROP_HW, np.array([True]))
    assert ordinary[:, 3:, :, 16:].amax() > 0.7
    assert found[..., 16:].abs().max() == 0
    torch.testing.assert_close(found[..., :14], ordinary[..., :14])
    torch.testing.assert_close(found[..., 14:16], 0.6 * ordinary[..., 14:16])


def test_pictures_that_are_cut_out_lie_where_they_lay_in_the_frame(tmp_path, stick):
    """The same reference, kept whole and cut out at (7, 5), is the same when warped to a pose."""
    track = make_track(stick, 4)
    frames, mattes = textured(track)
    made = []
    for name, (x, y) in (("whole", (0, 0)), ("cut", (7, 5))):
        corner = np.tile([[x, y]], (4, 1))
        size_hw = FULL_HW[0] - y, FULL_HW[1] - x
        with create_references(tmp_path / f"{name}.zarr", size_hw, np.arange(4), corner, track.points, FULL_HW) as writer:
            for frame, matte in zip(frames, mattes, strict=True):
                writer.append((frame * (matte > 0)[..., None])[y:, x:], matte[y:, x:])
        pictures = ReferencePictures(open_references(tmp_path / f"{name}.zarr"), 0.5, CPU.device)
        poses = torch.tensor([[[24.0, 16], [32, 20]]])
        made.append(warped_references(pictures.picture(1)[None], pictures.points[[1]], poses, stick, CROP_HW, np.array([True])))
    assert made[0][0, 3].max() > 0.9
    assert (made[0] - made[1])[:, 3].abs().mean() < 0.01
    assert (made[0] - made[1])[:, :3].abs().mean() < 0.02


def test_what_is_carried_lies_over_the_background_by_the_matte_that_was_carried(tmp_path, stick, features_folder):
    clip = clip_of(tmp_path, stick)
    params, batch = small(), clip.batch(np.arange(4), 0, 1, CPU.device, 0)
    gan = build_system(params, 1, load_features("st_vgg16", features_folder), CPU, LEARN, clip)
    assert batch.warped is not None
    with torch.no_grad():
        rendering = gan.render(batch)
        outputs = gan.generator(batch.poses, batch.warped)
    made = carry(outputs.flatten(0, 1), batch.warped.flatten(0, 1), LEARN.shape(CROP_HW))
    assert (made.mattes - torch.sigmoid(made.own_logits)).abs().mean() > 0.01
    behind = batch.backgrounds.repeat(1, 3, 1, 1, 1).flatten(0, 1)
    for shown, colours, mattes in (
        (rendering.foregrounds, made.colours, made.mattes),
        (rendering.own, made.own_colours, torch.sigmoid(made.own_logits)),
    ):
        assert shown is not None
        torch.testing.assert_close(shown.flatten(0, 1), mattes * colours + (1 - mattes) * behind, atol=1e-4, rtol=0)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_finer_patches_are_what_the_batch_shows(tmp_path, stick, share):
    clip = clip_of(tmp_path, stick, augment={"share": share})
    batch = clip.batch(np.arange(8), 0, 1, CPU.device, 3)
    patches = batch.patches
    assert patches is not None
    assert patches.finer == 2
    assert len(patches.window) == 8
    for i, (b, frame) in enumerate(zip(patches.window, patches.frame, strict=True)):
        x, y = patches.corner_xy[i]
        part = np.s_[y : y + patches.side, x : x + patches.side]
        coarse = torch.nn.functional.avg_pool2d(patches.truth[i][None], 2)[0]
        assert (coarse[3] - batch.mattes[b, frame, 0][part]).abs().mean() < 0.02
        assert (coarse[:3] - batch.foregrounds[b, frame][(slice(None), *part)]).abs().mean() < 0.03
        assert shift_between(batch.mattes[b, frame, 0][part], coarse[3]).abs().max() < 0.1  # half a fine px is .25


def shift_between(image: torch.Tensor, moved: torch.Tensor) -> torch.Tensor:
    """By how many px (2) an image (h w) is moved in another, by least squares over its slopes; small ones."""
    slopes = [slope[1:-1, 1:-1].flatten() for slope in torch.gradient(image)]
    gap = (image - moved)[1:-1, 1:-1].flatten()
    return torch.linalg.lstsq(torch.stack(slopes, 1), gap[:, None]).solution[:, 0]


def test_a_shift_of_a_quarter_pixel_is_seen():
    y, x = torch.meshgrid(torch.arange(32.0), torch.arange(32.0), indexing="ij")
    image, moved = (torch.exp(-((x - 15 - dx).square() + (y - 16).square()) / 20) for dx in (0.0, 0.25))
    torch.testing.assert_close(shift_between(image, moved), torch.tensor([0.0, 0.25]), atol=0.02, rtol=0)


def train(folder: Path, name: str, filmed_, features: Path, params, split=ALL) -> dict[str, torch.Tensor]:
    track, crops, references = filmed_[:3]
    out = outputs(folder, name)
    train_appearance(Inputs(crops, track, features, references), params, split, out, folder / ".scratch", learn=LEARN, count=2)
    return load_model(out.weights, out.description)[0]


def test_with_references_four_steps_are_two_and_a_resume_and_two(tmp_path, stick, features_folder, monkeypatch):
    clip = filmed(tmp_path, stick, 8)
    params = small(checkpoint_s=0.0)
    whole = train(tmp_path / "a", "m", clip, features_folder, params)
    save = Scratch.save

    def killed(self, state):
        save(self, state)
        if state["step"] == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(Scratch, "save", killed)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "b", "m", clip, features_folder, params)
    monkeypatch.setattr(Scratch, "save", save)
    again = train(tmp_path / "b", "m", clip, features_folder, params)
    assert all(torch.equal(value, again[name]) for name, value in whole.items())


def carried_and_generated(folder: Path, clip, features: Path, steps: int):
    """Errors of the result and of what the generator shows, at the source's resolution, over frames that are no references."""
    track, crops, references, frames, mattes = clip
    train(folder, "m", clip, features, small(steps=steps, augment={"share": 0.0}, losses={"quality": 0.0, "temporal": 0.0}))
    model = prepare_generator(load_generator(folder / "m.safetensors", folder / "m.json"), GENERATE)
    costs = np.stack([warp_distances(p, references.points, track.skeleton) for p in track.points])
    rank = np.argsort(costs, axis=1)[:, :2]
    chosen = ChosenReferences(rank, references.frames[rank], np.take_along_axis(costs, rank, 1), {}, np.zeros((len(rank), 0), bool))
    generate_foreground(GenerateInputs(model, track, crops, references, chosen), GENERATE, folder / "g.zarr")
    warp_references(WarpInputs(open_foregrounds(folder / "g.zarr"), references, track), folder / "w.zarr")
    errors = []
    for name in ("w", "g"):
        made = open_foregrounds(folder / f"{name}.zarr")
        unseen = np.setdiff1d(np.arange(len(frames)), references.frames)
        gaps = []
        for t in unseen:
            rgb = cv2.warpAffine(made.rgb[int(t)], made.crop[t], FULL_HW[::-1], flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
            gaps.append(np.abs(rgb.astype(float) - frames[t])[mattes[t] > 0].mean())
        errors.append(float(np.mean(gaps)))
    return errors


def test_fine_texture_is_carried_better_than_it_can_be_generated(tmp_path, stick, features_folder):
    clip = filmed(tmp_path, stick, 13, np.arange(0, 13, 2))
    carried, generated = carried_and_generated(tmp_path, clip, features_folder, 20)
    assert carried < 0.75 * generated


def test_a_model_asks_for_as_many_references_as_it_learnt_with(tmp_path, stick, features_folder):
    clip = filmed(tmp_path, stick, 8)
    train(tmp_path, "m", clip, features_folder, small(steps=1))
    model = prepare_generator(load_generator(tmp_path / "m.safetensors", tmp_path / "m.json"), GENERATE)
    one = ChosenReferences(*[np.zeros((8, 1), np.int64)] * 2, np.zeros((8, 1)), {}, np.zeros((8, 0), bool))
    with pytest.raises(InputError, match="2 chosen references for each of 8 frames, found 1 of 8"):
        generate_foreground(GenerateInputs(model, clip[0], clip[1], clip[2], one), GENERATE, tmp_path / "g.zarr")


def test_the_nearest_is_favoured_as_params_say(tmp_path, stick, features_folder):
    track, crops, references, _, _ = clip = filmed(tmp_path, stick, 12)
    train(tmp_path, "m", clip, features_folder, small(steps=1))
    model = prepare_generator(load_generator(tmp_path / "m.safetensors", tmp_path / "m.json"), GENERATE)
    ranks = np.tile([0, 11], (12, 1))
    chosen = ChosenReferences(ranks, references.frames[ranks], np.zeros(ranks.shape), {}, np.zeros((len(ranks), 0), bool))
    made = []
    for favour in (0.0, 10.0):
        params = GENERATE.model_copy(update={"favour_nearest": favour})
        generate_foreground(GenerateInputs(model, track, crops, references, chosen), params, tmp_path / f"{favour}.zarr")
        made.append(open_foregrounds(tmp_path / f"{favour}.zarr"))
    assert (made[0].matte[6] != made[1].matte[6]).any()


def test_one_reference_fades_into_the_next_at_both_sizes(tmp_path, stick, features_folder):
    """A faded frame lies between those of either side's references alone; others are as without a fade."""
    track, crops, references, _, _ = clip = filmed(tmp_path, stick, 12)
    train(tmp_path, "m", clip, features_folder, small(steps=1))
    model = prepare_generator(load_generator(tmp_path / "m.safetensors", tmp_path / "m.json"), GENERATE)
    before, after = np.array([0, 1]), np.array([10, 11])

    def made(name: str, rank: np.ndarray, fade_s: float) -> list[np.ndarray]:
        chosen = ChosenReferences(rank, references.frames[rank], np.zeros(rank.shape), {}, np.zeros((len(rank), 0), bool))
        params = GENERATE.model_copy(update={"fade_s": fade_s})
        generate_foreground(GenerateInputs(model, track, crops, references, chosen), params, tmp_path / f"{name}.zarr")
        generated = open_foregrounds(tmp_path / f"{name}.zarr")
        warp_references(WarpInputs(generated, references, track), tmp_path / f"{name}-w.zarr")
        warped = open_foregrounds(tmp_path / f"{name}-w.zarr")
        assert generated.carried is not None
        layers = generated.carried.base_matte, generated.carried.base_rgb, warped.matte, warped.rgb, generated.carried.detail
        return [layer[:].astype(int) for layer in layers]

    jump = np.repeat([before, after], 6, 0)
    faded, jumping = made("f", jump, 4 / 25), made("j", jump, 0.0)
    sides = made("b", np.tile(before, (12, 1)), 0.0), made("a", np.tile(after, (12, 1)), 0.0)
    assert (faded[-1] == jumping[-1]).all()  # two references' detail would be a double picture
    for with_fade, without in zip(faded[:-1], jumping[:-1], strict=True):
        assert (with_fade[[0, 1, 2, 9, 10, 11]] == without[[0, 1, 2, 9, 10, 11]]).all()
        assert (with_fade[4:8] != without[4:8]).any(axis=tuple(range(1, with_fade.ndim))).all()
    matte = faded[0]
    for t, share in ((4, 0.2), (5, 0.4), (6, 0.6), (7, 0.8)):
        # Its neighbours' references change what a frame looks like too, a little.
        assert np.abs(matte[t] - (1 - share) * sides[0][0][t] - share * sides[1][0][t]).mean() < 4


def test_held_out_pixels_and_poses_reach_no_model_by_references(tmp_path, stick, features_folder):
    from pipeline.timeline.split import SplitParams

    split, weights = SplitParams(hold_out_fraction=0.25), []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        track, crops, references, _, _ = filmed(tmp_path / name, stick, 12, np.arange(9))
        if name == "b":
            track.points[9:] += 2
        weights.append(train(tmp_path / name, "m", (track, crops, references), features_folder, small(), split))
    assert isinstance(references, References)
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())
