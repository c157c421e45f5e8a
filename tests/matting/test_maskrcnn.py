"""Instance segmentation: one person's matte among many, missed frames, flicker; torchvision's networks by file."""

import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from figure import Figure, Motion, static_background
from filled import NEVER, SURE, write_maskrcnn

from pipeline.errors import InputError
from pipeline.matting.backends import detectron2, maskrcnn, maskrcnn_v2
from pipeline.matting.backends.detectron2.checkpoint import converted, read_pickled_arrays, read_tensors
from pipeline.matting.bridge import REACH_FRAMES, Misses, bridge
from pipeline.matting.flicker import Flicker
from pipeline.matting.instances import Instances, iou, matte_of, paste
from pipeline.matting.steady import Moment, steady

BOX = np.array([20.0, 10.0, 48.0, 66.0])


def test_iou_by_hand() -> None:
    boxes = np.array([[0.0, 0, 10, 10], [5, 0, 15, 10], [10, 0, 20, 10], [2, 2, 4, 4]])
    np.testing.assert_allclose(iou(boxes, boxes[0]), [1, 50 / 150, 0, 4 / 100])


def test_a_pasted_grid_is_the_library_s_up_to_rounding_and_soft() -> None:
    grid = np.random.default_rng(1).random((28, 28)).astype(np.float32)
    matte = np.zeros((80, 70), np.uint8)
    box = np.array([10.3, 5.6, 52.9, 70.2])
    paste(grid, box, matte)
    # What grid_sample gives at the pixel centres, zero beyond the grid.
    x = (np.arange(70) + 0.5 - box[0]) / (box[2] - box[0]) * 2 - 1
    y = (np.arange(80) + 0.5 - box[1]) / (box[3] - box[1]) * 2 - 1
    places = torch.from_numpy(np.stack(np.meshgrid(x, y), -1)[None].astype(np.float32))
    expected = torch.nn.functional.grid_sample(torch.from_numpy(grid)[None, None], places, align_corners=False)[0, 0].numpy()
    assert np.abs(matte / 255 - expected).max() < 0.03  # cv2 rounds places to 1/32 of a cell
    assert len(np.unique(matte)) > 100


def test_a_box_beyond_the_frame_is_cut_off() -> None:
    for box in ([-20.0, -20, 30, 30], [60.0, 70, 100, 100], [200.0, 200, 220, 240]):
        matte = np.zeros((80, 70), np.uint8)
        paste(np.ones((28, 28), np.float32), np.array(box), matte)
        inside = np.zeros((80, 70), bool)
        x0, y0, x1, y1 = (max(0, int(v)) for v in box)
        inside[y0:y1, x0:x1] = True
        assert (matte[inside] > 120).all()
        assert (matte[~cv2.dilate(inside.astype(np.uint8), np.ones((7, 7))).astype(bool)] == 0).all()


def test_the_followed_person_is_chosen_not_the_surest() -> None:
    other = BOX + 40
    people = Instances(np.stack([other, BOX, BOX]), np.array([0.99, 0.6, 0.1]), np.stack([np.full((28, 28), v) for v in (1, 0.5, 0.2)]))
    matte = matte_of(people, BOX, (120, 120))
    assert matte[38, 34] == 128
    assert matte[100, 80] == 0
    nobody = Instances(np.zeros((0, 4)), np.zeros(0), np.zeros((0, 28, 28)))
    far, absent = BOX + 500, np.full(4, np.nan)
    for given, box in ((nobody, BOX), (people, far), (people, absent)):
        assert (matte_of(given, box, (120, 120)) == 0).all()


