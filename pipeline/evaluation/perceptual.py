"""Distances between images in the features of a network: ST-LPIPS, by two networks, and LPIPS (§4.2)."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.evaluation.settings import DISTANCES

if TYPE_CHECKING:  # torch takes a second to import, and the other metrics do without it
    from torch import Tensor

    from pipeline.networks.alex import StAlex
    from pipeline.networks.lpips import Lpips
    from pipeline.networks.vgg import StVgg16

LEAST_PX = 32  # the trunks halve their input four times
Distance = Callable[..., list[np.ndarray]]  # uint8 batches (n h w 3): the true one, then others → distances (n) float64 of each to it


def load_distances(metrics: Sequence[str], weights: Path) -> dict[str, Distance]:
    """The listed network distances by name; `weights` is the folder that holds a folder per asset, as fetch_assets fills it.

    InputError when a listed one has no network file. A distance is NaN for images under LEAST_PX.
    """
    return {name: _load(name, weights) for name in DISTANCES if name in metrics}


def _load(name: str, weights: Path) -> Distance:
    if name == "st_lpips":
        from pipeline.networks.vgg import load_st_vgg16

        return _on_uint8(load_st_vgg16(weights / "st_vgg16" / "vgg_shift_tolerant.pth"))
    if name == "alex":
        from pipeline.networks.alex import FILE, load_st_alex

        return _on_uint8(load_st_alex(weights / "st_alex" / FILE))
    from pipeline.networks.lpips import load_lpips

    return _on_uint8(load_lpips(name.removeprefix("lpips_"), weights / name))


def _on_uint8(network: "StVgg16 | StAlex | Lpips") -> Distance:
    import torch

    from pipeline.training.device import choose_device, prepare_cpu

    prepare_cpu()
    device = choose_device()
    network.to(device).to(memory_format=torch.channels_last)  # a fifth faster on the CPU; the images' own order already
    threads = torch.get_num_threads() if device.type == "cpu" else 1
    pool = ThreadPoolExecutor(threads, initializer=prepare_cpu, initargs=(1,))  # pictures side by side, none shared among threads

    def images(batch: np.ndarray) -> "Tensor":
        return torch.from_numpy(np.ascontiguousarray(batch)).to(device).permute(0, 3, 1, 2).float() / 127.5 - 1

    @torch.inference_mode()
    def apart(own: Any, other: np.ndarray) -> np.ndarray:
        return network.apart(own, images(other)).double().cpu().numpy()

    def on_uint8(true: np.ndarray, *others: np.ndarray) -> list[np.ndarray]:
        if min(true.shape[1:3]) < LEAST_PX:
            return [np.full(len(true), np.nan) for _ in others]
        with torch.inference_mode():
            own = network.known(images(true))
        same = [next(i for i, other in enumerate(others) if np.array_equal(other, one)) for one in others]
        found = {i: pool.submit(apart, own, others[i]) for i in sorted(set(same))}
        return [found[i].result() for i in same]

    return on_uint8
