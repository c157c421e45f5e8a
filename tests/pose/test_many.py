"""Laws of many people: looking at all at once gives what looking at each alone gives, and thousands of tracks take seconds."""

import time

import numpy as np
import pytest
from pose.standing import BODY, TRACKING

from pipeline.pose.people import People
from pipeline.pose.tracks import limb_colours, link_people

LIMBS = [(0, 1), (1, 2), (2, 3)]


def crowd(seed: int, heights: list[float], size_hw: tuple[int, int]) -> People:
    """People of these heights anywhere in a frame and beside it, a third of their joints unseen."""
    random = np.random.default_rng(seed)
    middles = random.uniform(-0.1, 1.1, (len(heights), 1, 2)) * size_hw[::-1]
    points = middles + BODY * np.reshape(heights, (-1, 1, 1)) / 100
    points[random.random(points.shape[:2]) < 1 / 3] = np.nan
    return People(points, np.isfinite(points[..., 0]).astype(float), np.arange(len(heights)))


def test_colours_of_a_crowd_are_those_of_each_alone():
    image = np.random.default_rng(0).integers(0, 256, (200, 260, 3), dtype=np.uint8)
    people = crowd(1, [20, 40, 90, 130, 260, 500] * 8, image.shape[:2])
    together = limb_colours(image[None], [people], LIMBS)[0]
    each = [People(people.points[[p]], people.score[[p]]) for p in range(len(people))]
    alone = [limb_colours(image[None], [person], LIMBS)[0][0] for person in each]
    assert np.array_equal(together, np.stack(alone), equal_nan=True)
    assert 0.1 < np.isfinite(together).mean() < 0.9


@pytest.mark.parametrize("at_once", [2, 8])
def test_a_tracks_colours_are_the_medians_of_its_own_frames(monkeypatch, at_once):
    monkeypatch.setattr("pipeline.pose.tracks.LIMBS_AT_ONCE", at_once)
    random = np.random.default_rng(2)
    names = [np.flatnonzero(random.random(9) < share) for share in np.linspace(0.1, 0.9, 14)]
    whole = [crowd(seed, [100] * 9, (200, 260)) for seed in range(len(names))]
    people = [People(all_of.points[seen], all_of.score[seen], seen) for all_of, seen in zip(whole, names, strict=True)]
    colours = [np.where(random.random((len(seen), 3, 1)) < 0.4, np.nan, random.random((len(seen), 3, 3))) for seen in names]
    tracks = link_people(people, colours, TRACKING.model_copy(update={"min_fraction": 0.0}))
    found = 0
    for name in range(9):
        places = [(t, int(np.flatnonzero(seen == name)[0])) for t, seen in enumerate(names) if name in seen]
        places = [(t, row) for t, row in places if np.isfinite(people[t].points[row]).any()]
        if not places:
            continue
        held = np.full((len(names), 4, 2), np.nan)
        for t, row in places:
            held[t] = people[t].points[row]
        (person,) = [p for p in range(tracks.points.shape[1]) if np.array_equal(tracks.points[:, p], held, equal_nan=True)]
        own = np.stack([colours[t][row] for t, row in places])
        for limb in range(3):
            seen = own[np.isfinite(own[:, limb, 0]), limb]
            expected = np.median(seen, axis=0) if len(seen) else np.full(3, np.nan)
            assert np.array_equal(tracks.colours[person, limb], expected, equal_nan=True)
        found += 1
    assert found == tracks.points.shape[1] > 5


def test_sixty_thousand_tracks_are_linked_within_seconds():
    """Looked at one by one, they took twenty."""
    frames, image = 3, np.zeros((1, 48, 64, 3), np.uint8)
    people = [crowd(t, [30.0] * 20_000, (48, 64)) for t in range(frames)]
    people = [People(group.points, group.score, np.arange(t, 60_000, frames)) for t, group in enumerate(people)]
    start = time.process_time()
    colours = [limb_colours(image, [group], LIMBS)[0] for group in people]
    tracks = link_people(people, colours, TRACKING)
    assert time.process_time() - start < 5
    assert tracks.points.shape[1] > 55_000
