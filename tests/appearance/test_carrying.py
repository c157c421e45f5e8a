"""Frames made from references: what is spared, no reference twice and no frame that does not fade, is not missed."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from crossed_legs import HUMAN
from line import LINE

from pipeline.appearance.fading import Fades
from pipeline.appearance.references import ReferencePictures, warped_references
from pipeline.appearance.renderers.base import Seen
from pipeline.appearance.renderers.carrying import Carrying, draw_again, warp_pairs
from pipeline.appearance.renderers.fakevideo import FakeVideoRenderer
from pipeline.artifacts.references import NONE, ChosenReferences
from pipeline.errors import InputError
from pipeline.networks.carrying import CarryShape, Sure
from pipeline.networks.generator import Exchange, Generator, GeneratorShape


@pytest.mark.parametrize("fading", [[0], [1, 2, 3], [5], range(6)])
@torch.inference_mode()
def test_what_is_drawn_again_is_what_whole_windows_would_be(fading):
    torch.manual_seed(1)
    network = Generator(GeneratorShape(2, 3, 8, 3, 1, True, references=2)).eval()
    for part in network.modules():
        if isinstance(part, Exchange):  # as after training: what a frame looks like depends on those beside it
            torch.nn.init.normal_(part.mix.weight, std=0.3)
    torch.nn.init.normal_(network.head.weight, std=0.1)
    poses, warped, fading = torch.rand(6, 2, 16, 24), torch.rand(6, 12, 16, 24), np.array(fading)
    others = torch.rand(len(fading), 12, 16, 24)
    made, again = draw_again(network, poses, warped, others, fading)
    exchanged = warped.clone()
    exchanged[fading] = others
    windows = (2, 3)
    for found, seen in ((made, warped), (again, exchanged)):
        expected = network(poses.unflatten(0, windows), seen.unflatten(0, windows)).flatten(0, 1)
        torch.testing.assert_close(found, expected if seen is warped else expected[fading], atol=1e-5, rtol=0)
    assert (again - made[fading]).abs().amax((1, 2, 3)).min() > 1e-3


def test_drawing_warps_references_as_training_does():
    class Pictures(ReferencePictures):
        def __init__(self) -> None:
            self.device = torch.device("cpu")

        points = torch.tensor([[[8.0, 9], [20, 9], [26, 14]], [[8.0, 6], [12, 16], [24, 18]]])
        textures = torch.rand(2, 5, 24, 32, generator=torch.Generator().manual_seed(2)) * 255
        textures[:, 4, 12:] = 0

        def picture(self, rank: int) -> torch.Tensor:
            return self.textures[rank] if rank != NONE else torch.zeros(5, 24, 32)

    pictures, ranks = Pictures(), np.array([1, 0, NONE])
    points = torch.tensor([[[6.0, 8], [14, 14], [22, 12]]]).repeat(3, 1, 1)
    found = pictures.warped(ranks, points, LINE, (24, 32))
    seen = torch.stack([pictures.picture(int(rank)) for rank in ranks])
    expected = warped_references(seen, pictures.points[[1, 0, 0]], points, LINE, (24, 32), ranks != NONE)
    torch.testing.assert_close(found, expected, atol=2e-3, rtol=0)
    assert found[:2, 3].amax((1, 2)).min() > 0.5
    assert not found[2].any()


def test_each_reference_is_warped_once_to_a_pose_and_lies_where_it_is_asked_for():
    asked = []

    def warp(ranks: np.ndarray, points: torch.Tensor) -> torch.Tensor:
        asked.extend(zip(ranks.tolist(), points[:, 0, 0].tolist(), strict=True))
        return (10 * points[:, 0, 0] + torch.from_numpy(ranks))[:, None, None, None].expand(-1, 6, 2, 2)

    points = torch.arange(3.0)[:, None, None].expand(-1, 1, 2)
    ranks, which = np.array([[4, 7], [7, 4], [5, NONE], [4, 5]]), np.array([0, 1, 2, 0])  # the last: frame 0 as it fades
    found = warp_pairs(warp, ranks, points, which)
    assert found.shape == (4, 12, 2, 2)
    expected = 10 * which[:, None] + ranks
    assert (found.unflatten(1, (2, 6)) == torch.from_numpy(expected)[..., None, None, None]).all()
    assert sorted(asked) == [(NONE, 2), (4, 0), (4, 1), (5, 0), (5, 2), (7, 0), (7, 1)]


@torch.inference_mode()
def test_a_frame_that_fades_keeps_what_is_sure_of_its_own_pose():
    """The second frame of three is made from either side's references: of both nothing is seen, and what is left is its core."""
    def core(points: torch.Tensor, crop_hw: tuple[int, int]) -> Sure:
        least = torch.zeros(len(points), 1, *crop_hw)
        for i, pose in enumerate(points):
            least[i, 0, :, int(pose[0, 0])] = 1.0
        return Sure(least, least)

    class Pictures(ReferencePictures):
        def __init__(self) -> None:
            self.device, self.points = torch.device("cpu"), torch.rand(3, 3, 2) * 16

        def picture(self, rank: int) -> torch.Tensor:
            return torch.zeros(5, 16, 24)

    network = Generator(GeneratorShape(2, 3, 8, 3, 1, True, references=2)).eval()
    torch.nn.init.zeros_(network.head.weight)
    network.head.bias[3] = -20.0
    fading = Fades(np.array([NONE, 2, NONE]), np.array([0.0, 0.6, 0.0]))
    seen = Seen(Pictures(), np.array([[0, 1], [0, 1], [1, 2]]), fading, SimpleNamespace(sure=core), np.zeros((3, 0), bool))
    params = SimpleNamespace(precision="float32", matte_contrast=1.0, favour_nearest=0.6)
    points = torch.rand(1, 3, 3, 2) * 8 + torch.tensor([3.0, 9.0, 15.0])[None, :, None, None]
    made = Carrying(network, LINE, (16, 24), CarryShape(1.0, 0.0, 0.0, 0.0), params, seen).frames(
        torch.rand(1, 3, 2, 16, 24), points, np.array([[0, 1, 2]])
    )
    for blend, pose in zip(made, points[0], strict=True):
        assert blend.maps["matte"][0].mean(0).argmax() == int(pose[0, 0])


