"""Pose maps: the drawn skeleton that the generator reads (§3.1, Fig. 2), and pictures of poses for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import cv2
import numpy as np
from pydantic import Field

from pipeline.body.skeleton import Limb, Skeleton
from pipeline.errors import InputError
from pipeline.params import Section

if TYPE_CHECKING:  # torch takes a second to import, and whoever only draws pictures does without it
    from torch import Tensor

DISC = 2.0  # a joint's disc over its limb's half-width: EDN draws 8 px over 4 px
THINNEST_PX = 0.6  # a thinner stroke would fade with its position between two pixels
STROKES_AT_ONCE = {"cpu": 12, "cuda": 256}  # a CPU core's cache holds a dozen maps, a GPU wants few launches
FIXED_POINT = 4  # fractional bits of the coordinates given to cv2


class PoseMapParams(Section):
    """How a pose is drawn; width is a limb's half-width as a share of the crop's longer side. Not in the paper."""

    style: Literal["limbs", "rgb"]
    width: float = Field(gt=0, le=0.2)
    score_threshold: float = Field(ge=0, le=1)


def drawn_limbs(skeleton: Skeleton) -> list[Limb]:
    """The limbs that are drawn, in the skeleton's order: channel i of the style `limbs` is drawn_limbs()[i]."""
    return [limb for limb in skeleton.limbs if limb.drawn]


def pose_channels(skeleton: Skeleton, params: PoseMapParams) -> int:
    """Channels of a pose map: one a drawn limb, or three."""
    return len(drawn_limbs(skeleton)) if params.style == "limbs" else 3


def draw_pose_maps(points: Tensor, scores: Tensor, skeleton: Skeleton, crop_hw: tuple[int, int], params: PoseMapParams) -> Tensor:
    """Draw poses as float32 maps (n c h w) of crop_hw in [0, 1], c as pose_channels() says.

    points (n j 2) are crop px in the skeleton's joint order, NaN where missing; scores (n j). A limb is drawn where
    both ends are finite and reach the score threshold; edges are one pixel soft, and each end carries a disc, so that
    a limb pointing at the camera is still seen. The style `rgb` lays the limbs over each other in their order.
    Not in the paper: limb and disc widths follow EDN.
    """
    import torch

    n, joints = points.shape[:2]
    if joints != len(skeleton.joints) or scores.shape != (n, joints):
        raise InputError(
            f"points and scores must hold the {len(skeleton.joints)} joints of skeleton {skeleton.name}, found "
            f"{tuple(points.shape)} and {tuple(scores.shape)}. Detect the poses again with this skeleton"
        )
    limbs = drawn_limbs(skeleton)
    ends = [[skeleton.index(limb.parent) for limb in limbs], [skeleton.index(limb.child) for limb in limbs]]
    start, stop = points[:, ends[0]].float(), points[:, ends[1]].float()
    usable = torch.isfinite(points).all(-1) & (scores >= params.score_threshold)
    visible = usable[:, ends[0]] & usable[:, ends[1]]
    half = torch.tensor([_half_width(limb, max(crop_hw), params) for limb in limbs], device=points.device)
    half = half.expand(n, -1)

    start, stop, half = start.reshape(-1, 2), stop.reshape(-1, 2), half.reshape(-1)
    if torch.compiler.is_exporting():  # a graph that is exported serves any pose: it draws all limbs, and shows those that are seen
        strokes = _strokes(torch.nan_to_num(start), torch.nan_to_num(stop), half, crop_hw)
        maps = (strokes * visible.flatten()[:, None, None]).unflatten(0, (n, len(limbs)))
    else:
        # Only limbs that are seen are drawn, as many at once as memory and caches like.
        maps = torch.zeros((n, len(limbs), *crop_hw), device=points.device)
        flat = maps.view(-1, *crop_hw)
        for some in torch.nonzero(visible.flatten()).flatten().split(STROKES_AT_ONCE.get(points.device.type, 256)):
            flat[some] = _strokes(start[some], stop[some], half[some], crop_hw)
    if params.style == "limbs":
        return maps
    return _lay_over(maps, _colours(limbs, maps))


def colourise(maps: Tensor, skeleton: Skeleton, style: Literal["limbs", "rgb"] | None = None) -> np.ndarray:
    """Show pose maps (... c h w) in the skeleton's colours as uint8 (... h w 3); maps of the style `rgb` pass as is.

    The style is needed only for a skeleton of exactly three drawn limbs: without it, its maps count as `limbs`.
    """
    limbs = drawn_limbs(skeleton)
    maps = maps.detach().float()
    if style == "limbs" or (style is None and maps.shape[-3] == len(limbs)):
        flat = maps.reshape(-1, *maps.shape[-3:])
        maps = _lay_over(flat, _colours(limbs, maps)).reshape(*maps.shape[:-3], 3, *maps.shape[-2:])
    return (maps.clamp(0, 1) * 255).round().byte().movedim(-3, -1).cpu().numpy()


