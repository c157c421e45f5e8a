"""What a generator that sees a warped reference frame makes of it: gates, a correction flow, and the picture mixed of both.

Not in the paper. The colours below a band of spatial frequencies are those of a gated mixture of warped and own colours, the
detail above it is the warped frame's as far as a gate of its own lets it through: one gate for both would hedge where fine
texture is a pixel off, and a mixture is blurred.
"""

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from pipeline.body.warping import sample_field

WARPED_CHANNELS = 6  # M ⊙ F of a warped reference, its matte, how sound its field is, and how little it changes
OPACITY, SOUND = 3, 4  # the channels of these two
LARGEST = 40.0  # of a gate's logit, so that its exponential stays finite
AGREED = 5.0  # slope with which a reference's edge is taken where the mixture has some matte
REACH = 0.05  # how far the gate of detail reaches beyond 0 and 1 before it is cut off there: it can open and shut wholly
FAINT = 0.02  # weight of what is transparent in a mean of colours


def output_channels(references: int) -> int:
    """Channels of a generator's output: own colour 3, own matte 1, gate of detail 1; a reference: two gates, flow 2."""
    return 5 + 4 * references if references else 4


@dataclass(frozen=True)
class CarryShape:
    """How real pixels are carried: sigma of the band's border and the flow's limit, working px; what the gates trust at first (logits)."""

    band_px: float
    flow_px: float
    gate_start: float
    detail_start: float


@dataclass(frozen=True)
class Carried:
    """A picture (n . h w): colours in [-1, 1] and mattes in [0, 1] as mixed, own_colours and own_logits of the network alone.

    base_colours and base_mattes are the mixture without the references' detail; detail (n 1 h w) in [0, 1] its gate;
    gates (n r h w) the shares of the r references in the colour; flows (n r 2 h w) px, flow (n 2 h w) that of the first. second
    (n 1 h w) in [0, 1]: where the first reference is not sound and the second is, whose detail is carried there.
    colours = base_colours + detail × (what high_band() finds in the moved first reference, or in the second), mattes likewise where
    agreed(): the same at any resolution.
    """

    colours: Tensor
    mattes: Tensor
    own_colours: Tensor
    own_logits: Tensor
    base_colours: Tensor
    base_mattes: Tensor
    detail: Tensor
    gates: Tensor
    flows: Tensor
    second: Tensor

    @property
    def flow(self) -> Tensor:
        return self.flows[:, 0]

    @property
    def second_flow(self) -> Tensor:
        return self.flows[:, :2][:, -1]


def carry(
    outputs: Tensor, warped: Tensor, shape: CarryShape, contrast: float = 1.0, least: Tensor | None = None, favour: float = 0.0
) -> Carried:
    """Mix what the network made (n 5+4r h w) with r warped references (n 6r h w), nearest first, as signed_by_field() has them.

    contrast: slope of the mixed matte about one half; least (n 1 h w): what it does not fall below; favour: logit by which a reference is
    trusted more than the next farther one, beside what the network says. Where a warped matte is 0, nothing of
    it gets into a colour; where a field is not sound (0: another part of the body lies there, or there is no reference), it has no vote
    on the matte either. No slope of colours and mattes reaches the gate of detail: at the working size texture a pixel off looks worse
    than none, at the size that people watch better, and what is larger than the working size judges it (base_colours, base_mattes and
    detail have its slope).
    """
    outputs, warped = outputs.float(), warped.float()
    count = warped.shape[1] // WARPED_CHANNELS
    own, logits = torch.tanh(outputs[:, :3]), outputs[:, 3:4]
    trust = (torch.sigmoid(outputs[:, 4:5] + shape.detail_start) * (1 + 2 * REACH) - REACH).clamp(0, 1)
    colour_gates, matte_gates, raw_flow = outputs[:, 5:].split([count, count, 2 * count], 1)
    flow = shape.flow_px * torch.tanh(raw_flow / shape.flow_px) if shape.flow_px else torch.zeros_like(raw_flow)
    moved = move_by(warped.reshape(-1, WARPED_CHANNELS, *warped.shape[2:]), flow.reshape(-1, 2, *flow.shape[2:]))
    moved = moved.unflatten(0, (-1, count))  # n r 6 h w
    matte, sound = moved[:, :, OPACITY].clamp(0, 1), moved[:, :, SOUND].clamp(0, 1)
    seen = moved[:, :, :3] / matte.clamp_min(FAINT)[:, :, None]
    # So many references are trusted as much as one would be.
    start = shape.gate_start + torch.log_softmax(-favour * torch.arange(count, device=outputs.device), 0)[:, None, None]
    shares = torch.exp((colour_gates + start).clamp(max=LARGEST)) * matte
    shares = shares / (1 + shares.sum(1, keepdim=True))
    mixture = (shares[:, :, None] * seen).sum(1) + (1 - shares.sum(1, keepdim=True)) * own
    votes = torch.exp((matte_gates + start).clamp(max=LARGEST)) * sound
    votes = votes / (1 + votes.sum(1, keepdim=True))
    mixed_matte = (votes * matte).sum(1, keepdim=True) + (1 - votes.sum(1, keepdim=True)) * torch.sigmoid(logits)
    mixed_matte = ((mixed_matte - 0.5) * contrast + 0.5).clamp(0, 1) if contrast != 1 else mixed_matte
    mixed_matte = mixed_matte if least is None else torch.maximum(mixed_matte, least)
    low, low_matte = low_band(mixture, mixed_matte, shape.band_px)
    opaque, high, high_matte, second = _detail(seen, matte, sound, shape.band_px)

    def based(trust: Tensor) -> tuple[Tensor, Tensor]:
        return mixture - trust * opaque * (mixture - low), mixed_matte - trust * (mixed_matte - low_matte)

    base, base_matte = based(trust)
    given = trust.detach()
    given_base, given_matte = based(given)
    colours = (given_base + given * high).clamp(-1, 1)
    mattes = (given_matte + given * agreed(given_matte) * high_matte).clamp(0, 1)
    return Carried(colours, mattes, own, logits, base, base_matte, trust, shares, flow.unflatten(1, (count, 2)), second)


