"""Mattes: the person's opacity per frame, (t h w) uint8, 255 = person, in full pixels."""

import os
from contextlib import AbstractContextManager
from typing import Any

from pipeline.artifacts.frames import Frames, create_frames, open_frames
from pipeline.artifacts.store import ArrayWriter
from pipeline.video.clock import Clock


def create_mattes(
    path: str | os.PathLike[str], clock: Clock, size_hw: tuple[int, int], extra: dict[str, Any] | None = None
) -> AbstractContextManager[ArrayWriter]:
    """Publish mattes block by block: `.append(block uint8 (n h w))`."""
    return create_frames(path, clock, size_hw, extra, kind="mattes")


def open_mattes(path: str | os.PathLike[str]) -> Frames:
    """Open mattes; same reading as frames."""
    return open_frames(path, kind="mattes")
