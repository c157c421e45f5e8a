"""Frames made from references: no reference is warped twice for a pose, and where references fade only what they change is drawn again."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from pipeline.appearance.blending import Blend
from pipeline.appearance.renderers.base import GenerateParams, Seen
from pipeline.artifacts.references import NONE
from pipeline.body.ends import end_shares
from pipeline.body.skeleton import Skeleton
from pipeline.networks.carrying import WARPED_CHANNELS, CarryShape, Sure, carry
from pipeline.networks.generator import Generator
from pipeline.training.device import autocast, choose_dtype


@dataclass(frozen=True)
class Carrying:
    """Makes the frames of windows from references."""

    network: Generator
    skeleton: Skeleton
    crop_hw: tuple[int, int]
    shape: CarryShape
    params: GenerateParams
    seen: Seen

    def frames(self, poses: Tensor, points: Tensor, windows: np.ndarray) -> list[Blend]:
        """Every frame of windows (b k), for pose maps (b k c h w) and points (b k j 2); one that fades is made from either side's."""
        flat, other = windows.flatten(), self.seen.fading.other[windows].flatten()
        points, fading = points.flatten(0, 1), np.flatnonzero(other != NONE)
        sure = self.seen.core.sure(points, self.crop_hw)
        ranks = np.concatenate([self.seen.ranks[flat], self.seen.ranks[other[fading]]])
        warp = partial(self.seen.pictures.warped, skeleton=self.skeleton, crop_hw=self.crop_hw)
        which = np.concatenate([np.arange(len(flat)), fading])
        warped = warp_pairs(warp, ranks, points, which)
        precedence = self._precedence(points, which, np.concatenate([self.seen.ends[flat], self.seen.ends[other[fading]]]))
        (warped, theirs), parts = precedence.of_warped(warped).split([len(flat), len(fading)]), precedence.split(len(flat))
        with autocast(poses.device, choose_dtype(self.params.precision, poses.device)):
            if not len(fading):
                outputs, again = self.network(poses, warped.unflatten(0, poses.shape[:2])).flatten(0, 1), None
            else:
                outputs, again = draw_again(self.network, poses.flatten(0, 1), warped, theirs, fading)
        blends = self._mixed(outputs, warped, sure, parts[0])
        if again is not None:
            within = torch.from_numpy(fading).to(poses.device)
            mixed = self._mixed(again, theirs, Sure(sure.least[within], sure.about[within]), parts[1])
            for i, made in zip(fading.tolist(), mixed, strict=True):
                blends[i] = blends[i].faded(made, float(self.seen.fading.share[flat[i]]))
        return blends

    def _precedence(self, points: Tensor, which: np.ndarray, ends: np.ndarray) -> "Precedence":
        """For the poses `which` (m) of points (n j 2), by the ends (m e) of limbs that are the second reference's."""
        if not ends.any():
            return Precedence(None)
        return Precedence(end_shares(points[torch.from_numpy(which).to(points.device)], self.skeleton, ends, self.crop_hw))

    def _mixed(self, outputs: Tensor, warped: Tensor, sure: Sure, precedence: "Precedence") -> list[Blend]:
        """Frames of the network's outputs (n . h w), warped references (n 6r h w) with some exchanged, and what is sure."""
        made = carry(outputs, warped, self.shape, self.params.matte_contrast, sure, self.params.favour_nearest)
        colours = {"rgb": made.colours, "base_rgb": made.base_colours}
        maps = {"matte": made.mattes, "base_matte": made.base_mattes, "detail": made.detail}
        maps |= zip(("first_share", "second_share"), precedence(made.first, made.second), strict=True)
        maps |= zip(("flow", "second_flow"), precedence(made.flow, made.second_flow), strict=True)
        return [Blend.of({n: x[i] for n, x in colours.items()}, {n: x[i] for n, x in maps.items()}) for i in range(len(warped))]


@dataclass(frozen=True)
class Precedence:
    """How far the second reference is taken for the first, share (n 1 h w) in [0, 1]; None: nowhere."""

    share: Tensor | None

    def __call__(self, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
        """What is (n c h w) of either, exchanged; once more, where the share is 0 or 1, and it is as it was."""
        if self.share is None:
            return first, second
        return torch.lerp(first, second, self.share), torch.lerp(second, first, self.share)

    def of_warped(self, warped: Tensor) -> Tensor:
        """Warped references (n 6r h w) with the first two exchanged."""
        if self.share is None:
            return warped
        first, second, others = warped.tensor_split([WARPED_CHANNELS, 2 * WARPED_CHANNELS], 1)
        return torch.cat([*self(first, second), others], 1)

    def split(self, first: int) -> tuple["Precedence", "Precedence"]:
        """Of the first frames and of the others."""
        return (self, self) if self.share is None else (Precedence(self.share[:first]), Precedence(self.share[first:]))


def warp_pairs(warp: Callable[[np.ndarray, Tensor], Tensor], ranks: np.ndarray, points: Tensor, which: np.ndarray) -> Tensor:
    """References of rank (m r) warped to those of the points (n j 2) that `which` (m) says, (m 6r h w), each pair once.

    warp: ranks (p) and points (p j 2) → (p 6 h w).
    """
    count = ranks.shape[1]
    pairs, where = np.unique(np.stack([which.repeat(count), ranks.ravel()], 1), axis=0, return_inverse=True)
    frame, place = (torch.from_numpy(index).to(points.device) for index in (pairs[:, 0], where.ravel()))
    return warp(pairs[:, 1], points[frame])[place].unflatten(0, (-1, count)).flatten(1, 2)


def draw_again(network: Generator, poses: Tensor, warped: Tensor, others: Tensor, fading: np.ndarray) -> tuple[Tensor, Tensor]:
    """A generator's outputs (n . h w) for poses (n c h w) of whole windows with warped references (n 6r h w), and those (m . h w) of
    the frames `fading` (m) of them as if they had others (m 6r h w).

    What another reference does not change is worked out once: the layers before the frames of a window look at each other, and of the
    frames that do not fade those behind too.
    """
    index = torch.from_numpy(fading).to(poses.device)
    encoded, again = (_encoded(network, *part) for part in ((poses, warped), (poses[index], others)))
    deepest = [maps[-1] for maps in encoded]
    bottom = network.bottom(torch.cat(deepest)).split(1)
    for i, maps in zip(fading.tolist(), again, strict=True):
        deepest[i] = maps[-1]
    others_bottom = network.bottom(torch.cat(deepest)).split(1)
    made = [network.ascend([*maps[:-1], x]) for maps, x in zip(encoded, bottom, strict=True)]
    made_again = [network.ascend([*maps[:-1], others_bottom[i]]) for i, maps in zip(fading.tolist(), again, strict=True)]
    return torch.cat(made), torch.cat(made_again)


def _encoded(network: Generator, poses: Tensor, warped: Tensor) -> list[list[Tensor]]:
    """The encoder's maps of each frame."""
    return [network.encode(frame) for frame in torch.cat([poses, warped.to(poses.dtype)], 1).split(1)]
