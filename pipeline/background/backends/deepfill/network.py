"""Generator of DeepFill v2 (Yu et al. 2019, [48]): gated convolutions, coarse to fine, in both layouts of the published files."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.background.backends.deepfill.attention import ContextualAttention, Layout, nearest

MULTIPLE_PX = 8


class Layer(NamedTuple):
    """A convolution: its name in either layout, channels in and out (after gating), and what it does to the size."""

    pt: str
    tf: str
    channels_in: int
    channels_out: int
    step: str = "same"  # same | halve | double
    dilation: int = 1
    kernel: int = 3
    act: str = "elu"  # elu | relu | rgb


def _decoder(pt: str, tf: str, first: int) -> list[Layer]:
    """From 96 channels at stride 4 to an RGB image; `first` is the tf layout's number of the first layer."""
    return [
        Layer(f"{pt}up_block1.conv1_upsample", f"{tf}conv{first}_upsample", 96, 48, "double"),
        Layer(f"{pt}up_block1.conv2", f"{tf}conv{first + 1}", 48, 48),
        Layer(f"{pt}up_block2.conv1_upsample", f"{tf}conv{first + 2}_upsample", 48, 24, "double"),
        Layer(f"{pt}up_block2.conv2", f"{tf}conv{first + 3}", 24, 12),
        Layer(f"{pt}conv_to_rgb", f"{tf}conv{first + 4}", 12, 3, act="rgb"),
    ]


def _encoder(pt: str, tf: str, channels: Sequence[int], first_act: str = "elu") -> list[Layer]:
    """From the image to 96 channels at stride 4, six layers; channels: those of the input and of the first four layers."""
    a, b, c, d, e = channels
    return [
        Layer(f"{pt}conv1", f"{tf}conv1", a, b, kernel=5),
        Layer(f"{pt}down_block1.conv1_downsample", f"{tf}conv2_downsample", b, c, "halve"),
        Layer(f"{pt}down_block1.conv2", f"{tf}conv3", c, d),
        Layer(f"{pt}down_block2.conv1_downsample", f"{tf}conv4_downsample", d, e, "halve"),
        Layer(f"{pt}down_block2.conv2", f"{tf}conv5", e, 96),
        Layer(f"{pt}conv_bn1", f"{tf}conv6", 96, 96, act=first_act),
    ]


def _dilated(pt: str, tf: str) -> list[Layer]:
    return [Layer(f"{pt}conv_bn{2 + i}", f"{tf}conv{7 + i}_atrous", 96, 96, dilation=2 << i) for i in range(4)]


COARSE = [
    *_encoder("stage1.", "", (5, 24, 48, 48, 96)),
    *_dilated("stage1.", ""),
    Layer("stage1.conv_bn6", "conv11", 96, 96),
    Layer("stage1.conv_bn7", "conv12", 96, 96),
    *_decoder("stage1.", "", 13),
]
PLAIN = [*_encoder("stage2.conv_", "x", (3, 24, 24, 48, 48)), *_dilated("stage2.conv_", "x")]
BEFORE_ATTENTION = _encoder("stage2.ca_", "pm", (3, 24, 24, 48, 96), first_act="relu")
AFTER_ATTENTION = [Layer("stage2.ca_conv_bn4", "pmconv9", 96, 96), Layer("stage2.ca_conv_bn5", "pmconv10", 96, 96)]
JOINT = [
    Layer("stage2.conv_bn6", "allconv11", 192, 96),
    Layer("stage2.conv_bn7", "allconv12", 96, 96),
    *_decoder("stage2.", "all", 13),
]


