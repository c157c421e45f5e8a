"""What is seen in a reference for a moment alone: a ball that is kicked, another's arm, a piece of the floor that a matte took in.

Not in the paper. A warp knows limbs alone, and would carry what lies over a body or beside it along with the nearest one. Other
references of about the same pose, warped to this one's, show what is there as a rule. Transient is what, over an arm's breadth at least,
is neither like the most of them nor as unlike as they are among themselves.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import cv2
import numpy as np

from pipeline.body.pose_distance import body_size, carrying_distances
from pipeline.body.skeleton import Skeleton
from pipeline.picture.geometry import apply_affine, disc, sample_crop, scaling
from pipeline.reference.side_by_side import in_order, whole_pictures_side_by_side
from pipeline.video.clock import Clock

if TYPE_CHECKING:  # torch takes a second to import
    from torch import Tensor

WITNESSES = 16  # references that one is held against, at most
BODY_PX, LARGEST_PX = 84.0, 256  # size of the body at which pictures are compared, and their longer side at most
APART_S = 0.3  # seconds after which what moves beside a body, or over it, lies elsewhere
LATE = 3.0  # times as late as that a neighbour in time may be
SOUND = 0.5  # how sound a neighbour's warp must be to say that something lasts
FEWEST = 8  # so many there must be
LEAST = 5.0  # and so many of them, as far as they are like it, must show a pixel
NEAR = 0.15  # distance of poses, in sizes of the body, up to which one says something of another
FAMILIAR = (0.5, 0.75)  # how little a warp must stretch a place, as undistorted() has it, to say something of it, and to say all
UNLIKE = (0.25, 0.45)  # gap of colours M ⊙ F in [-M, M], or of mattes, at which transient begins and is wholly so
ASIDE = 0.08  # how far a body may swing aside, in sizes of it
SAME = 0.12  # gap of straight colours in [-1, 1] up to which they are one
SPREAD = 2.0  # how many times what the others are apart among themselves is no gap yet
ABOUT_PX = 1.5  # sigma of the blur under which they are compared
THICK = 0.034  # radius, in sizes of the body, of the smallest thing that counts: outlines lie a pixel off everywhere
SURELY, FAINTLY = 127, 25  # of 255: how unlike something must be, and what it borders on
GROWN = 0.08  # how far from its middle what borders may go on, in sizes of the body
SEAM_PX = 2  # half the breadth of a line between two parts, where no field is sound, that does not part it
RIM_PX = 2  # px around it that are taken along


class Compared:
    """A target's references, as they are compared: small."""

    def __init__(self, picture_hw: tuple[int, int], size: float) -> None:
        """picture_hw: size of all of them, and size of the body, full px."""
        self.picture_hw = picture_hw
        scale = min(1.0, BODY_PX / size, LARGEST_PX / max(picture_hw))
        self._row = scaling(scale)
        self._hw = int(np.ceil(picture_hw[0] * scale)), int(np.ceil(picture_hw[1] * scale))
        self._pictures: list[np.ndarray] = []

    def add(self, colours: np.ndarray, matte: np.ndarray) -> None:
        """Take the next one, M ⊙ F (h w 3) and M (h w) uint8."""
        self._pictures.append(sample_crop(np.dstack([colours, matte]), self._row, self._hw, border="zero"))

    def transients(self, points: np.ndarray, clock: Clock, frames: np.ndarray, skeleton: Skeleton) -> Iterator[np.ndarray]:
        """What is transient in each (h w) uint8; points (n j 2) in their full px, frames (n) of the clip. Without time all that were
        taken are held to be apart."""
        moments, apart = (clock.seconds()[frames], APART_S) if clock.has_time else (frames, 1)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        for layer in transients(self._pictures, apply_affine(self._row, points), moments, apart, skeleton):
            yield cv2.warpAffine(layer, self._row, self.picture_hw[::-1], flags=flags, borderMode=cv2.BORDER_REPLICATE)


