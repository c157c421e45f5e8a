"""OpenPose as a backend: networks against the oracles, maps back to the image, whole chains against a naive reference."""

import json
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from filled import write_openpose
from reference import openpose_decoder
from reference.openpose_scene import draw, standing
from reference.oracle_folder import oracle
from reference.oracle_weights import digest, fill
from scipy.ndimage import gaussian_filter
from skimage import measure

from pipeline.artifacts.frames import create_frames, open_frames
from pipeline.assets.catalogue import read_asset
from pipeline.body.skeleton import load_skeleton
from pipeline.errors import InputError
from pipeline.params import read_section
from pipeline.pose.backends.openpose import BODY_JOINTS, FILES, HAND_JOINTS, load
from pipeline.pose.backends.openpose.decode import find_people
from pipeline.pose.backends.openpose.hands import hand_box, see_hands
from pipeline.pose.backends.openpose.infer import MapMaker
from pipeline.pose.backends.openpose.maps import FullMaps, SmallMaps, network_input
from pipeline.pose.backends.openpose.network import BodyNet, HandNet, read_network
from pipeline.pose.estimate import Sources, load_backend
from pipeline.pose.naming import UNNAMED
from pipeline.pose.params import OpenPoseParams, PoseParams
from pipeline.pose.people import people_of_table
from pipeline.video.clock import NO_TIME

ROOT = Path(__file__).parents[2]
HUMAN = load_skeleton(ROOT / "pipeline" / "skeletons" / "human.yaml")
KINDS = {"body": BodyNet, "hand": HandNet}
TOLERANCE = 5e-4  # of the goldens drawn with gain sqrt 2; their maps reach 14
BFLOAT16_SHARE = 0.05  # of a map's largest value


def meta_state(role: str) -> dict[str, torch.Tensor]:
    with torch.device("meta"):
        return KINDS[role]().state_dict()


def filled(role: str, by_file_key: bool = True, gain: float = 2**0.5) -> dict[str, np.ndarray]:
    """Weights by the oracles' rule, under the module's keys; each draw is seeded by the checkpoint's key or the module's."""
    keys = {key: key.split(".", 1)[1] if by_file_key else key for key in meta_state(role)}
    weights = fill([(keys[key], tuple(value.shape), "float32") for key, value in meta_state(role).items()], gain)
    return {key: weights[name] for key, name in keys.items()}


def with_weights(role: str, weights: dict[str, np.ndarray]) -> torch.nn.Module:
    with torch.device("meta"):
        network = KINDS[role]()
    network.load_state_dict({key: torch.from_numpy(value) for key, value in weights.items()}, assign=True)
    return network.eval()


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Checkpoints in the official layout, filled by the oracles' rule: the results mean nothing, but everything runs."""
    return {FILES[role]: path for role, path in write_openpose(tmp_path_factory.mktemp("openpose")).items()}


