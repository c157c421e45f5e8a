"""The search for references: nearest, steady, and blind to what is held out."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from crossed_legs import APART, CROSSED, CROSSED_BELOW, CROSSED_BELOW_TOO, HUMAN, RAISED, pose
from reference.conftest import make_track

from pipeline.artifacts.references import NONE, References, join_references, read_chosen, write_chosen
from pipeline.body.pose_distance import pose_distances, warp_distances
from pipeline.body.skeleton import load_skeleton
from pipeline.errors import InputError
from pipeline.reference.find import CHANGE, NEARER, FindInputs, FindParams, exclusion_radius, find_references, steady_choice, steady_ends
from pipeline.timeline.split import Split

PARAMS = FindParams(count=1, switch_cost=0.0)


def _references(points: np.ndarray, frames: np.ndarray) -> References:
    nothing = np.zeros((len(frames), 1, 1), np.uint8)
    return References(nothing, nothing, nothing, frames, np.zeros((len(frames), 2), np.int64), points[frames], (120, 160), {})  # type: ignore[arg-type]


def test_a_steady_choice_by_hand():
    costs = np.array([[0.0, 1.0], [0.4, 0.3], [0.4, 0.3], [1.0, 0.0]])
    assert steady_choice(costs, 0.0).tolist() == [0, 1, 1, 1]
    assert steady_choice(costs, 0.15).tolist() == [0, 1, 1, 1]  # 1 change: 0 + .15 + .3 + .3 + 0
    assert steady_choice(costs, 0.25).tolist() == [0, 1, 1, 1]
    assert steady_choice(costs[:3], 0.25).tolist() == [0, 0, 0]  # .8 against .6 + .25
    assert steady_choice(np.array([[0.0, np.inf], [np.inf, 0.0]]), 10.0).tolist() == [0, 1]


@pytest.mark.parametrize("switch_cost", [0.0, 0.05, 0.3])
def test_a_steady_choice_is_the_least_of_all_paths(switch_cost):
    costs = np.random.default_rng(3).random((5, 3))
    paths = np.stack(np.meshgrid(*[range(3)] * 5), -1).reshape(-1, 5)
    totals = [costs[np.arange(5), p].sum() + switch_cost * (np.diff(p) != 0).sum() for p in paths]
    chosen = steady_choice(costs, switch_cost)
    assert np.isclose(costs[np.arange(5), chosen].sum() + switch_cost * (np.diff(chosen) != 0).sum(), min(totals))


def test_another_driver_gets_the_nearest_pose_wherever_it_stands(swinging):
    references = _references(swinging, np.arange(0, 40, 2))
    motion = make_track(swinging[[4, 10, 31]] + [25.0, 13.0])
    chosen = find_references(FindInputs(motion, make_track(swinging), references), PARAMS, None)
    assert chosen.frame[:2].tolist() == [[4], [10]]
    assert np.allclose(chosen.distance[:2], 0, atol=1e-6)
    assert 0 < chosen.distance[2] < 0.05  # frame 31 is not kept, one nearly alike is
    assert chosen.frame[2] % 2 == 0


def test_frames_without_the_subject_or_without_references_have_none(swinging):
    poses = swinging.copy()
    poses[3] = np.nan
    chosen = find_references(FindInputs(make_track(poses), make_track(swinging), _references(swinging, np.arange(40))), PARAMS, None)
    assert chosen.rank[3].tolist() == chosen.frame[3].tolist() == [NONE]
    assert np.isnan(chosen.distance[3])
    assert (chosen.rank[:3] != NONE).all()
    none = find_references(FindInputs(make_track(poses), make_track(swinging), _references(swinging, np.arange(0))), PARAMS, None)
    assert (none.rank == NONE).all()


def test_in_its_own_pair_a_frame_is_not_shown_its_neighbours(swinging):
    references = _references(swinging, np.arange(32))
    split = Split(np.arange(32), np.arange(32, 40))
    radius = exclusion_radius(references, make_track(swinging).skeleton)
    assert radius >= 1
    chosen = find_references(FindInputs(make_track(swinging), make_track(swinging), references), PARAMS, split)
    assert chosen.attributes["border"] == split.border
    assert (np.abs(chosen.frame[:32] - np.arange(32)[:, None]) >= radius).all()
    assert (chosen.frame[32:] < 32).all()


def test_held_out_poses_change_nothing_of_what_training_frames_take(swinging):
    references = _references(swinging, np.arange(32))
    split = Split(np.arange(32), np.arange(32, 40))
    params = FindParams(count=2, switch_cost=0.05)
    other = swinging.copy()
    other[32:] = other[32:] * 1.3 - 5
    first, second = (find_references(FindInputs(make_track(p), make_track(p), references), params, split) for p in (swinging, other))
    assert first.rank[:32].tolist() == second.rank[:32].tolist()
    assert first.distance[32:].tolist() != second.distance[32:].tolist()


def test_the_table_comes_back_and_a_foreign_one_is_refused(swinging, tmp_path):
    inputs = FindInputs(make_track(swinging), make_track(swinging), _references(swinging, np.arange(0, 40, 3)))
    chosen = find_references(inputs, PARAMS, None)
    write_chosen(tmp_path / "a.parquet", chosen)
    again = read_chosen(tmp_path / "a.parquet")
    assert (again.rank == chosen.rank).all()
    assert (again.frame == chosen.frame).all()
    assert np.allclose(again.distance, chosen.distance)
    assert again.attributes == chosen.attributes
    (tmp_path / "b.parquet").write_bytes(b"nothing")
    with pytest.raises(InputError, match="chosen references"):
        read_chosen(tmp_path / "b.parquet")


def test_several_references_are_different_ones_nearest_first(swinging):
    params = FindParams(count=3, switch_cost=0.0)
    inputs = FindInputs(make_track(swinging), make_track(swinging), _references(swinging, np.arange(0, 40, 2)))
    chosen = find_references(inputs, params, None)
    assert chosen.rank.shape == (40, 3)
    assert all(len(set(row)) == 3 for row in chosen.rank.tolist())
    assert (np.diff(chosen.distance, axis=1) >= 0).all()
    few = find_references(FindInputs(make_track(swinging), make_track(swinging), _references(swinging, np.arange(2))), params, None)
    assert (few.rank[:, 2] == NONE).all()


def test_a_back_is_not_chosen_for_a_front_though_its_limbs_lie_nearer():
    """A reference whose sides are exchanged is nearer joint by joint than one that faces as the motion does, with its arms elsewhere."""
    human = load_skeleton(Path(__file__).resolve().parents[2] / "pipeline/skeletons/human.yaml")
    names = ("neck", "right_shoulder", "left_shoulder", "right_hip", "left_hip", "right_wrist", "left_wrist", "right_ankle", "left_ankle")
    places = ((50, 20), (40, 20), (60, 20), (44, 60), (56, 60), (30, 50), (70, 50), (44, 110), (56, 110))
    front = np.full((len(human.joints), 2), np.nan)
    for name, place in zip(names, places, strict=True):
        front[human.index(name)] = place
    back, other = front.copy(), front.copy()
    for left, right in human.trunk_pairs():
        back[[left, right]] = back[[right, left]]
    for name in ("right_wrist", "left_wrist", "right_ankle", "left_ankle"):
        other[human.index(name)] += (0, -25)
    points = np.stack([back, other]).astype(np.float32)
    motion = replace(make_track(np.zeros((1, 3, 2))), points=front[None].astype(np.float32), skeleton=human)
    target = replace(motion, points=points)
    gaps = pose_distances(front, points, human.index(human.root))
    assert gaps[0] < gaps[1]
    assert find_references(FindInputs(motion, target, _references(points, np.arange(2))), PARAMS, None).rank.tolist() == [[1]]


def test_a_limb_seen_from_another_side_is_not_chosen_though_its_joints_lie_nearer():
    """Both forearms point at the camera in one reference, hang whole but elsewhere in the other."""
    wrists = [HUMAN.index(f"{side}_wrist") for side in ("right", "left")]
    arms = [*wrists, *(HUMAN.index(f"{side}_elbow") for side in ("right", "left"))]
    foreshortened, lowered = APART.copy(), APART.copy()
    foreshortened[wrists] += (0, -9)
    lowered[arms] += (0, 9)
    points = np.stack([foreshortened, lowered]).astype(np.float32)
    motion = replace(make_track(APART[None]), skeleton=HUMAN)
    gaps = pose_distances(APART, points, HUMAN.index(HUMAN.root))
    assert gaps[0] < gaps[1]
    assert find_references(FindInputs(motion, motion, _references(points, np.arange(2))), PARAMS, None).rank.tolist() == [[1]]


def test_a_further_clips_references_are_neighbours_of_no_frame(swinging):
    """In the target's own pair its own neighbours are left out; the same poses of another clip are there to be taken."""
    own, split = _references(swinging, np.arange(30)), Split(np.arange(30), np.arange(30, 40))
    twice = join_references([own, own])
    motion = make_track(swinging)
    alone, both = (find_references(FindInputs(motion, motion, references), PARAMS, split) for references in (own, twice))
    assert (alone.distance[:30] > 0).all()
    assert np.allclose(both.distance[:30], 0, atol=1e-6)
    assert (both.rank[:30] >= 30).all()
    assert both.frame[:30, 0].tolist() == list(range(30))
    assert both.attributes["exclusion_radius"] == alone.attributes["exclusion_radius"] > 1