def _detail(seen: Tensor, matte: Tensor, sound: Tensor, sigma: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """What detail moved references (n r 3 h w), their mattes and soundness (n r h w) offer: opaque (n 1 h w), how far it is the subject's;
    what is to be added to colours (n 3 h w) and mattes (n 1 h w); and where it is the second's (n 1 h w).

    The first one's where it is sound, the second's where the first shows another part of the body and the second does not.
    """
    opaque = matte[:, :1]
    high, high_matte = high_band(seen[:, 0], opaque, sigma)
    high = opaque * high
    if matte.shape[1] == 1:
        return opaque, high, high_matte, torch.zeros_like(opaque)
    left = 1 - sound[:, :1]
    further = left * matte[:, 1:2]
    further_high, further_matte = high_band(seen[:, 1], matte[:, 1:2], sigma)
    return opaque + further, high + further * further_high, high_matte + left * further_matte, left * sound[:, 1:2]


def agreed(base_matte: Tensor) -> Tensor:
    """Share of a reference's edge that is taken where the mixture has a matte of base_matte: none where it has none.

    An edge of the reference alone, where no other says that the subject is there, would be drawn as a thin line.
    """
    return (AGREED * base_matte).clamp(0, 1)


def move_by(images: Tensor, flow: Tensor, outside: Literal["zeros", "border"] = "zeros") -> Tensor:
    """Images (n c h w) sampled where the flow (n 2 h w), px, says: at x the value from x + flow(x)."""
    return sample_field(images, pixel_grid(images) + flow.permute(0, 2, 3, 1), outside)


def pixel_grid(images: Tensor) -> Tensor:
    """Coordinates (h w 2) of an image's pixels as (x, y)."""
    y, x = (torch.arange(side, dtype=torch.float32, device=images.device) for side in images.shape[-2:])
    return torch.stack(torch.meshgrid(x, y, indexing="xy"), -1)


def low_band(colours: Tensor, mattes: Tensor, sigma: float) -> tuple[Tensor, Tensor]:
    """Colours (n 3 h w) averaged over a Gaussian, weighted by the mattes (n 1 h w), and the mattes averaged likewise."""
    weight = mattes + FAINT
    blurred = blur(torch.cat([colours * weight, weight, mattes], 1), sigma)
    return blurred[:, :3] / blurred[:, 3:4], blurred[:, 4:]


def high_band(colours: Tensor, mattes: Tensor, sigma: float) -> tuple[Tensor, Tensor]:
    """What low_band() takes away."""
    low, low_matte = low_band(colours, mattes, sigma)
    return colours - low, mattes - low_matte


def blur(images: Tensor, sigma: float) -> Tensor:
    """Gaussian blur of images (n c h w), edges repeated."""
    reach = max(1, int(3 * sigma + 0.5))
    line = torch.arange(-reach, reach + 1, device=images.device, dtype=images.dtype)
    kernel = torch.exp(-line.square() / (2 * sigma**2))
    kernel = (kernel / kernel.sum()).expand(images.shape[1], 1, 1, -1)
    padded = F.pad(images, (reach, reach, reach, reach), mode="replicate")
    across = F.conv2d(padded, kernel, groups=images.shape[1])
    return F.conv2d(across, kernel.transpose(2, 3), groups=images.shape[1])
