"""DCPose before and after its network, by naive references; the refining of a followed person, by hand-made refiners."""

from pathlib import Path

import numpy as np
import pytest
import torch
from figure import static_background
from filled import write_dcpose

from pipeline.artifacts.frames import create_frames, open_frames
from pipeline.body.skeleton import load_skeleton
from pipeline.errors import InputError
from pipeline.params import read_section
from pipeline.pose.estimate import Sources, load_refiner
from pipeline.pose.naming import UNNAMED
from pipeline.pose.params import PoseParams
from pipeline.pose.refiners import dcpose
from pipeline.pose.refiners.dcpose.checkpoint import FILE
from pipeline.pose.refiners.dcpose.network import DCPose
from pipeline.pose.refiners.dcpose.preprocess import CHANNELS, MEAN, STD, crop_frame, crop_of_box, read_joints
from pipeline.pose.refining import refine_track
from pipeline.video.clock import Clock

ROOT = Path(__file__).parents[2]
BOX = np.array([40.0, 20.0, 100.0, 180.0])


def picture(size_hw: tuple[int, int] = (200, 150), seed: int = 3) -> np.ndarray:
    """A smooth coloured picture, so that a resampler's rounding is small."""
    rows, columns = np.mgrid[: size_hw[0], : size_hw[1]]
    waves = [np.sin(columns / (9 + 3 * c) + seed) + np.cos(rows / (11 + 2 * c) - seed) for c in range(3)]
    return np.rint(127 + 60 * np.stack(waves, -1)).astype(np.uint8)


def naive_crop(frame: np.ndarray, box: np.ndarray) -> np.ndarray:
    """The crop (3 384 288) pixel by pixel: for each of its pixels where it lies in the frame, and four neighbours' mean."""
    cx, cy = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    width, height = box[2] - box[0], box[3] - box[1]
    if width / height > 288 / 384:
        height = width * 384 / 288
    else:
        width = height * 288 / 384
    step = 1.25 * width / 288
    x, y = cx + (np.arange(288) - 144) * step, cy + (np.arange(384) - 192) * step
    padded = np.pad(frame.astype(float), ((500, 500), (500, 500), (0, 0)))
    x0, y0 = np.floor(x).astype(int), np.floor(y).astype(int)
    fx, fy = (x - x0)[None, :, None], (y - y0)[:, None, None]
    at = lambda dy, dx: padded[np.ix_(y0 + dy + 500, x0 + dx + 500)]  # noqa: E731
    seen = (at(0, 0) * (1 - fx) + at(0, 1) * fx) * (1 - fy) + (at(1, 0) * (1 - fx) + at(1, 1) * fx) * fy
    return ((seen / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]).transpose(2, 0, 1)


def naive_joints(maps: np.ndarray, box: np.ndarray) -> np.ndarray:
    step = 1.25 * max(box[2] - box[0], (box[3] - box[1]) * 0.75) / 72
    found = []
    for one in maps:
        y, x = np.unravel_index(one.argmax(), one.shape)
        value, dx, dy = one[y, x], 0.0, 0.0
        if 1 < x < one.shape[1] - 1 and 1 < y < one.shape[0] - 1:
            dx = 0.25 * np.sign(float(one[y, x + 1]) - one[y, x - 1])
            dy = 0.25 * np.sign(float(one[y + 1, x]) - one[y - 1, x])
        place = ((box[0] + box[2]) / 2 + (x + dx - 36) * step, (box[1] + box[3]) / 2 + (y + dy - 48) * step)
        found.append((*place, value) if value > 0 else (np.nan, np.nan, 0.0))
    return np.array(found)


@pytest.mark.parametrize("box", [BOX, np.array([-30.0, 50.0, 140.0, 90.0]), np.array([10.5, 20.25, 31.0, 40.0])])
def test_the_crop_is_the_naive_one(box: np.ndarray) -> None:
    frame = picture()
    before = frame.copy()
    crop = crop_frame(frame, crop_of_box(box))
    assert crop.shape == (3, 384, 288)
    levels = (crop - naive_crop(frame, box)) * STD[:, None, None] * 255
    # OpenCV rounds places to 1/32 px and colours to whole levels; at the frame's edge the step to black makes more of the first.
    assert np.abs(levels).mean() < 0.6
    assert np.quantile(np.abs(levels), 0.98) < 1.6
    np.testing.assert_array_equal(frame, before)