def test_of_two_poses_that_are_as_near_the_one_that_hides_less_comes_first():
    """A leg hangs over the other in one of them, in the other as far outside."""
    over, outside = (APART.copy() for _ in range(2))
    leg = [HUMAN.index("left_knee"), HUMAN.index("left_ankle")]
    over[leg, 0] = 43.0
    outside[leg, 0] += 58.0 - 43.0
    motion = replace(make_track(APART[None]), skeleton=HUMAN)
    points = np.stack([over, outside]).astype(np.float32)
    assert warp_distances(APART, points, HUMAN)[0] < warp_distances(APART, points, HUMAN)[1] * 1.02
    assert find_references(FindInputs(motion, motion, _references(points, np.arange(2))), PARAMS, None).rank.tolist() == [[1]]


def test_a_reference_that_hides_both_legs_is_not_the_first_one_and_one_that_hides_less_nearer_by_is():
    motion = replace(make_track(APART[None]), skeleton=HUMAN)
    for hiding, wanted in ((CROSSED, 1), (CROSSED_BELOW, 0)):
        kept = _references(np.stack([hiding, RAISED]), np.arange(2))
        assert find_references(FindInputs(motion, motion, kept), PARAMS, None).rank[0, 0] == wanted


def test_the_second_reference_shows_what_the_first_one_hides():
    """The nearest poses have their legs crossed; one that is farther off shows both."""
    motion = replace(make_track(APART[None]), skeleton=HUMAN)
    kept = _references(np.stack([CROSSED_BELOW, CROSSED_BELOW_TOO, RAISED, RAISED + 1]), np.arange(4))
    chosen = find_references(FindInputs(motion, motion, kept), FindParams(count=3, switch_cost=0.0), None)
    assert chosen.rank[0].tolist() == [0, 2, 1]  # what the second one shows the third one need not show again
    together = replace(make_track(CROSSED_BELOW[None]), skeleton=HUMAN)  # where nothing is asked for that is hidden, the nearest two
    chosen = find_references(FindInputs(together, motion, kept), FindParams(count=2, switch_cost=0.0), None)
    assert chosen.rank[0].tolist() == [0, 1]


