"""OpenPose's body network (COCO, 18 joints) and hand network, as PyTorch ports of the Caffe models publish them (Cao et al. 2017).

Module and layer names are those of the ports, so that the published checkpoints fit key by key. There is no normalisation
layer; every convolution has a bias and zero padding; the output stride is 8.
"""

import pickle
from collections import OrderedDict
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from pipeline.errors import InputError

Conv = tuple[str, int, int, int]  # name, channels in, channels out, kernel
FEATURES, FIELDS, HEATS, HAND_HEATS = 128, 38, 19, 22
STAGES = range(2, 7)
TRUNK: list[Conv] = [
    ("conv1_1", 3, 64, 3), ("conv1_2", 64, 64, 3), ("conv2_1", 64, 128, 3), ("conv2_2", 128, 128, 3), ("conv3_1", 128, 256, 3),
    ("conv3_2", 256, 256, 3), ("conv3_3", 256, 256, 3), ("conv3_4", 256, 256, 3), ("conv4_1", 256, 512, 3), ("conv4_2", 512, 512, 3),
]  # fmt: skip
BODY_TRUNK = [*TRUNK, ("conv4_3_CPM", 512, 256, 3), ("conv4_4_CPM", 256, FEATURES, 3)]
HAND_TRUNK = [
    *TRUNK, ("conv4_3", 512, 512, 3), ("conv4_4", 512, 512, 3), ("conv5_1", 512, 512, 3), ("conv5_2", 512, 512, 3),
    ("conv5_3_CPM", 512, FEATURES, 3),
]  # fmt: skip
POOLED = ("conv1_2", "conv2_2", "conv3_4")


class BodyNet(nn.Module):
    """Image (b 3 h w), BGR / 256 - 0.5, sides multiples of 8 → part affinity fields (b 38 h/8 w/8), heat maps (b 19 h/8 w/8).

    Branch 1 gives the fields, branch 2 the heat maps (18 joints and background); each stage but the first sees both and the
    features. The last layer of every branch is linear in the Caffe model. The published PyTorch code puts a ReLU behind the last heat
    map all the same (its list of linear layers names Mconv7_stage6_L1 twice and Mconv7_stage6_L2 never), and everything
    that was measured with this checkpoint was measured so: negative heat is 0 here too.
    """

    def __init__(self) -> None:
        super().__init__()
        self.model0 = _chain(BODY_TRUNK, linear_end=False)
        for branch, out in ((1, FIELDS), (2, HEATS)):
            first = [(f"conv5_{i}_CPM_L{branch}", 128, 128, 3) for i in (1, 2, 3)]
            first += [(f"conv5_4_CPM_L{branch}", 128, 512, 1), (f"conv5_5_CPM_L{branch}", 512, out, 1)]
            self.add_module(f"model1_{branch}", _chain(first))
            for stage in STAGES:
                relu_at_end = (stage, branch) == (6, 2)
                convs = _refining(FIELDS + HEATS + FEATURES, out, f"stage{stage}_L{branch}")
                self.add_module(f"model{stage}_{branch}", _chain(convs, linear_end=not relu_at_end))

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        features = self.model0(image)
        fields, heats = self._branches(1, features)
        for stage in STAGES:
            fields, heats = self._branches(stage, torch.cat([fields, heats, features], 1))
        return fields, heats

    def _branches(self, stage: int, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.get_submodule(f"model{stage}_1")(x), self.get_submodule(f"model{stage}_2")(x)


class HandNet(nn.Module):
    """Image of one hand (b 3 h w), as for BodyNet → heat maps (b 22 h/8 w/8): 21 points and background; all last layers linear."""

    def __init__(self) -> None:
        super().__init__()
        self.model1_0 = _chain(HAND_TRUNK, linear_end=False)
        self.model1_1 = _chain([("conv6_1_CPM", 128, 512, 1), ("conv6_2_CPM", 512, HAND_HEATS, 1)])
        for stage in STAGES:
            self.add_module(f"model{stage}", _chain(_refining(HAND_HEATS + FEATURES, HAND_HEATS, f"stage{stage}")))

    def forward(self, image: Tensor) -> Tensor:
        features = self.model1_0(image)
        heats = self.model1_1(features)
        for stage in STAGES:
            heats = self.get_submodule(f"model{stage}")(torch.cat([heats, features], 1))
        return heats


Network = TypeVar("Network", BodyNet, HandNet)


def read_network(kind: type[Network], path: Path) -> Network:
    """Return the network in evaluation mode with the weights of a checkpoint: a flat dict under Caffe's layer names (conv1_1.weight).

    Nothing in the file is executed. Raises InputError for a file that is missing, no checkpoint, or of another network.
    """
    if not path.is_file():
        raise InputError(f"pose backend openpose needs {path.name}, found no {path}. Run: dvc repro fetch_pose_weights, or name its folder")
    try:
        stored = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError) as error:
        why = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{path} must be a PyTorch checkpoint of tensors only: {why}. Fetch it again") from None
    with torch.device("meta"):
        network = kind()
    wanted = {key.split(".", 1)[1]: (key, tensor.shape) for key, tensor in network.state_dict().items()}
    _check_keys(stored, {name: shape for name, (_, shape) in wanted.items()}, path)
    network.load_state_dict({key: stored[name].float() for name, (key, _) in wanted.items()}, assign=True)
    return network.eval().requires_grad_(False)


def _check_keys(stored: object, wanted: dict[str, torch.Size], path: Path) -> None:
    shapes = {k: getattr(v, "shape", None) for k, v in stored.items()} if isinstance(stored, dict) else {}
    wrong = sorted(str(name) for name in wanted.keys() | shapes.keys() if wanted.get(name) != shapes.get(name))
    if wrong:
        raise InputError(
            f"{path} must hold the {len(wanted)} tensors of this network, {len(wrong)} differ in name or shape, such as {wrong[0]}. "
            "Body and hand may be exchanged; or fetch it again"
        )


def _refining(channels: int, out: int, suffix: str) -> list[Conv]:
    """Convolutions of one stage but the first: five of 7 x 7, two of 1 x 1."""
    wide = [(f"Mconv{i}_{suffix}", channels if i == 1 else 128, 128, 7) for i in range(1, 6)]
    return [*wide, (f"Mconv6_{suffix}", 128, 128, 1), (f"Mconv7_{suffix}", 128, out, 1)]


def _chain(convs: list[Conv], linear_end: bool = True) -> nn.Sequential:
    """Convolutions in a row, a ReLU behind each (but the last where linear_end), 2 x 2 pooling behind those of POOLED."""
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for name, channels, out, kernel in convs:
        layers[name] = nn.Conv2d(channels, out, kernel, padding=kernel // 2)
        if not (linear_end and name == convs[-1][0]):
            layers[f"{name}_relu"] = nn.ReLU(inplace=True)
        if name in POOLED:
            layers[f"{name}_pool"] = nn.MaxPool2d(2)
    return nn.Sequential(layers)
