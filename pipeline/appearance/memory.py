"""Episodic memory: windows that the generator rendered poorly, replayed now and then (§3.3, Alg. 2)."""

from typing import Literal

import numpy as np
from pydantic import Field

from pipeline.params import Section
from pipeline.training.steps import step_generator

DRAW_WRITE, DRAW_REPLAY = 101, 102  # keys that keep the memory's draws apart from others of the same seed


class MemoryParams(Section):
    """What is remembered and when it is replayed; `threshold` (a perceptual loss) rules over `quantile` when given."""

    enabled: bool
    write: Literal["first", "every"]
    capacity: int = Field(ge=1)
    threshold: float | None = Field(ge=0)
    quantile: float = Field(ge=0, le=1)
    random_share: float = Field(ge=0, le=1)
    interval_epochs: int = Field(ge=1)
    replay: int = Field(ge=1)


class EpisodicMemory:
    """A set of window indices, each with its last perceptual loss; when it is full, the lowest loss leaves.

    Alg. 2 says neither how large the memory is nor what its threshold is. Not in the paper: the capacity, and by default
    a threshold at a quantile of the previous epoch's losses. Epochs count from 1.
    """

    def __init__(self, params: MemoryParams, seed: int) -> None:
        self.params, self.seed = params, seed
        self.losses: dict[int, float] = {}
        self.epoch_losses: list[float] = []
        self.threshold = params.threshold
        self.replayed = self.replays = 0

    def observe(self, epoch: int, window: int, loss: float) -> None:
        """Lines 15-20 of Alg. 2: after training on a window, write it if it is poor, or by chance."""
        if not self.params.enabled:
            return
        self.epoch_losses.append(loss)
        writes = self.params.write == "every" or epoch == 1
        poor = self.threshold is not None and loss > self.threshold
        chance = step_generator(self.seed, DRAW_WRITE, epoch, window).random() < self.params.random_share
        if window in self.losses or (writes and (poor or chance)):
            self.losses[window] = loss
            self._trim()

    def refresh(self, window: int, loss: float) -> None:
        """Note the loss of a replayed window."""
        self.replayed += 1
        if window in self.losses:
            self.losses[window] = loss

    def end_epoch(self) -> None:
        """Set the next epoch's threshold from this epoch's losses, unless an absolute one is given."""
        if self.params.threshold is None and self.epoch_losses:
            self.threshold = float(np.quantile(self.epoch_losses, self.params.quantile))
        self.epoch_losses = []

    def draw(self, epoch: int) -> list[int]:
        """Lines 6-7 of Alg. 2: the windows replayed at the start of this epoch, without replacement; often none."""
        if not self.params.enabled or epoch % self.params.interval_epochs or not self.losses:
            return []
        windows = sorted(self.losses)
        count = min(self.params.replay, len(windows))
        chosen = step_generator(self.seed, DRAW_REPLAY, epoch).choice(len(windows), count, replace=False)
        return [windows[i] for i in chosen]

    def state_dict(self) -> dict[str, object]:
        """What a checkpoint keeps."""
        kept = {"losses": dict(self.losses), "epoch_losses": list(self.epoch_losses)}
        return {**kept, "threshold": self.threshold, "replayed": self.replayed, "replays": self.replays}

    def load_state_dict(self, state: dict) -> None:
        """Take up a checkpoint."""
        self.losses = {int(window): float(loss) for window, loss in state["losses"].items()}
        self.epoch_losses = list(state["epoch_losses"])
        self.threshold = state["threshold"]
        self.replayed, self.replays = int(state["replayed"]), int(state["replays"])

    def _trim(self) -> None:
        while len(self.losses) > self.params.capacity:
            del self.losses[min(self.losses, key=lambda window: (self.losses[window], window))]
