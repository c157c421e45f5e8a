"""Patches at a size above the working one, by which the gate of detail learns what of a reference's texture to trust.

Not in the paper. At the working size a warped frame looks hardly sharper than the generator's own picture; at the size that people
watch it does, and there a texture a pixel off is still better than none.
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from pipeline.appearance.references import NONE, ReferencePictures, signed
from pipeline.artifacts.references import References
from pipeline.body.skeleton import Skeleton
from pipeline.body.warping import detail_field, sample_field
from pipeline.networks.carrying import FAINT, Carried, agreed
from pipeline.networks.sampling import blur, move_by, pixel_grid
from pipeline.picture.geometry import compose_affine, invert_affine

FINER = 3  # how much finer than the working size patches are at most
LARGEST_PX = 768  # longer side of the crop at the patches' scale: pictures are kept in memory
PATCH_PX = 32  # side of a patch, working px


@dataclass(frozen=True)
class Patches:
    """One patch a window, of those that have one (m): window and frame (m) within the batch, corner_xy (m 2) working px, side px.

    truth (m 4 p p): M ⊙ F in [-M, M] and M, p = side × finer; pictures: the reference of each, (5 h w) in 0..255; field
    (m p p 2): where each pixel lies in it, px; sound (m 1 p p): how sound that is.
    """

    window: list[int]
    frame: list[int]
    corner_xy: np.ndarray
    side: int
    finer: int
    truth: Tensor
    pictures: list[Tensor]
    field: Tensor
    sound: Tensor

    def of(self, window: int) -> "Patches | None":
        """The patches of one window, as those of a batch that has no other; None without any."""
        own = [i for i, other in enumerate(self.window) if other == window]
        if not own:
            return None
        frames, pictures = [self.frame[i] for i in own], [self.pictures[i] for i in own]
        layers = self.truth[own], pictures, self.field[own], self.sound[own]
        return Patches([0] * len(own), frames, self.corner_xy[own], self.side, self.finer, *layers)


class PatchSource:
    """Cuts patches of the training frames that are kept as references at the source's resolution."""

    def __init__(
        self, references: References, rows: np.ndarray, crop: np.ndarray, crop_hw: tuple[int, int], skeleton: Skeleton
    ) -> None:
        """rows (n): training row of each reference; crop (r 2 3): full → crop px of each training row."""
        scale = float(crop[0, 0, 0])
        self.finer = max(1, min(FINER, int(1 / scale + 1e-6), LARGEST_PX // max(crop_hw)))
        self.references, self.crop, self.scale, self.skeleton = references, crop, scale, skeleton
        self.side = min(PATCH_PX, *crop_hw)
        self.rank_of = {int(row): rank for rank, row in enumerate(rows)}
        self._pictures: ReferencePictures | None = None

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_pictures": None}

    def cut(
        self,
        rows: np.ndarray,
        references: np.ndarray,
        maps: np.ndarray,
        points: Tensor,
        left_out: Tensor,
        mattes: Tensor,
        chances: np.ndarray,
    ) -> Patches | None:
        """Patches for windows of rows (b k), references (b) rows, similarities (b 2 3), poses (b k j 2) crop px without the joints that
        are left out (b j 1), mattes (b k 1 h w), chances (b 3) in [0, 1).

        A patch lies about a pixel of the subject, in a frame of the window that is kept at the source's resolution. None without any.
        """
        if self._pictures is None:
            self._pictures = ReferencePictures(self.references, self.scale * self.finer, mattes.device)
        found = []
        for b, (window, chance) in enumerate(zip(rows, chances, strict=True)):
            kept = [i for i, row in enumerate(window) if int(row) in self.rank_of]
            if not kept or references[b] == NONE:
                continue
            frame = kept[int(chance[0] * len(kept))]
            corner = self._corner(mattes[b, frame, 0], chance[1:])
            if corner is not None:
                found.append((b, frame, corner))
        if not found:
            return None
        # The true patches, and their references warped to the patches' own grid.
        truth = [self._truth(int(rows[b, i]), maps[b], corner) for b, i, corner in found]
        ranks = [self.rank_of[int(references[b])] for b, _, _ in found]
        windows, frames, corners = [b for b, _, _ in found], [i for _, i, _ in found], np.array([corner for _, _, corner in found])
        shift = torch.from_numpy(corners.astype(np.float32)).to(points)[:, None]
        poses = (points[windows, frames] - shift) * self.finer + (self.finer - 1) / 2
        size = self.side * self.finer
        own = self._pictures.points[ranks].masked_fill(left_out[windows], torch.nan)
        field, sound = detail_field(poses, own, self.skeleton, (size, size))
        pictures = [self._pictures.picture(rank) for rank in ranks]
        return Patches(windows, frames, corners, self.side, self.finer, torch.stack(truth), pictures, field, sound)

    def _corner(self, matte: Tensor, chance: np.ndarray) -> tuple[int, int] | None:
        """First working pixel (x, y) of a patch about a pixel of a matte (h w), within the crop; None for an empty matte."""
        inside = torch.nonzero(matte > 0.5)
        if not len(inside):
            return None
        y, x = (int(v) - self.side // 2 for v in inside[int(chance[0] * len(inside))])
        height, width = matte.shape
        return min(max(x, 0), width - self.side), min(max(y, 0), height - self.side)

    def _truth(self, row: int, similarity: np.ndarray, corner: tuple[int, int]) -> Tensor:
        """What a patch shows of a training frame moved by the window's similarity: (4 p p), M ⊙ F and M."""
        assert self._pictures is not None
        rank, finer = self.rank_of[row], self.finer
        picture = self._pictures.picture(rank)
        offset = 0.5 / finer - 0.5
        to_crop = np.array([[1 / finer, 0.0, corner[0] + offset], [0.0, 1 / finer, corner[1] + offset]])
        to_frame = compose_affine(invert_affine(similarity), to_crop)
        matrix = torch.from_numpy(compose_affine(self._to_picture(rank, row), to_frame).astype(np.float32)).to(picture.device)
        side = self.side * finer
        points = pixel_grid(torch.empty(side, side, device=picture.device)) @ matrix[:, :2].T + matrix[:, 2]
        seen = sample_field(picture[None], points[None])[0]
        return torch.cat([signed(seen[:3], seen[3:4] / 255), seen[3:4] / 255])

    def _to_picture(self, rank: int, row: int) -> np.ndarray:
        """Crop px of a training row → px of its picture (2 3)."""
        scale, corner = self.scale * self.finer, self.references.corner_xy[rank]
        from_full = np.array([[scale, 0.0, (0.5 - corner[0]) * scale - 0.5], [0.0, scale, (0.5 - corner[1]) * scale - 0.5]])
        return compose_affine(from_full, invert_affine(self.crop[row]))


def finer_picture(made: Carried, patches: Patches, k: int, band_px: float) -> tuple[Tensor, Tensor]:
    """Colours (m 3 p p) and mattes (m 1 p p) of patches, as the references' own pixels are laid in at the source's resolution.

    made: the generator's windows, (b k) frames in a row.
    """
    index = [b * k + i for b, i in zip(patches.window, patches.frame, strict=True)]
    base, base_matte, gate, first, flow = (
        _enlarged([layer[i] for i in index], patches)
        for layer in (made.base_colours, made.base_mattes, made.detail, made.first, made.flow)
    )
    flow = flow * patches.finer
    where = move_by(patches.field.permute(0, 3, 1, 2), flow, "border").permute(0, 2, 3, 1)
    trust = gate * first * move_by(patches.sound, flow, "border")
    seen = torch.cat([sample_field(p[None], q[None]) for p, q in zip(patches.pictures, where, strict=True)])
    opaque = seen[:, 3:4] / 255
    colours = signed(seen[:, :3], opaque) / opaque.clamp_min(FAINT)
    low, low_matte = _low_band(colours, opaque, patches.finer, band_px)
    mixed = (base + trust * opaque * (colours - low)).clamp(-1, 1)
    return mixed, (base_matte + trust * agreed(base_matte) * (opaque - low_matte)).clamp(0, 1)


def _enlarged(layer: list[Tensor], patches: Patches) -> Tensor:
    """The patches' parts of working-size layers (c h w), one of each, finer: (m c p p)."""
    side = patches.side
    parts = [image[:, y : y + side, x : x + side] for image, (x, y) in zip(layer, patches.corner_xy.tolist(), strict=True)]
    stacked = torch.stack(parts)
    return stacked if patches.finer == 1 else F.interpolate(stacked, scale_factor=patches.finer, mode="bilinear", align_corners=False)


def _low_band(colours: Tensor, mattes: Tensor, finer: int, sigma: float) -> tuple[Tensor, Tensor]:
    """carrying.low_band at a finer size: averaged to the working size, blurred there, enlarged."""
    weight = mattes + FAINT
    layers = F.avg_pool2d(torch.cat([colours * weight, mattes], 1), finer)
    blurred = blur(layers, sigma)
    if finer > 1:
        blurred = F.interpolate(blurred, scale_factor=finer, mode="bilinear", align_corners=False)
    return blurred[:, :3] / (blurred[:, 3:] + FAINT), blurred[:, 3:]
