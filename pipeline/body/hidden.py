"""What of a body a picture of it hides: limbs that lie over one another there, and not in the pose that is asked for; or a ball.

Not in the paper. A leg that is crossed by the other one in a reference cannot be carried from it, however near the poses are; another
reference may show it.
"""

from collections.abc import Iterable

import numpy as np

from pipeline.body.skeleton import Skeleton

ALONG = np.linspace(0.1, 0.9, 5)[:, None]  # places along a limb at which it is looked at
OVER = (0.03, 0.06)  # a limb whose line passes a place this near, in sizes of the body, lies over it; one farther off does not
TWICE, NEAR = 0.215, 0.1  # a first picture that hides so much of the body, most of a leg, and is so many of its sizes away, counts twice
WHOLLY = 2.0  # how much more a place counts that lies under a ball: nothing of it is seen, and little of what is about it
FURTHER = 0.5  # what a body costs that all pictures hide together, in sizes of the body


class Hidden:
    """What pictures of a body (n) hide of other poses (t), at places along limbs (l); shares of the body: arms and legs are 1 together,
    trunk and head of an animal without any.

    Which of two limbs is in front is not known: both count. What a pose lacks hides nothing. Trunk and head are hidden by what is no
    limb alone, fingers by nothing.
    """

    def __init__(self, points: np.ndarray, skeleton: Skeleton, size: float, transient: Iterable[np.ndarray] = ()) -> None:
        """points (n j 2) of the pictures, size of the body, in one px; transient: what is, of each picture (h w) uint8 whose first pixel
        is their origin, or of none. Limbs count by their lengths."""
        self.limbs, stiff = _limbs(skeleton)
        self.size, every = size, [*self.limbs, *stiff]
        lengths = [np.linalg.norm(points[:, a] - points[:, b], axis=-1) for a, b in every]
        middle = np.array([np.median(found[np.isfinite(found)]) if np.isfinite(found).any() else 0.0 for found in lengths])
        whole = float(middle[: len(self.limbs)].sum()) or float(middle.sum()) or 1.0
        self.weights = np.repeat(middle / whole / len(ALONG), len(ALONG))
        self.crossed = self.covered(points)
        self.pictures = self.crossed.copy()
        places = np.concatenate([_places(points, a, b) for a, b in every], 1)
        for own, along, layer in zip(self.pictures, places, transient, strict=False):
            np.maximum(own, WHOLLY * _under(layer, along) * self.weights, out=own)

    def asked(self, covered: np.ndarray) -> "Asked":
        """What is asked of the pictures for poses with as much covered (t l)."""
        return Asked(self, covered)

    def by(self, picture: np.ndarray, covered: np.ndarray) -> np.ndarray:
        """What pictures (t) hide of poses with as much covered (t l): (t l)."""
        return np.maximum(0, self.pictures[picture] - covered)

    def places_of(self, joints: list[int]) -> np.ndarray:
        """Which places (l) bool lie on arms and legs between these joints."""
        inside = [set(limb) <= set(joints) for limb in self.limbs]
        return np.repeat([*inside, *[False] * (len(self.weights) // len(ALONG) - len(inside))], len(ALONG))

    def together(self, covered: np.ndarray, still: np.ndarray, limbs_alone: bool = False) -> np.ndarray:
        """How much of poses with as much covered (t l), of which as much was still hidden (t l), each picture still hides: (t n).
        limbs_alone: what is transient does not count."""
        total = np.zeros((len(covered), len(self.pictures)))
        for shown, own, left in zip((self.crossed if limbs_alone else self.pictures).T, covered.T, still.T, strict=True):
            total += np.minimum(np.maximum(0, shown - own[:, None]), left[:, None])
        return total

    def covered(self, points: np.ndarray) -> np.ndarray:
        """How much of each place lies over another limb in poses (n j 2): (n l), the places of one limb side by side."""
        shares = np.zeros((len(points), len(self.weights) // len(ALONG), len(ALONG)))
        for over, (a, b) in zip(shares.swapaxes(0, 1), self.limbs, strict=False):
            places = _places(points, a, b)
            for c, d in self.limbs:
                if not {a, b} & {c, d}:
                    away = _away(places, points[:, c, None], points[:, d, None]) / self.size
                    np.maximum(over, np.nan_to_num(np.clip((OVER[1] - away) / (OVER[1] - OVER[0]), 0, 1)), out=over)
        return shares.reshape(len(points), len(self.weights)) * self.weights


class Asked:
    """What poses (t) still ask for, as pictures are taken for them one after another."""

    def __init__(self, hidden: Hidden, covered: np.ndarray) -> None:
        self._hidden, self._covered = hidden, covered
        self._still, self._first = np.ones_like(covered), True

    def cost(self, distances: np.ndarray) -> np.ndarray:
        """Distances (t n) to the pictures in sizes of the body, and what each lacks beside those taken.

        A little that the first one hides others will show, and poses that are near hide alike: hardly more than the limb that lies over
        it would be seen of what it hides. Beyond TWICE and NEAR the first one's distances grow fast.
        """
        lacking = self._hidden.together(self._covered, self._still, limbs_alone=self._first)
        if not self._first:
            return distances + FURTHER * lacking
        away = np.where(np.isfinite(distances), distances, 0.0)
        return distances * (1 + (away / NEAR * (lacking / TWICE) ** 2) ** 2)

    def take(self, picture: np.ndarray) -> None:
        """Take a picture (t) for each pose."""
        self._still, self._first = np.minimum(self._still, self._hidden.by(picture, self._covered)), False


def _limbs(skeleton: Skeleton) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Arms and legs; trunk and head."""
    trunk = {skeleton.index(skeleton.root), *(joint for pair in skeleton.trunk_pairs() for joint in pair)}
    head, fingers = set(skeleton.indices("head")), skeleton.fingers()
    limbs = [limb for limb in skeleton.limb_indices() if not set(limb) & fingers]
    stiff = [limb for limb in limbs if set(limb) <= trunk or set(limb) & head]
    return [limb for limb in limbs if limb not in stiff], stiff


def _places(points: np.ndarray, a: int, b: int) -> np.ndarray:
    """Places along the limb from joint a to b in poses (n j 2): (n p 2)."""
    return np.asarray(points[:, a, None] * (1 - ALONG) + points[:, b, None] * ALONG)


def _under(layer: np.ndarray, places: np.ndarray) -> np.ndarray:
    """How far places (l 2) lie under a layer (h w) uint8, (l) in [0, 1]; 0 outside of it, and where one is not known."""
    shares = np.zeros(len(places))
    known = np.isfinite(places).all(-1)
    x, y = np.rint(places[known]).astype(int).T
    inside = (x >= 0) & (y >= 0) & (x < layer.shape[1]) & (y < layer.shape[0])
    shares[np.flatnonzero(known)[inside]] = layer[y[inside], x[inside]] / 255
    return shares


def _away(places: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Distance (n p) of places (n p 2) to lines from start to end (n 1 2)."""
    line = end - start
    along = ((places - start) * line).sum(-1) / np.maximum((line * line).sum(-1), 1e-9)
    return np.asarray(np.linalg.norm(places - start - np.clip(along, 0, 1)[..., None] * line, axis=-1))
