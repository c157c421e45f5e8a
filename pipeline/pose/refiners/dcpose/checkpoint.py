"""DCPose's official checkpoint, and nothing in it executed."""

import pickle
from pathlib import Path

import torch

from pipeline.errors import InputError
from pipeline.pose.refiners.dcpose.network import DCPose

FILE = "PoseTrack17_DCPose.pth"


def read_checkpoint(path: Path) -> DCPose:
    """Return the network with the weights of a checkpoint: a dict with state_dict, names as of a parallel module; or its folder.

    Raises InputError when it is missing, is no file of tensors, or holds other names or shapes.
    """
    path = path / FILE if path.is_dir() else path
    if not path.is_file():
        raise InputError(f"pose refiner dcpose needs its checkpoint {path}, found none. Run: dvc repro fetch_refiner_weights")
    try:
        stored = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError) as error:
        raise InputError(f"{path} must be DCPose's checkpoint, found no tensors ({str(error).splitlines()[0]}); fetch it again") from None
    state = stored.get("state_dict", stored) if isinstance(stored, dict) else {}
    state = {str(key).removeprefix("module."): value for key, value in state.items()}
    network = DCPose()
    expected = network.state_dict()
    wrong = [key for key in expected if not torch.is_tensor(state.get(key)) or state[key].shape != expected[key].shape]
    wrong += sorted(set(state) - set(expected))
    if wrong:
        raise InputError(f"{path} must hold DCPose's {len(expected)} tensors, {len(wrong)} keys or shapes differ, first {wrong[0]}")
    network.load_state_dict(state)
    return network.eval()