def moments(missed: set[int], total: int = 24) -> list[Moment]:
    """A disc that goes 2 px to the right in every frame, before a fixed pattern."""
    texture = cv2.GaussianBlur(static_background((60, 140)), (0, 0), 1.5)[..., 0]
    found = []
    for t in range(total):
        rows, columns = np.mgrid[:60, :140]
        true = np.clip(14.5 - np.hypot(columns - 25 - 2 * t, rows - 30), 0, 1).astype(np.float32)
        grey = np.where(true > 0.5, np.roll(texture, 2 * t + 60, axis=1) // 2 + 127, texture // 2).astype(np.uint8)
        found.append(Moment(t, np.repeat(grey[..., None], 3, 2), grey, true * (t not in missed)))
    return found


def run_bridge(missed: set[int], linked: np.ndarray, present: np.ndarray | None = None, total: int = 24) -> tuple[list[Moment], Misses]:
    misses = Misses()
    present = np.ones(total, bool) if present is None else present
    guess = lambda t: np.full((60, 140), 0.25, np.float32)  # noqa: E731
    return list(bridge(iter(moments(missed, total)), present, linked, guess, misses)), misses


def all_linked(total: int = 24) -> np.ndarray:
    return np.arange(total) > 0


def test_missed_frames_follow_the_motion_of_their_neighbours() -> None:
    missed = {0, 6, 7, 8, 23}
    found, misses = run_bridge(missed, all_linked())
    assert [m.t for m in found] == list(range(24))
    assert misses.bridged == sorted(missed)
    assert misses.guessed == []
    for moment, true in zip(found, moments(set()), strict=True):
        assert np.abs(moment.matte - true.matte).sum() < 0.15 * true.matte.sum(), moment.t
        if moment.t not in missed:
            np.testing.assert_array_equal(moment.matte, true.matte)


def test_nothing_is_carried_across_the_border() -> None:
    linked = all_linked()
    linked[8] = False
    one, misses = run_bridge({6, 7, 8, 9}, linked)
    assert misses.bridged == [6, 7, 8, 9]
    other = moments({6, 7, 8, 9})
    for moment in other[8:]:
        moment.matte, moment.grey = np.zeros_like(moment.matte), 255 - moment.grey
    said = Misses()
    two = list(bridge(iter(other), np.ones(24, bool), linked, lambda t: np.ones((60, 140), np.float32), said))
    for a, b in zip(one[:8], two[:8], strict=True):
        np.testing.assert_array_equal(a.matte, b.matte)
    assert said.guessed == list(range(8, 24))


def test_absence_is_no_miss_and_long_gaps_are_guessed() -> None:
    present, linked = np.ones(24, bool), all_linked()
    present[10:13] = False
    linked[10:14] = False
    found, misses = run_bridge({10, 11, 12}, linked, present)
    assert misses.bridged == misses.guessed == []
    assert not found[11].matte.any()
    found, misses = run_bridge(set(range(24)), all_linked())
    assert misses.guessed == list(range(24))
    assert (found[3].matte == 0.25).all()
    found, misses = run_bridge(set(range(1, 24)), all_linked())
    assert misses.bridged == list(range(1, REACH_FRAMES + 1))


def test_flicker_is_measured_and_lowered() -> None:
    linked = all_linked()

    def flickering() -> list[Moment]:
        found = moments(set())
        for moment in found[::2]:
            moment.matte = moment.matte * 0.7
        return found

    calm, wild, mended = Flicker(linked), Flicker(linked), Flicker(linked)
    list(calm.watch(moments(set())))
    list(mended.watch(steady(wild.watch(flickering()), 0.5, linked)))
    assert calm.share < 0.1
    assert wild.share > calm.share + 0.2
    assert mended.share < 0.6 * wild.share


@pytest.mark.parametrize("backend", [maskrcnn, maskrcnn_v2])
def test_a_missing_or_foreign_file_is_named(backend, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"needs .*maskrcnn_resnet50_fpn\w*-\w+.pth, found none. Run: dvc repro"):
        backend.load(tmp_path)
    (tmp_path / backend.FILE).write_bytes(b"no tensors")
    with pytest.raises(InputError, match="must be torchvision's maskrcnn_resnet50_fpn"):
        backend.load(tmp_path)


def test_detectron2_missing_says_what_to_install(tmp_path: Path) -> None:
    try:
        import detectron2 as package  # noqa: F401
    except ImportError:
        path = write_pickle(tmp_path / "model.pkl", {"model": {"a": np.ones(3, np.float32)}})
        with pytest.raises(InputError, match=r"needs the package detectron2, .*pip install .*facebookresearch/detectron2"):
            detectron2.load(path, config="COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_3x.yaml", cache=tmp_path)
    else:
        pytest.skip("detectron2 is installed")


def write_pickle(path: Path, content: object, protocol: int = 2) -> Path:
    path.write_bytes(pickle.dumps(content, protocol))
    return path


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_pickle_of_arrays_comes_out_as_safetensors_once(protocol: int, tmp_path: Path) -> None:
    arrays = {"w": np.arange(6, dtype=np.float32).reshape(2, 3), "n": np.array(3, np.int64), "s": np.float32(2.5)}
    path = write_pickle(tmp_path / "model.pkl", {"model": arrays, "__author__": "zoo"}, protocol)
    stored = converted(path, tmp_path / "cache")
    tensors = read_tensors(stored)
    assert set(tensors) == set(arrays)
    for name, value in arrays.items():
        np.testing.assert_array_equal(tensors[name].numpy(), value)
    before = stored.stat().st_mtime_ns
    assert converted(path, tmp_path / "cache") == stored
    assert stored.stat().st_mtime_ns == before


def test_a_pickle_that_asks_for_more_is_refused(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "ran",))

    path = write_pickle(tmp_path / "model.pkl", {"model": {"a": Evil()}})
    with pytest.raises(InputError, match="must be a pickle of arrays only"):
        read_pickled_arrays(path)
    assert not (tmp_path / "ran").exists()
    path = write_pickle(tmp_path / "model.pkl", {"model": {"a": "text"}})
    with pytest.raises(InputError, match="must hold arrays of numbers, found <U4 at a"):
        read_pickled_arrays(path)
    path = write_pickle(tmp_path / "model_final_000000.pkl", {"model": {}})
    with pytest.raises(InputError, match="must have an md5 that begins with 000000"):
        read_pickled_arrays(path)


