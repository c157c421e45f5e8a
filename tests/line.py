"""The smallest body that bends: a line of two limbs, without sides, head or regions."""

from pipeline.body.skeleton import Limb, Skeleton

COLOUR = (255, 255, 255)
LINE = Skeleton(
    "line", ("a", "b", "c"), "a", (Limb("a", "b", COLOUR, 1.0, True), Limb("b", "c", COLOUR, 1.0, True)), (), {}, (), ()
)
