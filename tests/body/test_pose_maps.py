"""Laws of pose maps."""

import numpy as np
import pytest
import torch
from figure import human, worm_skeleton

from pipeline.body.pose_maps import PoseMapParams, colourise, draw_pose_maps, drawn_limbs, pose_channels, pose_picture
from pipeline.errors import InputError

SIZE = 32
HW = (SIZE, SIZE)
LIMBS = PoseMapParams(style="limbs", width=0.0625, score_threshold=0.3)  # half-width 2 px on 32
RGB = LIMBS.model_copy(update={"style": "rgb"})


def chain(joints: int, *points: tuple[float, float]) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.tensor(points).reshape(1, joints, 2), torch.ones(1, joints)


def test_a_level_limb_by_hand():
    points, scores = chain(2, (8.0, 16.0), (24.0, 16.0))
    maps = draw_pose_maps(points, scores, worm_skeleton(2), HW, LIMBS)[0, 0]
    assert maps.shape == (SIZE, SIZE)
    assert maps[14:19, 16].tolist() == [0.5, 1.0, 1.0, 1.0, 0.5]  # distance 2 = half-width: half covered
    assert maps[13, 16] == 0
    assert maps[16, 4] == 0.5  # disc of radius 4 about x = 8
    assert maps[16, 3] == 0
    assert maps[12, 8] == 0.5


def test_a_limb_towards_the_camera_is_a_disc():
    points, scores = chain(2, (16.0, 16.0), (16.0, 16.0))
    maps = draw_pose_maps(points, scores, worm_skeleton(2), HW, LIMBS)[0, 0]
    assert maps[16, 16] == 1
    assert maps[16, 12] == maps[12, 16] == 0.5
    assert torch.equal(maps, maps.T)


def test_moving_the_pose_by_whole_pixels_moves_the_map():
    points, scores = chain(3, (6.3, 7.1), (12.8, 9.4), (10.2, 15.9))
    skeleton = worm_skeleton(3)
    still = draw_pose_maps(points, scores, skeleton, HW, LIMBS)
    moved = draw_pose_maps(points + torch.tensor([5.0, 3.0]), scores, skeleton, HW, LIMBS)
    assert torch.allclose(moved[..., 3:, 5:], still[..., :-3, :-5], atol=1e-5)


def test_a_crop_of_any_shape_is_drawn_alike_along_both_axes():
    """Exchanging x and y of pose and crop exchanges them in the map; a limb is a share of the longer side, however short the other."""
    points, scores = chain(3, (6.3, 7.1), (40.8, 9.4), (50.2, 15.9))
    skeleton = worm_skeleton(3)
    wide = draw_pose_maps(points, scores, skeleton, (24, 64), LIMBS)
    assert wide.shape == (1, 2, 24, 64)
    assert wide.amax((2, 3)).tolist() == [[1, 1]]
    high = draw_pose_maps(points.flip(-1), scores, skeleton, (64, 24), LIMBS)
    assert torch.allclose(high, wide.transpose(2, 3), atol=1e-5)
    square = draw_pose_maps(points, scores, skeleton, (64, 64), LIMBS)
    assert torch.allclose(square[:, :, :24], wide, atol=1e-5)
    for crop_hw in ((24, 64), (64, 24)):
        xy = points[0].numpy() if crop_hw[1] == 64 else points[0].numpy()[:, ::-1]
        params = LIMBS.model_copy(update={"style": "rgb"})
        drawn = colourise(draw_pose_maps(torch.from_numpy(xy.copy())[None], scores, skeleton, crop_hw, params), skeleton, "rgb")[0]
        picture = pose_picture(xy, scores[0].numpy(), skeleton, crop_hw, params)
        there, seen = drawn.max(-1) > 127, picture.max(-1) > 127
        assert (there & seen).sum() / (there | seen).sum() > 0.8


def test_missing_and_unsure_joints_are_not_drawn():
    skeleton = worm_skeleton(3)
    points, scores = chain(3, (8.0, 8.0), (16.0, 16.0), (24.0, 24.0))
    missing, unsure = points.clone(), scores.clone()
    missing[0, 2] = torch.nan
    unsure[0, 2] = 0.29
    full = draw_pose_maps(points, scores, skeleton, HW, LIMBS)
    for maps in (draw_pose_maps(missing, scores, skeleton, HW, LIMBS), draw_pose_maps(points, unsure, skeleton, HW, LIMBS)):
        assert torch.isfinite(maps).all()
        assert torch.equal(maps[0, 0], full[0, 0])
        assert maps[0, 1].max() == 0
    nobody = torch.full_like(points, torch.nan)
    assert draw_pose_maps(nobody, scores, skeleton, HW, LIMBS).abs().max() == 0