def test_the_crop_keeps_red_red_and_is_black_outside() -> None:
    frame = np.zeros((60, 40, 3), np.uint8)
    frame[..., 0] = 255
    crop = crop_frame(frame, crop_of_box(np.array([0.0, 0.0, 40.0, 60.0]))) * STD[:, None, None] + MEAN[:, None, None]
    np.testing.assert_allclose(crop[:, 192, 144], [1, 0, 0], atol=1e-5)
    np.testing.assert_allclose(crop[:, 0, 0], [0, 0, 0], atol=1e-5)


@pytest.mark.parametrize("box", [BOX, np.array([-30.0, 50.0, 140.0, 90.0])])
def test_joints_are_read_as_naively(box: np.ndarray) -> None:
    maps = np.random.default_rng(5).standard_normal((40, 96, 72)).astype(np.float32)
    maps[:9] -= 10
    for j, (y, x) in enumerate([(0, 0), (95, 71), (1, 30), (2, 30), (94, 70), (50, 1), (50, 2), (93, 69)]):
        maps[j, y, x] = 0.5  # peaks at and near every edge; the ninth map stays without a positive value
    np.testing.assert_allclose(read_joints(maps, crop_of_box(box)), naive_joints(maps, box), rtol=0, atol=1e-4)
    assert np.isnan(read_joints(maps, crop_of_box(box))[8, :2]).all()


def test_a_bump_in_the_crop_comes_back_to_its_place_within_a_quarter_of_a_map_pixel() -> None:
    crop = crop_of_box(BOX)
    rows, columns = np.mgrid[:96, :72]
    for place in [(70.0, 100.0), (55.3, 61.7), (88.8, 140.1)]:
        x, y = (crop @ [*place, 1]) / 4
        bump = np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 8)[None].astype(np.float32)
        found = read_joints(bump, crop)[0]
        assert np.abs((crop[:, :2] @ (found[:2] - place)) / 4).max() <= 0.25 + 1e-6


def test_named_joints_are_the_house_s_and_no_skeleton_gets_the_untrained_ears() -> None:
    human = load_skeleton(ROOT / "pipeline/skeletons/human.yaml")
    assert len(CHANNELS) == 17
    assert {c for c in CHANNELS if c not in human.joints} == {
        "head_bottom", "head_top", "unlabelled_left_ear", "unlabelled_right_ear",
    }  # fmt: skip


@pytest.fixture
def clip(tmp_path: Path):
    """Twenty frames whose brightness is their number, two shards' worth of blocks."""
    with create_frames(tmp_path / "ana.zarr", Clock.regular("25", 40), (24, 32)) as writer:
        writer.append(np.stack([np.full((24, 32, 3), t, np.uint8) for t in range(40)]))
    return open_frames(tmp_path / "ana.zarr")


def neighbour_numbers(frames: np.ndarray, boxes: np.ndarray) -> list[np.ndarray]:
    """A refiner that puts the previous frame's number into x and the next one's into y; the second joint scores low."""
    numbers = frames[:, 0, 0, 0].astype(float)
    found = []
    for t, box in enumerate(boxes):
        x, y = numbers[max(t - 1, 0)], numbers[min(t + 1, len(numbers) - 1)]
        seen = np.isfinite(box).all()
        found.append(np.array([[[x, y, 1.5], [x, y, 0.1], [np.nan, np.nan, 0.0]]]) if seen else np.full((1, 3, 3), np.nan))
    return found


def test_every_frame_sees_its_neighbours_but_never_across_the_border(clip) -> None:
    points, score = np.full((40, 3, 2), 7.0), np.full((40, 3), 0.6)
    points[20] = np.nan
    out, out_score, refined = refine_track(clip, points, score, 33, neighbour_numbers)
    expected = np.stack([np.arange(40) - 1.0, np.arange(40) + 1.0], -1)
    expected[0, 0], expected[39, 1], expected[32, 1], expected[33, 0] = 0, 39, 32, 33
    expected[20] = np.nan
    np.testing.assert_array_equal(out[:, 0], expected)
    assert (out_score[np.arange(40) != 20, 0] == 1).all()
    np.testing.assert_array_equal(out[:, 1:], points[:, 1:])
    np.testing.assert_array_equal(refined[:, 0], np.arange(40) != 20)
    assert not refined[:, 1:].any()
    assert (points[19] == 7).all()


