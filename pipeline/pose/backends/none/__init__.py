"""The pose backend that sees nobody, for clips whose people are of no interest (re-detection switched off)."""

import numpy as np

from pipeline.pose.people import Backend, People, nobody


def load(joints: tuple[str, ...]) -> Backend:
    """Return the backend for a skeleton's joints."""

    def see_nobody(block: np.ndarray) -> list[People]:
        return [nobody(len(joints)) for _ in block]

    return see_nobody