def test_channels_range_inputs_and_determinism():
    skeleton = human()
    generator = torch.Generator().manual_seed(0)
    points = torch.rand((3, len(skeleton.joints), 2), generator=generator) * 60 - 14
    scores = torch.rand((3, len(skeleton.joints)), generator=generator)
    before = points.clone(), scores.clone()
    for params in (LIMBS, RGB):
        maps = draw_pose_maps(points, scores, skeleton, HW, params)
        assert maps.shape == (3, pose_channels(skeleton, params), SIZE, SIZE)
        assert maps.dtype == torch.float32
        assert 0 <= maps.min() <= maps.max() <= 1
        assert torch.equal(maps, draw_pose_maps(points, scores, skeleton, HW, params))
        one_by_one = [draw_pose_maps(points[i : i + 1], scores[i : i + 1], skeleton, HW, params) for i in range(3)]
        assert torch.equal(maps, torch.cat(one_by_one))
    assert torch.equal(points, before[0])
    assert torch.equal(scores, before[1])
    assert pose_channels(skeleton, RGB) == 3
    assert pose_channels(skeleton, LIMBS) == len(drawn_limbs(skeleton)) == sum(limb.drawn for limb in skeleton.limbs)


def test_undrawn_limbs_stay_undrawn():
    skeleton = human()
    points = torch.full((1, len(skeleton.joints), 2), torch.nan)
    for joint in ("nose", "right_mouth", "left_mouth"):
        points[0, skeleton.index(joint)] = 16.0
    assert draw_pose_maps(points, torch.ones(1, len(skeleton.joints)), skeleton, HW, RGB).max() == 0


def test_limb_channels_in_colour_are_the_rgb_map():
    skeleton = worm_skeleton(3)
    points, scores = chain(3, (8.0, 8.0), (16.0, 20.0), (24.0, 8.0))
    limbs = draw_pose_maps(points, scores, skeleton, HW, LIMBS)
    rgb = draw_pose_maps(points, scores, skeleton, HW, RGB)
    shown = colourise(limbs, skeleton)
    assert shown.shape == (1, SIZE, SIZE, 3)
    assert np.array_equal(shown, colourise(rgb, skeleton, "rgb"))
    assert tuple(shown[0, 8, 8]) == skeleton.limbs[0].colour
    assert np.array_equal(colourise(limbs[0], skeleton), shown[0])


def test_picture_agrees_with_the_map_and_leaves_its_input_alone():
    skeleton = worm_skeleton(2)
    points, scores = chain(2, (20.0, 40.0), (70.0, 60.0))
    params = PoseMapParams(style="rgb", width=0.03, score_threshold=0.3)
    drawn = colourise(draw_pose_maps(points, scores, skeleton, (100, 100), params), skeleton, "rgb")[0]
    picture = pose_picture(points[0].numpy(), scores[0].numpy(), skeleton, (100, 100), params)
    both, either = ((drawn[..., 0] > 127) & (picture[..., 0] > 127)).sum(), ((drawn[..., 0] > 127) | (picture[..., 0] > 127)).sum()
    assert both / either > 0.8
    image = np.full((100, 100, 3), 7, np.uint8)
    over = pose_picture(points[0].numpy(), scores[0].numpy(), skeleton, (100, 100), params, image)
    assert (image == 7).all()
    assert (over[0] == 7).all()
    nobody = pose_picture(np.full((2, 2), np.nan), np.zeros(2), skeleton, (100, 100), params, image)
    assert np.array_equal(nobody, image)


def test_joints_of_another_skeleton_are_refused():
    with pytest.raises(InputError, match="must hold the 64 joints of skeleton human, found"):
        draw_pose_maps(torch.zeros(1, 2, 2), torch.zeros(1, 2), human(), HW, LIMBS)


@pytest.mark.parametrize("style", ["limbs", "rgb"])
def test_a_map_that_serves_any_pose_is_the_same(style, monkeypatch):
    """While a graph is traced all limbs are drawn, and those that are seen are shown."""
    drawn = torch.Generator().manual_seed(3)
    points = torch.rand(3, len(human().joints), 2, generator=drawn) * 50
    points[0, ::3], scores = torch.nan, torch.rand(3, len(human().joints), generator=drawn)
    params = PoseMapParams(style=style, width=0.03, score_threshold=0.3)
    usual = draw_pose_maps(points, scores, human(), (40, 48), params)
    monkeypatch.setattr("torch.compiler.is_exporting", lambda: True)
    found = draw_pose_maps(points, scores, human(), (40, 48), params)
    assert usual.mean() > 0
    torch.testing.assert_close(found, usual)
