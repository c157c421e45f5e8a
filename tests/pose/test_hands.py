"""Laws of the fingers: where a hand is looked for, what of it is believed, and that the body stays as it was."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.artifacts.keypoints import ORIGINS, Track
from pipeline.assets.catalogue import OF_HANDS, read_asset
from pipeline.body.skeleton import load_skeleton
from pipeline.clips import HANDS, read_hands
from pipeline.errors import InputError
from pipeline.networks import hands as networks
from pipeline.networks.hands import INDEX, PINKY, WRIST, HandNet, SeenHand, roi_from_hand, roi_from_palm
from pipeline.params import read_section
from pipeline.pose.hands import add_hands, hands_of
from pipeline.pose.naming import read_hand_weights
from pipeline.pose.params import PoseParams
from pipeline.video.clock import NO_TIME, Clock

ROOT = Path(__file__).parents[2]
HUMAN = load_skeleton(ROOT / "pipeline/skeletons/human.yaml")
PARAMS = read_section(ROOT / "params.yaml", "pose", PoseParams)
T, SIZE_HW = 40, (400, 600)
LEFT, RIGHT = hands_of(HUMAN)
MEASURED, INTERPOLATED = (ORIGINS.index(name) for name in ("measured", "interpolated"))
# A hand that points down, 40 px long, its wrist at the origin: thumb, then four fingers from the palm outwards.
FINGERS = np.array([[8 * i - 16, 4 * (k + 1) + 4 * (i > 0) * (k + 1)] for i in range(5) for k in range(4)], np.float64)
HAND = np.concatenate([np.zeros((1, 2)), FINGERS])


class Clip:
    """Black frames that are only counted: each says by its first pixels which one it is."""

    def __len__(self) -> int:
        return T

    def blocks(self, n: int = 8):
        for start in range(0, T, n):
            block = np.zeros((min(n, T - start), 2, 2, 3), np.uint8)
            block[:, 0, 0, 0] = np.arange(start, start + len(block))
            yield start, block


def body(palm: bool = True) -> Track:
    """Somebody who stands, swaying, both wrists in sight: elbows, wrists, hips, and knuckles where there is a palm."""
    points = np.full((T, len(HUMAN.joints), 2), np.nan)
    sway = np.stack([2.0 * np.arange(T), np.zeros(T)], 1)
    for hand, x in ((LEFT, 300.0), (RIGHT, 200.0)):
        points[:, hand.elbow], points[:, hand.wrist] = np.array([x, 90]) + sway, np.array([x, 150]) + sway
        for joint in (INDEX, PINKY) if palm else ():
            points[:, hand.points[joint - 1]] = points[:, hand.wrist] + HAND[joint] + 1
    for name, x in (("left_hip", 270.0), ("right_hip", 230.0)):
        points[:, HUMAN.index(name)] = np.array([x, 160]) + sway
    there = np.isfinite(points[..., 0])
    return Track(points, np.where(there, 0.9, 0.0), np.where(there, MEASURED, 0), HUMAN, Clock.regular("25", T), SIZE_HW, {})


def finder(hides=(), wild=(), presence: float = 0.9, offset: float = 0.0):
    """Sees the drawn hand at the palm that it is shown, unless in a frame that hides it; in wild ones it is turned about."""

    def find(image: np.ndarray, palm: np.ndarray) -> SeenHand | None:
        t = int(image[0, 0, 0])
        points = palm[0] + HAND * (-1 if t in wild else 1) + offset
        return SeenHand(points, 0.05 if t in hides else presence, 80.0)

    return find


def seen(find, track: Track | None = None, border: int = T) -> Track:
    track = body() if track is None else track
    return add_hands(Clip(), track, find, track.present, border, PARAMS)[0]  # type: ignore[arg-type]


def test_fingers_are_where_they_are_seen_and_the_body_is_untouched():
    before = body()
    after, shares = add_hands(Clip(), before, finder(), before.present, T, PARAMS)  # type: ignore[arg-type]
    assert shares == {"left_hand": 1.0, "right_hand": 1.0}
    for hand in (LEFT, RIGHT):
        own = after.points[:, hand.points] - after.points[:, hand.wrist][:, None]
        assert np.abs(own - FINGERS).max() < 0.5
        assert (after.score[:, hand.points] == 0.9).all()
    rest = [j for j in range(len(HUMAN.joints)) if j not in (*LEFT.points, *RIGHT.points)]
    np.testing.assert_array_equal(after.points[:, rest], before.points[:, rest])
    np.testing.assert_array_equal(after.origin[:, rest], before.origin[:, rest])


def test_a_hand_that_is_not_surely_there_keeps_its_palm_and_its_person():
    before, after = body(), seen(finder(hides=range(T)))
    np.testing.assert_array_equal(after.points, before.points)
    np.testing.assert_array_equal(after.score, before.score)
    assert (after.present == before.present).all()


def test_short_gaps_are_filled_and_long_ones_stay_as_the_pose_has_them():
    gap = PARAMS.repair.max_gap_frames
    after = seen(finder(hides=[*range(5, 8), *range(15, 16 + gap)]))
    tip = LEFT.points[7]
    assert (after.origin[5:8, tip] == INTERPOLATED).all()
    assert np.abs(after.points[5:8, tip] - after.points[5:8, LEFT.wrist] - HAND[8]).max() < 0.5
    assert np.isnan(after.points[15 : 16 + gap, tip]).all()
    assert np.isfinite(after.points[15 : 16 + gap, LEFT.points[INDEX - 1]]).all()


def test_a_hand_is_filled_for_a_fifth_of_a_second_and_never_leaves_its_neighbours():
    still = body()
    slow = replace(still, clock=Clock.regular("5", T))
    after = seen(finder(hides=[5, 10, 11]), slow)
    tip = LEFT.points[7]
    assert np.isfinite(after.points[5, tip]).all()
    assert np.isnan(after.points[10:12, tip]).all()
    opening = HAND.copy()

    def find(image: np.ndarray, palm: np.ndarray) -> SeenHand:
        t = int(image[0, 0, 0])
        opening[1:] = FINGERS * (0.5 + 0.5 * t / T)
        return SeenHand(palm[0] + opening, 0.05 if 20 <= t < 24 else 0.9, 80.0)

    lengths = np.linalg.norm(seen(find).points[:, tip] - still.points[:, LEFT.wrist], axis=1)
    assert (np.diff(lengths) > -0.1).all()


def test_nothing_is_filled_across_the_first_held_out_frame():
    after = seen(finder(hides=range(18, 22)), border=20)
    assert np.isnan(after.points[18:22, LEFT.points[7]]).all()
    assert np.isfinite(after.points[[17, 22], LEFT.points[7]]).all()


def test_a_wild_frame_is_dropped_as_a_whole_and_filled():
    after = seen(finder(wild=[12, 13]))
    own = after.points[10:16, LEFT.points] - after.points[10:16, LEFT.wrist][:, None]
    assert np.abs(own - FINGERS).max() < 1.0
    assert (after.origin[12:14, LEFT.points] == INTERPOLATED).all()


def test_a_hand_far_from_its_wrist_is_another_ones():
    assert np.isnan(seen(finder(offset=30.0)).points[:, LEFT.points[7]]).all()


def test_of_a_hand_that_is_seen_twice_the_nearer_wrist_has_it():
    track = body()
    track.points[:, RIGHT.wrist] = track.points[:, LEFT.wrist] + [9.0, 0.0]
    there = track.points[:, LEFT.wrist].copy()

    def find(image: np.ndarray, palm: np.ndarray) -> SeenHand:
        return SeenHand(there[int(image[0, 0, 0])] + HAND, 0.9, 80.0)

    after = seen(find, track)
    assert np.isfinite(after.points[:, LEFT.points[7]]).all()
    assert np.isnan(after.points[:, RIGHT.points[7]]).all()


def test_labels_that_know_fingers_keep_them():
    track = body()
    track.points[:20, LEFT.points] = track.points[:20, LEFT.wrist][:, None] + 2 * FINGERS
    after = seen(finder(), track)
    np.testing.assert_array_equal(after.points[:20, LEFT.points], track.points[:20, LEFT.points])
    assert np.abs(after.points[20:, LEFT.points] - after.points[20:, LEFT.wrist][:, None] - FINGERS).max() < 0.5


def test_without_knuckles_the_hand_is_looked_for_beyond_the_forearm():
    shown = []

    def find(image: np.ndarray, palm: np.ndarray) -> SeenHand:
        shown.append(palm)
        return SeenHand(palm[0] + HAND, 0.9, 80.0)

    after = seen(find, body(palm=False))
    assert np.isfinite(after.points[:, LEFT.points]).all()
    middle = shown[0].mean(axis=0)
    assert middle[1] > shown[0][0, 1]  # the forearm points down, and so does the hand
    assert abs(middle[0] - shown[0][0, 0]) < 1e-9


def test_a_hand_is_looked_for_where_it_was_when_its_palm_and_forearm_mislead():
    track = body()
    track.points[10:, LEFT.elbow] = np.nan
    track.points[10:, LEFT.points] = np.nan
    assert np.isfinite(seen(finder(), track).points[10:, LEFT.points]).all()


@pytest.mark.parametrize("joint", ["left_wrist", "left_elbow"])
def test_missing_and_outside_joints_harm_nothing(joint):
    track = body()
    track.points[::2, HUMAN.index(joint)] = np.nan
    track.points[5:9, LEFT.wrist] = [1e7, -1e7]
    after = seen(finder(), track)
    assert np.isfinite(after.points[:, RIGHT.points]).all()
    assert np.nanmax(np.abs(after.points[:, LEFT.points])) < 1e4  # no finger beside the picture


def test_a_clip_without_time_keeps_what_is_seen_as_it_is():
    after = seen(finder(hides=[3]), replace(body(), clock=NO_TIME))
    np.testing.assert_allclose(after.points[5, LEFT.points], after.points[5, LEFT.wrist] + FINGERS)
    assert np.isnan(after.points[3, LEFT.points[7]]).all()


def test_only_skeletons_with_whole_hands_have_any():
    assert [hand.wrist for hand in hands_of(HUMAN)] == [HUMAN.index("left_wrist"), HUMAN.index("right_wrist")]
    assert (LEFT.elbow, RIGHT.elbow) == (HUMAN.index("left_elbow"), HUMAN.index("right_elbow"))
    assert HUMAN.joints[LEFT.points[INDEX - 1]] == "left_index_mcp"
    assert HUMAN.joints[LEFT.points[PINKY - 1]] == "left_pinky_mcp"
    for fish in ("fish", "mouse"):
        assert hands_of(load_skeleton(ROOT / f"pipeline/skeletons/{fish}.yaml")) == []


# The networks' geometry, without the networks.


def turned(points: np.ndarray, angle: float, scale: float = 1.0) -> np.ndarray:
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    return points @ np.array([[cos, sin], [-sin, cos]])


@pytest.mark.parametrize("angle", [0.0, 0.7, np.pi, -2.0])
def test_squares_turn_and_grow_with_the_hand_and_hold_it_upright(angle):
    up = -HAND  # fingertips up
    plain, other = roi_from_hand(up), roi_from_hand(turned(up, angle, 2.0) + 50)
    assert plain is not None
    assert other is not None
    assert other.size_px == pytest.approx(2 * plain.size_px)
    assert np.cos(other.rotation - plain.rotation - angle) == pytest.approx(1)
    inside = turned(up, angle, 2.0) + 50
    crop = inside @ other.matrix(1)[:, :2].T + other.matrix(1)[:, 2]
    assert ((crop > 0) & (crop < 1)).all()
    assert crop[WRIST, 1] > crop[[8, 12, 16], 1].max()  # the wrist below the fingers
    palm = roi_from_palm((turned(up, angle) + 50)[[WRIST, INDEX, PINKY]])
    assert palm is not None
    assert np.cos(palm.rotation - other.rotation) > 0.8


@pytest.mark.parametrize("palm", [np.full((3, 2), np.nan), np.zeros((3, 2)), [[0, 0], [np.inf, 0], [1, 1]], [[0, 0], [0.1, 0], [0.1, 0]]])
def test_a_palm_without_extent_is_no_hand(palm):
    assert roi_from_palm(np.asarray(palm, np.float64)) is None


@pytest.fixture
def net(monkeypatch: pytest.MonkeyPatch) -> HandNet:
    """The hand networks, of which the first sees the square's middle and lower side, the second HAND pointing up, 100 px long."""
    upright = np.concatenate([112 - 2.5 * HAND, np.zeros((21, 1))], axis=1)

    def run(network: str, crop: np.ndarray) -> list[np.ndarray]:
        assert np.isfinite(crop).all()
        if "recrop" in network:
            return [np.array([128.0, 128, 128, 256], np.float32).reshape(1, 1, 1, 4)]
        return [upright.reshape(1, 63).astype(np.float32), np.array([[0.8]], np.float32)]

    monkeypatch.setattr(networks, "_open", lambda path, threads: path.name)
    monkeypatch.setattr(networks, "run_network", run)
    return HandNet(Path("weights"), 1)