@pytest.fixture(scope="module")
def zeros(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Networks that see nothing anywhere."""
    return write_openpose(tmp_path_factory.mktemp("zeros"), sees=False)


def picture(seed: int, height: int, width: int) -> np.ndarray:
    """Return coarse coloured blotches (h w 3) uint8."""
    coarse = np.random.default_rng(seed).integers(0, 256, (height // 12 + 2, width // 12 + 2, 3), dtype=np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


# --- networks against the oracles -------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", KINDS)
def test_oracle_keys_and_shapes_are_the_modules_and_the_checkpoints(role: str) -> None:
    spec = json.loads(oracle(f"openpose_{role}_state_dict.json").read_text())
    state = meta_state(role)
    assert [(key, list(value.shape)) for key, value in state.items()] == [(entry["key"], entry["shape"]) for entry in spec]
    assert [key.split(".", 1)[1] for key in state] == [entry["checkpoint_key"] for entry in spec]


@pytest.mark.slow
@pytest.mark.parametrize("role", KINDS)
@pytest.mark.parametrize(
    ("variant", "seed", "size_hw", "tolerance"),
    [
        ("base", 1234, (184, 184), 1e-6),
        ("gain", 1234, (184, 184), TOLERANCE),
        ("ckpt", 1234, (184, 184), TOLERANCE),
        ("ckpt2", 1235, (104, 136), TOLERANCE),
    ],
)
def test_golden_outputs_of_the_networks(role: str, variant: str, seed: int, size_hw: tuple[int, int], tolerance: float) -> None:
    weights = filled(role, by_file_key=variant.startswith("ckpt"), gain=1.0 if variant == "base" else 2**0.5)
    image = np.random.Generator(np.random.PCG64(seed)).standard_normal((1, 3, *size_hw)).astype(np.float32)
    with np.load(oracle(f"openpose_{role}_golden.npz")) as golden:
        names = [f"paf_{variant}", f"heat_{variant}"] if role == "body" else [f"heat_{variant}"]
        wanted = [golden[name] for name in names]
        stated = json.loads(str(golden["meta"]))["weights_sha256_sorted_key_bytes"][variant.removesuffix("2")]
    by_seed = {key.split(".", 1)[1] if variant.startswith("ckpt") else key: value for key, value in weights.items()}
    assert stated in (digest(by_seed), digest(weights))
    outputs = MapMaker(with_weights(role, weights), "cpu", "float32").run(image)
    for found, golden_map in zip(outputs, wanted, strict=True):
        assert np.abs(found - golden_map).max() < tolerance


@pytest.mark.slow
@pytest.mark.parametrize("role", KINDS)
def test_bfloat16_stays_within_its_tolerance_of_the_golden(role: str) -> None:
    image = np.random.Generator(np.random.PCG64(1235)).standard_normal((1, 3, 104, 136)).astype(np.float32)
    with np.load(oracle(f"openpose_{role}_golden.npz")) as golden:
        wanted = [golden[name] for name in (["paf_ckpt2", "heat_ckpt2"] if role == "body" else ["heat_ckpt2"])]
    for found, golden_map in zip(MapMaker(with_weights(role, filled(role)), "cpu", "bfloat16").run(image), wanted, strict=True):
        assert found.dtype == np.float32
        assert np.abs(found - golden_map).max() < BFLOAT16_SHARE * np.abs(golden_map).max()


# --- from the image to the network and back ---------------------------------------------------------------------------


def test_the_input_is_bgr_over_256_padded_right_and_bottom_by_zeros() -> None:
    image = np.full((200, 100, 3), (255, 128, 0), np.uint8)
    array, size_hw = network_input(image, 0.5)
    assert (size_hw, array.shape, array.dtype) == ((184, 92), (3, 184, 96), np.float32)
    np.testing.assert_array_equal(array[:, 50, 50], [-0.5, 0.0, 255 / 256 - 0.5])
    np.testing.assert_array_equal(array[:, :, 92:], 0.0)
    array, size_hw = network_input(image, 0.3)  # 0.3 * 368 = 110.4
    assert (size_hw, array.shape) == ((110, 55), (3, 112, 56))
    np.testing.assert_array_equal(array[:, 110:], 0.0)


def test_points_in_small_maps_come_back_to_their_full_pixels() -> None:
    """Maps of 23 x 41 cells of a net input 184 high, drawn for people in a 480 x 850 image: cell c covers 8 * c + 3.5 of the input."""
    people = np.stack([standing(200, 30, 430), standing(610, 10, 440)])
    factor = 184 / 480
    heat, paf = draw((people + 0.5) * factor - 0.5, (23, 41), spread=1.0, stride=8)
    _, input_hw = network_input(np.zeros((480, 850, 3), np.uint8), 0.5)
    heats, fields = (FullMaps([SmallMaps(np.ascontiguousarray(m.transpose(2, 0, 1)), input_hw)], (480, 850)) for m in (heat, paf))
    points = find_people(heats.__getitem__, fields.sample, 480).points()
    assert len(points) == 2
    points = points[np.argsort(points[:, 1, 0])]
    apart = [1, 3, 4, 6, 7, 9, 10, 12, 13]  # joints two cells and more from any other of their kind
    assert np.median(np.abs(points[:, apart, :2] - people[:, apart])) < 4  # a cell is 21 px


def test_the_mean_over_scales_is_the_mean() -> None:
    rng = np.random.default_rng(5)
    image = np.zeros((90, 70, 3), np.uint8)
    inputs = [network_input(image, scale) for scale in (0.5, 1.0, 1.5)]
    small = [SmallMaps(rng.random((2, a.shape[1] // 8, a.shape[2] // 8), dtype=np.float32), hw) for a, hw in inputs]
    each = [FullMaps([one], (90, 70))[1] for one in small]
    np.testing.assert_allclose(FullMaps(small, (90, 70))[1], np.mean(each, axis=0), atol=1e-6)
    same = FullMaps([small[0]] * 3, (90, 70))
    np.testing.assert_allclose(same[0], FullMaps(small[:1], (90, 70))[0], atol=1e-6)


@pytest.mark.parametrize("image_hw", [(300, 500), (60, 50)])
def test_a_few_pixels_of_a_map_are_those_of_the_whole(image_hw: tuple[int, int]) -> None:
    rng = np.random.default_rng(6)
    sizes = {(23, 20): (181, 155), (12, 10): (90, 78)}
    small = [SmallMaps(rng.random((1, *cells), dtype=np.float32), input_hw) for cells, input_hw in sizes.items()]
    maps = FullMaps(small, image_hw)
    ys, xs = rng.integers(0, image_hw[0], (3, 25)), rng.integers(0, image_hw[1], (3, 25))
    ys[0, :2], xs[0, :2] = (0, image_hw[0] - 1), (0, image_hw[1] - 1)
    assert ys.size * 16 < image_hw[0] * image_hw[1]
    np.testing.assert_allclose(maps.sample(0, ys, xs), maps[0][ys, xs], atol=2e-6)
    every = np.mgrid[: image_hw[0], : image_hw[1]]
    np.testing.assert_array_equal(maps.sample(0, *every), maps[0])


# --- whole chains -----------------------------------------------------------------------------------------------------


def naive_maps(image: np.ndarray, scales: tuple[float, ...], network: torch.nn.Module) -> list[np.ndarray]:
    """Return full maps (h w c) float64 of an image RGB: every step by itself, whole arrays, as the published code goes about it."""
    bgr, totals = np.ascontiguousarray(image[:, :, ::-1]), []
    for scale in scales:
        factor = scale * 368 / bgr.shape[0]
        small = cv2.resize(bgr, (0, 0), fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)
        down, right = -small.shape[0] % 8, -small.shape[1] % 8
        padded = np.pad(small, ((0, down), (0, right), (0, 0)), constant_values=128)
        with torch.no_grad():
            outputs = network(torch.from_numpy(np.transpose(np.float32(padded[None]), (0, 3, 1, 2)) / 256 - 0.5))
        for number, output in enumerate(outputs if isinstance(outputs, tuple) else (outputs,)):
            full = np.transpose(output[0].numpy(), (1, 2, 0))
            full = cv2.resize(full, (0, 0), fx=8, fy=8, interpolation=cv2.INTER_CUBIC)
            full = full[: padded.shape[0] - down, : padded.shape[1] - right]
            full = cv2.resize(full, (bgr.shape[1], bgr.shape[0]), interpolation=cv2.INTER_CUBIC).astype(np.float64)
            if len(totals) <= number:
                totals.append(np.zeros_like(full))
            totals[number] += full / len(scales)
    return totals


@pytest.mark.slow
@pytest.mark.parametrize(("size_hw", "scales"), [((150, 121), (0.2,)), ((97, 160), (0.15, 0.3))])
def test_a_whole_chain_equals_the_naive_reference(
    checkpoints: dict[str, Path], size_hw: tuple[int, int], scales: tuple[float, ...]
) -> None:
    """Joint by joint: the reference's people, from full maps and a decoder of its own, sit in the adapter's rows by name."""
    image = picture(7, *size_hw)
    body = read_network(BodyNet, checkpoints[FILES["body"]])
    paf, heat = naive_maps(image, scales, body)
    candidates, people = openpose_decoder.decode(heat, paf)
    assert len(people)
    (found,) = load({"body": checkpoints[FILES["body"]]}, scales=scales)(image[None])
    assert found.shape == (len(people), len(HUMAN.joints), 3)
    for row, person in zip(found, people, strict=True):
        for part, name in enumerate(BODY_JOINTS):
            there = row[HUMAN.index(name)]
            if person[part] < 0:
                assert np.isnan(there).all()
            else:
                np.testing.assert_array_equal(there[:2], candidates[int(person[part]), :2])
                assert there[2] == pytest.approx(candidates[int(person[part]), 2], abs=TOLERANCE)
    assert np.isnan(found[:, len(BODY_JOINTS) :]).all()


def naive_hand(image: np.ndarray, scales: tuple[float, ...], network: torch.nn.Module) -> np.ndarray:
    """Return x, y and score (21 3) in a hand's image; 0, 0 where nothing is warm, as the published code says it."""
    (maps,), points = naive_maps(image, scales, network), np.zeros((21, 3))
    for point in range(21):
        heat = maps[:, :, point]
        spots, count = measure.label(gaussian_filter(heat, sigma=3) > 0.05, return_num=True, connectivity=2)
        if count:
            heaviest = 1 + np.argmax([heat[spots == spot].sum() for spot in range(1, count + 1)])
            y, x = np.unravel_index(np.argmax(np.where(spots == heaviest, heat, 0)), heat.shape)
            points[point] = x, y, heat[y, x]
    return points


@pytest.mark.slow
def test_hands_are_looked_for_where_the_arms_end(checkpoints: dict[str, Path]) -> None:
    image, scales = picture(11, 240, 200), (0.1, 0.2)
    people = np.concatenate([np.stack([standing(70, 5, 230), standing(150, 20, 210)]), np.ones((2, 18, 1))], axis=2)
    people[1, 7] = np.nan  # the second person's left wrist is not seen
    hand = read_network(HandNet, checkpoints[FILES["hand"]])
    hands = see_hands(people, image, scales, MapMaker(hand, "cpu", "float32"))
    assert np.isnan(hands[1, 0]).all()
    for person, number, side in ((0, 0, "left"), (0, 1, "right"), (1, 1, "right")):
        box = hand_box(people[person], side, image.shape[:2])
        assert box is not None
        left, top, size = box
        wanted = naive_hand(image[top : top + size, left : left + size], scales, hand)
        seen = np.isfinite(hands[person, number, :, 0])
        np.testing.assert_array_equal(seen, wanted[:, 2] != 0)
        np.testing.assert_allclose(hands[person, number, seen], wanted[seen] + (left, top, 0), atol=TOLERANCE)
        assert seen.any()


@pytest.mark.slow
def test_a_frames_hands_fill_the_hand_joints_by_name(checkpoints: dict[str, Path]) -> None:
    """Whoever is found: the joints named after a hand are what the hand network sees about that arm, in its points' order."""
    image = picture(2, 150, 121)
    (found,) = load(checkpoints, scales=(0.2,), hand_scales=(0.1,))(image[None])
    hand = MapMaker(read_network(HandNet, checkpoints[FILES["hand"]]), "cpu", "float32")
    hands = see_hands(found[:, : len(BODY_JOINTS)], image, (0.1,), hand)
    for number, side in enumerate(("left", "right")):
        rows = [HUMAN.index(f"{side}_{point}") for point in HAND_JOINTS[1:]]
        np.testing.assert_array_equal(found[:, rows], hands[:, number, 1:])
        assert np.isfinite(hands[:, number]).any()


# --- in the stage ------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_stage_sees_people_through_openpose_as_params_say(checkpoints: dict[str, Path], tmp_path: Path) -> None:
    with create_frames(tmp_path / "frames.zarr", NO_TIME, (150, 121), {}) as writer:
        writer.append(picture(2, 150, 121)[None])
    params = read_section(ROOT / "params.yaml", "pose", PoseParams)
    folder = checkpoints[FILES["body"]].parent
    frames = open_frames(tmp_path / "frames.zarr")
    sources = Sources(backend="openpose", refiner="none", weights=folder, refiner_weights=None, labels=None, naming=UNNAMED)

    def seen(precision: str = "float32", **openpose) -> np.ndarray:
        changed = {"openpose": OpenPoseParams(**{"scales": [0.2], "hand_scales": [], **openpose}), "precision": precision}
        (people,) = load_backend(frames, HUMAN, sources, params.model_copy(update=changed))(frames[0:1])
        return np.concatenate([people.points, people.score[..., None]], axis=2)

    hand = HUMAN.index("left_index_tip"), HUMAN.index("right_index_tip")
    people = seen()
    assert np.isfinite(people[..., 0]).any()
    assert np.isnan(people[:, hand, 0]).all()
    assert np.isfinite(seen(hand_scales=[0.1])[:, hand, 0]).any()
    for other in (seen(scales=[0.25]), seen("bfloat16")):
        assert other.shape != people.shape or not np.array_equal(other, people, equal_nan=True)


def test_people_of_a_table_score_nothing_where_unseen() -> None:
    people = people_of_table(np.array([[[1.0, 2.0, 1.5], [np.nan, np.nan, np.nan], [3.0, 4.0, 0.25]]]))
    np.testing.assert_array_equal(people.score, [[1.0, 0.0, 0.25]])
    np.testing.assert_array_equal(people.points, [[[1, 2], [np.nan, np.nan], [3, 4]]])


def test_every_human_joint_openpose_knows_has_a_row() -> None:
    named = {*BODY_JOINTS, *(f"{side}_{point}" for side in ("left", "right") for point in HAND_JOINTS[1:])}
    assert len(named) == 58
    assert named <= set(HUMAN.joints)


# --- what goes wrong --------------------------------------------------------------------------------------------------


def test_a_missing_network_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"needs body_pose_model.pth, found no .*body_pose_model.pth.*fetch_pose_weights"):
        load({"body": tmp_path / "body_pose_model.pth"})
    with pytest.raises(InputError, match=r"must name the file body_pose_model.pth .*found \['hand'\]"):
        load({"hand": tmp_path / "hand_pose_model.pth"})


