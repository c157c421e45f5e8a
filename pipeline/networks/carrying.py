"""What a generator that sees a warped reference frame makes of it: gates, and the picture mixed of both.

Not in the paper. The colours below a band of spatial frequencies are those of a gated mixture of warped and own colours, the
detail above it is the warped frame's as far as a gate of its own lets it through: one gate for both would hedge where fine
texture is a pixel off, and a mixture is blurred. References are mixed twice: as they are warped, and then moved, by the correction
flow, to where they lie on that first mixture.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.networks.registration import register
from pipeline.networks.sampling import blur, move_by

WARPED_CHANNELS = 6  # M ⊙ F of a warped reference, its matte, how sound its field is, and how little it changes
OPACITY, SOUND = 3, 4  # the channels of these two
LARGEST = 40.0  # of a gate's logit, so that its exponential stays finite
AGREED = 5.0  # slope with which a reference's edge is taken where the mixture has some matte
REACH = 0.05  # how far the gate of detail reaches beyond 0 and 1 before it is cut off there: it can open and shut wholly
FAINT = 0.02  # weight of what is transparent in a mean of colours
LIKE, STRANGE = 0.15, 0.4  # gap between M ⊙ F in [-M, M], a mean over channels, up to which two show the same, from which they do not
UNSOUND = 4.0  # slope with which detail ceases to be had where a reference is hardly sound
ABOUT_PX = 2.0  # sigma about a pixel within which they are compared, working px


def output_channels(references: int) -> int:
    """Channels of a generator's output: own colour 3, own matte 1, gate of detail 1; a reference: two gates."""
    return 5 + 2 * references if references else 4


@dataclass(frozen=True)
class CarryShape:
    """How real pixels are carried: sigma of the band's border and the flow's limit, working px; what the gates trust at first (logits)."""

    band_px: float
    flow_px: float
    gate_start: float
    detail_start: float


@dataclass(frozen=True)
class Sure:
    """What a pose alone says of the matte, (n 1 h w) in [0, 1]: least, what it does not fall below; about: where the subject is, or
    borders."""

    least: Tensor
    about: Tensor