def transients(
    pictures: Sequence[np.ndarray], points: np.ndarray, moments: np.ndarray, apart: float, skeleton: Skeleton
) -> Iterator[np.ndarray]:
    """What is transient, (h w) uint8, 255 = wholly, in each of n pictures (h w 4) uint8, M ⊙ F and M, of poses (n j 2) in their px.

    moments (n): when each was filmed; less than `apart` later the same thing may lie in the same place. All 0 where too few others are
    of about the same pose.
    """
    size = body_size(points)

    def look(rank: int) -> np.ndarray:
        picture = pictures[rank]
        costs = carrying_distances(points[rank], points, skeleton, size)
        others, about = witnesses(costs, moments, rank, apart), neighbours(costs, moments, rank, apart)
        if len(others) < FEWEST or min(picture.shape[:2]) < 2:
            return np.zeros(picture.shape[:2], np.uint8)
        asked = [*others, *about]
        unlike, known = _unlike(picture, points[rank], np.stack([pictures[i] for i in asked]), points[asked], len(about), size, skeleton)
        return _whole(unlike, known, size)

    with whole_pictures_side_by_side():
        yield from in_order(look, ((rank,) for rank in range(len(pictures))))


def witnesses(costs: np.ndarray, moments: np.ndarray, rank: int, apart: float) -> list[int]:
    """The references of least cost (n), none of which was filmed less than `apart` from the one of rank or from another."""
    left = np.where((np.abs(moments - moments[rank]) < apart) | (costs > NEAR), np.inf, costs)
    found: list[int] = []
    while len(found) < WITNESSES and len(left):
        best = int(left.argmin())
        if not np.isfinite(left[best]):
            break
        found.append(best)
        left[np.abs(moments - moments[best]) < apart] = np.inf
    return found


def neighbours(costs: np.ndarray, moments: np.ndarray, rank: int, apart: float) -> list[int]:
    """Of those filmed before the one of rank, and of those after it, not less than `apart` and not much later, the nearest in time; []
    unless there are both: what both show as well lasts."""
    later = moments - moments[rank]
    sides = [np.flatnonzero((way * later >= apart) & (way * later <= LATE * apart) & (costs <= NEAR)) for way in (-1, 1)]
    return [int(side[np.abs(later[side]).argmin()]) for side in sides] if all(len(side) for side in sides) else []


def _unlike(
    picture: np.ndarray, pose: np.ndarray, others: np.ndarray, poses: np.ndarray, neighbouring: int, size: float, skeleton: Skeleton
) -> tuple[np.ndarray, np.ndarray]:
    """How far a picture (h w 4) is another than others (n h w 4) show at its pose, (h w) in [0, 1], the last `neighbouring` of which are
    its neighbours() in time: 0 where these are all like it. And whether enough of the others show the place (h w) bool."""
    import torch

    from pipeline.body.warping import picture_field, sample_field, undistorted

    with torch.inference_mode():
        own, seen = (torch.from_numpy(np.moveaxis(a, -1, -3).astype(np.float32) / 255) for a in (picture[None], others))
        query, there = (torch.from_numpy(np.asarray(a, np.float32)) for a in (pose, poses))
        field, sound = picture_field(query.expand_as(there), there, skeleton, picture.shape[:2])
        weight = sound * ((undistorted(field) - FAMILIAR[0]) / (FAMILIAR[1] - FAMILIAR[0])).clamp(0, 1)
        own, seen = _compared(own), _compared(sample_field(seen, field))
        count = len(seen) - neighbouring
        usual = _weighted_median(seen[:count], weight[:count])
        spread = _weighted_median((seen[:count] - usual).abs(), weight[:count])
        unlike = ((_gap(own - usual) - SPREAD * _gap(spread) - UNLIKE[0]) / (UNLIKE[1] - UNLIKE[0])).clamp(0, 1)
        known = weight[:count].sum(0) >= LEAST
        unlike = unlike * (known & ~_moved_aside(own[0], usual * known, size) & ~_hole(own[0], usual))
        if neighbouring:
            lasts = (_gap(own - seen[count:]) < UNLIKE[0]) & (weight[count:] > SOUND)
            unlike = unlike * ~lasts.all(0)
        return unlike.squeeze().numpy(), known.squeeze().numpy()