@pytest.mark.parametrize("fades", [False, True])
@torch.inference_mode()
def test_an_end_of_a_limb_is_drawn_as_if_the_second_reference_were_the_first(monkeypatch, fades):
    """On the left half of a picture, all of it an end, and only there; where detail is taken from is said of the references as chosen."""
    class Pictures(ReferencePictures):
        def __init__(self) -> None:
            self.device, self.points = torch.device("cpu"), torch.rand(3, 3, 2) * 16
            self.pictures = torch.rand(3, 5, 16, 24) * 255
            self.pictures[:, 4] = 0

        def picture(self, rank: int) -> torch.Tensor:
            return self.pictures[rank]

    torch.manual_seed(4)
    left = torch.zeros(1, 1, 16, 24)
    left[..., :12] = 1

    def shares(points: torch.Tensor, skeleton: object, which: np.ndarray, crop_hw: tuple[int, int]) -> torch.Tensor:
        return left * torch.from_numpy(which).float()[:, :, None, None]

    monkeypatch.setattr("pipeline.appearance.renderers.carrying.end_shares", shares)
    # What fades is moved by what lies about it, too.
    monkeypatch.setattr("pipeline.appearance.blending.register", lambda pictures, *_: torch.zeros_like(pictures[:, :2]))
    monkeypatch.setattr("pipeline.networks.carrying.register", lambda _, moving, limit: limit * (moving[:, :2] - 0.5))
    network = Generator(GeneratorShape(2, 3, 8, 3, 1, True, references=3)).eval()
    torch.nn.init.zeros_(network.head.weight)  # each pixel by itself
    network.head.bias[3:] = 0.5
    given = []
    network.register_forward_pre_hook(lambda _, inputs: given.append(inputs[1].flatten(0, 1)))
    again = "pipeline.appearance.renderers.carrying.draw_again"
    monkeypatch.setattr(again, lambda *of: (given.append(torch.cat([of[2], of[3]])), draw_again(*of))[1])
    pictures, ranks = Pictures(), np.array([[0, 1, 2], [2, 1, 0], [1, 2, 0]])
    fading = Fades(np.array([NONE, 2 if fades else NONE, NONE]), np.array([0.0, 0.3, 0.0]))
    params = SimpleNamespace(precision="float32", matte_contrast=1.0, favour_nearest=0.6)
    nothing = SimpleNamespace(sure=lambda points, hw: Sure(torch.zeros(len(points), 1, *hw), torch.ones(len(points), 1, *hw)))
    shown = torch.rand(1, 3, 2, 16, 24), torch.rand(1, 3, 3, 2) * 8 + 4, np.array([[0, 1, 2]])

    def drawn(ranks: np.ndarray, ends: np.ndarray) -> list[dict[str, torch.Tensor]]:
        seen = Seen(pictures, ranks, fading, nothing, ends[:, None])
        made = Carrying(network, LINE, (16, 24), CarryShape(0.4, 1.0, 0.0, 0.0), params, seen).frames(*shown)
        return [blend.maps | {"rgb": blend.colours["rgb"]} for blend in made]

    ends, none = np.array([True, not fades, True]), np.zeros(3, bool)
    exchanged = np.where(ends[:, None], ranks[:, [1, 0, 2]], ranks)
    names = {"first_share": "second_share", "second_share": "first_share", "flow": "second_flow", "second_flow": "flow"}
    drawings = drawn(ranks, ends), drawn(ranks, none), drawn(exchanged, none)
    # The network sees it so, too.
    assert torch.equal(given[0][..., :12], given[2][..., :12])
    assert torch.equal(given[0][..., 12:], given[1][..., 12:])
    assert (given[0] - given[1])[..., :12].abs().max() > 0.1
    for found, first, other, swapped in zip(*drawings, [names if end else {} for end in ends], strict=True):
        for name in found:
            torch.testing.assert_close(found[name][..., :4], other[swapped.get(name, name)][..., :4], atol=1e-5, rtol=0)
            torch.testing.assert_close(found[name][..., 20:], first[name][..., 20:], atol=1e-5, rtol=0)
        assert (found["rgb"] - first["rgb"])[..., :4].abs().max() > 0.01