@dataclass(frozen=True)
class Carried:
    """A picture (n . h w): colours in [-1, 1] and mattes in [0, 1] as mixed, own_colours and own_logits of the network alone.

    base_colours and base_mattes are the mixture without the references' detail; detail (n 1 h w) in [0, 1] its gate;
    gates (n r h w) the shares of the r references in the colour; flows (n r 2 h w) px, flow (n 2 h w) that of the first. first
    (n 1 h w) in [0, 1]: where the first reference shows what the mixture does; second (n 1 h w) in [0, 1]: where the first is not sound,
    or shows something else, and the second is and does, whose detail is carried there.
    colours = base_colours + detail × (first × what high_band() finds in the moved first reference, or second in the second), mattes
    likewise where agreed(): the same at any resolution.
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
    first: Tensor
    second: Tensor

    @property
    def flow(self) -> Tensor:
        return self.flows[:, 0]

    @property
    def second_flow(self) -> Tensor:
        return self.flows[:, :2][:, -1]


def carry(
    outputs: Tensor, warped: Tensor, shape: CarryShape, contrast: float = 1.0, sure: Sure | None = None, favour: float = 0.0
) -> Carried:
    """Mix what the network made (n 5+2r h w) with r warped references (n 6r h w), nearest first, as signed_by_field() has them.

    contrast: slope of the mixed matte about one half; sure: None, as in training: nothing is, and the subject may be anywhere; favour:
    logit by which a reference is trusted more than the next farther one, beside what the network says. Where a warped matte is 0, nothing
    of it gets into a colour; where a field is not sound (0: another part of the body lies there, or there is no reference), it has no vote
    on the matte either. No slope of colours and mattes reaches the gate of detail: at the working size texture a pixel off looks worse
    than none, at the size that people watch better, and what is larger than the working size judges it (base_colours, base_mattes and
    detail have its slope). Nor does any reach the flows.
    """
    outputs, warped = outputs.float(), warped.float()
    count = warped.shape[1] // WARPED_CHANNELS
    own, logits = torch.tanh(outputs[:, :3]), outputs[:, 3:4]
    trust = (torch.sigmoid(outputs[:, 4:5] + shape.detail_start) * (1 + 2 * REACH) - REACH).clamp(0, 1)
    gates = outputs[:, 5:].unflatten(1, (2, count))
    references = warped.unflatten(1, (count, WARPED_CHANNELS))
    moved, flows = _moved(gates.detach(), references, own.detach(), logits.detach(), shape)
    straight = _straight(moved)
    mixture, mixed_matte, shares = _mixed(gates, straight, own, logits, shape.gate_start, favour, None if sure is None else sure.about)
    mixed_matte = ((mixed_matte - 0.5) * contrast + 0.5).clamp(0, 1) if contrast != 1 else mixed_matte
    mixed_matte = mixed_matte if sure is None else torch.maximum(mixed_matte, sure.least)
    low, low_matte = low_band(mixture, mixed_matte, shape.band_px)
    alike = _alike(moved[:, :2], (mixture * mixed_matte).detach())
    opaque, high, high_matte, second = _detail(straight, alike, shape.band_px)

    def based(trust: Tensor) -> tuple[Tensor, Tensor]:
        return mixture - trust * opaque * (mixture - low), mixed_matte - trust * (mixed_matte - low_matte)

    base, base_matte = based(trust)
    given = trust.detach()
    given_base, given_matte = based(given)
    colours = (given_base + given * high).clamp(-1, 1)
    mattes = (given_matte + given * agreed(given_matte) * high_matte).clamp(0, 1)
    return Carried(colours, mattes, own, logits, base, base_matte, trust, shares, flows, alike[:, :1], second)


def _moved(gates: Tensor, references: Tensor, own: Tensor, logits: Tensor, shape: CarryShape) -> tuple[Tensor, Tensor]:
    """Warped references (n r 6 h w) moved to where they lie on their mixture with what the network made, and the flows (n r 2 h w), px."""
    n, count, _, height, width = references.shape
    if not shape.flow_px:
        return references, references.new_zeros(n, count, 2, height, width)
    mixture, matte, _ = _mixed(gates, _straight(references), own, logits, shape.gate_start)
    pictures, layers = _on_grey(mixture * matte).repeat_interleave(count, 0), references.flatten(0, 1)
    flows = register(pictures, _on_grey(layers[:, :3]), shape.flow_px)
    return move_by(layers, flows).unflatten(0, (n, count)), flows.unflatten(0, (n, count))


def _on_grey(premultiplied: Tensor) -> Tensor:
    """M ⊙ F in [-M, M] over middle grey, in [0, 1]."""
    return (premultiplied + 1) / 2


def _mixed(
    gates: Tensor,
    straight: tuple[Tensor, Tensor, Tensor],
    own: Tensor,
    logits: Tensor,
    gate_start: float,
    favour: float = 0.0,
    about: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Colours (n 3 h w) and mattes (n 1 h w) of references, as _straight() has them, and of the network's own, mixed by gates
    (n 2 r h w), of colour and of matte; and the references' shares (n r h w) in the colour."""
    seen, matte, sound = straight
    # So many references are trusted as much as one would be.
    order = torch.arange(matte.shape[1], device=matte.device)
    start = gate_start + torch.log_softmax(-favour * order, 0)[:, None, None]
    strength = torch.exp((gates + start).clamp(max=LARGEST))
    shares, votes = strength[:, 0] * matte, strength[:, 1] * sound
    shares, votes = (share / (1 + share.sum(1, keepdim=True)) for share in (shares, votes))
    mixture = (shares[:, :, None] * seen).sum(1) + (1 - shares.sum(1, keepdim=True)) * own
    opaque = _seen_matte(matte, sound, about)
    mixed_matte = (votes * opaque).sum(1, keepdim=True) + (1 - votes.sum(1, keepdim=True)) * torch.sigmoid(logits)
    return mixture, mixed_matte, shares


