"""What follows the backend: the person's own pixels, steadiness, edges, hands and feet."""

import cv2
import numpy as np
import pytest
from figure import static_background

from pipeline.matting.difference import Background
from pipeline.matting.edges import refine_edges
from pipeline.matting.flicker import Flicker
from pipeline.matting.person import own_pixels
from pipeline.matting.steady import Flows, Moment, steady


def disc(size_hw: tuple[int, int], x: float, y: float, radius: float) -> np.ndarray:
    rows, columns = np.mgrid[: size_hw[0], : size_hw[1]]
    return np.clip(radius + 0.5 - np.hypot(columns - x, rows - y), 0, 1).astype(np.float32)


def test_edges_snap_to_the_image():
    true = disc((120, 120), 60, 60, 30)
    background = static_background((120, 120)).astype(np.float32) * 0.4
    image = (background * (1 - true[..., None]) + true[..., None] * np.array([220, 160, 130])).astype(np.uint8)
    blocky = cv2.resize(cv2.resize(true, (20, 20), interpolation=cv2.INTER_AREA), (120, 120))
    refined = refine_edges(image, blocky, 6, 5e-4)
    assert np.abs(refined - true).mean() < 0.5 * np.abs(blocky - true).mean()
    assert refined.min() >= 0
    assert refined.max() <= 1


def test_edges_of_nothing_and_of_everything():
    image = static_background((40, 50))
    for radius in (1, 6):
        assert refine_edges(image, np.zeros((40, 50), np.float32), radius, 1e-3) == pytest.approx(0)
        assert refine_edges(image, np.ones((40, 50), np.float32), radius, 1e-3) == pytest.approx(1)


def test_own_pixels_are_near_and_nearer_than_the_rivals():
    own = np.array([[40.0, 20.0], [40.0, 80.0]])
    rival = np.array([[[60.0, 20.0], [60.0, 80.0]]])
    alone = own_pixels((100, 200), own, np.full((1, 2, 2), np.nan), [(0, 1)], 60.0)
    assert alone[50, 40] == alone[50, 48] == 1
    assert alone[50, 80] == 0
    beside = own_pixels((100, 200), own, rival, [(0, 1)], 60.0)
    assert beside[50, 40] == 1
    assert beside[50, 57] == 0
    assert beside[50, 50] == pytest.approx(0.5, abs=0.15)
    assert (own_pixels((10, 10), np.full((2, 2), np.nan), rival, [(0, 1)], 60.0) == 0).all()


def moments(flicker: bool) -> list[Moment]:
    texture = cv2.GaussianBlur(static_background((90, 160)), (0, 0), 2)
    found = []
    for t in range(7):
        true = disc((90, 160), 40 + 3 * t, 45, 20)
        image = np.where(true[..., None] > 0.5, np.roll(texture, 3 * t + 50, axis=1) // 2 + 120, texture // 2).astype(np.uint8)
        matte = true * (0.6 if flicker and t == 3 else 1.0)
        found.append(Moment(t, image, cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), matte.astype(np.float32)))
    return found


def test_steady_mends_one_bad_frame_and_leaves_a_moving_one():
    linked = np.array([False] + [True] * 6)
    mended = list(steady(moments(True), 1.0, linked))
    assert [m.t for m in mended] == list(range(7))
    centre = mended[3].matte[45, 49]
    assert centre > 0.75
    for moment in steady(moments(False), 1.0, linked):
        true = disc((90, 160), 40 + 3 * moment.t, 45, 20)
        assert np.abs(moment.matte - true).mean() < 0.01


def test_steady_never_looks_across_a_cut():
    linked = np.array([False, True, True, True, False, True, True])
    first, second = moments(False), moments(False)
    for moment in second[4:]:
        moment.matte = 1 - moment.matte
    one, two = list(steady(first, 1.0, linked)), list(steady(second, 1.0, linked))
    for a, b in zip(one[:4], two[:4], strict=True):
        assert (a.matte == b.matte).all()
    same = list(steady(moments(True), 0.0, linked))
    assert all((a.matte == b.matte).all() for a, b in zip(same, moments(True), strict=True))


def test_the_flow_of_two_pictures_is_worked_out_once_however_many_ask():
    linked, shared, alone = np.array([False] + [True] * 6), Flows(), Flows()
    calls = []

    class Counted:
        def calc(self, grey: np.ndarray, other: np.ndarray, start: None) -> np.ndarray:
            calls.append((grey, other))
            return alone._flow.calc(grey, other, start)  # type: ignore[call-overload]

    shared._flow = Counted()  # type: ignore[assignment]
    results = []
    for flows in ((shared,) * 3, (None,) * 3):
        found, mended = Flicker(linked, flows[0]), Flicker(linked, flows[2])
        mattes = [moment.matte for moment in mended.watch(steady(found.watch(moments(True)), 0.5, linked, flows[1]))]
        results.append((np.stack(mattes), found.share, mended.share))
    assert len(calls) == 2 * 6  # each pair of neighbours, there and back
    assert (results[0][0] == results[1][0]).all()
    assert results[0][1:] == results[1][1:]
    assert results[0][1] > results[0][2] > 0


def test_background_keeps_what_it_was_given():
    still = Background(np.zeros((2, 2, 3), np.float32), np.zeros((2, 2), np.float32), np.ones((2, 2), bool), True)
    with pytest.raises(AttributeError):
        still.has_colour = False  # type: ignore[misc]
