"""How a head is held: no higher above the neck, and no lower, than the target holds its own in poses like these.

Not in the paper. A camera that looks down on somebody brings the face nearer to the neck, and so does who looks down; neither is a
limb's length, which a ratio of lengths would make of it: necks were stretched by half. What is left is the driver's: nods and turns
about the usual height, and where a target shows heads high and low, that too.
"""

import numpy as np

from pipeline.body.pose_distance import warp_distances
from pipeline.body.skeleton import Skeleton
from pipeline.body.trunk import SHOULDER_WIDTH, spine
from pipeline.motion.body import Body
from pipeline.motion.series import fill
from pipeline.timeline.sampling import spread_evenly

FACING = 0.5  # shoulders seen at least half as wide as from the front: from the side a camera's height hardly moves a face
LOOKED_AT, POOL = 60, 120  # frames of the driver and of the target, at most, of which …
LIKE = 3  # … so many poses of the target are compared with each of the driver's
RANGE = (25.0, 75.0)  # percentiles of the target's heights between which the driver's usual one may stay


def hold_head(built: np.ndarray, driver: Body, target: Body, size: np.ndarray) -> tuple[np.ndarray, dict[str, float]]:
    """Return poses (n j 2) of the driver at the target's lengths and at apparent size (n) with the joints of the face moved along the
    spine, and by how many px at size 1 each was: fully where the body faces the camera, less from the side, not at all from behind.

    Nothing moves on a skeleton without face, shoulders or hips, and where either is seen facing the camera in too few frames.
    """
    skeleton = driver.skeleton
    (face, neck), shoulders = _face_and_neck(skeleton), _shoulders(skeleton)
    if not face or not skeleton.indices("hips") or shoulders is None:
        return built, {}
    up, facing = _seen_from(built, skeleton, shoulders)
    their_up, their_facing = _seen_from(target.points, skeleton, shoulders)
    own, theirs = (np.flatnonzero(body.measured & (seen > FACING)) for body, seen in ((driver, facing), (target, their_facing)))
    if len(own) < driver.least or len(theirs) < target.least:
        return built, {}
    own, theirs = spread_evenly(own, LOOKED_AT), spread_evenly(theirs, POOL)
    poses, others = built[own] / size[own, None, None], target.points[theirs] / target.size[theirs, None, None]
    ours = _heights(poses, up[own], driver.confident[own], face, neck)
    known = _heights(others, their_up[theirs], target.confident[theirs], face, neck)
    moves = _moves(ours, known[_like(poses, others, face, skeleton)], face, skeleton)
    weight = fill(np.clip(facing / FACING, 0, 1)) * size
    held = built.copy()
    held[:, face] += (up * np.nan_to_num(weight)[:, None])[:, None] * moves[None, :, None]
    return held, {skeleton.joints[joint]: round(float(move), 2) for joint, move in zip(face, moves, strict=True)}


def _face_and_neck(skeleton: Skeleton) -> tuple[list[int], int]:
    """The joints of the face and the one that it hangs on; no joints where there is no such thing."""
    face = [skeleton.index(name) for name in skeleton.face.joints] if skeleton.face else []
    base = next((parent for parent, child in skeleton.limb_indices() if child in face and parent not in face), None)
    return (face, base) if base is not None else ([], 0)


def _shoulders(skeleton: Skeleton) -> tuple[int, int] | None:
    """The left and the right shoulder."""
    shoulders = set(skeleton.indices("shoulders"))
    return next((pair for pair in skeleton.trunk_pairs() if set(pair) <= shoulders), None)


def _seen_from(points: np.ndarray, skeleton: Skeleton, shoulders: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors (n 2) up the spine of poses (n j 2), and how wide the shoulders are seen (n), 1 from the front, -1 from behind; NaN
    where that is unseen."""
    up, length = spine(points, skeleton)
    across = points[:, shoulders[0]] - points[:, shoulders[1]]
    return up, (across * np.stack([-up[:, 1], up[:, 0]], 1)).sum(1) / (SHOULDER_WIDTH * length)


def _heights(points: np.ndarray, up: np.ndarray, confident: np.ndarray, face: list[int], neck: int) -> np.ndarray:
    """How high (n f) the joints of the face of poses (n j 2) stand above the neck along the spine, px; NaN where that is not sure."""
    heights = ((points[:, face] - points[:, [neck]]) * up[:, None]).sum(-1)
    return np.where(confident[:, face] & confident[:, [neck]], heights, np.nan)


def _like(poses: np.ndarray, others: np.ndarray, face: list[int], skeleton: Skeleton) -> np.ndarray:
    """Which of the others (m j 2) are nearest to poses (n j 2) in all but faces and hands: LIKE of each, as one list."""
    body = np.ones(len(skeleton.joints), bool)
    body[[*face, *(joint for hand in skeleton.hands() for joint in hand)]] = False
    bare = np.where(body[:, None], others, np.nan)
    apart = np.stack([warp_distances(pose, bare, skeleton) for pose in np.where(body[:, None], poses, np.nan)])
    return np.argsort(apart, axis=1, kind="stable")[:, :LIKE].ravel()


def _moves(ours: np.ndarray, theirs: np.ndarray, face: list[int], skeleton: Skeleton) -> np.ndarray:
    """How far up (f) the usual one of heights (n f) must go to lie in the middle half of theirs (m f).

    Both sides of a face move alike, and a joint that either never shows as the others do in the mean.
    """
    opposite = skeleton.opposites()
    moves = np.full(len(face), np.nan)
    for i in range(len(face)):
        usual, range_ = ours[np.isfinite(ours[:, i]), i], theirs[np.isfinite(theirs[:, i]), i]
        if len(usual) and len(range_):
            middle = float(np.median(usual))
            moves[i] = np.clip(middle, *np.percentile(range_, RANGE)) - middle
    if np.isnan(moves).all():
        return np.zeros(len(face))
    moves = np.where(np.isnan(moves), np.nanmean(moves), moves)
    twins = [face.index(opposite[joint]) if opposite[joint] in face else i for i, joint in enumerate(face)]
    return (moves + moves[twins]) / 2
