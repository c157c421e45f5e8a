"""Which system trains: the one place that reads `appearance.system`. What a system asks of its inputs, its class says."""

from typing import Any

from pipeline.appearance.params import AppearanceParams
from pipeline.appearance.systems.as_published import AsPublished
from pipeline.appearance.systems.base import System
from pipeline.appearance.systems.edn import Edn
from pipeline.appearance.systems.fakevideo import FakeVideo

SYSTEMS: dict[str, type[System]] = {"fakevideo": FakeVideo, "edn": Edn, "as_published": AsPublished}


def chosen_system(params: AppearanceParams) -> type[System]:
    """The class of the system that params name."""
    return SYSTEMS[params.system]


def params_read(params: AppearanceParams) -> dict[str, Any]:
    """What a model says it was trained with: what its system reads and what bears on the result."""
    others = (system.KEYS for name, system in SYSTEMS.items() if name != params.system)
    return params.model_dump(exclude={"checkpoint_s"}.union(*others))  # how often it saves changes no result
