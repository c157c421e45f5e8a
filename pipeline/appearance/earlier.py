"""Where an earlier training of the same target ended, for one that goes on with a further clip. Not in the paper.

The generator goes on from the published moving average, which goes on itself, the discriminators and the memory from what was left beside
it. The optimisers begin anew, and the rate of learning as high as it was at first.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from pipeline.appearance.memory import EpisodicMemory
from pipeline.appearance.systems.base import System
from pipeline.artifacts.models import load_discriminators, load_model
from pipeline.errors import InputError

REMEDY = "Run: dvc repro train_appearance continue_appearance"


@dataclass(frozen=True)
class Earlier:
    """The state of a finished training; clips: the further ones that it was learnt from, by name."""

    clips: tuple[str, ...]
    generator: dict[str, torch.Tensor]
    shape: dict[str, Any]
    discriminators: dict[str, torch.Tensor]
    updates: int
    memory: dict[str, Any]
    facts: dict[str, Any]

    def hand_on(self, system: System, memory: EpisodicMemory) -> None:
        """Set a new training to where this one ended; InputError when its networks are of another shape."""
        if self.shape != system.shape:
            differing = sorted(key for key in system.shape if self.shape.get(key) != system.shape[key])
            found = ", ".join(f"{key} {self.shape.get(key)} and {system.shape[key]}" for key in differing)
            raise InputError(f"all trainings of a target must have one generator, found {found}. {REMEDY}")
        try:
            system.generator.load_state_dict(self.generator)
            system.discriminators.load_state_dict(self.discriminators)
        except RuntimeError as error:
            said = str(error).splitlines()[-1].strip().rstrip(".")
            raise InputError(f"an earlier training must have left the networks that params ask for, found: {said}. {REMEDY}") from error
        system.ema.module.load_state_dict(self.generator)
        system.ema.n_averaged = self.updates
        memory.load_state_dict({**memory.state_dict(), **self.memory})


def load_earlier(weights: Path) -> Earlier:
    """Read what an earlier training left: weights, their description and its discriminators beside them under the same name.

    InputError when a part is missing, damaged, or of another training than the others.
    """
    beside = weights.with_suffix(".discriminators.safetensors")
    generator, description = load_model(weights, weights.with_suffix(".json"))
    discriminators, facts = load_discriminators(beside)
    if facts.get("weights_sha256") != description["weights_sha256"]:
        raise InputError(f"{beside} must be of the training that made {weights}, found another's. {REMEDY}")
    known = {"weights_sha256": description["weights_sha256"], "steps": description["budget"]["steps"]}
    state = generator, description["generator"], discriminators, int(facts["updates"]), facts["memory"], known
    return Earlier(tuple(description.get("further_clips", [])), *state)


def kept_for_later(system: System, memory: EpisodicMemory, weights_sha256: str) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """The discriminators' weights, and as facts: the model they belong to, updates of its average, the memory's losses and threshold."""
    state = memory.state_dict()
    remembered = {"losses": {str(window): loss for window, loss in memory.losses.items()}, "threshold": state["threshold"]}
    facts = {"updates": system.ema.n_averaged, "memory": remembered, "weights_sha256": weights_sha256}
    return dict(system.discriminators.state_dict()), facts
