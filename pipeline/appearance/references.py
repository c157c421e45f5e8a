"""Reference frames in training and rendering: which one is drawn, and what the generator sees of it. Not in the paper."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from pipeline.artifacts.references import NONE, References
from pipeline.body.hidden import Hidden
from pipeline.body.pose_distance import body_size, gap_distances, warp_distances
from pipeline.body.skeleton import Skeleton
from pipeline.body.warping import likeness, picture_field, sample_field
from pipeline.picture.geometry import sample_crop, scaling


class ReferenceDrawer:
    """Draws a reference for a training window at a distance like those between the last fifth of the training part and the rest.

    A frame's own neighbours are nearly equal to it; a generator that learnt from them would trust a reference more than
    poses never filmed allow. A share of draws is from anywhere in the clip: drivers take poses that the target never took, whose
    warps fail, and gates must have seen some that do.
    """

    def __init__(
        self,
        points: np.ndarray,
        kept: Sequence[np.ndarray],
        skeleton: Skeleton,
        absent: float,
        far: float,
        transient: Mapping[int, np.ndarray] | None = None,
    ) -> None:
        """points (n j 2) crop px of the training frames, rows (m) of those kept of each clip; shares of draws without one and from
        anywhere; transient: what is in a row's crop (h w) uint8, where anything is."""
        self.points, self.rows, self.absent, self.far = points, np.concatenate(kept), absent, far
        self.skeleton = skeleton
        self.size = body_size(points[self.rows])
        layers, nothing = transient or {}, np.zeros((1, 1), np.uint8)
        self.hidden = Hidden(points[self.rows], skeleton, self.size, [layers.get(int(row), nothing) for row in self.rows])
        self.covered = self.hidden.covered(points)
        self.wanted = np.concatenate([gap_distances(points[rows], skeleton) for rows in kept])

    def draw(self, window: np.ndarray, count: int, generator: np.random.Generator) -> np.ndarray:
        """Rows (count) of the references for a window of rows (k), nearest first; NONE for the share that does without.

        The first one's distance to the window's middle frame is the nearest to one drawn; the others are the next farther ones, where
        what all before them and they hide of it counts as distance too, as in rendering.
        """
        none = np.full(count, NONE)
        if generator.random() < self.absent or not len(self.rows):
            return none
        middle = int(window[len(window) // 2])
        distances = warp_distances(self.points[middle], self.points[self.rows], self.skeleton)
        far = generator.random() < self.far
        wanted = generator.choice(self.wanted) if len(self.wanted) else 0.0
        usable = np.flatnonzero(np.isfinite(distances) & (self.rows != middle))
        if not len(usable):
            return none
        ordered = usable[np.argsort(distances[usable], kind="stable")]
        first = int(generator.integers(len(ordered)) if far else np.abs(distances[ordered] - wanted).argmin())
        # Of those at least as far, one after another.
        left, asked = ordered[first:], self.hidden.asked(self.covered[middle : middle + 1])
        for order in range(min(count, len(left))):
            best = int(asked.cost(distances[None] / self.size)[0, left].argmin()) if order else 0
            asked.take(left[best : best + 1])
            none[order] = self.rows[left[best]]
            left = np.delete(left, best)
        return none


def signed(premultiplied: Tensor, mattes: Tensor) -> Tensor:
    """M ⊙ F in [-M, M] from the same in 0..255 and mattes M in [0, 1]."""
    return premultiplied / 127.5 - mattes


def warped_references(
    pictures: Tensor, own: Tensor, poses: Tensor, skeleton: Skeleton, crop_hw: tuple[int, int], there: np.ndarray
) -> Tensor:
    """Pictures (n 5 h w), as ReferencePictures has them, of poses own (n j 2), warped to poses (n j 2) of crops, as signed_by_field() does.

    All in px of pictures of one scale. there (n) bool: whether there is a reference; without one nothing is seen, and nothing is sound.
    """
    field, sound = picture_field(poses, own, skeleton, crop_hw)
    sound = sound * torch.from_numpy(there).to(sound)[:, None, None, None]
    return signed_by_field(pictures, field, sound)


def signed_by_field(pictures: Tensor, field: Tensor, sound: Tensor) -> Tensor:
    """Pictures (n 5 h w) in 0..255, as ReferencePictures has them, sampled at field (n h' w' 2): (n 6 h' w').

    M ⊙ F in [-M, M]; M; how sound (n 1 h' w') the field is, 1 = wholly: where another part lies over the one that is asked for, or
    what is transient, nothing is there; how little it turns and stretches, 1 = not at all: what is seen from elsewhere is less to be
    trusted.
    """
    moved = sample_field(pictures, field)
    sound = sound * (1 - moved[:, 4:] / 255)
    moved = moved[:, :4] * sound
    mattes = moved[:, 3:] / 255
    return torch.cat([signed(moved[:, :3], mattes), mattes, sound, sound * likeness(field)], 1)


class ReferencePictures:
    """A target's references at the working scale, each made when first asked for."""

    def __init__(self, references: References, scale: float, device: torch.device) -> None:
        """scale: working px per full px."""
        self.references, self.scale, self.device = references, scale, device
        height, width = references.mattes.shape[1:]
        self.size_hw = max(1, int(np.ceil(height * scale))), max(1, int(np.ceil(width * scale)))
        self._kept: dict[int, Tensor] = {}
        self._row = scaling(scale)
        own = references.picture_points * scale + self._row[:, 2]
        self.points = torch.from_numpy(own.astype(np.float32)).to(device)

    def picture(self, rank: int) -> Tensor:
        """M ⊙ F, M and what is transient (5 h w) float32 in 0..255; zeros for NONE."""
        if rank == NONE:
            return torch.zeros((5, *self.size_hw), device=self.device)
        if rank not in self._kept:
            layers = (self.references.colours, self.references.mattes, self.references.transient)
            scaled = np.dstack([self._scaled(layer[rank]) for layer in layers])
            self._kept[rank] = torch.from_numpy(scaled).to(self.device)
        return self._kept[rank].permute(2, 0, 1).float()

    def matte(self, rank: int) -> Tensor:
        """M (h w) in [0, 1] alone, which is read faster."""
        return torch.from_numpy(self._scaled(self.references.mattes[rank])).to(self.device) / 255

    def warped(self, ranks: np.ndarray, poses: Tensor, skeleton: Skeleton, crop_hw: tuple[int, int]) -> Tensor:
        """References of rank (n) warped to poses (n j 2) crop px, (n 6 h w): as warped_references()."""
        own = self.points[torch.from_numpy(np.maximum(ranks, 0)).to(self.device)]
        pictures = torch.stack([self.picture(int(rank)) for rank in ranks])
        return warped_references(pictures, own, poses, skeleton, crop_hw, ranks != NONE)

    def _scaled(self, layer: np.ndarray) -> np.ndarray:
        return sample_crop(layer, self._row, self.size_hw, border="zero")
