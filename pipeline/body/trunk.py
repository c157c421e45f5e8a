"""The trunk of somebody whose lower half no picture shows: how long it is, and where the hips must be.

Not in the paper, whose footage shows whole bodies. For skeletons without shoulders and hips nothing is known, nothing changed.
"""

import numpy as np

from pipeline.body.skeleton import Skeleton

# Shares of the trunk (shoulders to hips), as BlazePose sees people who stand, from the front and from the side.
SHOULDER_WIDTH, EARS_ABOVE, HEAD_ABOVE = 0.65, 0.36, 0.33
HIP_WIDTH = 0.6  # of the shoulders'
WHOLE_BODY = 2.5  # trunks; from eyes to ankles 2.9, less when knees and head are bent
SIDEWAYS = 0.25  # breadth of a trunk over its length, below which it is seen from the side: about 1 from the front
FORESHORTENED = 0.4  # length of a trunk over its breadths, shoulders and hips together, below which it is bent: 1 of who stands
UPRIGHT = np.cos(np.radians(45.0))  # a head less far from straight above the shoulders is bent, not lying


def facing(points: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """Which way the trunks of points (t j 2) face, (t): 1 the camera, -1 away from it, 0 where they are seen from the side or do not
    tell, and of a body without sides.

    It takes shoulders and hips both. Who bends towards the camera, until the neck lies below the hips, does not tell by a trunk that is
    foreshortened, or folded against the legs.
    """
    pairs = skeleton.trunk_pairs()
    if len(pairs) < 2:
        return np.zeros(len(points), int)
    left, right = (points[:, list(joints)].astype(np.float64) for joints in zip(*pairs, strict=True))
    across = (left - right).sum(axis=1)
    down = (left + right - 2 * points[:, skeleton.index(skeleton.root), None]).sum(axis=1) / 2
    turned = down[:, 1] * across[:, 0] - down[:, 0] * across[:, 1]
    long, broad = (down**2).sum(axis=1), (across**2).sum(axis=1)
    told = (np.abs(turned) > SIDEWAYS * long) & (long > FORESHORTENED**2 * broad)  # NaN tells nothing
    hips, ankles = (_middle(points, skeleton.indices(role)) for role in ("hips", "ankles"))
    folded = ((ankles - hips) * down).sum(axis=1) < 0
    return np.where(told & ~folded, np.sign(np.nan_to_num(turned)), 0).astype(int)


def trunk_lengths(points: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """Length in px (t) from shoulders to hips of points (t j 2): as seen, else by shoulders and head; NaN where neither tells."""
    shoulders, hips = (_middle(points, skeleton.indices(role)) for role in ("shoulders", "hips"))
    seen = np.linalg.norm(shoulders - hips, axis=-1)
    return np.where(np.isfinite(seen), seen, _guessed_length(points, skeleton, shoulders))


def whole_body_px(points: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """How large (t) in px the person would at least appear if points (t j 2) showed all of it; NaN where nothing tells."""
    return WHOLE_BODY * trunk_lengths(points, skeleton)


def spine(points: np.ndarray, skeleton: Skeleton) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors (t 2) from hips to shoulders of points (t j 2) and their length in px (t); hips that are missing are guessed, NaN
    where nothing tells."""
    whole = with_hips(points, skeleton)
    along = _middle(whole, skeleton.indices("shoulders")) - _middle(whole, skeleton.indices("hips"))
    length = np.linalg.norm(along, axis=-1)
    length = np.where(length > 0, length, np.nan)
    return along / length[:, None], length


def with_hips(points: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """A copy of points (t j 2) in which hips that are missing on both sides lie below the shoulders, as far as the trunk is long.

    Below is straight down, unless the head lies beside or under the shoulders. Where the trunk's length is unknown they stay missing.
    """
    out = points.copy()
    joints = skeleton.indices("hips"), skeleton.indices("shoulders")
    if not all(joints):
        return out
    middle = _middle(points, joints[1])
    length = _guessed_length(points, skeleton, middle)
    lacking = ~np.isfinite(_middle(points, joints[0])[:, 0]) & np.isfinite(length)
    centre = middle - _up(points, skeleton, middle) * length[:, None]
    for hip, shoulder in zip(*joints, strict=False):
        aside = np.nan_to_num((points[:, shoulder] - middle) * HIP_WIDTH)
        out[lacking, hip] = (centre + aside)[lacking]
    return out


def _guessed_length(points: np.ndarray, skeleton: Skeleton, shoulders: np.ndarray) -> np.ndarray:
    """The larger of what the shoulders' width and the head's height above them say (t): either is seen foreshortened."""
    pair = skeleton.indices("shoulders")
    unknown = np.full(len(points), np.nan)
    width = np.linalg.norm(points[:, pair[0]] - points[:, pair[1]], axis=-1) / SHOULDER_WIDTH if len(pair) == 2 else unknown
    ears, head = (np.linalg.norm(_middle(points, skeleton.indices(role)) - shoulders, axis=-1) for role in ("ears", "head"))
    above = np.where(np.isfinite(ears), ears / EARS_ABOVE, head / HEAD_ABOVE)
    longest = np.fmax(width, above)
    return np.where(longest > 0, longest, np.nan)


def _up(points: np.ndarray, skeleton: Skeleton, shoulders: np.ndarray) -> np.ndarray:
    """Unit vectors (t 2) along the spine: straight up, or towards a head that is far from there."""
    up = np.broadcast_to(np.array([0.0, -1.0]), shoulders.shape).copy()
    to_head = _middle(points, skeleton.indices("head")) - shoulders
    length = np.linalg.norm(to_head, axis=-1)
    lying = np.flatnonzero((length > 0) & (-to_head[:, 1] < UPRIGHT * length))
    up[lying] = to_head[lying] / length[lying, None]
    return up


def _middle(points: np.ndarray, joints: list[int]) -> np.ndarray:
    """Mean (t 2) of those of the joints that are there; NaN without any."""
    some = np.asarray(np.isfinite(points[:, joints]).all(axis=-1))
    total = np.where(some[..., None], points[:, joints], 0.0).sum(axis=1, dtype=np.float64)
    count = some.sum(axis=1)[:, None]
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
