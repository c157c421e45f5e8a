"""What is seen for a moment alone is told from the body, and from what is always there."""

import cv2
import numpy as np
import pytest
from crossed_legs import HUMAN, PLACES, pose

from pipeline.body.pose_distance import body_size
from pipeline.reference.transient import BODY_PX, FEWEST, LATE, NEAR, WITNESSES, Compared, neighbours, transients, witnesses
from pipeline.video.clock import Clock

HW, COUNT, BALL = (120, 100), 20, 8


def poses(count: int = COUNT, seed: int = 0, **moved: tuple[float, float]) -> np.ndarray:
    """A body that stands, its arms and feet about, (n j 2): the detector's joints half a pixel off."""
    rng = np.random.default_rng(seed)
    found = np.stack([pose(right_shoulder=(38, 22), left_shoulder=(62, 22), nose=(50, 10), **moved) for _ in range(count)])
    for name in ("right_wrist", "left_wrist"):
        found[:, HUMAN.index(name)] += rng.uniform(-3, 3, (count, 2))
    return found + rng.normal(0, 0.4, found.shape)


def drawn(points: np.ndarray, ball: tuple[float, float] | None = None, radius: int = BALL, hat: bool = False) -> np.ndarray:
    """M ⊙ F and M (h w 4) of a body with a dark shirt, skin and blue legs, over which a white ball may lie."""
    picture = np.zeros((*HW, 4), np.uint8)

    def limb(a: str, b: str, colour: tuple[int, int, int], breadth: int) -> None:
        p, q = (tuple(round(v) for v in points[HUMAN.index(name)]) for name in (a, b))
        cv2.line(picture, p, q, (*colour, 255), breadth)

    for side in ("right", "left"):
        limb(f"{side}_hip", f"{side}_knee", (40, 50, 110), 9)
        limb(f"{side}_knee", f"{side}_ankle", (40, 50, 110), 7)
        limb(f"{side}_shoulder", f"{side}_hip", (60, 60, 70), 14)
        limb(f"{side}_shoulder", f"{side}_elbow", (190, 140, 110), 6)
        limb(f"{side}_elbow", f"{side}_wrist", (190, 140, 110), 6)
    limb("right_shoulder", "left_shoulder", (60, 60, 70), 8)
    limb("right_hip", "left_shoulder", (60, 60, 70), 14)
    head = tuple(round(v) for v in points[HUMAN.index("nose")])
    cv2.circle(picture, head, 7, (190, 140, 110, 255), -1)
    if hat:
        cv2.circle(picture, (head[0], head[1] - 6), 8, (250, 250, 250, 255), -1)
    if ball is not None:
        cv2.circle(picture, tuple(int(v) for v in ball), radius, (250, 250, 250, 255), -1)
    return picture


def disc(x: float, y: float, radius: float) -> np.ndarray:
    down, across = np.indices(HW)
    return np.hypot(across - x, down - y) <= radius


def found_in(pictures: list[np.ndarray], points: np.ndarray, apart: float = 1) -> list[np.ndarray]:
    return [layer > 127 for layer in transients(pictures, points, np.arange(len(points)), apart, HUMAN)]


WAY = [(20 + 60 * (i * 7 % COUNT) / COUNT, 30 + 70 * (i * 13 % COUNT) / COUNT) for i in range(COUNT)]  # over the body and beside it


def test_a_ball_is_found_over_the_body_and_beside_it_and_the_body_is_not():
    points = poses()
    balls = [place if i % 2 else None for i, place in enumerate(WAY)]
    found = found_in([drawn(p, ball) for p, ball in zip(points, balls, strict=True)], points)
    shares = []
    for layer, ball in zip(found, balls, strict=True):
        if ball is None:
            assert not layer.any()
        else:
            shares.append(layer[disc(*ball, BALL - 2)].mean())
            assert not layer[~disc(*ball, BALL + 7)].any()
    assert np.mean(shares) > 0.95
    assert min(shares) > 0.6


def test_a_hole_in_a_matte_is_nothing_and_neither_is_a_hem_that_swings_aside():
    """What a picture lacks, or shows a little farther out, is no thing of its own: a white one in the same place is."""
    points = poses()
    pictures = [drawn(p) for p in points]
    pictures[3][disc(50, 40, 7)] = 0
    for rank, colour in ((5, (40, 50, 110)), (7, (250, 250, 250))):
        pictures[rank][disc(34, 96, 6) & (pictures[rank][..., 3] == 0)] = (*colour, 255)
    found = found_in(pictures, points)
    assert [rank for rank, layer in enumerate(found) if layer.any()] == [7]


