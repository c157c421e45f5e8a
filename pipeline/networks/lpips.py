"""LPIPS (Zhang et al. 2018) by the package lpips, its trunk read from a file and never downloaded."""

from pathlib import Path

import torch
from torch import Tensor, nn

from pipeline.errors import InputError

TRUNKS = {"alex": "alexnet-owt-7be5be79.pth", "vgg": "vgg16-397923af.pth"}
URL = "https://download.pytorch.org/models/"


class Lpips(nn.Module):
    """The distance of a net, `alex` or `vgg`: linear layers as published, trunk still to be loaded.

    InputError without the package lpips.
    """

    def __init__(self, net: str) -> None:
        super().__init__()
        try:
            import lpips
        except ImportError:
            raise InputError(f"evaluation.metrics lists lpips_{net}, which needs the package lpips: pip install lpips==0.1.4") from None
        self.network = lpips.LPIPS(net=net, pnet_rand=True, verbose=False)

    def load_trunk(self, state: dict[str, Tensor]) -> None:
        """Fill the trunk from torchvision's keys `features.<i>.<name>`; the package keeps the same i inside its slices."""
        trunk = self.network.net.state_dict()
        trunk = {key: state["features." + key.split(".", 1)[1]] for key in trunk}
        self.network.net.load_state_dict(trunk)

    def distance(self, a: Tensor, *others: Tensor) -> list[Tensor]:
        """LPIPS (n) of images a to each of others, all (n 3 h w) in [-1, 1]: 0 for equal images, larger is worse."""
        return [self.apart(a, b) for b in others]

    def known(self, a: Tensor) -> Tensor:
        """What apart() takes of images: themselves."""
        return a

    def apart(self, own: Tensor, b: Tensor) -> Tensor:
        """LPIPS (n) of images b to `own`."""
        return self.network(own, b).reshape(-1)


def load_lpips(net: str, weights: str | Path) -> Lpips:
    """LPIPS with the trunk file of torchvision in the folder `weights`; frozen, in evaluation mode.

    InputError without the package or the file, or when the file holds another network.
    """
    path = Path(weights) / TRUNKS[net]
    if not path.is_file():
        raise InputError(
            f"evaluation.metrics lists lpips_{net}, which needs {path}: put {URL}{TRUNKS[net]} into data/incoming and run "
            "dvc repro fetch_metric_weights, or unlist it"
        )
    network = Lpips(net)
    try:
        network.load_trunk(torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:  # a cut file, a pickle, missing keys, other shapes: all mean that the file is not the trunk
        raise InputError(f"{path} must hold the trunk of {net}, reading it failed ({type(error).__name__}): fetch it again") from error
    return network.eval().requires_grad_(False)
