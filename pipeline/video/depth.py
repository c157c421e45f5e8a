"""Pictures of 16 bits that hold fewer, as cameras of 10, 12 or 14 bits write them: stretched by a value, or told."""

import av
import numpy as np

from pipeline.errors import InputError

FULL = 65_535
CAMERA_BITS = (8, 10, 12, 14)


class Depth:
    """What the 16-bit pictures of a clip hold; bits None leaves them as they are, and remark() tells of unused ones."""

    def __init__(self, bits: int | None, name: str) -> None:
        self.bits, self.name = bits, name
        self.brightest = -1

    def apply(self, frame: av.VideoFrame) -> av.VideoFrame:
        """The frame as bright as its bits mean; InputError when it holds more than so many. Others than 16-bit RGB or grey pass."""
        parts = frame.format.components
        if parts[0].bits != 16 or not (frame.format.is_rgb or len(parts) <= 2):
            return frame
        kind = "rgba64le" if any(part.is_alpha for part in parts) else "gray16le" if len(parts) == 1 else "rgb48le"
        values = frame.reformat(format=kind).to_ndarray().astype(np.uint16, copy=False)
        colours = values[..., :3] if values.ndim == 3 else values
        self.brightest = max(self.brightest, int(colours.max()))
        if self.bits is None or self.bits == 16:
            return frame
        if self.brightest >= 2**self.bits:
            raise InputError(
                f"{self.name} holds the 16-bit value {self.brightest}, more than frames.bits = {self.bits} can have: "
                "correct it in params.yaml, null for all 16."
            )
        stretched = np.round(colours.astype(np.float64) * (FULL / (2**self.bits - 1))).astype(np.uint16)
        whole = np.concatenate([stretched, values[..., 3:]], axis=2) if values.ndim == 3 else stretched
        return av.VideoFrame.from_ndarray(np.ascontiguousarray(whole), format=kind)

    def remark(self) -> str | None:
        """One line when a quarter of the range or less is used without saying so; None otherwise."""
        if self.bits is not None or not 0 <= self.brightest < 2 ** CAMERA_BITS[-1]:
            return None
        bits = next(bits for bits in CAMERA_BITS if self.brightest < 2**bits)
        return (
            f"{self.name} has 16-bit pictures whose brightest value is {self.brightest} of {FULL}, as of a camera of {bits} bits: "
            f"they will be dark; set frames.bits to {bits} in params.yaml to stretch them"
        )