@pytest.mark.parametrize("place", [(58, 92), (50, 45)])
def test_a_ball_that_a_matte_holds_for_half_the_background_is_found_and_a_body_seen_half_is_not(place):
    """Where the matte is less than is usual there is a hole, unless something of another colour is seen in it."""
    points, within = poses(), disc(*place, BALL)
    for colour, found in ((lambda own: 250, True), (lambda own: own, False)):
        pictures = [drawn(p) for p in points]
        half = np.concatenate([np.broadcast_to(colour(pictures[0][..., :3]), (*HW, 3)), pictures[0][..., 3:]], -1) * 0.47
        pictures[0][within] = half[within].astype(np.uint8)
        layers = found_in(pictures, points)
        assert [rank for rank, layer in enumerate(layers) if layer.any()] == [0] * found
        assert layers[0][disc(*place, BALL - 2)].all() == found


@pytest.mark.parametrize("place", [(50, 80), (28, 60)])
def test_a_seam_between_two_parts_does_not_part_a_ball(place):
    """Where limbs move about no field is sound between two of them, and the halves on both sides are too thin to count."""
    points, rng = poses(seed=2), np.random.default_rng(3)
    for name in ("right_knee", "left_knee", "right_ankle", "left_ankle", "right_elbow", "left_elbow"):
        points[:, HUMAN.index(name)] += rng.uniform(-4, 4, (COUNT, 2))
    found = found_in([drawn(p, place if i < 2 else None, radius=5) for i, p in enumerate(points)], points)
    assert [rank for rank, layer in enumerate(found) if layer.any()] == [0, 1]
    assert min(layer[disc(*place, 3)].mean() for layer in found[:2]) > 0.9


def test_what_lasts_is_no_transient():
    """A shirt that is put on, over the last third: but where it begins and ends, there is one before and one after."""
    points = poses(30)
    pictures = [drawn(p) for p in points]
    for picture in pictures[20:]:
        picture[(picture[..., 0] == 60) & (picture[..., 3] == 255)] = (240, 240, 240, 255)
    marked = [rank for rank, layer in enumerate(found_in(pictures, points)) if layer.any()]
    assert set(marked) <= {20, 29}


def test_where_others_differ_among_themselves_nothing_is_unlike():
    points, rng = poses(), np.random.default_rng(5)
    pictures = [drawn(p) for p in points]
    for picture in pictures:
        picture[(picture[..., 0] == 60) & (picture[..., 3] == 255)] = (*[int(rng.integers(70, 190))] * 3, 255)
    assert not any(layer.any() for layer in found_in(pictures, points))


def test_what_is_always_there_is_no_transient_and_neither_is_what_is_thin():
    points = poses()
    hats = [drawn(p, hat=True) for p in points]
    assert not any(layer.any() for layer in found_in(hats, points))
    thin = [drawn(p, place, radius=2) for p, place in zip(points, WAY, strict=True)]
    assert not any(layer.any() for layer in found_in(thin, points))


def test_a_ball_at_a_raised_arm_is_found_by_arms_that_hang():
    """A turn of a limb says nothing against what it shows; a stretch does."""
    points = poses()
    points[0, HUMAN.index("left_wrist")] = PLACES["left_elbow"][0] + 11, PLACES["left_elbow"][1] - 2
    x, y = points[0, HUMAN.index("left_wrist")]
    found = found_in([drawn(p, (x, y) if i == 0 else None) for i, p in enumerate(points)], points)
    assert found[0][disc(x, y, BALL - 2)].mean() > 0.9


def test_a_few_pictures_or_such_as_were_filmed_at_once_say_nothing():
    points = poses()
    pictures = [drawn(p, place) for p, place in zip(points, WAY, strict=True)]
    assert not any(layer.any() for layer in found_in(pictures[:FEWEST], points[:FEWEST]))
    assert not any(layer.any() for layer in found_in(pictures, points, apart=COUNT / FEWEST + 1))
    assert any(layer.any() for layer in found_in(pictures, points))
    flat = [picture[:1] for picture in pictures]
    assert not any(layer.any() for layer in found_in(flat, points))