def _straight(references: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Straight colours (n r 3 h w), mattes and soundness (n r h w) of references (n r 6 h w)."""
    matte, sound = references[:, :, OPACITY].clamp(0, 1), references[:, :, SOUND].clamp(0, 1)
    return references[:, :, :3] / matte.clamp_min(FAINT)[:, :, None], matte, sound


def _seen_matte(matte: Tensor, sound: Tensor, about: Tensor | None) -> Tensor:
    """The references' own mattes (n r h w), of which `matte` is as much as is sound.

    A vote counts as far as it is sound: were its matte less by that once more, half a sound body would be half transparent, and limbs
    torn where a reference hides them. But not away from the body (about, n 1 h w): what is half sound there is another part, drawn out.
    """
    known = sound if about is None else 1 - about * (1 - sound)
    return (matte / known.clamp_min(FAINT)).clamp(max=1)


def _alike(references: Tensor, mixture: Tensor) -> Tensor:
    """How far references (n r 6 h w) show what their mixture's M ⊙ F (n 3 h w) does about each pixel, (n r h w) in [0, 1].

    Where they do not, as where a coat hung open, their detail is of another surface. Nor is any to be had where nothing of one is sound.
    """
    gaps = blur((references[:, :, :3] - mixture[:, None]).flatten(0, 1), ABOUT_PX).abs().mean(1)
    alike = ((STRANGE - gaps) / (STRANGE - LIKE)).clamp(0, 1).unflatten(0, references.shape[:2])
    return alike * (UNSOUND * references[:, :, SOUND]).clamp(0, 1)


def _detail(straight: tuple[Tensor, Tensor, Tensor], alike: Tensor, sigma: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """What detail moved references, as _straight() has them, offer where they are _alike() (n . h w, the first two): opaque (n 1 h w), how
    far it is the subject's; what is to be added to colours (n 3 h w) and mattes (n 1 h w); and where it is the second's (n 1 h w).

    The first one's where it is sound and alike, the second's where the first is not and the second is.
    """
    seen, matte, sound = straight
    whole = _seen_matte(matte[:, :2], sound[:, :2], None)
    opaque = alike[:, :1] * matte[:, :1]
    high, high_matte = high_band(seen[:, 0], whole[:, :1], sigma)
    high, high_matte = opaque * high, alike[:, :1] * sound[:, :1] * high_matte
    if matte.shape[1] == 1:
        return opaque, high, high_matte, torch.zeros_like(opaque)
    left = (1 - alike[:, :1] * sound[:, :1]) * alike[:, 1:2]
    further = left * matte[:, 1:2]
    further_high, further_matte = high_band(seen[:, 1], whole[:, 1:2], sigma)
    second = left * sound[:, 1:2]
    return opaque + further, high + further * further_high, high_matte + second * further_matte, second


def agreed(base_matte: Tensor) -> Tensor:
    """Share of a reference's edge that is taken where the mixture has a matte of base_matte: none where it has none.

    An edge of the reference alone, where no other says that the subject is there, would be drawn as a thin line.
    """
    return (AGREED * base_matte).clamp(0, 1)


def low_band(colours: Tensor, mattes: Tensor, sigma: float) -> tuple[Tensor, Tensor]:
    """Colours (n 3 h w) averaged over a Gaussian, weighted by the mattes (n 1 h w), and the mattes averaged likewise."""
    weight = mattes + FAINT
    blurred = blur(torch.cat([colours * weight, weight, mattes], 1), sigma)
    return blurred[:, :3] / blurred[:, 3:4], blurred[:, 4:]


def high_band(colours: Tensor, mattes: Tensor, sigma: float) -> tuple[Tensor, Tensor]:
    """What low_band() takes away."""
    low, low_matte = low_band(colours, mattes, sigma)
    return colours - low, mattes - low_matte