def test_points_of_a_square_are_given_back_in_the_pictures_pixels(net):
    image = np.zeros((200, 300, 3), np.uint8)
    found = net(image, np.array([[150, 120], [146, 90], [154, 90]]))
    assert found is not None
    assert found.presence == pytest.approx(0.8)
    along = found.points[12] - found.points[WRIST]  # the palm points up in the picture, and so does the hand
    assert along[1] < 0
    assert abs(along[0]) < 0.3 * abs(along[1])
    assert np.linalg.norm(found.points[WRIST] - found.points[12]) == pytest.approx(2.5 * found.size_px / 224 * np.linalg.norm(HAND[12]))


@pytest.mark.parametrize("at", [(-500.0, 100.0), (100.0, 5000.0), (1e8, 1e8), (np.nan, 3.0)])
def test_a_hand_outside_the_picture_is_none_and_one_of_a_pixel_does_not_crash(net, at):
    image = np.zeros((50, 60, 3), np.uint8)
    assert net(image, np.array(at) + np.array([[0, 0], [5, -10], [-5, -10]])) is None
    small = net(image, np.array([[30, 30], [30.2, 29.4], [29.8, 29.4]]))
    assert small is None or np.isfinite(small.points).all()


def test_missing_networks_name_their_stage(tmp_path):
    with pytest.raises(InputError, match="dvc repro fetch_hand_weights"):
        HandNet(tmp_path, 1)
    (tmp_path / networks.RECROP_FILE).write_bytes(b"no network")
    with pytest.raises(InputError, match="must be a TensorFlow Lite network"):
        HandNet(tmp_path, 1)


