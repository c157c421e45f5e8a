"""Body parts that one of the two never shows: what the target lacks is left out, what the driver lacks holds the target's mean pose.

Not in the paper, whose footage shows whole bodies. Nobody's legs can be read off a bust; a target that is known whole should
appear whole all the same, standing as it usually stands.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from pipeline.body.skeleton import Skeleton
from pipeline.motion.body import Body
from pipeline.motion.placement import LEVEL_SECONDS, frames_of, slow_path
from pipeline.motion.series import fill

SHOWN_SHARE = 0.05  # of the frames; less is a slip of the detector
MOSTLY_SHARE = 0.5


def shown_joints(points: np.ndarray, usable: np.ndarray, least: int, share: float = SHOWN_SHARE) -> np.ndarray:
    """Which joints (j) of poses (n j 2) are usable (n j) in `least` frames and a share of those that show anybody."""
    frames = int(np.isfinite(points[..., 0]).any(axis=1).sum())
    counts = (usable & np.isfinite(points[..., 0])).sum(axis=0)
    return np.asarray(counts >= max(min(least, frames), share * frames, 1))


def to_fill(shown: np.ndarray, mostly: np.ndarray, known: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """Which joints (j) take the target's usual pose: those it is `known` with and the driver is not `shown` with.

    Above feet that are never shown, hips and knees count that `mostly` are, and below such as do not no leg is believed: at
    the picture's edge they are guesses. A joint above one that is shown, such as the elbow of a hand held up, stays out: the
    usual one would not meet it.
    """
    lacking = known & ~shown
    limbs = skeleton.limb_indices()
    parent = [-1] * len(skeleton.joints)
    for up, joint in limbs:
        parent[joint] = up
    legs = {joint for ankle in skeleton.indices("ankles") if lacking[ankle] for joint in _way_down(ankle, parent)[1:]}
    lacking[list(legs)] |= (known & ~mostly)[list(legs)]
    for up, joint in limbs:
        if up in legs and lacking[up]:
            legs.add(joint)
            lacking[joint] = known[joint]
    seen = shown & ~lacking
    for up, joint in reversed(limbs):
        seen[up] |= seen[joint]
    return lacking & ~seen


def usual_scores(body: Body, score: np.ndarray) -> np.ndarray:
    """Median score (j) of confident measured joints, score (n j) in the body's frames; 0 for those never seen."""
    usable = np.where(body.confident & body.measured[:, None], score, np.nan)
    return np.array([np.median(column[np.isfinite(column)]) if np.isfinite(column).any() else 0.0 for column in usable.T], np.float32)


def name_parts(joints: np.ndarray, skeleton: Skeleton) -> list[str]:
    """Joints (j) bool in words: "knees" for both, "left knee" for one, "fingers" for points of a hand beyond the wrist."""
    hands = {joint for region in skeleton.regions if region.kind == "hand" for joint in region.joints}
    hands -= {joint for region in skeleton.regions if region.limb for joint in region.limb}
    names = []
    for i, (joint, opposite) in enumerate(zip(skeleton.joints, skeleton.opposites(), strict=True)):
        if joints[i]:
            plain = joint.replace("_", " ")
            both = opposite != i and joints[opposite]
            names.append("fingers" if joint in hands else _plural(plain.split(" ", 1)[1]) if both else plain)
    return list(dict.fromkeys(names))


@dataclass(frozen=True)
class Mean:
    """The target's usual pose: by joint the vector (2) from its parent, as large as at its middle distance.

    along (j 2): in the picture's axes. turned (j 2): with x along the limb that ends at the parent, for what goes with it.
    reach (j): the limb's full length. NaN where a limb is never seen. parent: by joint, -1 for the root.
    """

    along: np.ndarray
    turned: np.ndarray
    reach: np.ndarray
    parent: list[int]

    @staticmethod
    def of(target: Body) -> "Mean":
        """The median direction and length of each limb over confident measured frames."""
        count = len(target.skeleton.joints)
        parent = [-1] * count
        along, turned, reach = (np.full(shape, np.nan) for shape in ((count, 2), (count, 2), (count,)))
        points = np.where((target.confident & target.measured[:, None])[..., None], target.points, np.nan) / target.size[:, None, None]
        for start, end in target.skeleton.limb_indices():
            parent[end] = start
            limb = points[:, end] - points[:, start]
            along[end], reach[end] = _usual(limb, target.params.min_frames), target.length(start, end)
            if parent[start] >= 0:
                turned[end] = _usual(_in_frame_of(limb, points[:, start] - points[:, parent[start]]), target.params.min_frames)
        return Mean(along, turned, reach, parent)


