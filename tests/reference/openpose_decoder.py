"""The published PyTorch code's way to decode OpenPose's maps, step by step: SciPy's filter, NumPy's peaks, a Python loop over all pairs.

Slow on purpose: it is what the project's decoder is held to, in its results and in its speed.
"""

import math

import numpy as np
from scipy.ndimage import gaussian_filter

ENDS = [(1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10), (1, 11), (11, 12), (12, 13), (1, 0)]
ENDS += [(0, 14), (14, 16), (0, 15), (15, 17), (2, 16), (5, 17)]
FIELD_X = [12, 20, 14, 16, 22, 24, 0, 2, 4, 6, 8, 10, 28, 30, 34, 32, 36, 18, 26]  # the y channel follows


def decode(heat: np.ndarray, paf: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return candidates (n 4) and people (p 20) of heat (h w 19) and paf (h w 38), both of the image's size."""
    parts = _all_peaks(heat)
    candidates = np.array([peak for part in parts for peak in part]).reshape(-1, 4)
    limbs = [_limbs(parts[a], parts[b], paf[:, :, [x, x + 1]]) for (a, b), x in zip(ENDS, FIELD_X, strict=True)]
    people = -np.ones((0, 20))
    for row, found in enumerate(limbs):
        for limb in found:
            people = _put_in(people, row, limb, candidates)
    weak = [n for n, person in enumerate(people) if person[-1] < 4 or person[-2] / person[-1] < 0.4]
    return candidates, np.delete(people, weak, axis=0)


def _all_peaks(heat: np.ndarray) -> list[list[tuple[float, ...]]]:
    parts, count = [], 0
    for part in range(18):
        plane = heat[:, :, part]
        smooth = gaussian_filter(plane, sigma=3)
        left, right, up, down = (np.zeros(smooth.shape) for _ in range(4))
        left[1:, :], right[:-1, :] = smooth[:-1, :], smooth[1:, :]
        up[:, 1:], down[:, :-1] = smooth[:, :-1], smooth[:, 1:]
        peak = np.logical_and.reduce((smooth >= left, smooth >= right, smooth >= up, smooth >= down, smooth > 0.1))
        ys, xs = np.nonzero(peak)
        parts.append([(x, y, plane[y, x], count + n) for n, (y, x) in enumerate(zip(ys, xs, strict=True))])
        count += len(ys)
    return parts


def _limbs(starts: list, ends: list, field: np.ndarray) -> list[tuple[float, float, float]]:
    """Return (start id, end id, score) of the limbs between two parts, best first."""
    fitting = []
    for i, a in enumerate(starts):
        for j, b in enumerate(ends):
            line = np.subtract(b[:2], a[:2])
            length = max(0.001, math.sqrt(line[0] * line[0] + line[1] * line[1]))
            along = np.divide(line, length)
            middle = list(zip(np.linspace(a[0], b[0], num=10), np.linspace(a[1], b[1], num=10), strict=True))
            x_part = np.array([field[round(y), round(x), 0] for x, y in middle])
            y_part = np.array([field[round(y), round(x), 1] for x, y in middle])
            aligned = np.multiply(x_part, along[0]) + np.multiply(y_part, along[1])
            score = sum(aligned) / len(aligned) + min(0.5 * field.shape[0] / length - 1, 0)
            if len(np.nonzero(aligned > 0.05)[0]) > 0.8 * len(aligned) and score > 0:
                fitting.append((i, j, score))
    chosen, used_a, used_b = [], set(), set()
    for i, j, score in sorted(fitting, key=lambda pair: pair[2], reverse=True):
        if i not in used_a and j not in used_b:
            chosen.append((starts[i][3], ends[j][3], score))
            used_a.add(i)
            used_b.add(j)
            if len(chosen) >= min(len(starts), len(ends)):
                break
    return chosen


def _put_in(people: np.ndarray, row: int, limb: tuple[float, float, float], candidates: np.ndarray) -> np.ndarray:
    a, b = ENDS[row]
    start, end, score = limb
    own = [n for n in range(len(people)) if people[n][a] == start or people[n][b] == end]
    if len(own) == 1:
        if people[own[0]][b] != end:
            people[own[0]][b] = end
            people[own[0]][-1] += 1
            people[own[0]][-2] += candidates[int(end), 2] + score
    elif len(own) == 2:
        one, two = own
        both = ((people[one] >= 0).astype(int) + (people[two] >= 0).astype(int))[:-2]
        if len(np.nonzero(both == 2)[0]) == 0:
            people[one][:-2] += people[two][:-2] + 1
            people[one][-2:] += people[two][-2:]
            people[one][-2] += score
            return np.delete(people, two, 0)
        people[one][b] = end
        people[one][-1] += 1
        people[one][-2] += candidates[int(end), 2] + score
    elif row < 17:
        person = -1 * np.ones(20)
        person[a], person[b], person[-1] = start, end, 2
        person[-2] = candidates[[int(start), int(end)], 2].sum() + score
        return np.vstack([people, person])
    return people