def test_a_renderer_sees_which_ends_are_the_second_reference_s_and_fades_them(monkeypatch):
    monkeypatch.setattr("pipeline.appearance.renderers.fakevideo.ReferencePictures", lambda *_: None)
    monkeypatch.setattr("pipeline.appearance.renderers.fakevideo.learn_core", lambda *_: None)
    network = SimpleNamespace(shape=SimpleNamespace(references=2))
    renderer = SimpleNamespace(carrying=True, network=network, skeleton=HUMAN, device=torch.device("cpu"))
    ranks, ends = np.tile([0, 1], (8, 1)), np.zeros((8, 4), bool)
    ends[4:, 2] = True

    def seen(ends: np.ndarray) -> Seen:
        chosen = ChosenReferences(ranks, ranks, np.zeros(ranks.shape), {}, ends)
        return FakeVideoRenderer.see(renderer, True, chosen, np.ones(8, bool), 2, 1.0)

    assert (seen(ends).ends == ends).all()
    assert seen(ends).fading.other.tolist() == [NONE] * 3 + [4, 3] + [NONE] * 3
    assert (seen(np.zeros_like(ends)).fading.other == NONE).all()
    with pytest.raises(InputError, match="must tell of 4 ends of limbs, found 3"):
        seen(ends[:, :3])