def test_the_second_reference_shows_what_a_ball_hides_in_the_first_one():
    """Its picture is cut out elsewhere in each."""
    motion = replace(make_track(APART[None]), skeleton=HUMAN)
    points = np.stack([pose(right_wrist=(30, 50 - up)) for up in (1, 2, 12)]).astype(np.float32)
    down, across = np.indices((130, 100))
    ball = ((np.hypot(across - 42, down - 98) < 10) * 255).astype(np.uint8)
    corner = np.array([[0, 0], [30, 40], [0, 0]])
    layers = np.stack([ball, np.roll(ball, (-40, -30), (0, 1)), 0 * ball])
    kept = replace(_references(points, np.arange(3)), corner_xy=corner, transient=layers)
    for references, wanted in ((kept, [0, 2, 1]), (_references(points, np.arange(3)), [0, 1, 2])):
        chosen = find_references(FindInputs(motion, motion, references), FindParams(count=3, switch_cost=0.0), None)
        assert chosen.rank[0].tolist() == wanted


ARM = {"right_shoulder": (40, 20), "left_shoulder": (60, 20)}
LOWERED = pose(**ARM)
LIFTED = pose(**ARM, right_wrist=(30, 25))
ARMS = [HUMAN.joints[end[0]] for end in HUMAN.ends()]


def found_ends(query: np.ndarray, pictures: list[np.ndarray], count: int = 2) -> list[str]:
    """Ends that are the second's; the first picture is made the nearest of all by the rest of the body."""
    points = np.stack(pictures).astype(np.float32)
    motion, target = (replace(make_track(poses), skeleton=HUMAN) for poses in (query[None], points))
    inputs = FindInputs(motion, target, _references(points, np.arange(len(points))))
    chosen = find_references(inputs, FindParams(count=count, switch_cost=0.0), None)
    assert chosen.rank[0, 0] == 0
    return [name for name, taken in zip(ARMS, chosen.ends[0], strict=True) if taken]


def test_a_forearm_is_the_second_s_where_that_shows_it_nearer():
    far = {"neck": (58, 24), "right_hip": (49, 66), "left_hip": (62, 66)}
    assert found_ends(LIFTED, [LOWERED, pose(**ARM | far, right_wrist=(30, 25))]) == ["right_elbow"]
    assert found_ends(LIFTED, [LIFTED, pose(**ARM | far, right_wrist=(30, 25))]) == []
    assert found_ends(LIFTED, [LOWERED, pose(**ARM | far)]) == []
    assert found_ends(LIFTED, [LOWERED], count=1) == []
    assert found_ends(LIFTED, [LOWERED]) == []  # nobody is the second