def test_detectron2_s_configuration_stands_in_the_address(tmp_path: Path) -> None:
    path = write_pickle(tmp_path / "model.pkl", {"model": {}})
    with pytest.raises(InputError, match=r"asset.json must say where model.pkl comes from"):
        detectron2._config_of(path)
    address = "https://host/detectron2/COCO-InstanceSegmentation/mask_rcnn_X/1/model.pkl"
    (tmp_path / "asset.json").write_text(f'{{"files": {{"model.pkl": {{"from": "{address}"}}}}}}')
    assert detectron2._config_of(path) == "COCO-InstanceSegmentation/mask_rcnn_X.yaml"
    assert detectron2._find_file(tmp_path) == path
    write_pickle(tmp_path / "second.pkl", {})
    with pytest.raises(InputError, match=r"needs one .pkl of its zoo .* found 2"):
        detectron2._find_file(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("backend", [maskrcnn, maskrcnn_v2])
def test_the_real_architectures_paste_as_the_library_does(backend, tmp_path: Path) -> None:
    whole, weights = write_maskrcnn(tmp_path, backend.__name__.rsplit(".", 1)[1], SURE, gain=0.5)
    assert len(weights) == (360 if backend is maskrcnn else 432)
    figure = Figure(height_px=90)
    points = figure.points(2, (60, 110), Motion())
    frames, _ = figure.render(points, static_background((128, 128)))
    # The library's own way: boxes in the frame's pixels, masks pasted at full size. One of its people is the one followed.
    whole.load_state_dict(weights)
    with torch.inference_mode():
        found = whole([torch.from_numpy(frames[0]).permute(2, 0, 1).float() / 255])[0]
    assert (found["labels"] == 1).any()
    followed = int((found["boxes"][:, 2:] - found["boxes"][:, :2]).min(dim=1).values.argmax())
    box, expected = found["boxes"][followed].numpy().astype(float), found["masks"][followed, 0].numpy()
    mattes = backend.load(tmp_path, "cpu")(frames[:1], box[None])
    # torchvision rounds boxes to whole pixels before it pastes, so places differ by up to one.
    x0, y0, x1, y1 = np.round(box).astype(int)
    inner = np.s_[y0 + 1 : y1 - 1, x0 + 1 : x1 - 1]
    assert mattes[0][inner].min() > 0
    assert mattes[0][inner].mean() / 255 == pytest.approx(expected[inner].mean(), abs=0.1)
    outside = mattes[0].copy()
    outside[max(y0 - 2, 0) : y1 + 2, max(x0 - 2, 0) : x1 + 2] = 0
    assert not outside.any()


@pytest.mark.slow
def test_a_clip_s_mattes_say_what_was_missed_and_how_much_they_flicker(tmp_path: Path) -> None:
    from matting.test_segment import PARAMS, SPLIT, on_human, opened, store

    from pipeline.artifacts.mattes import open_mattes
    from pipeline.body.skeleton import load_skeleton
    from pipeline.matting.segment import segment_person

    write_maskrcnn(tmp_path, "maskrcnn", NEVER)
    figure = Figure(height_px=90)
    points = figure.points(3, (60, 110), Motion())
    frames, true = figure.render(points, static_background((128, 128)))
    human = load_skeleton(Path("pipeline/skeletons/human.yaml"))
    paths = store(tmp_path, frames, [on_human(points, figure.joints)], human)
    params = PARAMS.model_copy(update={"extremities": "none"})
    segment_person(opened(*paths, tmp_path), "maskrcnn", params, SPLIT, tmp_path / "m.zarr")
    mattes = open_mattes(tmp_path / "m.zarr")
    assert mattes.attributes["bridged_frames"] == []
    assert mattes.attributes["guessed_frames"] == [0, 1, 2]
    assert set(mattes.attributes["flicker"]) == {"found", "smoothed"}
    guessed = mattes[0:3]
    assert guessed[true > 127].mean() > 100  # about the limbs, for want of better
    assert guessed[true < 10].mean() < 120
