"""Pre-trained feature networks: Phi of Eq. 1 and Psi of Eq. 5."""

from pathlib import Path

import torch
from torch import Tensor, nn

from pipeline.errors import InputError
from pipeline.networks.shift_tolerant import Blur, ShiftTolerant

FILES = {"st_vgg16": "vgg_shift_tolerant.pth", "vgg19": "vgg19-dcbb9e9d.pth"}
WIDTHS = (64, 128, 256, 512, 512)


class StVgg16(ShiftTolerant):
    """Shift-tolerant VGG16: features for the losses, and the perceptual distance ST-LPIPS.

    Images are RGB in [-1, 1], (n 3 h w), sides of at least 32 px. Its feature maps have strides 1, 2, 4, 8, 16 and widths
    as in WIDTHS. Not in the paper, whose backbone is VGG19.
    """

    def __init__(self) -> None:
        super().__init__(_slices(), WIDTHS)


def _slices() -> list[dict[int, nn.Module]]:
    """Five slices of VGG16 whose layers are numbered through; dense pooling and a blur stand before slices 2-5."""
    slices: list[dict[int, nn.Module]] = []
    width, number = 3, 0
    for index, (out, convolutions) in enumerate(zip(WIDTHS, (2, 2, 3, 3, 3), strict=True)):
        layers: list[nn.Module] = [] if index == 0 else [nn.MaxPool2d(2, stride=1), Blur(width)]
        for _ in range(convolutions):
            layers += [nn.Conv2d(width, out, 3, padding=1), nn.ReLU(inplace=True)]
            width = out
        slices.append(dict(enumerate(layers, start=number)))
        number += len(layers)
    return slices


VGG19_SLICES = (4, 9, 18, 27, 35)  # torchvision's numbering; the last slice ends with the 16th convolution, conv5_4


class Vgg19(nn.Module):
    """VGG19 up to its 16th convolution, whose output the paper uses (§4.1.2); torchvision's state names."""

    mean: Tensor
    deviation: Tensor

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        width = 3
        for index, (out, convolutions) in enumerate(zip(WIDTHS, (2, 2, 4, 4, 4), strict=True)):
            layers += [] if index == 0 else [nn.MaxPool2d(2)]
            for _ in range(convolutions):
                layers += [nn.Conv2d(width, out, 3, padding=1), nn.ReLU()]
                width = out
        self.net = nn.ModuleDict({"features": nn.Sequential(*layers[:-1])})
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406])[:, None, None], persistent=False)
        self.register_buffer("deviation", torch.tensor([0.229, 0.224, 0.225])[:, None, None], persistent=False)

    def features(self, x: Tensor, depth: int = 5) -> list[Tensor]:
        """Feature maps relu1_2, relu2_2, relu3_4, relu4_4, conv5_4 (the first `depth`) of RGB (n 3 h w) in [-1, 1]."""
        x, maps, start = ((x.to(self.mean.dtype) + 1) / 2 - self.mean) / self.deviation, [], 0
        trunk = list(self.net["features"].children())
        for stop in VGG19_SLICES[:depth]:
            for layer in trunk[start:stop]:
                x = layer(x)
            start = stop
            maps.append(x)
        return maps


def load_st_vgg16(path: str | Path) -> StVgg16:
    """Read vgg_shift_tolerant.pth of the wheel stlpips-pytorch 0.0.2; frozen, in evaluation mode."""
    network = StVgg16()
    _load(network, _read(path), path)
    return network


def load_vgg19(path: str | Path) -> Vgg19:
    """Read torchvision's VGG19 (for instance vgg19-dcbb9e9d.pth); its fully connected layers are left out."""
    network = Vgg19()
    state = {name: value for name, value in _read(path).items() if name.startswith("features.")}
    _load(network.net, state, path)
    return network.eval().requires_grad_(False)


def features_file(name: str, path: str | Path) -> Path:
    """The weights of the feature network of a name: path itself, or its file in the folder path."""
    return Path(path) / FILES[name] if Path(path).is_dir() else Path(path)


def load_features(name: str, path: str | Path) -> StVgg16 | Vgg19:
    """The feature network of a name, `st_vgg16` or `vgg19`, from its file or the folder that fetch_assets filled."""
    weights = features_file(name, path)
    return load_vgg19(weights) if name == "vgg19" else load_st_vgg16(weights)


def _read(path: str | Path) -> dict[str, Tensor]:
    if not Path(path).is_file():
        stages = "fetch_features fetch_metric_weights"
        raise InputError(f"{path} must hold the weights of the feature network, it does not exist. Run: dvc repro {stages}")
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise InputError(f"{path} must hold a torch state dict, reading it failed ({type(error).__name__}): fetch it again") from error


def _load(network: nn.Module, state: dict[str, Tensor], path: str | Path) -> None:
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise InputError(f"{path} must hold the weights of this feature network: {reason}; check appearance.features") from error
    network.eval().requires_grad_(False)