def test_witnesses_are_the_nearest_and_none_was_filmed_when_another_was():
    moments, costs = np.arange(60) * 0.1, np.linspace(0, NEAR * 0.9, 60)[::-1].copy()
    found = witnesses(costs, moments, 59, 0.25)
    assert found[:3] == [56, 53, 50]
    assert len(found) == WITNESSES
    assert witnesses(np.full(60, NEAR * 1.01), moments, 0, 0.25) == []
    assert witnesses(np.zeros(60), np.zeros(60), 0, 0.25) == []
    assert witnesses(np.full(1, np.inf), np.zeros(1), 0, 1) == []


def test_neighbours_are_one_before_and_one_after_that_is_not_too_near_nor_too_late():
    moments, costs = np.arange(40) * 0.1, np.zeros(40)
    assert neighbours(costs, moments, 20, 0.25) == [17, 23]
    costs[15:26] = NEAR * 1.01
    assert neighbours(costs, moments, 20, 0.25) == [14, 26]
    costs[13:28] = NEAR * 1.01  # what is left is later than LATE
    assert LATE * 0.25 < 0.8
    assert neighbours(costs, moments, 20, 0.25) == []
    assert neighbours(np.zeros(40), moments, 2, 0.25) == []  # none before


def test_a_back_is_no_witness_of_a_front():
    points = poses(19)
    for pair in HUMAN.trunk_pairs():  # half turned, so that joints alone lie near enough
        points[:, pair, 0] = 50 + 0.6 * (points[:, pair, 0] - 50)
    back = points.copy()
    for a, b in HUMAN.trunk_pairs():
        back[:, [a, b]] = back[:, [b, a]]
    whole = np.concatenate([points[:1], back[1:]])
    pictures = [drawn(p, (50, 40) if i == 0 else None) for i, p in enumerate(points)]
    assert found_in(pictures, points)[0].any()
    assert not found_in(pictures, whole)[0].any()


def test_a_ball_at_the_border_is_marked_to_the_border_whatever_the_threads():
    import torch

    points = poses()
    pictures = [np.repeat(np.repeat(drawn(p, (3, 60) if i == 5 else None), 4, 0), 4, 1) for i, p in enumerate(points)]
    compared, made, threads = Compared(pictures[0].shape[:2], body_size(points) * 4), [], torch.get_num_threads()
    for picture in pictures:
        compared.add(picture[..., :3], picture[..., 3])
    try:
        for count in (1, 3):
            torch.set_num_threads(count)
            found = compared.transients((points + 0.5) * 4 - 0.5, Clock(None, None, None), np.arange(COUNT), HUMAN)
            made.append(np.stack(list(found)))
            assert torch.get_num_threads() == count
    finally:
        torch.set_num_threads(threads)
    assert (made[0][5, 4 * 56 : 4 * 64, :16] == 255).all()
    assert (made[0] == made[1]).all()


@pytest.mark.parametrize("factor", [1, 4])
@pytest.mark.parametrize("has_time", [True, False])
def test_pictures_are_compared_small_and_told_in_their_own_pixels(factor, has_time):
    """Of any size; with time those of one moment say nothing of each other, images all do."""
    points = poses()
    pictures = [drawn(p, place if i == 5 else None) for i, (p, place) in enumerate(zip(points, WAY, strict=True))]
    pictures = [np.repeat(np.repeat(p, factor, 0), factor, 1) for p in pictures]
    compared = Compared(pictures[0].shape[:2], body_size(points) * factor)
    for picture in pictures:
        compared.add(picture[..., :3], picture[..., 3])
    assert max(p.shape[0] for p in compared._pictures) <= HW[0]
    clock = Clock.regular("30", 200) if has_time else Clock(None, None, None)
    own = (points + 0.5) * factor - 0.5
    for frames in (np.arange(COUNT) * 10, np.arange(COUNT)):
        found = list(compared.transients(own, clock, frames, HUMAN))
        assert all(layer.shape == pictures[0].shape[:2] and layer.dtype == np.uint8 for layer in found)
        x, y = (np.array(WAY[5]) + 0.5) * factor - 0.5
        down, across = np.indices(found[5].shape)
        inside = np.hypot(across - x, down - y) < (BALL - 2) * factor
        if has_time and frames[1] == 1:  # 20 frames of 30 a second are two moments
            assert not any(layer.any() for layer in found)
        else:
            assert (found[5][inside] > 127).mean() > 0.9
            middle = np.argwhere(found[5] > 127).mean(0)[::-1]
            small = max(1.0, factor * body_size(points) / BODY_PX)  # full px of a small one
            assert np.abs(middle - (x, y)).max() < small
            assert not (found[5][np.hypot(across - x, down - y) > (BALL + 7) * factor] > 127).any()
