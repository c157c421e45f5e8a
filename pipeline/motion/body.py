"""What is measured of a person before motion is carried over: limb lengths, the ground line, size with distance."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pipeline.body.size import size_ratio
from pipeline.body.skeleton import Skeleton
from pipeline.errors import InputError
from pipeline.motion.params import MotionParams
from pipeline.motion.series import fill, percentile
from pipeline.timeline.medians import running_median

BAND = 0.05  # EDN: heights near and far are taken where the ankles are within 5 % of the range's ends
BENT = 1.25  # heights that differ by so much more or less between them than limbs do are those of somebody who sits or bends
UPSIDE_DOWN = 0.6  # heights by which the neck is below the ankles; less of who lies there with the legs up
GROWN = 1.01  # nobody who looks hardly larger near by has come nearer


@dataclass(frozen=True)
class Ground:
    """The ankles' line: near and far y (px), the standing heights there, and the middle ankle y.

    level: the range is too short to tell depth, or heights do not grow towards the camera.
    """

    near: float
    far: float
    height_near: float
    height_far: float
    median: float
    level: bool

    @property
    def middle(self) -> float:
        return self.median if self.level else (self.near + self.far) / 2

    def size_at(self, y: np.ndarray) -> np.ndarray:
        """How large a person standing at ankle height y appears, 1 at the middle; half a range beyond the ends at most."""
        if self.level or not self.height_near > self.height_far > 0:
            return np.ones_like(y)
        share = np.clip((y - self.far) / (self.near - self.far), -0.5, 1.5)
        heights = self.height_far + share * (self.height_near - self.height_far)
        return np.maximum(heights, 0.2 * self.height_far) / ((self.height_near + self.height_far) / 2)


@dataclass(frozen=True)
class Body:
    """One person in the frames that show them: points (n j 2) float64 px, NaN = missing, in the order of `skeleton`.

    confident (n j): usable for measuring; measured (n): frames that may be measured (for a target, training frames).
    """

    points: np.ndarray
    confident: np.ndarray
    measured: np.ndarray
    skeleton: Skeleton
    params: MotionParams

    @cached_property
    def least(self) -> int:
        """Frames in which a limb must be seen to be measured: all, of somebody shown in fewer than min_frames."""
        return max(1, min(self.params.min_frames, int(self.measured.sum())))

    @cached_property
    def height(self) -> float:
        """Standing height in px from head to ankles, else the larger extent of the body: its percentile; never 0."""
        standing = percentile(self._heights()[self.measured], self.params.limb_percentile)
        low, high = (np.nanmin(self.points, axis=1), np.nanmax(self.points, axis=1))
        extent = percentile((high - low).max(axis=-1)[self.measured], self.params.limb_percentile)
        return max(standing if np.isfinite(standing) else extent, 1.0)

    @cached_property
    def ankle_y(self) -> np.ndarray:
        """The lower ankle's y (n), median over the smoothing window, bad frames reuse the last valid one; may be NaN."""
        return fill(running_median(lowest(self.points, self.skeleton.indices("ankles")), self.params.smoothing_frames))

    @cached_property
    def ground(self) -> Ground | None:
        """The ground line over the measured frames; None when the ankles are seen in too few."""
        ankles = self.skeleton.indices("ankles")
        seen = self.confident[:, ankles].any(axis=1) & self.measured & self._on_feet()
        if not ankles or seen.sum() < self.least:
            return None
        y, heights = self.ankle_y[seen], self._heights()[seen]
        median, near = float(np.median(y)), float(y.max())
        far = float(y[y >= median - self.params.median_frac * (near - median)].min())
        band = BAND * (near - far)
        ends = [y >= near - band, y <= far + band]
        tall, small = (percentile(heights[some], self.params.limb_percentile) for some in ends)
        grown = self._growth(*(np.flatnonzero(seen)[some] for some in ends))
        if np.isfinite(grown) and not 1 / BENT < tall / small / grown < BENT:
            small = tall / grown
        level = not near - far > self.params.depth_range * self.height or not tall > GROWN * small
        return Ground(near, far, tall, small, median, level)

    @cached_property
    def size(self) -> np.ndarray:
        """Apparent size by distance (n), 1 throughout on level ground."""
        return np.ones(len(self.points)) if self.ground is None else self.ground.size_at(self.ankle_y)

    def length(self, start: int, end: int) -> float:
        """Length in px between two joints, seen from the middle distance; NaN when seen together in too few frames.

        A high percentile over the measured frames, since foreshortening only shortens.
        """
        both = self.confident[:, start] & self.confident[:, end] & self.measured
        if both.sum() < self.least:
            return float("nan")
        spans = np.linalg.norm(self.points[both, start] - self.points[both, end], axis=-1) / self.size[both]
        return percentile(spans, self.params.limb_percentile)

    def role(self, name: str) -> np.ndarray:
        """Mean point (n 2) of the joints of a role; NaN where one of them is missing."""
        joints = self.skeleton.indices(name)
        return self.points[:, joints].mean(axis=1) if joints else np.full((len(self.points), 2), np.nan)

    def _on_feet(self) -> np.ndarray:
        """Frames (n) in which the body is not upside down, as of somebody who stands on the hands."""
        root = self.points[:, self.skeleton.joints.index(self.skeleton.root), 1]
        below = root - lowest(self.points, self.skeleton.indices("ankles"))
        return np.asarray(~(below > UPSIDE_DOWN * self.height))

    def _growth(self, near: np.ndarray, far: np.ndarray) -> float:
        """How many times as long limbs look in some frames as in others; NaN where too few are seen in both."""
        points = np.where(self.confident[..., None], self.points, np.nan)
        try:
            return size_ratio(points[far], points[near], self.skeleton)
        except InputError:
            return float("nan")

    def _heights(self) -> np.ndarray:
        """Nose, or else the ears' mean, to the ankles' mean (n), as in EDN; NaN where unseen or unsure."""
        points = np.where(self.confident[..., None], self.points, np.nan)
        sure = Body(points, self.confident, self.measured, self.skeleton, self.params)
        head = np.where(np.isfinite(sure.role("nose")), sure.role("nose"), sure.role("ears"))
        return np.linalg.norm(head - sure.role("ankles"), axis=-1)