def test_wrong_weights_say_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"dcpose needs its checkpoint .*PoseTrack17_DCPose.pth, found none. Run: dvc repro"):
        dcpose.load(tmp_path)
    (tmp_path / FILE).write_bytes(b"no tensors")
    with pytest.raises(InputError, match="must be DCPose's checkpoint, found no tensors"):
        dcpose.load(tmp_path)
    torch.save({"state_dict": {"module.conv1.weight": torch.zeros(3)}, "begin_epoch": 3}, tmp_path / FILE)
    with pytest.raises(InputError, match="must hold DCPose's 2215 tensors, 2216 keys or shapes differ, first rough_pose_estimation_net"):
        dcpose.load(tmp_path)


def test_a_pickle_that_would_run_something_is_refused(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "ran",))

    torch.save({"state_dict": Evil()}, tmp_path / FILE)
    with pytest.raises(InputError, match="found no tensors"):
        dcpose.load(tmp_path)
    assert not (tmp_path / "ran").exists()


def test_the_refiner_is_chosen_by_name() -> None:
    human, params = load_skeleton(ROOT / "pipeline/skeletons/human.yaml"), read_section(ROOT / "params.yaml", "pose", PoseParams)
    assert load_refiner(Sources("none", "none", None, None, None, UNNAMED), human, params) is None
    with pytest.raises(InputError, match="dcpose needs its network, found no folder; name it with --refiner-weights"):
        load_refiner(Sources("none", "dcpose", None, None, None, UNNAMED), human, params)
    with pytest.raises(InputError, match="must be none or dcpose, found 'x'"):
        load_refiner(Sources("none", "x", None, None, None, UNNAMED), human, params)


@pytest.mark.slow
def test_image_in_keypoints_out_equals_a_naive_chain(tmp_path: Path) -> None:
    network = DCPose().eval()
    stored = torch.load(write_dcpose(tmp_path), weights_only=True)["state_dict"]
    frames = np.stack([picture(seed=t) // 2 + static_background((200, 150), seed=t) // 2 for t in range(2)])
    boxes = [np.stack([BOX, np.full(4, np.nan)]), np.zeros((0, 4))]
    refine = dcpose.load(tmp_path, "cpu")
    found = refine(frames, boxes)
    assert [f.shape for f in found] == [(2, 17, 3), (0, 17, 3)]
    assert np.isnan(found[0][1, :, :2]).all()
    assert (found[0][1, :, 2] == 0).all()
    network.load_state_dict({key.removeprefix("module."): value for key, value in stored.items()})
    shown = np.concatenate([naive_crop(frames[t], BOX) for t in (0, 0, 1)])[None]  # at the clip's start the current frame twice
    with torch.inference_mode():
        maps = network(torch.from_numpy(shown.astype(np.float32)), torch.tensor([[1, 1]]))[0].numpy()
    expected = naive_joints(maps, BOX)
    # The weights mean nothing, so maps are flat and rounding may choose another peak; most joints must agree all the same.
    np.testing.assert_allclose(found[0][0, :, 2], expected[:, 2], rtol=0, atol=0.03 * maps.max())
    assert (np.abs(found[0][0, :, :2] - expected[:, :2]).max(1) < 0.8).sum() >= 13
    skeleton = load_skeleton(ROOT / "pipeline/skeletons/human.yaml").joints
    named = dcpose.load(tmp_path, "cpu", joints=skeleton)(frames, boxes)[0][0]
    np.testing.assert_array_equal(named[skeleton.index("left_knee")], found[0][0, CHANNELS.index("left_knee")])
    shoulders = found[0][0, [CHANNELS.index("left_shoulder"), CHANNELS.index("right_shoulder")]]
    np.testing.assert_allclose(named[skeleton.index("neck"), :2], shoulders[:, :2].mean(0))
    assert np.isnan(named[skeleton.index("left_ear"), 0])
