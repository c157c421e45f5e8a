"""Renderings of a frame by overlapping windows, blended to one."""

from dataclasses import dataclass

import numpy as np
import torch

from pipeline.artifacts.foregrounds import FLOW_LIMIT, FLOW_STEPS, FLOWS, SHARES
from pipeline.networks.registration import register
from pipeline.networks.sampling import blur, move_by

FAINT = 1e-3  # keeps a colour where every window's matte is 0
DIFFERENT = 4.0  # by how much two renderings unlike by 1 steepen the fade between them
UNLIKE_PX = 1.0  # sigma about a pixel within which they are compared, working px
FARTHEST_PX = 4.0  # by which what one of them shows lies elsewhere in the other, along an axis, working px


@dataclass(frozen=True)
class Frame:
    """A generated frame: straight colour (h w 3) and matte (h w), uint8, and the arrays of CarriedFields by name, if any."""

    rgb: np.ndarray
    matte: np.ndarray
    fields: dict[str, np.ndarray]


@dataclass
class Blend:
    """Sums over renderings of a frame: colours (3 h w) in [-1, 1] by name, weighted by the mattes; other maps (c h w) by name."""

    colours: dict[str, torch.Tensor]
    weight: torch.Tensor
    maps: dict[str, torch.Tensor]
    count: int = 1

    @staticmethod
    def of(colours: dict[str, torch.Tensor], maps: dict[str, torch.Tensor]) -> "Blend":
        """One rendering; its matte is maps["matte"], in [0, 1]."""
        weight = maps["matte"] + FAINT
        return Blend({name: image * weight for name, image in colours.items()}, weight, maps)

    def add(self, other: "Blend") -> None:
        """Add another rendering of the same frame."""
        self.weight = self.weight + other.weight
        self.count += other.count
        for mine, theirs in ((self.colours, other.colours), (self.maps, other.maps)):
            for name in mine:
                mine[name] = mine[name] + theirs[name]

    def faded(self, other: "Blend", share: float) -> "Blend":
        """This rendering with one of the same frame by other references mixed in, but for the detail that it carries.

        Where both show the same somewhere else, as an outline does, it lies between them, by share. Detail of two references is a double
        picture; what jumps to the eye where they change is colour and outline. Where these differ much, as where one has a hand and
        the other the wall behind it, a mixture is a ghost: there the one with the larger share is seen.
        """
        across = register(self._shown(), other._shown(), FARTHEST_PX)
        mine, theirs = self._moved(-share * across), other._moved((1 - share) * across)
        shares = ((share - 0.5) * (1 + DIFFERENT * mine._unlike(theirs)) + 0.5).clamp(0, 1)
        colours = {name: torch.lerp(image, theirs.colours[name], shares) for name, image in mine.colours.items()}
        mattes = {name: torch.lerp(mine.maps[name], theirs.maps[name], shares) for name in ("matte", "base_matte")}
        return Blend(colours, torch.lerp(mine.weight, theirs.weight, shares), mine.maps | mattes)

    def _shown(self) -> torch.Tensor:
        """Colours over grey, and the matte, (1 4 h w) in [0, 1]."""
        return torch.cat([(self.colours["rgb"] + 1) / 2, self.maps["matte"]])[None]

    def _moved(self, flow: torch.Tensor) -> "Blend":
        """What is seen at x + flow (1 2 h w) px, at x; what is carried comes from there too."""
        colours, maps = ({name: move_by(x[None], flow, "border")[0] for name, x in of.items()} for of in (self.colours, self.maps))
        maps |= {name: maps[name] + flow[0] for name in FLOWS if name in maps}
        return Blend(colours, move_by(self.weight[None], flow, "border")[0], maps, self.count)

    def _unlike(self, other: "Blend") -> torch.Tensor:
        """How unlike two renderings of a frame are about each pixel (1 h w): gap between mattes plus that between M ⊙ F in [-M, M]."""
        mattes = (self.maps["matte"] - other.maps["matte"]).abs()
        colours = (self.colours["rgb"] - other.colours["rgb"]).abs().mean(0, keepdim=True)
        return blur((mattes + colours)[None], UNLIKE_PX)[0]

    def finish(self, contrast: float) -> Frame:
        """The mean of all renderings.

        What a network predicts of a matte is the chance that a pixel is the subject's, flat where the pose leaves it open;
        contrast about one half makes an edge of it again. Where real pixels are carried the mixed matte has had it already.
        """
        rgb = {name: rgb_of(image / self.weight) for name, image in self.colours.items()}
        means = {name: image / self.count for name, image in self.maps.items()}
        if "flow" not in means:
            return Frame(rgb["rgb"], _share((means["matte"] - 0.5) * contrast + 0.5), {})
        fields = {"base_rgb": rgb["base_rgb"]} | {name: _share(means[name]) for name in SHARES}
        fields |= {name: _steps(means[name]) for name in FLOWS}
        return Frame(rgb["rgb"], _share(means["matte"]), fields)


def nothing(crop_hw: tuple[int, int], carries: bool) -> Frame:
    """A frame without the subject."""
    rgb, matte = np.zeros((*crop_hw, 3), np.uint8), np.zeros(crop_hw, np.uint8)
    fields = {"base_rgb": rgb} | dict.fromkeys(SHARES, matte) | dict.fromkeys(FLOWS, np.zeros((*crop_hw, 2), np.int16))
    return Frame(rgb, matte, fields if carries else {})


def rgb_of(image: torch.Tensor) -> np.ndarray:
    """A colour (3 h w) in [-1, 1] as (h w 3) uint8."""
    return ((image + 1) * 127.5).clamp(0, 255).round().byte().permute(1, 2, 0).cpu().numpy()


def _steps(flow: torch.Tensor) -> np.ndarray:
    return (flow * FLOW_STEPS).round().clamp(-FLOW_LIMIT, FLOW_LIMIT).to(torch.int16).permute(1, 2, 0).cpu().numpy()


def _share(image: torch.Tensor) -> np.ndarray:
    return (image * 255).clamp(0, 255).round().byte()[0].cpu().numpy()
