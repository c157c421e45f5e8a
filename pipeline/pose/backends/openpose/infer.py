"""Running a network on images at several scales."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import nn

from pipeline.pose.backends.openpose.maps import FullMaps, SmallMaps, network_input

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
BATCH = {"cuda": 16}  # elsewhere 1: a result is then the same bytes alone and among others, and no slower


class MapMaker:
    """A network with its device and precision, which gives maps of images' own sizes.

    The weights lie channels last, which convolutions like best, and of bfloat16 only the maps become float32 again.
    """

    def __init__(self, network: nn.Module, device: str | torch.device, precision: str) -> None:
        self._device, self._dtype = torch.device(device), DTYPES[precision]
        self._network = network.to(self._device, self._dtype).to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def __call__(self, images: Sequence[np.ndarray], scales: Sequence[float]) -> Iterator[tuple[FullMaps, ...]]:
        """Yield the network's outputs for each image (h w 3) uint8 RGB; the images share one shape, or are all square."""
        size = BATCH.get(self._device.type, 1)
        for start in range(0, len(images), size):
            some = images[start : start + size]
            by_scale = [self._at_scale(some, scale) for scale in scales]
            for index, image in enumerate(some):
                outputs = zip(*(maps[index] for maps in by_scale), strict=True)
                yield tuple(FullMaps(scaled, (image.shape[0], image.shape[1])) for scaled in outputs)

    def _at_scale(self, images: Sequence[np.ndarray], scale: float) -> list[list[SmallMaps]]:
        """Return for each image, for each of the network's outputs, its small maps."""
        inputs = [network_input(image, scale) for image in images]
        outputs = self.run(np.stack([array for array, _ in inputs]))
        return [[SmallMaps(output[index], hw) for output in outputs] for index, (_, hw) in enumerate(inputs)]

    def run(self, inputs: np.ndarray) -> list[np.ndarray]:
        """Return the network's outputs (n c h/8 w/8) float32 for inputs (n 3 h w) float32."""
        batch = torch.from_numpy(inputs).to(self._device, self._dtype).to(memory_format=torch.channels_last)
        with torch.inference_mode():
            outputs = self._network(batch)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        return [output.float().cpu().contiguous().numpy() for output in outputs]
