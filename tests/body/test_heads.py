"""How a head goes over from one pose to another: it is turned in the picture as its face is, not as nose and ears move on turning away."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.body.fields import part_distances, part_field
from pipeline.body.parts import body_parts, part_maps
from pipeline.body.skeleton import load_skeleton

HUMAN, MOUSE = (load_skeleton(Path(f"pipeline/skeletons/{name}.yaml")) for name in ("human", "mouse"))
# Across, down and towards who looks; the ears are amid the head.
HEAD = {"nose": (0, 3, 10), "right_eye": (-4, -3, 7), "left_eye": (4, -3, 7), "right_ear": (-8, 0, 0), "left_ear": (8, 0, 0)}
MOUTH = {"right_mouth": (-3, 7, 7), "left_mouth": (3, 7, 7)}
TRUNK = {"neck": (0, 25), "right_shoulder": (-18, 27), "left_shoulder": (18, 27), "right_hip": (-11, 75), "left_hip": (11, 75)}
EARS = [HUMAN.index(joint) for joint in ("right_ear", "left_ear")]


def _person(about=0.0, nod=0.0, tilt=0.0, leant=0.0, left_out=(), size=1.0, trunk=True):
    """A person's joints (1 j 2), whose head is turned about its own axis, then nods, then is tilted in the picture, radians."""
    pose = torch.full((1, len(HUMAN.joints), 2), torch.nan)

    def turn(angle):
        return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])

    for joint, place in {**HEAD, **MOUTH}.items():
        across, down, near = place
        across, near = turn(about) @ (across, near)
        down, near = turn(nod) @ (down, near)
        pose[0, HUMAN.index(joint)] = torch.tensor(turn(tilt) @ (across, down) + (50, 20), dtype=torch.float32)
    for joint, place in TRUNK.items() if trunk else ():
        pose[0, HUMAN.index(joint)] = torch.tensor(turn(leant) @ place + (50, 20), dtype=torch.float32)
    pose[0, [HUMAN.index(joint) for joint in left_out]] = torch.nan
    return size * pose


def _head(query, reference, skeleton=HUMAN, scale=1.0):
    """The head's map from query to reference: linear (2 2), shift (2), and by what angle it turns."""
    parts, seen = body_parts(skeleton), torch.isfinite(query).all(-1) & torch.isfinite(reference).all(-1)
    parts = [part for part in parts if seen[:, part.joints].sum() >= 2]
    place = next(i for i, part in enumerate(parts) if set(skeleton.indices("head")) <= set(part.joints))
    sizes = torch.tensor([100.0]), torch.tensor([scale])
    linear, shift = (found[0, place] for found in part_maps(*map(torch.nan_to_num, (query, reference)), parts, seen, *sizes))
    return linear, shift, float(torch.atan2(linear[1, 0] - linear[0, 1], linear[0, 0] + linear[1, 1]))


@pytest.mark.parametrize("tilt", [-0.9, 0.0, 0.4])
@pytest.mark.parametrize(("about", "nod", "within"), [(0, 0, 0.01), (0.7, 0, 0.01), (-1.4, 0, 0.01), (0, 0.6, 0.01), (0.5, 0.4, 0.25)])
def test_a_head_turns_in_the_picture_as_its_face_does(about, nod, within, tilt):
    """However it is turned away or nods: as a similarity, and what is between the ears stays there."""
    query, reference = _person(about, nod, tilt), _person(size=1.5)
    for here, there, angle in ((query, reference, -tilt), (reference, query, tilt)):
        scale = 1.5 if here is query else 1 / 1.5
        linear, shift, turned = _head(here, there, scale=scale)
        assert abs(turned - angle) < within
        assert torch.allclose(linear @ linear.T, scale**2 * torch.eye(2), atol=1e-4)
        assert torch.allclose(linear @ here[0, EARS].mean(0) + shift, there[0, EARS].mean(0), atol=1e-3)


@pytest.mark.parametrize("leant", [0.0, 0.5])
def test_without_a_mouth_a_head_is_held_like_the_trunk_the_less_alike_it_lies(leant):
    front, aside = _person(left_out=MOUTH), _person(about=1.4, left_out=MOUTH, leant=leant, tilt=leant)
    assert abs(_head(front, aside)[2] - leant) < 0.15
    assert abs(_head(aside, front)[2] + leant) < 0.15
    tilted = _person(tilt=0.6, left_out=MOUTH)
    assert _head(front, tilted)[2] == pytest.approx(0.6, abs=0.01)  # seen alike, it tells for itself


def test_a_head_without_a_trunk_or_without_ears_is_carried_all_the_same():
    alone = _head(_person(trunk=False, left_out=MOUTH), _person(about=1.2, nod=0.5, trunk=False, left_out=MOUTH))
    assert abs(alone[2]) < 0.15
    query, reference = (_person(tilt=tilt, left_out=("left_ear",)) for tilt in (0.0, 0.3))
    linear, shift, turned = _head(query, reference)
    joints = [HUMAN.index(joint) for joint in ("nose", "right_eye", "left_eye", "right_ear", *MOUTH)]
    assert turned == pytest.approx(0.3, abs=0.01)
    assert torch.allclose(linear @ query[0, joints].mean(0) + shift, reference[0, joints].mean(0), atol=1e-3)


