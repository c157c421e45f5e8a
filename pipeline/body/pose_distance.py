"""How far two poses are apart, as they are seen and for a warp from one to the other. Not in the paper."""

from collections.abc import Sequence

import numpy as np

from pipeline.body.skeleton import Skeleton

Hands = Sequence[Sequence[int]]
PALM = 3  # a hand counts as so many joints, however many of its points are seen: fingers do not outweigh the body
STRETCHED = 4.0  # how much worse it is that a limb must be stretched than that a joint must be moved: it shows another side of itself
LEAST_SHARED = 0.5  # share of the query's joints that a candidate must show: one shared joint says nothing about a pose
BESIDE, APART = 0.05, 0.12  # sides this near to each other, in sizes of the body, are seen from the side; so far apart from the front
EXCHANGED = 0.5  # what a trunk with its sides exchanged costs, in sizes of the body: more than any limb may be away


def pose_distances(query: np.ndarray, candidates: np.ndarray, root: int | None = None, hands: Hands = ()) -> np.ndarray:
    """Mean joint distance (n) of candidates (n j 2) to a query (j 2), in its px, over joints finite in both; inf where too few are.

    root: joint that both are moved to, the mean of the common joints where one lacks it; None = as they stand. A candidate
    must show at least LEAST_SHARED of the query's joints. hands: Skeleton.hands(), whose joints share the weight of a few.
    """
    query, candidates = np.asarray(query, np.float64), np.asarray(candidates, np.float64)
    seen = np.asarray(np.isfinite(query).all(-1))
    weight = _weights(seen, hands)
    both = np.asarray(np.isfinite(candidates).all(-1)) & seen
    shared = both @ weight
    offset = np.where(both[..., None], candidates - query, 0.0)
    if root is not None:
        mean = (offset * weight[:, None]).sum(1) / _positive(shared)[:, None]
        offset = offset - np.where(both[:, root, None], offset[:, root], mean)[:, None]
    length = np.where(both, np.linalg.norm(offset, axis=-1), 0.0) @ weight / _positive(shared)
    enough = (shared > 0) & (shared >= LEAST_SHARED * weight[seen].sum())
    return np.where(enough, length, np.inf)


def warp_distances(query: np.ndarray, candidates: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """How much a warp limb by limb from candidates (n j 2) to a query (j 2) has to change, (n) in its px; inf as pose_distances() has it.

    The mean of how far joints are apart, roots on each other, and STRETCHED times that of how much limbs differ in length. A limb that
    hangs elsewhere is carried whole; one that is foreshortened otherwise is not the same picture any more.
    """
    root, hands = skeleton.index(skeleton.root), skeleton.hands()
    weight = _weights(np.asarray(np.isfinite(query).all(-1)), hands)
    return pose_distances(query, candidates, root, hands) + STRETCHED * _stretch(query, candidates, weight, skeleton.limb_indices())


def end_distances(queries: np.ndarray, references: np.ndarray, joints: list[int], skeleton: Skeleton) -> np.ndarray:
    """How much a warp from each of references (t j 2) to the query (t j 2) beside it changes one end of a limb, of these joints, (t) px.

    As warp_distances() has it, but that its joints' means lie on each other; inf where one of them lacks its first two joints, between
    which the limb itself is.
    """
    place = {joint: i for i, joint in enumerate(joints)}
    hands = [[place[joint] for joint in hand if joint in place] for hand in skeleton.hands()]
    limbs = [(place[a], place[b]) for a, b in skeleton.limb_indices() if a in place and b in place]
    q, r = (points[:, joints].astype(np.float64) for points in (queries, references))
    seen = np.asarray(np.isfinite(q).all(-1))
    both, weight = seen & np.asarray(np.isfinite(r).all(-1)), _weights(seen, hands)
    shared = both * weight
    share = (shared / _positive(shared.sum(1))[:, None])[..., None]
    offset = np.where(both[..., None], r - q, 0.0)
    moved = (np.linalg.norm(offset - (offset * share).sum(1, keepdims=True), axis=-1) * share[..., 0]).sum(1)
    return np.where(both[:, :2].all(1), moved + STRETCHED * _stretch(q, r, weight, limbs), np.inf)


def carrying_distances(query: np.ndarray, candidates: np.ndarray, skeleton: Skeleton, size: float) -> np.ndarray:
    """warp_distances() in sizes of the body (px), (n), and EXCHANGED as far as the trunk's sides are exchanged."""
    turned = exchanged_sides(query, candidates, skeleton.trunk_pairs(), size)
    return warp_distances(query, candidates, skeleton) / size + EXCHANGED * turned


def exchanged_sides(query: np.ndarray, candidates: np.ndarray, sides: list[tuple[int, int]], size: float) -> np.ndarray:
    """How far candidates (n j 2) have the trunk's sides the other way round than a query (j 2), or each than its own (n j 2): 0 = alike,
    1 = exchanged, (n).

    A trunk with its sides exchanged shows its back for its front, and cannot be warped without folding. Seen from the side, where they
    lie over each other, which is left is the detector's guess: sides count as far as they are apart, in sizes of the body.
    """
    total = np.zeros(len(candidates))
    for left, right in sides:
        along = ((candidates[:, left] - candidates[:, right]) * (query[..., left, :] - query[..., right, :])).sum(-1) / size**2
        total += np.maximum(0, np.nan_to_num(-along) - BESIDE**2)
    return np.minimum(1, total / APART**2)


def _stretch(query: np.ndarray, candidates: np.ndarray, weight: np.ndarray, limbs: list[tuple[int, int]]) -> np.ndarray:
    """Mean of how much limbs (pairs of joints) of candidates (n j 2) differ in length from a query's (j 2), or each from its own query's
    (n j 2), (n): of those that both show, each weighted as the lesser of its joints, weight (… j)."""
    parents, children = np.array(limbs).reshape(-1, 2).T
    long = np.linalg.norm(query[..., children, :] - query[..., parents, :], axis=-1)
    stretched = np.abs(np.linalg.norm(candidates[:, children] - candidates[:, parents], axis=-1) - long)
    weight = np.where(np.isfinite(stretched), np.minimum(weight[..., parents], weight[..., children]), 0.0)
    return np.asarray((np.nan_to_num(stretched) * weight).sum(1) / _positive(weight.sum(1)))


def _weights(seen: np.ndarray, hands: Hands) -> np.ndarray:
    """Weight (… j) of each joint of queries that show those of `seen` (… j) bool."""
    weight = np.ones(seen.shape)
    for hand in map(list, hands):
        weight[..., hand] = np.minimum(1.0, PALM / np.maximum(1, seen[..., hand].sum(-1, keepdims=True)))
    return weight


def _positive(total: np.ndarray) -> np.ndarray:
    return np.where(total > 0, total, 1.0)


def body_size(points: np.ndarray) -> float:
    """Median of the larger extent of poses (n j 2), in their px; 1 without any."""
    sizes = [float(np.ptp(p[np.isfinite(p).all(-1)], axis=0).max()) for p in points if np.isfinite(p).all(-1).sum() > 1]
    return max(float(np.median(sizes)), 1.0) if sizes else 1.0


def gap_distances(points: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """warp_distances() to poses not seen from those that are: to each pose of the last fifth of (n j 2) from the nearest other, (m)."""
    border = max(1, len(points) - len(points) // 5)
    found = np.array([warp_distances(p, points[:border], skeleton).min() for p in points[border:]])
    return found[np.isfinite(found)]
