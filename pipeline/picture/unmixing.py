"""The subject's own colours where a frame shows subject and background mixed: Eq. 9 solved for the foreground. Not in the paper."""

import numpy as np


def unmixed(frame: np.ndarray, matte: np.ndarray, plate: np.ndarray) -> np.ndarray:
    """M ⊙ F of Eq. 9, I - (1 - M) B, as uint8 (… h w 3), for frames I (… h w 3), mattes M (… h w) and the plate B (h w 3), uint8.

    Within [0, 255 M], since F is a colour; a matte of 0 gives 0 and one of 255 the frame, exactly. Learning I ⊙ M in its
    place would count the background twice at every edge.
    """
    opacity = matte.astype(np.float32)[..., None] / np.float32(255)
    own = frame.astype(np.float32) - (1 - opacity) * plate.astype(np.float32)
    return (np.clip(own, 0, 255 * opacity) + np.float32(0.5)).astype(np.uint8)
