"""What a step of training is given: windows of poses, foregrounds and mattes."""

from dataclasses import dataclass

from torch import Tensor

from pipeline.appearance.detail import Patches
from pipeline.training.sharing import Share


@dataclass(frozen=True)
class Batch:
    """Windows: poses (b k c h w) in [0, 1], foregrounds M x F (b k 3 h w) in [-1, 1], mattes (b k 1 h w) in [0, 1].

    A system that makes whole frames sees everything as foreground: its mattes are 1.
    halved_poses are the poses at half size for the discriminators. backgrounds (b 1 3 1 1) in [-1, 1]: a colour over which
    foregrounds are compared, the same in all of a batch, so that L_GW compares persons. Where the generator sees
    references: warped (b k 6r h w), r warped to each pose, as signed_by_field() has it; patches, some of it finer. share: what of a
    step this is, where several processes share it.
    """

    poses: Tensor
    halved_poses: Tensor
    foregrounds: Tensor
    mattes: Tensor
    windows: list[int]
    backgrounds: Tensor
    warped: Tensor | None = None
    patches: Patches | None = None
    share: Share | None = None

    @property
    def composites(self) -> Tensor:
        """The true foregrounds over the backgrounds, (b k 3 h w) in [-1, 1] (Eq. 9)."""
        return self.foregrounds + (1 - self.mattes) * self.backgrounds

    def one_by_one(self) -> list["Batch"]:
        """Each window as a batch of its own."""
        alone = []
        for b, window in enumerate(self.windows):
            own = slice(b, b + 1)
            images = (self.poses[own], self.halved_poses[own], self.foregrounds[own], self.mattes[own])
            patches = None if self.patches is None else self.patches.of(b)
            alone.append(Batch(*images, [window], self.backgrounds[own], None if self.warped is None else self.warped[own], patches))
        return alone


def composited(colours: Tensor, mattes: Tensor, backgrounds: Tensor) -> Tensor:
    """Eq. 9 for straight colours (b k 3 h w), mattes (b k 1 h w) and backgrounds that broadcast to them."""
    return mattes * colours + (1 - mattes) * backgrounds
