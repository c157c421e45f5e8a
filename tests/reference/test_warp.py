"""Carrying at the source's resolution: exact where everything is trusted, equal to the network's own mixture at its own scale."""


from typing import cast

import cv2
import numpy as np
import pytest
import torch
from line import LINE

from pipeline.artifacts.foregrounds import FLOW_STEPS, create_foregrounds, open_foregrounds
from pipeline.artifacts.keypoints import Track
from pipeline.artifacts.references import References
from pipeline.body.warping import picture_field, unfolded
from pipeline.networks import carrying
from pipeline.networks.carrying import CarryShape, carry, output_channels
from pipeline.picture.geometry import box_to_crop
from pipeline.reference import carry as laying
from pipeline.reference import warp
from pipeline.reference.carry import FIRST, SECOND, Part, Places, Source, carried, source_of
from pipeline.reference.warp import WarpInputs, canvas, warp_references
from pipeline.video.clock import Clock

SIDE, SCALE = 96, 0.25


def _texture(side: int = SIDE) -> np.ndarray:
    """Stripes two px wide over a slow gradient: nothing of them is left at a quarter of the size."""
    y, x = np.mgrid[:side, :side]
    picture = np.stack([100 + 40 * ((x // 2) % 2), 90 + 40 * ((y // 2) % 2), 60 + x], -1)
    return np.clip(picture, 0, 255).astype(np.uint8)


def _layers(texture: np.ndarray, trust: int) -> dict[str, np.ndarray]:
    small = cv2.resize(texture, None, fx=SCALE, fy=SCALE, interpolation=cv2.INTER_AREA)
    height, width = small.shape[:2]
    full = np.full((height, width), 255, np.uint8)
    return {"base_rgb": small, "base_matte": full, "detail": np.full_like(full, trust), "first_share": full}


TO_WORKING = np.array([[SCALE, 0.0, 0.5 * SCALE - 0.5], [0.0, SCALE, 0.5 * SCALE - 0.5]])


def _source(texture: np.ndarray, sound: float = 1.0) -> Source:
    """A picture that lies where it is seen."""
    y, x = np.mgrid[: texture.shape[0], : texture.shape[1]].astype(np.float32)
    picture = texture if texture.shape[2] == 4 else np.dstack([texture, np.full(texture.shape[:2], 255, np.uint8)])
    return Source(picture, x, y, np.full_like(x, sound))


def test_trusted_detail_is_the_camera_s_and_untrusted_is_not_there():
    texture = _texture()
    rgb, matte, trusted = carried(_layers(texture, 255), _source(texture), TO_WORKING, (SIDE, SIDE), 1.0)
    inner = np.s_[16:-16, 16:-16]
    assert np.abs(rgb[inner].astype(int) - texture[inner]).mean() < 3
    assert (matte[inner] == 255).all()
    assert trusted.min() > 0.99
    for trust, sound in ((0, 1.0), (255, 0.0)):
        without, _, trusted = carried(_layers(texture, trust), _source(texture, sound), TO_WORKING, (SIDE, SIDE), 1.0)
        assert np.abs(without[inner].astype(int) - texture[inner]).mean() > 12  # what the working size lost
        assert not trusted.any()


def test_without_a_reference_the_base_is_enlarged():
    texture = _texture()
    rgb, matte, trusted = carried(_layers(texture, 255), None, TO_WORKING, (SIDE, SIDE), 1.0)
    assert not trusted.any()
    assert (matte == 255).all()
    assert np.abs(rgb[16:-16, 16:-16, 0].astype(int) - 120).max() <= 3


def test_what_is_transparent_is_black_and_carries_nothing():
    texture = _texture()
    layers = _layers(texture, 255)
    layers["base_matte"][:] = 0
    source = _source(np.dstack([texture, np.zeros(texture.shape[:2], np.uint8)]))
    rgb, matte, _ = carried(layers, source, TO_WORKING, (SIDE, SIDE), 1.0)
    assert not rgb.any()
    assert not matte.any()


def _picture(seed: int, side: int) -> np.ndarray:
    draw = np.random.default_rng(seed)
    matte = cv2.GaussianBlur((draw.random((side, side)) > 0.4).astype(np.float32), (0, 0), 2)
    return np.dstack([_texture(side) * matte[..., None], matte * 255]).round().astype(np.uint8)


def _warped(picture: np.ndarray, sound: float) -> torch.Tensor:
    seen = torch.from_numpy(picture.astype(np.float32)).permute(2, 0, 1)[None]
    sure = torch.ones(1, 2, *picture.shape[:2])
    return sound * torch.cat([seen[:, :3] / 127.5 - seen[:, 3:] / 255, seen[:, 3:] / 255, sure], 1)


@pytest.mark.parametrize("sound", [None, 1.0, 0.0])
def test_at_the_network_s_own_scale_it_is_the_network_s_own_picture(sound):
    """The two places that mix, in training and at the source's resolution, do the same; what the first reference does not show, the
    second one does."""
    torch.manual_seed(2)
    side, band = 32, 1.5
    picture = _picture(4, side)
    count = 1 if sound is None else 2
    warped = _warped(picture, 1.0 if sound is None else sound)
    if count == 2:
        warped = torch.cat([warped, _warped(_picture(5, side), 1.0)], 1)
    outputs = torch.nn.functional.interpolate(torch.randn(1, output_channels(count), 5, 5), (side, side), mode="bilinear")
    made = carry(outputs, warped, CarryShape(band, 0.0, 1.0, 1.0))
    layers = {
        "base_rgb": ((made.base_colours[0].permute(1, 2, 0).numpy() + 1) * 127.5).clip(0, 255).round().astype(np.uint8),
        "base_matte": (made.base_mattes[0, 0].numpy() * 255).clip(0, 255).round().astype(np.uint8),
        "detail": (made.detail[0, 0].numpy() * 255).round().astype(np.uint8),
        "first_share": (made.first[0, 0].numpy() * 255).round().astype(np.uint8),
        "second_share": (made.second[0, 0].numpy() * 255).round().astype(np.uint8),
    }
    assert made.first.min() < 0.9
    assert made.second.any() == (count == 2)
    assert (made.second <= 1 - made.first * (1.0 if sound is None else sound) + 1e-6).all()
    second = _source(_picture(5, side)) if count == 2 else None
    first = _source(picture, 1.0 if sound is None else sound)
    rgb, opacity, _ = carried(layers, first, np.eye(2, 3), (side, side), band, second)
    expected = ((made.colours[0].permute(1, 2, 0).numpy() + 1) * 127.5).round()
    assert np.abs(opacity - made.mattes[0, 0].numpy() * 255)[8:-8, 8:-8].max() < 3
    shown = (opacity > 64)[8:-8, 8:-8]
    assert np.abs(rgb - expected)[8:-8, 8:-8][shown].max() < 8


def _bent() -> tuple[np.ndarray, np.ndarray]:
    """Two poses (j 2): a straight line of two limbs, and bent back on itself; between its limbs the warp leaps."""
    return np.array([[16.0, 30.0], [60.0, 30.0], [16.0, 46.0]]), np.array([[10.0, 40.0], [50.0, 40.0], [90.0, 40.0]])


def test_the_warp_is_as_fine_as_the_source_up_to_the_borders_of_the_body_s_parts():
    """As the copy without training has it: worked out at the working size, a border would be some px of the source wide."""
    here, there = _bent()
    picture = np.zeros((SIDE, SIDE, 4), np.uint8)
    flow = np.zeros((SIDE // 4, SIDE // 4, 2), np.int16)
    part = Part((0, 0), (SIDE, SIDE), TO_WORKING)
    found = source_of(picture, there, here, LINE, flow, part)
    query, reference = (torch.from_numpy(pose.astype(np.float32))[None] for pose in (here, there))
    expected, own = picture_field(query, reference, LINE, (SIDE, SIDE), 1)
    gap = np.hypot(found.x - expected[0, ..., 0].numpy(), found.y - expected[0, ..., 1].numpy())
    assert np.median(gap) < 0.05
    sound = (own * unfolded(expected))[0, 0].numpy()
    assert (sound < 0.5).any()
    assert np.abs(found.sound - sound).mean() < 0.02


def test_what_a_second_reference_shows_is_carried_where_it_is_asked_for_and_nowhere_else():
    texture, other = _texture(), np.ascontiguousarray(_texture()[:, ::-1])
    layers = _layers(other, 255)
    layers["second_share"] = np.zeros_like(layers["detail"])
    layers["second_share"][:, 12:] = 255
    first = _source(texture, 1.0)
    first.sound[:, SIDE // 2 :] = 0
    alone, _, _ = carried(layers, first, TO_WORKING, (SIDE, SIDE), 1.0)
    rgb, _, trusted = carried(layers, first, TO_WORKING, (SIDE, SIDE), 1.0, _source(other))
    right = np.s_[16:-16, SIDE // 2 + 8 : -16]
    assert np.abs(rgb[right].astype(int) - other[right]).mean() < 3
    assert np.abs(alone[right].astype(int) - other[right]).mean() > 12
    left = np.s_[:, : SIDE // 2 - 4]
    assert (rgb[left] == alone[left]).all()
    assert trusted[right].min() > 0.99


def test_a_second_reference_looked_at_in_its_own_box_is_what_it_is_in_the_whole_part():
    here, there = _bent()
    whole = Part((3, 5), (SIDE, SIDE), TO_WORKING)
    share = np.zeros((SIDE // 4, SIDE // 4), np.uint8)
    share[9:14, 10:16] = 255
    inner = warp._part_of(share, whole, 1.0)
    assert inner is not None
    assert inner.size_hw < whole.size_hw
    picture, flow = np.zeros((SIDE, SIDE, 4), np.uint8), np.zeros((SIDE // 4, SIDE // 4, 2), np.int16)
    found = source_of(picture, there, here - np.array(inner.corner_xy), LINE, flow, inner)
    full = source_of(picture, there, here, LINE, flow, whole)
    (x, y), (height, width) = inner.corner_xy, inner.size_hw
    box = np.s_[y : y + height, x : x + width]
    assert found.corner_xy == inner.corner_xy
    for name in ("x", "y"):
        assert np.allclose(getattr(found, name)[2:-2, 2:-2], getattr(full, name)[box][2:-2, 2:-2], atol=1e-2)
    asked = np.argwhere(cv2.resize(share, (SIDE, SIDE), interpolation=cv2.INTER_NEAREST))
    assert (asked.min(0) >= [y, x]).all()
    assert (asked.max(0) < [y + height, x + width]).all()
    assert warp._part_of(0 * share, whole, 1.0) is None


def _blot(side: int, seed: int) -> np.ndarray:
    """A layer with something in a fifth of its width and height."""
    layer, draw = np.zeros((side, side), np.uint8), np.random.default_rng(seed)
    start, size = draw.integers(2, side // 2), side // 5
    layer[start : start + size, start : start + size] = draw.integers(1, 256, (size, size))
    return layer


@pytest.mark.parametrize("flow", [(0, 0), (FLOW_STEPS, -2 * FLOW_STEPS)])
@pytest.mark.parametrize("asked", [FIRST, SECOND])
def test_where_nothing_is_seen_nothing_is_looked_for(asked, flow):
    """A source that was looked at in its places alone adds all that the whole one adds."""
    here, there = _bent()
    side = SIDE // 4
    layers = _layers(_texture(), 0) | dict.fromkeys(("detail", "first_share", "second_share"), _blot(side, 7))
    layers["base_matte"][:, : side // 3] = 0
    layers[asked.flow] = np.tile(np.array(flow, np.int16), (side, side, 1))
    whole, picture = Part((0, 0), (SIDE, SIDE), TO_WORKING, 4), _picture(3, SIDE)
    places = Places.of(layers, asked, whole, whole, 1.0)
    assert sum((rows.stop - rows.start) * (columns.stop - columns.start) for rows, columns in places.looked_at) < 0.9 * SIDE**2
    made = []
    for some in (None, places):
        source = source_of(picture, there, here, LINE, layers[asked.flow], whole, some)
        first, second = (source, None) if asked is FIRST else (None, source)
        made.append(carried(layers, first, TO_WORKING, (SIDE, SIDE), 1.0, second))
    assert made[0][2].any()
    assert not np.array_equal(made[0][0], carried(layers, None, TO_WORKING, (SIDE, SIDE), 1.0)[0])
    for found, expected in zip(made[1][:2], made[0][:2], strict=True):
        assert np.abs(found.astype(int) - expected).max() <= 1
    opaque = made[0][1] > 0
    assert np.allclose(made[1][2][opaque], made[0][2][opaque], atol=1e-5)


def test_a_correction_flow_of_working_px_moves_full_px():
    here, there = _bent()
    flow = np.zeros((SIDE // 4, SIDE // 4, 2), np.int16)
    flow[...] = 1 * FLOW_STEPS, -2 * FLOW_STEPS
    picture, part = np.zeros((SIDE, SIDE, 4), np.uint8), Part((0, 0), (SIDE, SIDE), TO_WORKING)
    moved, still = (source_of(picture, there, here, LINE, share * flow, part) for share in (1, 0))
    right, up = 4, 8  # a quarter of the size: 1 and -2 working px
    for name in ("x", "y", "sound"):
        assert np.allclose(getattr(moved, name)[up:, :-right], getattr(still, name)[:-up, right:], atol=1e-3)


def test_both_places_that_mix_have_the_same_constants():
    assert (laying.FAINT, laying.AGREED) == (carrying.FAINT, carrying.AGREED)


def test_an_edge_of_the_reference_alone_is_not_drawn():
    """The reference ends in the middle; where the mixture has a matte its edge is taken, sharper than the mixture's own."""
    texture, opaque = _texture(), np.zeros((SIDE, SIDE), np.uint8)
    opaque[:, : SIDE // 2] = 255
    layers, source = _layers(texture, 255), _source(np.dstack([texture * (opaque[..., None] > 0), opaque]))
    layers["base_matte"] = cv2.GaussianBlur(cv2.resize(opaque, None, fx=SCALE, fy=SCALE, interpolation=cv2.INTER_AREA), (0, 0), 1.5)
    own = carried(layers, None, TO_WORKING, (SIDE, SIDE), 1.0)[1].astype(int)
    taken = carried(layers, source, TO_WORKING, (SIDE, SIDE), 1.0)[1].astype(int)
    row = SIDE // 2
    assert np.abs(np.diff(taken[row])).max() > 2 * np.abs(np.diff(own[row])).max()
    layers["base_matte"] = np.zeros_like(layers["base_matte"])
    assert not carried(layers, source, TO_WORKING, (SIDE, SIDE), 1.0)[1].any()
    layers["base_matte"][:, [0, -1]] = 255  # nor between what is there on either side
    assert not carried(layers, source, TO_WORKING, (SIDE, SIDE), 1.0)[1][:, SIDE // 4 : -SIDE // 4].any()


def test_a_canvas_moves_in_whole_pixels_and_holds_the_working_crop():
    boxes = np.array([[10.3, 20.7, 90.3, 60.7], [11.9, 20.2, 91.9, 60.2]])
    rows = np.stack([box_to_crop(box, (32, 64)) for box in boxes])
    (height, width), canvases = canvas(rows, (32, 64))
    assert (canvases[:, :, 2] == np.round(canvases[:, :, 2])).all()
    assert (canvases[:, :, :2] == np.eye(2)).all()
    for box, row in zip(boxes, canvases, strict=True):
        x0, y0 = -row[:, 2]
        assert x0 <= box[0]
        assert y0 <= box[1]
        assert x0 + width >= box[2]
        assert y0 + height >= box[3]


def test_a_foreground_made_without_references_is_passed_on_as_it_is(tmp_path):
    draw = np.random.default_rng(6)
    rgb, matte = draw.integers(0, 256, (5, 32, 64, 3), np.uint8), draw.integers(0, 256, (5, 32, 64), np.uint8)
    crop, present = np.tile(box_to_crop(np.array([10, 20, 90, 60]), (32, 64)), (5, 1, 1)), np.array([1, 1, 0, 1, 1], bool)
    clock = Clock("25", "1/25", tuple(range(5)))
    with create_foregrounds(tmp_path / "generated.zarr", (32, 64), clock, crop, present, (90, 160), {"k": 3, "grey": False}) as writer:
        writer.append(rgb, matte)
    generated = open_foregrounds(tmp_path / "generated.zarr")
    told = warp_references(WarpInputs(generated, cast(References, None), cast(Track, None)), tmp_path / "warped.zarr")
    assert told == {"share": 0.0, "limbs": {}, "references": 0, "changes": 0}
    found = open_foregrounds(tmp_path / "warped.zarr")
    assert (found.rgb[:] == rgb).all()
    assert (found.matte[:] == matte).all()
    assert (found.crop == crop).all()
    assert (found.present == present).all()
    assert (found.attributes["k"], found.attributes["grey"], found.carried) == (3, False, None)
    assert found.clock == generated.clock