def lowest(points: np.ndarray, joints: list[int]) -> np.ndarray:
    """Largest y (n) of some joints of points (n j 2); NaN where none is there."""
    if not joints:
        return np.full(len(points), np.nan)
    y = np.where(np.isfinite(points[:, joints, 1]), points[:, joints, 1], -np.inf).max(axis=1)
    return np.where(np.isfinite(y), y, np.nan)


@dataclass(frozen=True)
class Centre:
    """What stands for the middle of a body: `hips` or `root`, which need all their joints, or the `mean` of what is there."""

    name: str
    joints: list[int]

    def of(self, points: np.ndarray) -> np.ndarray:
        """Middle (n 2) of poses (n j 2), NaN where it cannot be told."""
        chosen = points[:, self.joints]
        if self.name != "mean":
            return chosen.mean(axis=1)
        there = np.isfinite(chosen)
        total = np.where(there, chosen, 0.0).sum(axis=1)
        return np.where(there.any(axis=1), total / np.maximum(there.sum(axis=1), 1), np.nan)


def shared_centre(driver: Body, target: Body) -> Centre:
    """The first of hips, root and mean that most frames of both bodies show; the mean is over joints that both have."""

    def most(body: Body, centre: Centre) -> bool:
        seen = np.isfinite(centre.of(body.points)[:, 0])
        return bool(seen.mean() >= 0.5 and (seen & body.measured).any())

    skeleton = driver.skeleton
    candidates = [Centre("hips", skeleton.indices("hips")), Centre("root", [skeleton.joints.index(skeleton.root)])]
    for centre in candidates:
        if centre.joints and most(driver, centre) and most(target, centre):
            return centre
    both = [np.isfinite(body.points[body.measured][..., 0]).any(axis=0) for body in (driver, target)]
    shared = [int(j) for j in np.flatnonzero(both[0] & both[1])]
    return Centre("mean", [j for j in shared if j not in skeleton.fingers()] or shared)  # fingers come and go
