"""The method `bone_ratio`: the driver's limb directions and foreshortening with the target's limb lengths.

Not in the paper. Forward kinematics along the skeleton's tree, then a translation that keeps planted feet planted.
"""

import numpy as np

from pipeline.body.skeleton import Skeleton
from pipeline.motion.body import Body


class Ratios:
    """Target length over driver length for any joint and ancestor; the body's own ratio where a limb was not measured."""

    def __init__(self, driver: Body, target: Body):
        self._driver, self._target = driver, target
        self._known: dict[tuple[int, int], float] = {}
        self.guessed: set[str] = set()
        self.limited: set[str] = set()
        self._opposites = driver.skeleton.opposites()
        lengths = {limb: self._lengths(*limb) for limb in driver.skeleton.limb_indices()}
        self._lengths_by_limb = {limb: pair for limb, pair in lengths.items() if np.isfinite(pair).all() and min(pair) > 0}
        self.measured = len(self._lengths_by_limb)
        fingers, hands = driver.skeleton.fingers(), driver.skeleton.hands()
        self._of_hands = {joint for hand in hands for joint in hand}
        self._palms = [limb for limb in self._lengths_by_limb if limb[1] in self._of_hands - fingers]
        whole = [limb for limb in self._lengths_by_limb if limb[1] not in fingers]
        self.body = self._sum_ratio(whole or list(self._lengths_by_limb)) if self.measured else float("nan")

    def limb(self, ancestor: int, joint: int) -> float:
        """The ratio for one limb (or a jump over missing joints); the body's where it is not within ratio_limit of that.

        Nobody is built so: one of the two never shows the limb from the side, as who sits facing the camera does not show the thighs.

        Hands have one, that of their palms: fingers that are never stretched out would grow, and a hand is of one size.
        """
        pair = (ancestor, joint)
        if pair not in self._known:
            if joint in self._of_hands:
                ratio = self._sum_ratio(self._palms) if self._palms else float("nan")
            else:
                driver, target = self._lengths(*pair)
                ratio = target / driver if driver > 0 and target > 0 else float("nan")
            limit = self._driver.params.ratio_limit
            kept = ratio if self.body / limit <= ratio <= self.body * limit else self.body  # NaN too
            if kept != ratio:
                (self.limited if np.isfinite(ratio) else self.guessed).add(self._name(pair))
            self._known[pair] = kept
        return self._known[pair]

    def ground(self) -> float:
        """Target over driver of the whole way from the root to the ground contacts; the body's ratio without any."""
        up = {child: parent for parent, child in self._driver.skeleton.limb_indices()}
        path = set()
        for joint in self._driver.skeleton.indices("ankles"):
            while joint in up:
                path.add((up[joint], joint))
                joint = up[joint]
        lengths = {limb: self._lengths_by_limb[limb][0] for limb in sorted(path) if limb in self._lengths_by_limb}
        return float(sum(length * self.limb(*limb) for limb, length in lengths.items()) / sum(lengths.values())) if lengths else self.body

    def table(self) -> dict[str, float]:
        """Ratio by limb, as used, for the attributes."""
        return {self._name(limb): round(self.limb(*limb), 4) for limb in self._lengths_by_limb}

    def _sum_ratio(self, limbs: list[tuple[int, int]]) -> float:
        if not limbs:
            return self.body
        driver, target = np.sum([self._lengths_by_limb[limb] for limb in sorted(limbs)], axis=0)
        return float(target / driver)

    def _lengths(self, start: int, end: int) -> tuple[float, float]:
        """The driver's and the target's; of a limb and its mirror image the longer one, where bodies count as symmetric."""
        twin = (self._opposites[start], self._opposites[end])
        pairs = {(start, end), twin} if self._driver.params.symmetric else {(start, end)}
        driver, target = (np.array([body.length(*pair) for pair in sorted(pairs)]) for body in (self._driver, self._target))
        both = np.isfinite(driver) & np.isfinite(target)
        return (float(driver[both].max()), float(target[both].max())) if both.any() else (float("nan"), float("nan"))

    def _name(self, pair: tuple[int, int]) -> str:
        return "-".join(self._driver.skeleton.joints[i] for i in pair)


def forward_kinematics(points: np.ndarray, skeleton: Skeleton, ratios: Ratios, size: np.ndarray) -> np.ndarray:
    """Rebuild poses (n j 2) from limb vectors × ratio × size (n), relative to each frame's topmost present joint.

    A joint whose parent is missing hangs from its nearest present ancestor, and one without any from the topmost joint.
    """
    present = np.asarray(np.isfinite(points).all(axis=-1))
    order, up = _tree(skeleton)
    built = np.full(points.shape, np.nan)
    top = np.full(len(points), -1)

    def hang(joint: int, ancestor: int, frames: np.ndarray) -> None:
        vectors = points[frames, joint] - points[frames, ancestor]
        built[frames, joint] = built[frames, ancestor] + vectors * (ratios.limb(ancestor, joint) * size[frames])[:, None]

    # From the root outwards: each joint is hung on its nearest ancestor that is there.
    for joint in order:
        left = present[:, joint].copy()
        for ancestor in up[joint]:
            here = left & present[:, ancestor]
            if here.any():
                hang(joint, ancestor, here)
                left &= ~here
        # Without any it is the frame's topmost joint, or hangs on that.
        first = left & (top < 0)
        built[first, joint] = 0.0
        top[first] = joint
        left &= ~first
        for ancestor in np.unique(top[left]):
            hang(joint, int(ancestor), left & (top == ancestor))
    return built


def _tree(skeleton: Skeleton) -> tuple[list[int], dict[int, list[int]]]:
    """Joints parents first, and each joint's ancestors, nearest first."""
    root = skeleton.joints.index(skeleton.root)
    order, up = [root], {root: []}
    for parent, child in skeleton.limb_indices():
        order.append(child)
        up[child] = [parent, *up[parent]]
    return order, up