def test_a_file_that_is_no_checkpoint_of_this_network_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "body_pose_model.pth"
    torch.save({"conv1_1.weight": torch.zeros(64, 3, 3, 3)}, path)
    with pytest.raises(InputError, match=r"must hold the 184 tensors of this network, 183 differ"):
        load({"body": path})
    path.write_bytes(b"no checkpoint")
    with pytest.raises(InputError, match="must be a PyTorch checkpoint of tensors only"):
        load({"body": path})
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("something", "else")
    with pytest.raises(InputError, match="must be a PyTorch checkpoint of tensors only"):
        load({"body": path})


class Stranger:
    """Something a checkpoint has no business to hold."""


def test_nothing_in_a_checkpoint_is_executed(tmp_path: Path) -> None:
    torch.save({"conv1_1.weight": Stranger()}, tmp_path / "body_pose_model.pth")
    with pytest.raises(InputError, match="must be a PyTorch checkpoint of tensors only"):
        load({"body": tmp_path / "body_pose_model.pth"})


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"scales": ()}, "one or more positive"),
        ({"hand_scales": (0.5, -1.0)}, "one or more positive"),
        ({"scales": (0.5, 0.0)}, "one or more positive"),
        ({"precision": "half"}, "float32 or bfloat16"),
    ],
)
def test_values_out_of_range_are_refused(zeros: dict[str, Path], options: dict, match: str) -> None:
    with pytest.raises(InputError, match=match):
        load(zeros, **options)


def test_frames_of_another_kind_are_refused(zeros: dict[str, Path]) -> None:
    with pytest.raises(InputError, match=r"frames must be \(t h w 3\) uint8"):
        load(zeros, scales=(0.1,))(np.zeros((60, 80, 3), np.uint8))


def test_the_asset_names_both_networks_and_its_licence() -> None:
    asset = read_asset("openpose")
    assert {file.name: file.size for file in asset.files} == {"body_pose_model.pth": 209267595, "hand_pose_model.pth": 147341049}
    assert "not commercial" in asset.allows
