"""A trained network with its normalisations folded into the convolutions before them: the same numbers, fewer passes."""

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

PAIRS = (("conv", "bn"), ("conv1", "bn1"), ("conv2", "bn2"), ("conv3", "bn3"), ("0", "1"))


def fold_normalisation(network: nn.Module) -> nn.Module:
    """Fold every convolution's batch normalisation into it, in place; for inference only."""
    for module in list(network.modules()):
        layers = dict(module.named_children())
        for convolution, norm in PAIRS:
            first, second = layers.get(convolution), layers.get(norm)
            if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d):
                setattr(module, convolution, fuse_conv_bn_eval(first, second))
                setattr(module, norm, nn.Identity())
    return network