def pose_picture(
    points: np.ndarray,
    scores: np.ndarray,
    skeleton: Skeleton,
    size_hw: tuple[int, int],
    params: PoseMapParams,
    over: np.ndarray | None = None,
    side_px: float | None = None,
) -> np.ndarray:
    """Draw one pose (j 2) for a person to look at: uint8 (h w 3) RGB on black, or over a copy of the image `over`.

    side_px is the side that `width` is a share of; without it, the picture's longer side.
    """
    picture = np.zeros((*size_hw, 3), np.uint8) if over is None else np.ascontiguousarray(over).copy()
    side = float(max(size_hw)) if side_px is None else side_px
    points = np.asarray(points, np.float64)
    scale = 1 << FIXED_POINT
    finite = np.isfinite(points).all(-1)
    usable = finite & (np.asarray(scores) >= params.score_threshold) & (np.abs(np.nan_to_num(points)) < 1e5).all(-1)
    # In OpenCV's fixed point; what lies absurdly far away would overflow it.
    fixed = np.zeros(points.shape, np.int64)
    fixed[usable] = np.rint(points[usable] * scale)
    for limb in drawn_limbs(skeleton):
        ends = skeleton.index(limb.parent), skeleton.index(limb.child)
        if not usable[list(ends)].all():
            continue
        half = _half_width(limb, side, params)
        start, stop = (tuple(int(v) for v in fixed[end]) for end in ends)
        cv2.line(picture, start, stop, limb.colour, max(1, round(2 * half - 0.5)), cv2.LINE_AA, FIXED_POINT)
        for centre in (start, stop):
            radius = round(max(1.0, DISC * half) * scale)
            cv2.circle(picture, centre, radius, limb.colour, -1, cv2.LINE_AA, FIXED_POINT)
    return picture


def _half_width(limb: Limb, side_px: float, params: PoseMapParams) -> float:
    """A limb's half-width in px; the skeleton's own widths are multiples (a finger is thinner than a thigh)."""
    return max(THINNEST_PX, params.width * side_px * limb.width)


def _strokes(start: Tensor, stop: Tensor, half: Tensor, crop_hw: tuple[int, int]) -> Tensor:
    """Coverage (m h w) of m segments of half-width half (m), ends (m 2), with a disc at both ends.

    In the segment's own axes, `past` is how far a pixel lies beyond the nearer end and `aside` its distance from the
    axis; both are sums of a row and a column, so a map costs a dozen passes and no square root per axis.
    """
    import torch

    # The segments' own axes.
    span = stop - start
    length = span.norm(dim=-1, keepdim=True)
    east = torch.tensor([1.0, 0.0], device=start.device)
    along = torch.where(length > 1e-6, span / length.clamp_min(1e-6), east)
    middle = (start + stop) / 2
    rows, columns = (torch.arange(side, dtype=torch.float32, device=start.device) for side in crop_hw)
    x, y = columns - middle[:, :1], rows - middle[:, 1:]
    u, v = along[:, :1], along[:, 1:]
    # In place, for speed: distances to the axis, to the nearer end, to the segment.
    past = (y * v)[:, :, None] + (x * u)[:, None, :]
    past.abs_().sub_(length[..., None] / 2)
    aside = (y * u)[:, :, None] - (x * v)[:, None, :]
    aside.square_()
    to_end = torch.addcmul(aside, past, past).sqrt_()
    past.clamp_min_(0)
    to_segment = aside.addcmul_(past, past).sqrt_()
    radius = half[:, None, None]
    depth = torch.maximum(to_segment.neg_().add_(radius), to_end.neg_().add_(DISC * radius))
    return depth.add_(0.5).clamp_(0, 1)


def _colours(limbs: list[Limb], like: Tensor) -> Tensor:
    """The limbs' colours (c 3) in [0, 1]."""
    import torch

    return torch.tensor([limb.colour for limb in limbs], device=like.device).float() / 255


def _lay_over(maps: Tensor, colours: Tensor) -> Tensor:
    """Lay the channels of maps (n c h w) over black, each over those before it: (n 3 h w)."""
    picture = maps.new_zeros((maps.shape[0], 3, *maps.shape[2:]))
    for channel, colour in zip(maps.unbind(1), colours, strict=True):
        picture = picture + (colour[:, None, None] - picture) * channel[:, None]
    return picture
