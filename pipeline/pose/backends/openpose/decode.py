"""People from heat maps and part affinity fields (Cao et al. 2017), with the thresholds and rules of the published PyTorch code.

Parts are the 18 COCO joints in OpenPose's order. A candidate is a peak of a part's heat map; limbs join candidates
of two parts where the field between them points along the limb; limbs that share a candidate make a person.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pipeline.pose.backends.openpose.peaks import find_peaks

PARTS = 18
# Limbs in the order of decoding: the parts they join, and the channels of their field (x, y), which points from the first to the second.
LIMBS = (
    (1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10), (1, 11),
    (11, 12), (12, 13), (1, 0), (0, 14), (14, 16), (0, 15), (15, 17), (2, 16), (5, 17),
)  # fmt: skip
FIELD_CHANNELS = (
    (12, 13), (20, 21), (14, 15), (16, 17), (22, 23), (24, 25), (0, 1), (2, 3), (4, 5), (6, 7),
    (8, 9), (10, 11), (28, 29), (30, 31), (34, 35), (32, 33), (36, 37), (18, 19), (26, 27),
)  # fmt: skip
STARTING_LIMBS = 17  # the last two, shoulder to ear, only join what is there
SAMPLES, MIN_ALIGNED, MIN_ALIGNMENT = 10, 9, 0.05
MIN_PARTS, MIN_MEAN_SCORE = 4, 0.4

Planes = Callable[[int], np.ndarray]  # channel → map (h w)
Sampler = Callable[[int, np.ndarray, np.ndarray], np.ndarray]  # channel, rows, columns → values of their shape, float64


@dataclass(frozen=True)
class Decoded:
    """What a frame's maps say.

    candidates (n 4) float64: x, y in whole pixels, score (the map there), id. people (p 20): candidate ids of the 18 parts
    (-1 = missing), total score, number of parts. limbs (m 6): limb, ids of both ends, score, their numbers within their parts.
    """

    candidates: np.ndarray
    people: np.ndarray
    limbs: np.ndarray

    def points(self) -> np.ndarray:
        """Return x, y and score (p 18 3) float64 of each person's parts; NaN = missing."""
        ids = self.people[:, :PARTS].astype(int)
        points = np.full((*ids.shape, 3), np.nan)
        points[ids >= 0] = self.candidates[ids[ids >= 0], :3]
        return points


def decode_maps(heats: np.ndarray, fields: np.ndarray) -> Decoded:
    """Return the people in heat maps (h w 18 or more) and part affinity fields (h w 38), both of the image's size."""
    return find_people(lambda part: heats[..., part], lambda channel, ys, xs: fields[ys, xs, channel].astype(np.float64), heats.shape[0])


def find_people(heats: Planes, fields: Sampler, height: int) -> Decoded:
    """Return the people of an image so high; heats are asked for once each, fields only along possible limbs."""
    found = [find_peaks(heats(part)) for part in range(PARTS)]
    first = np.cumsum([0, *(len(peaks) for peaks in found)])
    candidates = np.column_stack([np.concatenate(found), np.arange(first[-1])])
    limbs = [np.zeros((0, 6))]
    for row, (a, b) in enumerate(LIMBS):
        starts, ends = candidates[first[a] : first[a + 1]], candidates[first[b] : first[b + 1]]
        if len(starts) and len(ends):
            chosen = choose_pairs(pair_scores(starts[:, :2], ends[:, :2], FIELD_CHANNELS[row], fields, height))
            i, j = chosen[:, 0].astype(int), chosen[:, 1].astype(int)
            limbs.append(np.column_stack([np.full(len(i), row), starts[i, 3], ends[j, 3], chosen[:, 2], i, j]))
    joined = np.concatenate(limbs)
    return Decoded(candidates, assemble(joined, candidates[:, 2]), joined)


def pair_scores(starts: np.ndarray, ends: np.ndarray, channels: tuple[int, int], fields: Sampler, height: int) -> np.ndarray:
    """Return how well the field joins each start (a 2) to each end (b 2): (a b), -inf where it does not.

    The field is sampled at ten points of the straight line and projected on it; nine must exceed 0.05, and their mean,
    less a penalty for lines longer than half the image, must be positive.
    """
    line = ends[None] - starts[:, None]
    length = np.maximum(np.sqrt(line[..., 0] ** 2 + line[..., 1] ** 2), 0.001)
    share = np.arange(SAMPLES)
    at = starts[:, None, None] + share[:, None] * (line / (SAMPLES - 1))[:, :, None]
    at[:, :, -1] = ends
    xs, ys = np.rint(at[..., 0]).astype(int), np.rint(at[..., 1]).astype(int)
    along = line / length[..., None]
    aligned = fields(channels[0], ys, xs) * along[..., :1] + fields(channels[1], ys, xs) * along[..., 1:]
    total = np.add.accumulate(aligned, axis=2)[..., -1]  # in order, so that equal pairs stay equal to the last bit
    score = total / SAMPLES + np.minimum(0.5 * height / length - 1, 0)
    good = ((aligned > MIN_ALIGNMENT).sum(axis=2) >= MIN_ALIGNED) & (score > 0)
    return np.where(good, score, -np.inf)


def choose_pairs(scores: np.ndarray) -> np.ndarray:
    """Return start, end and score (m 3) of the best pairs of scores (a b), best first, no start or end twice."""
    left, chosen = scores.copy(), []
    for _ in range(min(scores.shape)):
        i, j = divmod(int(np.argmax(left)), scores.shape[1])
        if left[i, j] == -np.inf:
            break
        chosen.append((i, j, left[i, j]))
        left[i], left[:, j] = -np.inf, -np.inf
    return np.array(chosen).reshape(-1, 3)


def assemble(limbs: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return the people (p 20) that limbs (m 6) make of candidates with these scores (n); see Decoded.

    A limb joins the person that has one of its ends; two persons without a common part become one. People of fewer than
    four parts, or of a mean score under 0.4, are left out. Parts may be counted twice where two persons dispute one.
    """
    people: list[np.ndarray] = []
    for row, start, end, score, _, _ in limbs:
        a, b = LIMBS[int(row)]
        # Who has an end of this limb already: two who share no part are one, one gets the other end, nobody begins a person.
        own = [n for n, person in enumerate(people) if person[a] == start or person[b] == end]
        if len(own) > 1 and not np.any((people[own[0]][:PARTS] >= 0) & (people[own[1]][:PARTS] >= 0)):
            kept, gone = people[own[0]], people.pop(own[1])
            kept[:PARTS] += gone[:PARTS] + 1
            kept[PARTS:] += gone[PARTS:]
            kept[PARTS] += score
        elif own:
            person = people[own[0]]
            if len(own) > 1 or person[b] != end:
                person[b] = end
                person[PARTS:] += (scores[int(end)] + score, 1)
        elif row < STARTING_LIMBS:
            person = np.full(PARTS + 2, -1.0)
            person[[a, b]] = start, end
            person[PARTS:] = scores[int(start)] + scores[int(end)] + score, 2
            people.append(person)
    table = np.array(people).reshape(-1, PARTS + 2)
    return table[(table[:, -1] >= MIN_PARTS) & (table[:, -2] / table[:, -1] >= MIN_MEAN_SCORE)]