def test_one_eye_and_one_corner_of_the_mouth_tell_a_turn_unless_they_coincide():
    half = ("left_eye", "left_mouth")
    query, reference = _person(about=0.7, tilt=0.4, left_out=half), _person(left_out=half)
    assert _head(query, reference)[2] == pytest.approx(-0.4, abs=0.15)
    eye, corner = (HUMAN.index(joint) for joint in ("right_eye", "right_mouth"))
    query[0, corner] = query[0, eye]
    linear, _, turned = _head(query, reference)
    assert torch.linalg.det(linear) == pytest.approx(1, abs=1e-4)
    assert abs(turned) < 0.2


def test_a_face_is_known_by_joints_of_the_head_alone():
    for head in (("nose", "right_eye", "left_eye"), ("nose", "right_ear", "left_ear"), HUMAN.roles["head"]):
        skeleton = replace(HUMAN, roles={**HUMAN.roles, "head": head, **({"ears": HUMAN.roles["shoulders"]} if len(head) == 5 else {})})
        assert not any(part.face for part in body_parts(skeleton))
        assert torch.isfinite(part_field(_person(0.5), _person(), skeleton, torch.arange(9.0), torch.arange(9.0)).field).all()
    named = replace(HUMAN, roles={**HUMAN.roles, "head": (*HUMAN.roles["head"], *HUMAN.roles["mouth"])})
    assert body_parts(named) == body_parts(HUMAN)


def test_shoulders_alone_are_never_taken_for_those_of_another_side():
    """A neck amid them is above them by chance: no bust is laid as if it were seen from behind."""
    rng, bust = np.random.default_rng(0), _person(size=4.0, left_out=("right_hip", "left_hip"))
    pairs = [[bust + torch.tensor(rng.normal(0, 1, bust.shape), dtype=torch.float32) for _ in range(2)] for _ in range(20)]
    for pose in (pose for pair in pairs for pose in pair):
        middle = (pose[0, HUMAN.index("left_shoulder")] + pose[0, HUMAN.index("right_shoulder")]) / 2
        pose[0, HUMAN.index("neck")] = middle + torch.tensor(rng.normal(0, 0.01, 2), dtype=torch.float32)
    for query, reference in pairs:
        x, y = query[0, [HUMAN.index("left_shoulder"), HUMAN.index("right_shoulder")]].mean(0) + torch.tensor([60.0, 4.0])
        found = part_field(query, reference, HUMAN, x[None], y[None]).field[0, 0, 0]
        assert (found - torch.stack([x, y])).norm() < 20


def test_how_far_a_pixel_is_from_a_neck_does_not_depend_on_what_lies_before_it():
    pose = _person(size=4.0)
    x, y = (pose[0, HUMAN.index("neck")] + pose[0, HUMAN.index("nose")]) / 2
    neck = next(i for i, part in enumerate(body_parts(HUMAN)) if set(part.joints) == {HUMAN.index("neck"), HUMAN.index("nose")})
    assert part_distances(pose, HUMAN, x[None], y[None])[0, neck] < 0.01


def test_the_head_of_an_animal_tells_for_itself():
    """It has no face that is seen from all sides: two ears and a snout turn as they lie."""
    query, reference = (torch.full((1, len(MOUSE.joints), 2), torch.nan) for _ in range(2))
    for pose, angle in ((query, 0.0), (reference, 0.8)):
        turn = torch.tensor([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]], dtype=torch.float32)
        for joint, place in {"snout": (0.0, -9.0), "left_ear": (-5.0, 0.0), "right_ear": (5.0, 0.0)}.items():
            pose[0, MOUSE.index(joint)] = turn @ torch.tensor(place) + 50
    assert _head(query, reference, MOUSE)[2] == pytest.approx(0.8, abs=0.05)


@pytest.mark.parametrize("about", [-1.2, 0.0, 0.8])
def test_a_face_lies_before_the_neck(about):
    """What joins head and trunk ends at the nose: mouth and chin before it go along with the head all the same, and the neck does not."""
    query, reference = _person(about, size=4.0), _person(size=4.0)
    linear, shift, _ = _head(query, reference)
    mouth = query[0, [HUMAN.index(joint) for joint in MOUTH]].mean(0)
    neck = query[0, HUMAN.index("neck")] - torch.tensor([0.0, 12.0])
    for place, goes in ((mouth, linear @ mouth + shift), (neck, reference[0, HUMAN.index("neck")] - torch.tensor([0.0, 12.0]))):
        field = part_field(query, reference, HUMAN, *place[:, None]).field[0, 0, 0]
        assert (field - goes).norm() < 6  # of a body 300 px high
