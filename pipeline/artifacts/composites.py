"""A result's frames at the source's resolution, as fusion composes them (Eq. 8 and 9), after each stage that made them."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from pipeline.artifacts.foregrounds import Foregrounds
from pipeline.artifacts.frames import Frames
from pipeline.artifacts.residuals import Residuals
from pipeline.body.regions import fade
from pipeline.errors import InputError
from pipeline.picture.compositing import compose_full


@dataclass(frozen=True)
class Composites:
    """What the stages left: foregrounds as generated, and with real pixels carried into them (warped), residuals, plate, fused crops.

    Residuals are added to the warped foreground; fused crops tell which stage the video shows.
    """

    generated: Foregrounds
    warped: Foregrounds
    enhanced: Residuals
    refined: Residuals
    plate: Frames
    fused: Frames
    _made: dict[int, dict[tuple[int, int | None], np.ndarray]] = field(default_factory=dict, init=False, repr=False, compare=False)

    def stages(self) -> dict[str, tuple[Foregrounds, Residuals | None]]:
        """The stages that changed anything, in their order: which foreground each shows, and with which residuals."""
        changed = {
            "generated": True,
            "warped": self.generated.carried is not None,  # else the generated foreground was passed on as it is
            "enhanced": bool(self.enhanced.regions),
            "refined": bool(self.refined.regions),
        }
        return {stage: made for stage, made in self._all().items() if changed[stage]}

    def shown(self) -> tuple[Foregrounds, Residuals | None]:
        """Foreground and residuals of the video; InputError when the fused crops do not say their stage."""
        stage, stages = self.fused.attributes.get("stage"), self._all()
        if stage not in stages:
            raise InputError(f"Fused crops must show one of the stages {', '.join(stages)}, found {stage}. Run: dvc repro fuse")
        return stages[stage]

    def _all(self) -> dict[str, tuple[Foregrounds, Residuals | None]]:
        return {
            "generated": (self.generated, None),
            "warped": (self.warped, None),
            "enhanced": (self.warped, self.enhanced),
            "refined": (self.warped, self.refined),
        }

    def frame(self, foreground: Foregrounds, residuals: Residuals | None, t: int) -> np.ndarray:
        """Frame t (h w 3) uint8 as fusion composes it: the plate where the foreground has nobody. Only to be read.

        Stages that leave a frame as it was have one picture of it: that of the frame asked for last is kept.
        """
        plate = self.plate_at(t)
        if not foreground.present[t]:
            return plate
        patches = {}
        if residuals is not None:
            patches = {name: (residuals.residual(name, t), residuals.boxes[name][t]) for name in residuals.regions}
        patches = {name: patch for name, patch in patches.items() if np.isfinite(patch[1]).all() and patch[0].any()}
        if t not in self._made:
            self._made.clear()
        made = self._made.setdefault(t, {})
        key = id(foreground), id(residuals) if patches else None
        if key not in made:
            made[key] = compose_full(foreground.rgb[t], foreground.matte[t], foreground.crop[t], patches, fade, plate)
        return made[key]

    def plate_at(self, t: int) -> np.ndarray:
        """The plate (h w 3) uint8 behind frame t."""
        return self.plate[t] if self._only_plate is None else self._only_plate

    @cached_property
    def _only_plate(self) -> np.ndarray | None:
        return self.plate[0] if len(self.plate) == 1 else None