def _moved_aside(own: Tensor, usual: Tensor, size: float) -> Tensor:
    """Where a picture (4 h w) shows more than is usual (4 h w), of a colour that usually lies near by: (1 h w) bool. A wide hem swings."""
    import torch
    import torch.nn.functional as F

    radius = max(1, round(ASIDE * size))
    padded = F.pad(torch.cat([_straight(usual), usual[3:]])[None], (radius,) * 4)[0]
    colour, (height, width) = _straight(own), own.shape[1:]
    nearest = torch.full_like(own[3:], torch.inf)
    for y in range(-radius, radius + 1, 2):
        for x in range(-radius, radius + 1, 2):
            there = padded[:, radius + y : radius + y + height, radius + x : radius + x + width]
            gap = (there[:3] - colour).abs().mean(0, keepdim=True)
            torch.minimum(nearest, torch.where(there[3:] > 0.5, gap, torch.inf), out=nearest)
    return (own[3:] - usual[3:] > UNLIKE[0]) & (nearest < SAME)


def _hole(own: Tensor, usual: Tensor) -> Tensor:
    """Where a picture (4 h w) shows less than is usual (4 h w), and not something of another colour half transparently: (1 h w) bool."""
    other = ((_straight(own) - _straight(usual)).abs().mean(0, keepdim=True) > UNLIKE[1]) & (own[3:] > UNLIKE[0])
    return (usual[3:] - own[3:] > UNLIKE[0]) & ~other


def _straight(picture: Tensor) -> Tensor:
    """Colours F (3 h w) in [-1, 1] of M ⊙ F in [-M, M] and M (4 h w), nearer to grey where hardly anything is seen."""
    return picture[:3] / picture[3:].clamp_min(0.1)


def _gap(differences: Tensor) -> Tensor:
    """The larger of a mean difference of colours and that of mattes, (… 1 h w), of both (… 4 h w)."""
    import torch

    absolute = differences.abs()
    return torch.maximum(absolute[..., :3, :, :].mean(-3, keepdim=True), absolute[..., 3:, :, :])


def _compared(pictures: Tensor) -> Tensor:
    """M ⊙ F in [-M, M] and M of pictures (n 4 h w) in [0, 1], blurred."""
    import torch

    from pipeline.networks.sampling import blur

    mattes = pictures[:, 3:]
    return blur(torch.cat([2 * pictures[:, :3] - mattes, mattes], 1), ABOUT_PX)


def _weighted_median(values: Tensor, weight: Tensor) -> Tensor:
    """Median (c h w) of values (n c h w), each counting as much as its weight (n 1 h w)."""
    ordered, rank = values.sort(0)
    summed = weight.expand_as(values).gather(0, rank).cumsum(0)
    middle = (summed < summed[-1:] / 2).sum(0, keepdim=True).clamp(max=len(values) - 1)
    return ordered.gather(0, middle)[0]


def _whole(unlike: np.ndarray, known: np.ndarray, size: float) -> np.ndarray:
    """What is thick enough of what is unlike (h w) in [0, 1], with a rim, uint8; known (h w) bool: where it could be told; size: of the
    body, px."""
    found = (unlike * 255 + 0.5).astype(np.uint8)
    surely = (found > SURELY).astype(np.uint8)
    surely |= cv2.morphologyEx(surely, cv2.MORPH_CLOSE, disc(SEAM_PX)) & ~known
    inside = cv2.distanceTransform(surely, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    thick = (inside > THICK * size).astype(np.uint8)
    # What it borders on without being as unlike: its blurred edge, and where it looks like what it hides.
    faint = cv2.morphologyEx((found > FAINTLY).astype(np.uint8), cv2.MORPH_CLOSE, disc(SEAM_PX))
    _, pieces = cv2.connectedComponents(faint)
    grown = np.isin(pieces, np.unique(pieces[thick > 0])) & (pieces > 0)
    grown &= cv2.dilate(thick, disc(round(GROWN * size))) > 0
    return cv2.GaussianBlur(cv2.dilate(grown.astype(np.uint8), disc(RIM_PX)) * 255, (3, 3), 0)