# What a clip says.


@pytest.mark.parametrize(
    ("entry", "asset"),
    [
        ({"pose": "imported", "hands": "mediapipe"}, "hands_mediapipe"),
        ({"pose": "blazepose", "hands": "mediapipe"}, "hands_mediapipe"),
        ({"pose": "blazepose"}, "hands_mediapipe"),
        ({"pose": "blazepose", "hands": "none"}, "none"),
        ({"pose": "imported"}, "none"),
        ({"pose": "openpose"}, "none"),
    ],
)
def test_what_a_clip_says_of_its_hands_is_fetched_and_read_alike(tmp_path, entry, asset):
    params = tmp_path / "params.yaml"
    params.write_text(json.dumps({"clips": {"a": entry}}))
    assert OF_HANDS[read_hands(params, "a")] == asset
    assert read_hand_weights(params, "a", tmp_path) == (None if asset == "none" else tmp_path)


def test_another_value_and_a_missing_folder_are_named(tmp_path):
    params = tmp_path / "params.yaml"
    params.write_text("clips: {a: {hands: mediapipe}, d: {hands: openpose}, e: {hands: 3}, f: {hands: [mediapipe]}}\n")
    for clip, found in (("d", "'openpose'"), ("e", "3"), ("f", r"\['mediapipe'\]")):
        with pytest.raises(InputError, match=rf"clips\.{clip}\.hands is {found}; legal: mediapipe, none"):
            read_hand_weights(params, clip, tmp_path)
    with pytest.raises(InputError, match="--hand-weights"):
        read_hand_weights(params, "a", None)


def test_every_choice_of_hands_has_its_asset():
    assert tuple(OF_HANDS) == HANDS


def test_the_asset_has_both_networks():
    asset = read_asset("hands_mediapipe")
    assert {file.name for file in asset.files} == {networks.RECROP_FILE, networks.LANDMARK_FILE}
    assert asset.licence == "Apache-2.0"