def fill_unseen(points: np.ndarray, lacking: np.ndarray, target: Body, seconds: np.ndarray) -> np.ndarray:
    """Poses (n j 2) in the target's picture with the joints `lacking` (j) hung where the target usually has them.

    Upper arms and face keep their direction in the picture, forearms and hands go with the limb that carries them. Hips
    follow the trunk up and down, and its slow way across; feet stand on one line, as far below the hips as usual, and go
    with the slow way too, so that they leave their ground only where legs of full length do not reach it; knees bend
    between. Nothing hangs on what is missing in a frame, but for hips or knees above unseen feet, which keep the place
    under their parent that the nearest frames show.
    """
    mean, out = Mean.of(target), points.copy()
    out[:, lacking] = np.nan
    frames = frames_of(LEVEL_SECONDS, seconds)
    ways = {ankle: _way_down(ankle, mean.parent) for ankle in target.skeleton.indices("ankles") if lacking[ankle]}
    legs = {joint for way in ways.values() for joint in way[1:]}
    stands: set[int] = set()
    for way in ways.values():
        for up, joint in pairwise(way):
            if not lacking[joint]:
                out[:, joint] = _held(out[:, joint], out[:, up])
        stands |= _stand(out, way, lacking, mean, frames)
    for up, joint in target.skeleton.limb_indices():
        if not lacking[joint] or joint in stands:
            continue
        # A foot lies on the ground however the shin leans, and an upper arm hangs down: of shoulders seen from the side the
        # direction is chance.
        above = _way_down(up, mean.parent)
        upright = len(above) < 3 or bool(legs & set(above)) or not np.isfinite(mean.turned[joint]).all()
        axis = np.array([1.0, 0.0]) if upright else out[:, up] - out[:, mean.parent[up]]
        out[:, joint] = out[:, up] + _turned(mean.along[joint] if upright else mean.turned[joint], axis)
    return out


def _stand(out: np.ndarray, way: list[int], lacking: np.ndarray, mean: Mean, frames: int) -> set[int]:
    """Put the unseen end of a leg, way (root to ankle), into poses `out` (n j 2), in place; returns the joints of it."""
    start = next(i for i in range(len(way)) if lacking[way[i:]].all())
    run, done = way[start:], set(way[start:])
    base = out[:, way[start - 1]]
    if not np.isfinite(base[:, 0]).any():
        return done
    if start == 1:  # unseen hips: the trunk may lean over them
        across = np.where(np.isfinite(base[:, 0]), slow_path(fill(base[:, 0]), frames), np.nan)
        base = np.stack([across, base[:, 1]], axis=1) + mean.along[run[0]]
        out[:, run[0]] = base
        run = run[1:]
    steps = np.cumsum(mean.along[run], axis=0)
    if not run or not np.isfinite(steps).all() or not steps[-1].any():
        return done
    ground = np.stack([slow_path(fill(base[:, 0]), frames), np.full(len(base), np.nanmedian(base[:, 1]))], axis=1) + steps[-1]
    leg = ground - base
    length, full = np.linalg.norm(leg, axis=1), float(mean.reach[run].sum())
    far = length > full
    leg[far] *= (full / length[far])[:, None]
    whole = float(steps[-1] @ steps[-1])
    for joint, step in zip(run, steps, strict=True):
        # The usual leg, turned and scaled as a whole between hip and foot: seen from the front a bent one only looks shorter.
        ahead, aside = step @ steps[-1] / whole, (steps[-1][0] * step[1] - steps[-1][1] * step[0]) / whole
        out[:, joint] = base + ahead * leg + aside * np.stack([-leg[:, 1], leg[:, 0]], axis=1)
    return done


def _held(joint: np.ndarray, parent: np.ndarray) -> np.ndarray:
    """A joint (n 2) whose gaps keep the place under its parent that lies between those of the nearest frames that show it."""
    offset = joint - parent
    known = np.flatnonzero(np.isfinite(offset[:, 0]))
    if not len(known):
        return joint
    every = np.arange(len(joint))
    between = np.stack([np.interp(every, known, offset[known, axis]) for axis in (0, 1)], axis=1)
    return np.where(np.isfinite(joint), joint, parent + between)


def _way_down(joint: int, parent: list[int]) -> list[int]:
    """Joints from the root to this one, both included."""
    way = [joint]
    while parent[way[0]] >= 0:
        way.insert(0, parent[way[0]])
    return way


def _usual(limb: np.ndarray, least: int) -> np.ndarray:
    """Vector (2) of median direction and median length of (n 2); NaN where fewer than `least` frames show it."""
    seen = limb[np.isfinite(limb).all(axis=1)]
    if len(seen) < max(1, least):
        return np.full(2, np.nan)
    middle = np.median(seen, axis=0)
    return middle / max(float(np.hypot(*middle)), 1e-9) * np.median(np.linalg.norm(seen, axis=1))


def _in_frame_of(vectors: np.ndarray, axes: np.ndarray) -> np.ndarray:
    """Vectors (n 2) as seen with x along axes (n 2); NaN where an axis has no length."""
    length = np.linalg.norm(axes, axis=1)
    x, y = (axes / np.where(length > 0, length, np.nan)[:, None]).T
    return np.stack([vectors[:, 0] * x + vectors[:, 1] * y, vectors[:, 1] * x - vectors[:, 0] * y], axis=1)


def _turned(vector: np.ndarray, axes: np.ndarray) -> np.ndarray:
    """The inverse for one vector (2): in the picture, for axes (n 2) or (2)."""
    x, y = np.moveaxis(axes / np.maximum(np.linalg.norm(axes, axis=-1, keepdims=True), 1e-9), -1, 0)
    return np.stack([vector[0] * x - vector[1] * y, vector[0] * y + vector[1] * x], axis=-1)


def _plural(name: str) -> str:
    """knee → knees, foot-like words of the skeletons included."""
    return name if name.endswith("s") else f"{name}s"