class GatedConv(nn.Module):
    """One half of a convolution's channels, activated, times the sigmoid of the other half; the RGB layer has no gate."""

    def __init__(self, layer: Layer, layout: Layout) -> None:
        super().__init__()
        self.act, self.layout = layer.act, layout
        self.stride = 2 if layer.step == "halve" else 1
        self.reach = (layer.kernel - 1) * layer.dilation
        wide = layer.channels_out if layer.act == "rgb" else 2 * layer.channels_out
        self.conv = nn.Conv2d(layer.channels_in, wide, layer.kernel, self.stride, dilation=layer.dilation)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(F.pad(x, self._padding(x.shape[3]) + self._padding(x.shape[2])))
        if self.act == "rgb":
            return x.tanh()
        feature, gate = x.chunk(2, dim=1)
        return (F.relu(feature) if self.act == "relu" else F.elu(feature)) * gate.sigmoid()

    def _padding(self, length: int) -> tuple[int, int]:
        """Zeros before and after: the same on both sides (pt), or as few as give length / stride, the odd one behind (tf)."""
        if self.layout == "pt":
            return self.reach // 2, self.reach // 2
        total = max(0, (-(-length // self.stride) - 1) * self.stride + self.reach + 1 - length)
        return total // 2, total - total // 2


class DoublingConv(nn.Module):
    """Nearest neighbours at twice the size, then a gated convolution."""

    def __init__(self, layer: Layer, layout: Layout) -> None:
        super().__init__()
        self.layout: Layout = layout
        self.conv = GatedConv(layer, layout)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(nearest(x, (2 * x.shape[2], 2 * x.shape[3]), self.layout))


class DeepFill(nn.Module):
    """Image with a hole → coarse and fine image (n 3 h w) in [-1, 1], h and w multiples of 8; only the hole is meant to be used.

    layout names the state and the padding of either published file (`pt`: states_pt_*, `tf`: states_tf_*); weights of one
    layout do not work in the other. fuse None: as the layout was published (pt fuses, tf does not; its TensorFlow original does).
    """

    def __init__(self, layout: Layout, fuse: bool | None = None) -> None:
        super().__init__()
        self._coarse = self._place(COARSE, layout)
        self._plain = self._place(PLAIN, layout)
        self._before = self._place(BEFORE_ATTENTION, layout)
        attention = ContextualAttention(layout, fuse)
        _hang(self, "stage2.contextual_attention" if layout == "pt" else "attention", attention)
        self._after = self._place(AFTER_ATTENTION, layout)
        self._joint = self._place(JOINT, layout)
        self._attention = [attention]

    def forward(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """x (n 5 h w): RGB in [-1, 1] with 0 in the hole, ones, mask; mask (n 1 h w), 1 = hole."""
        if x.shape[2] % MULTIPLE_PX or x.shape[3] % MULTIPLE_PX:
            raise ValueError(f"sides must be multiples of {MULTIPLE_PX}, found {tuple(x.shape[2:])}")
        coarse = _through(self._coarse, x)
        filled = coarse * mask + x[:, :3] * (1 - mask)
        attended = self._attention[0](_through(self._before, filled), mask)
        both = torch.cat([_through(self._plain, filled), _through(self._after, attended)], dim=1)
        return coarse, _through(self._joint, both)

    def _place(self, layers: list[Layer], layout: Layout) -> list[nn.Module]:
        """Build layers, register each under its name in the layout, and return them in order."""
        built: list[nn.Module] = []
        for layer in layers:
            module = DoublingConv(layer, layout) if layer.step == "double" else GatedConv(layer, layout)
            _hang(self, layer.pt if layout == "pt" else layer.tf, module)
            built.append(module)
        return built


def network_input(image: Tensor, mask: Tensor) -> Tensor:
    """The five channels (n 5 h w) of an image (n 3 h w) in [-1, 1] and its mask (n 1 h w), 1 = hole."""
    return torch.cat([image * (1 - mask), torch.ones_like(mask), mask], dim=1)


def _hang(root: nn.Module, name: str, module: nn.Module) -> None:
    *folders, last = name.split(".")
    for folder in folders:
        if folder not in root._modules:
            root.add_module(folder, nn.Module())
        root = root.get_submodule(folder)
    root.add_module(last, module)


def _through(layers: list[nn.Module], x: Tensor) -> Tensor:
    for layer in layers:
        x = layer(x)
    return x
