"""Tracks that never share a frame: pieces of one person who was lost or cut away, where they look alike or the user says so."""

import numpy as np

from pipeline.pose.tracks import Tracks, colour_differences

CLEARLY = 2.0  # a piece is joined to the more alike of two only if the other differs by so many times as much


def join_alike(tracks: Tracks, limit: float) -> Tracks:
    """Join pieces whose limbs' colours differ by less than `limit` (0..1), the most alike first; doubts name the frames of it.

    A piece that would fit two people who are seen together is left alone, and so is what a backend followed itself.
    """
    while not tracks.named:
        pairs = _pairs(tracks)
        best = min((pair for pair in pairs if pairs[pair] < limit and _clear(pairs, pair)), key=lambda pair: pairs[pair], default=None)
        if best is None:
            break
        tracks = join(tracks, list(best))
        tracks = tracks.of(tracks.by_weight())
    return tracks


def join(tracks: Tracks, people: list[int]) -> Tracks:
    """Return the tracks with these made one, in the place of the first; ValueError when two of them share a frame."""
    present = tracks.present[:, people]
    if (present.sum(axis=1) > 1).any():
        raise ValueError("tracks that share a frame are two people")
    first = people[0]
    points, score = tracks.points.copy(), tracks.score.copy()
    for person in people[1:]:
        here = tracks.present[:, person]
        points[here, first], score[here, first] = tracks.points[here, person], tracks.score[here, person]
    starts = sorted(int(np.flatnonzero(one)[0]) for one in present.T)[1:]
    doubts = sorted({*starts, *(frame for person in people for frame in tracks.doubts[person])})
    frames = present.sum(axis=0)[:, None, None]
    known = np.isfinite(tracks.colours[people])
    total = (known * frames).sum(axis=0)
    mean = np.where(known, tracks.colours[people], 0.0) * frames
    colours = tracks.colours.copy()
    colours[first] = np.where(total > 0, mean.sum(axis=0) / np.maximum(total, 1), np.nan)
    kept = [person for person in range(len(tracks.doubts)) if person not in people[1:]]
    all_doubts = tuple(tuple(doubts) if person == first else own for person, own in enumerate(tracks.doubts))
    return Tracks(points, score, colours, all_doubts, tracks.named).of(kept)


def _pairs(tracks: Tracks) -> dict[tuple[int, int], float]:
    """How differently each two people who never share a frame are coloured: the mean over limbs, as clothes are a part of them."""
    present = tracks.present
    count = present.shape[1]
    apart = [(a, b) for a in range(count) for b in range(a + 1, count) if not (present[:, a] & present[:, b]).any()]
    found = {(a, b): colour_differences(tracks.colours[a], tracks.colours[b]) for a, b in apart}
    return {pair: float(differences.mean()) if len(differences) else 1.0 for pair, differences in found.items()}


def _clear(pairs: dict[tuple[int, int], float], pair: tuple[int, int]) -> bool:
    """Whether neither of a pair is nearly as much like a third one whom the other is seen together with."""
    for one, other in (pair, pair[::-1]):
        for (a, b), difference in pairs.items():
            third = b if a == one else a if b == one else other
            together = third != other and (min(other, third), max(other, third)) not in pairs
            if together and difference < CLEARLY * pairs[pair]:
                return False
    return True