def test_a_forearm_that_the_second_hides_is_not_taken_from_it():
    far = {"neck": (58, 24), "right_hip": (49, 66), "left_hip": (62, 66)}
    nearly, lifted = pose(**ARM, right_wrist=(24, 29)), ARM | far | {"right_wrist": (30, 25)}
    assert found_ends(LIFTED, [nearly, pose(**lifted)]) == ["right_elbow"]
    assert "right_elbow" not in found_ends(LIFTED, [nearly, pose(**lifted, left_elbow=(36, 40), left_wrist=(30, 25))])


def test_a_forearm_is_not_of_a_body_that_faces_the_other_way():
    lifted = pose(**ARM, right_wrist=(30, 25))
    turned = pose(right_shoulder=(60, 20), left_shoulder=(40, 20), right_hip=(56, 60), left_hip=(44, 60), right_wrist=(30, 25))
    assert found_ends(lifted, [LOWERED, turned]) == []


def test_ends_are_found_frame_by_frame_wherever_a_run_begins(monkeypatch):
    """As for each frame alone, after an absence too, and however many go at once."""
    far = {"neck": (58, 24), "right_hip": (49, 66), "left_hip": (62, 66)}
    over = {"left_elbow": (36, 40), "left_wrist": (30, 25)}
    nearly, crossed = pose(**ARM, right_wrist=(24, 29)), {"right_wrist": (30, 25)} | over
    points = np.stack([nearly, pose(**ARM | far | crossed)]).astype(np.float32)
    # A forearm that the second picture hides as the pose does, and then one that it hides alone.
    poses = np.stack([np.full_like(nearly, np.nan), nearly, *[pose(**ARM | crossed)] * 2, LIFTED, LIFTED, nearly])
    motion, target = (replace(make_track(found), skeleton=HUMAN) for found in (poses, points))
    inputs = FindInputs(motion, target, _references(points, np.arange(2)))
    monkeypatch.setattr("pipeline.reference.find.CHANGE", 0.0)
    found = []
    for at_once in (1, 3, 4096):
        monkeypatch.setattr("pipeline.reference.find.AT_ONCE", at_once)
        ends = find_references(inputs, FindParams(count=2, switch_cost=0.0), None).ends
        found.append(ends)
    assert found[0][:, ARMS.index("right_elbow")].tolist() == [False, False, True, True, False, False, False]
    for other in found[1:]:
        assert (other == found[0]).all()


def test_held_out_poses_change_no_end_of_a_training_frame():
    far = {"neck": (58, 24), "right_hip": (49, 66), "left_hip": (62, 66)}
    points = np.stack([LOWERED, pose(**ARM | far, right_wrist=(30, 25))] * 5).astype(np.float32)
    target, split = replace(make_track(points), skeleton=HUMAN), Split(np.arange(6), np.arange(6, 10))
    references, params = _references(points, np.arange(2)), FindParams(count=2, switch_cost=0.0)
    found = []
    for arm in (LOWERED, LIFTED):
        motion = replace(make_track(np.stack([*[LOWERED, LIFTED] * 3, *[arm] * 4])), skeleton=HUMAN)
        ends = find_references(FindInputs(motion, target, references), params, split).ends
        found.append(ends)
    assert (found[0][:6] == found[1][:6]).all()
    assert (found[0] != found[1]).any()


@pytest.mark.parametrize("seed", range(4))
def test_steady_ends_are_the_least_of_all_paths(seed):
    rng = np.random.default_rng(seed)
    away, ranks = rng.random((6, 1, 2)) * 4 * CHANGE, rng.integers(0, 3, (6, 2))
    paths = np.stack(np.meshgrid(*[range(2)] * 6), -1).reshape(-1, 6)

    def total(path: np.ndarray) -> float:
        shown = ranks[np.arange(6), path]
        return float(away[np.arange(6), 0, path].sum() + NEARER * path.sum() + CHANGE * (np.diff(shown) != 0).sum())

    assert np.isclose(total(steady_ends(away, ranks)[:, 0].astype(int)), min(map(total, paths)))


def test_an_end_that_neither_shows_is_nobody_s():
    assert not steady_ends(np.full((3, 2, 2), np.inf), np.array([[0, 1]] * 3)).any()


def test_the_ends_come_back_with_the_table(swinging, tmp_path):
    inputs = FindInputs(make_track(swinging), make_track(swinging), _references(swinging, np.arange(0, 40, 3)))
    chosen = find_references(inputs, FindParams(count=3, switch_cost=0.0), None)
    for ends in (np.random.default_rng(1).random((40, 4)) < 0.3, np.zeros((40, 0), bool)):
        write_chosen(tmp_path / "a.parquet", replace(chosen, ends=ends))
        found = read_chosen(tmp_path / "a.parquet").ends
        assert found.shape == ends.shape
        assert (found == ends).all()
