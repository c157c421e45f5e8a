"""Laws of the limb-by-limb warp: identity, similarity, each limb for itself, missing joints."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from figure import HAND_POINTS, Figure, Motion, human, truth
from line import LINE

from pipeline.body import warping
from pipeline.body.parts import body_parts
from pipeline.body.skeleton import load_skeleton

POSE = torch.tensor([[[20.0, 20.0], [60.0, 20.0], [60.0, 60.0]]])
X, Y = torch.arange(80.0), torch.arange(80.0)
FIGURE = Figure(300)


def _at(field, x, y):
    return field[0, y, x].numpy()


def test_equal_poses_leave_every_pixel_where_it_is():
    field = warping.part_field(POSE, POSE, LINE, X, Y).field
    assert field.shape == (1, 80, 80, 2)
    grid = torch.stack(torch.meshgrid(X, Y, indexing="xy"), -1)
    assert (field[0] - grid).abs().max() < 1e-3


def test_a_shift_of_the_whole_body_is_followed_everywhere():
    field = warping.part_field(POSE, POSE + torch.tensor([5.0, -7.0]), LINE, X, Y).field
    grid = torch.stack(torch.meshgrid(X, Y, indexing="xy"), -1)
    assert (field[0] - grid - torch.tensor([5.0, -7.0])).abs().max() < 1e-3


@pytest.mark.parametrize("angle", [0.3, 1.2, -2.0])
def test_a_turned_and_scaled_body_is_followed_on_its_limbs(angle):
    turn = 1.4 * torch.tensor([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]], dtype=torch.float32)
    field = warping.part_field(POSE, POSE @ turn.T, LINE, X, Y).field
    for x, y in ((25, 20), (40, 20), (60, 35), (60, 55)):
        expected = (turn @ torch.tensor([float(x), float(y)])).numpy()
        # short limbs give way a little in direction: within a twentieth of the body
        assert np.linalg.norm(_at(field, x, y) - expected) < 0.05 * 40 * 1.4


def test_only_the_limb_that_moved_moves():
    bent = POSE.clone()
    bent[0, 2] = torch.tensor([95.0, 40.0])  # the second limb is turned about the joint b
    field = warping.part_field(POSE, bent, LINE, X, Y).field
    assert np.abs(_at(field, 25, 20) - [25, 20]).max() < 0.5
    middle = (bent[0, 1] + bent[0, 2]).numpy() / 2
    assert np.abs(_at(field, 60, 40) - middle).max() < 0.5


def test_a_missing_joint_takes_its_limb_out_and_no_common_limb_leaves_the_shift():
    hidden = POSE.clone()
    hidden[0, 2] = torch.nan
    field = warping.part_field(POSE, hidden + 3.0, LINE, X, Y).field
    assert np.abs(_at(field, 60, 60) - [63, 63]).max() < 1e-3  # follows the limb that is left
    lone = POSE.clone()
    lone[0, 1:] = torch.nan
    field = warping.part_field(POSE, lone + 3.0, LINE, X, Y).field
    assert np.abs(_at(field, 10, 70) - [13, 73]).max() < 1e-3
    nothing = torch.full_like(POSE, torch.nan)
    assert torch.isfinite(warping.part_field(nothing, POSE, LINE, X, Y).field).all()
    assert np.abs(_at(warping.part_field(nothing, POSE, LINE, X, Y).field, 10, 70) - [10, 70]).max() < 1e-3


@pytest.mark.parametrize("size_hw", [(80, 80), (30, 77)])
def test_a_picture_s_field_is_the_limbs_field_at_its_pixels(size_hw):
    bent = POSE.clone()
    bent[0, 2] = torch.tensor([90.0, 45.0])
    found, _ = warping.picture_field(POSE, bent, LINE, size_hw)
    exact = warping.part_field(POSE, bent, LINE, torch.arange(size_hw[1]), torch.arange(size_hw[0])).field
    assert found.shape == exact.shape
    off = (found - exact).norm(dim=-1)
    assert (off < 0.2).float().mean() > 0.95  # but where it leaps from part to part
    assert off.median() < 1e-3
    still, sound = warping.picture_field(POSE, POSE, LINE, size_hw)
    exact = warping.part_field(POSE, POSE, LINE, torch.arange(size_hw[1]), torch.arange(size_hw[0])).field
    assert (still - exact).abs().max() < 1e-3
    assert sound.min() > 0.99


def test_sampling_by_a_field_takes_the_pixel_it_names_and_nothing_from_outside():
    image = torch.rand(1, 2, 6, 8)
    field = torch.tensor([[[[3.0, 2.0], [-5.0, 1.0]]]])
    found = warping.sample_field(image, field)
    assert torch.allclose(found[0, :, 0, 0], image[0, :, 2, 3], atol=1e-5)
    assert (found[0, :, 0, 1] == 0).all()


def test_a_field_that_exchanges_sides_is_folded_and_one_that_turns_is_not():
    turned, _ = warping.picture_field(POSE, (POSE - 40) @ torch.tensor([[0.0, 1.0], [-1.0, 0.0]]) + 40, LINE, (80, 80))
    sound = warping.unfolded(turned)
    assert sound.shape == (1, 1, 80, 80)
    assert sound.mean() > 0.9
    y, x = torch.meshgrid(Y, X, indexing="ij")
    assert (warping.unfolded(torch.stack([79 - x, y], -1)[None]) == 0).all()  # mirrored
    assert (warping.unfolded(torch.stack([40 + 0.05 * x, y], -1)[None]) == 0).all()  # a strip four px wide drawn out
    assert (warping.unfolded(torch.stack([0.5 * x, y], -1)[None]) == 1).all()


HUMAN = load_skeleton("pipeline/skeletons/human.yaml")
TRUNK = {
    "neck": (60, 40), "nose": (60, 25), "right_shoulder": (48, 42), "left_shoulder": (72, 42), "right_hip": (52, 80), "left_hip": (68, 80),
    "right_elbow": (44, 62), "left_elbow": (76, 62), "right_knee": (50, 105), "left_knee": (70, 105),
}  # fmt: skip


def _person(change=lambda x, y: (x, y), leave_out=()):
    pose = torch.full((1, len(HUMAN.joints), 2), torch.nan)
    for joint, (x, y) in TRUNK.items():
        if joint not in leave_out:
            pose[0, HUMAN.index(joint)] = torch.tensor(change(float(x), float(y)))
    return pose


def _slope_of_trunk(reference):
    """Area of the source over the picture's, inside the trunk away from its limbs' ends."""
    field = warping.picture_field(_person(), reference, HUMAN, (120, 120))[0][0]
    across, down = field[50:66, 57:64] - field[50:66, 56:63], field[51:67, 56:63] - field[50:66, 56:63]
    return across[..., 0] * down[..., 1] - across[..., 1] * down[..., 0]


def test_trunk_head_palms_and_feet_move_as_one():
    parts = [{HUMAN.joints[i] for i in part.joints} for part in body_parts(HUMAN)]
    assert {"left_ankle", "left_heel", "left_toe"} in parts
    assert {"right_shoulder", "right_elbow"} in parts
    head = {*HUMAN.roles["head"], *HUMAN.roles["mouth"]}
    assert parts[:2] == [{"neck", "right_shoulder", "left_shoulder", "right_hip", "left_hip"}, head]
    assert not any(part & head for part in parts[2:] if part != {"neck", "nose"})
    assert [part.joints for part in body_parts(LINE)] == [[0, 1], [1, 2]]


def test_another_version_of_a_skeleton_has_its_own_parts():
    other = replace(LINE, limbs=(LINE.limbs[0], replace(LINE.limbs[1], parent="a", width=2.0)))
    assert [(part.joints, part.breadth) for part in body_parts(other)] == [([0, 1], 1.0), ([0, 2], 2.0)]
    assert hash(other) == hash(LINE)
    assert [part.joints for part in body_parts(LINE)] == [[0, 1], [1, 2]]


@pytest.mark.parametrize("width", [1.0, 0.7, 0.4, 0.1, -0.4, -1.0])
def test_a_trunk_that_turns_about_its_axis_never_folds(width):
    """Nor where its sides are exchanged: it is as wide then as it would be otherwise, and no mirror image."""
    turned = _person(lambda x, y: (60 + width * (x - 60), y))
    assert _slope_of_trunk(turned).min() > warping.FOLDED[0]


FACE = {"right_eye": (56, 21), "left_eye": (64, 21), "right_ear": (52, 23), "left_ear": (68, 23)}
SIDES = [("right_eye", "left_eye"), ("right_ear", "left_ear")], [("right_shoulder", "left_shoulder"), ("right_hip", "left_hip")]


def _with_face(angle: float, nod: float = 0.0, exchanged=()):
    """A person leant over, who looks up by so many px, some joints of whom were taken for those of the other side."""
    pose = _person()
    for joint, place in FACE.items():
        pose[0, HUMAN.index(joint)] = torch.tensor(place, dtype=torch.float32)
    pose[0, HUMAN.index("nose"), 1] -= nod
    for right, left in exchanged:
        here, there = HUMAN.index(right), HUMAN.index(left)
        pose[0, [here, there]] = pose[0, [there, here]]
    turn = torch.tensor([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]], dtype=torch.float32)
    return (pose - 60) @ turn + 60


@pytest.mark.parametrize("angle", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("sides", SIDES)
def test_a_head_or_trunk_with_its_sides_exchanged_is_carried_whole(angle, sides):
    """A face seen from behind, or taken for that, is laid as it was seen, and so from the other pose's side."""
    person, leant, wrong = _with_face(0.0), _with_face(angle), _with_face(angle, exchanged=sides)
    here = [HUMAN.index(joint) for pair in sides for joint in pair]
    x, y = ((leant[0, here] + leant[0, here].mean(0)) / 2).round().T  # well inside
    for query, reference in ((wrong, person), (leant, _with_face(0.0, exchanged=sides))):
        field = warping.part_field(query, reference, HUMAN, torch.arange(120.0), torch.arange(120.0))
        expected = warping.part_field(leant, person, HUMAN, torch.arange(120.0), torch.arange(120.0))
        place = np.s_[0, y.long().clamp(0, 119), x.long().clamp(0, 119)]
        assert (field.linear[place] - expected.linear[place]).abs().max() < 0.25
        assert torch.linalg.det(field.linear[place]).min() > 0.5


@pytest.mark.parametrize("width", [1.0, 0.4, 0.1, -0.4, -1.0])
def test_a_foot_that_points_the_other_way_is_no_mirror_image(width):
    """Nor folded: it is squeezed, as it is while it turns."""
    foot = {"left_ankle": (62, 108), "left_heel": (56, 112), "left_toe": (76, 114)}
    poses = [torch.full((1, len(HUMAN.joints), 2), torch.nan) for _ in range(2)]
    for pose, wide in zip(poses, (1.0, width), strict=True):
        for joint, (x, y) in foot.items():
            pose[0, HUMAN.index(joint)] = torch.tensor([62 + wide * (x - 62), float(y)])
    field = warping.part_field(*poses, HUMAN, torch.arange(58.0, 76), torch.arange(106.0, 116))
    assert torch.linalg.det(field.linear).min() > 0.1


def test_a_head_that_looks_up_is_not_taken_for_one_seen_from_behind():
    for nod in (-4.0, 0.0, 4.0, 8.0):
        field = warping.part_field(_with_face(0.0, nod), _with_face(0.0), HUMAN, torch.arange(45.0, 75), torch.arange(12.0, 30))
        assert field.linear[..., 0, 0].min() > 0.5


def test_a_trunk_follows_its_joints_nearly_affinely():
    moved = _person(lambda x, y: (30 + 0.8 * (x - 60) + 0.2 * (y - 40), 50 + 1.1 * (y - 40)))
    field = warping.part_field(_person(), moved, HUMAN, torch.arange(120.0), torch.arange(120.0)).field
    for x, y in ((60, 60), (55, 70), (64, 50)):
        expected = np.array([30 + 0.8 * (x - 60) + 0.2 * (y - 40), 50 + 1.1 * (y - 40)])
        assert np.abs(_at(field, x, y) - expected).max() < 2.5
    without = _person(leave_out=("left_hip", "right_hip", "left_shoulder"))
    assert torch.isfinite(warping.part_field(without, moved, HUMAN, X, Y).field).all()


def test_an_arm_over_the_trunk_brings_itself_and_leaves_the_trunk_whole():
    """Coordinates between an arm's and the trunk's lie beside both: averaged, they would tear the belly."""
    apart = {"right_elbow": (30, 60), "right_wrist": (22, 84)}
    over = {"right_elbow": (40, 62), "right_wrist": (64, 62)}
    query, reference = _person(), _person()
    for joints, pose in ((over, query), (apart, reference)):
        for joint, at in joints.items():
            pose[0, HUMAN.index(joint)] = torch.tensor([float(v) for v in at])
    found = warping.part_field(query, reference, HUMAN, torch.arange(120.0), torch.arange(120.0))
    field, own = found.field, found.own
    forearm = (np.array(apart["right_elbow"]) + apart["right_wrist"]) / 2
    assert np.abs(_at(field, 52, 62) - forearm).max() < 2  # on the arm
    for x, y in ((52, 74), (52, 50), (66, 72)):  # the trunk below, above and beside it
        assert np.abs(_at(field, x, y) - [x, y]).max() < 2
        assert own[0, y, x] > 0.9
    found = warping.part_field(reference, query, HUMAN, torch.arange(120.0), torch.arange(120.0))
    back, own = found.field, found.own
    assert np.abs(_at(back, 52, 62) - [52, 62]).max() < 2  # the belly is where it was, and the arm lies over it there
    assert own[0, 62, 52] < 0.3


def test_legs_that_fall_on_one_another_are_no_blend_of_both():
    """Seen from the side two calves are one; averaged over where they stand apart, a pixel would be taken from between them."""
    query, reference = _person(), _person()
    for side, at in (("right", 46.0), ("left", 54.0)):
        for joint, y in (("knee", 110.0), ("ankle", 140.0)):
            query[0, HUMAN.index(f"{side}_{joint}")] = torch.tensor([50.0, y])
            reference[0, HUMAN.index(f"{side}_{joint}")] = torch.tensor([at, y])
    field = warping.part_field(query, reference, HUMAN, torch.arange(120.0), torch.arange(160.0)).field
    for x in (47, 49, 51, 53):
        shift = _at(field, x, 125)[0] - x
        assert min(abs(shift + 4), abs(shift - 4)) < 1.2  # of one calf or the other, never straight ahead


def test_likeness_falls_with_turning_and_stretching_and_not_with_shifting():
    y, x = torch.meshgrid(Y, X, indexing="ij")
    assert (warping.likeness(torch.stack([x + 7, y - 3], -1)[None]) - 1).abs().max() < 1e-3
    angles = torch.tensor(0.3), torch.tensor(0.9)
    turned = [torch.stack([torch.cos(a) * x - torch.sin(a) * y, torch.sin(a) * x + torch.cos(a) * y], -1)[None] for a in angles]
    once, twice = (warping.likeness(field) for field in turned)
    assert (twice < once).all()
    assert (once < 0.8).all()
    assert warping.likeness(torch.stack([2 * x, y], -1)[None]).max() < 0.5


def test_a_shift_and_a_turn_leave_a_field_undistorted_and_a_stretch_or_a_mirror_image_does_not():
    """By the norm of the strain: of a stretch by s alone s - 1, of both sides sqrt(2) as much; a mirror image is 2 off."""
    y, x = torch.meshgrid(Y, X, indexing="ij")
    angle = torch.tensor(0.9)
    turned = [torch.cos(angle) * x - torch.sin(angle) * y + 7, torch.sin(angle) * x + torch.cos(angle) * y - 3]
    fields = [turned, [1.5 * turned[0], 1.5 * turned[1]], [1.5 * x, y], [0.5 * x, y], [-x, y]]
    for field, strain in zip(fields, (0.0, 0.5 * 2**0.5, 0.5, 0.5, 2.0), strict=True):
        found = warping.undistorted(torch.stack(field, -1)[None])
        torch.testing.assert_close(found, torch.full_like(found, float(np.exp(-strain))), atol=3e-3, rtol=0)


def test_a_thin_arm_over_a_trunk_brings_itself_in_a_small_picture():
    """Interpolated across a leap, an arm three pixels broad would be taken from nowhere."""
    query, reference = _person(), _person()
    for pose, wrist, elbow in ((query, (64.0, 62.0), (40.0, 62.0)), (reference, (22.0, 84.0), (30.0, 60.0))):
        pose[0, HUMAN.index("right_elbow")], pose[0, HUMAN.index("right_wrist")] = torch.tensor(elbow), torch.tensor(wrist)
    small = 0.7
    exact = warping.part_field(query * small, reference * small, HUMAN, torch.arange(84.0), torch.arange(84.0)).field[0]
    found = warping.picture_field(query * small, reference * small, HUMAN, (84, 84))[0][0]
    arm = np.s_[43:44, 30:42]
    assert (found[arm] - exact[arm]).norm(dim=-1).max() < 1.5
    beside = [exact.roll((down, across), (0, 1)) for down in (-1, 0, 1) for across in (-1, 0, 1)]
    gap = torch.stack([(found - place).norm(dim=-1) for place in beside]).amin(0)[2:-2, 2:-2]
    assert (gap > 2).float().mean() < 0.01  # nearly every pixel is taken from where it or its neighbour belongs, not from between


def _with_hand(fold: float) -> torch.Tensor:
    """A left hand that hangs down, 40 px long: its wrist, five knuckles, and of its index finger the rest, folded by so many radians."""
    pose = torch.full((1, len(HUMAN.joints), 2), torch.nan)
    body = {"neck": (60, 10), "left_shoulder": (75, 14), "right_shoulder": (45, 14), "left_hip": (70, 60), "right_hip": (50, 60)}
    for name, (x, y) in {**body, "left_elbow": (90, 40), "left_wrist": (100, 60)}.items():
        pose[0, HUMAN.index(name)] = torch.tensor([float(x), float(y)])
    for i, finger in enumerate(("thumb_cmc", "index_mcp", "middle_mcp", "ring_mcp", "pinky_mcp")):
        pose[0, HUMAN.index(f"left_{finger}")] = torch.tensor([92.0 + 4 * i, 78.0])
    for i, joint in enumerate(("pip", "dip", "tip"), 1):
        along = torch.tensor([np.sin(fold), np.cos(fold)]) * 8 * i
        pose[0, HUMAN.index(f"left_index_{joint}")] = torch.tensor([96.0, 78.0]) + along
    return pose


def test_a_finger_is_followed_about_its_hand_and_the_body_stays():
    straight, folded = _with_hand(0.0), _with_hand(-1.0)
    across, down = torch.arange(140.0), torch.arange(130.0)
    field = warping.part_field(straight, folded, HUMAN, across, down).field
    dip = HUMAN.index("left_index_dip")
    there = [round(float(v)) for v in straight[0, dip]]
    assert np.linalg.norm(_at(field, *there) - folded[0, dip].numpy()) < 2
    assert np.abs(_at(field, 60, 40) - [60, 40]).max() < 0.1
    assert np.abs(_at(field, 100, 66) - [100, 66]).max() < 0.5  # the palm
    fist = straight.clone()
    fist[0, sorted(HUMAN.fingers())] = torch.nan  # a pose without fingers is carried as before
    field = warping.part_field(fist, folded, HUMAN, across, down).field
    assert np.abs(_at(field, 60, 40) - [60, 40]).max() < 0.1
    assert torch.isfinite(field).all()


def test_how_large_a_body_is_does_not_depend_on_its_fingers():
    alone = warping.part_field(_with_hand(0.0), _with_hand(0.0), HUMAN, X, Y).size
    closed = _with_hand(0.0)
    closed[0, sorted(HUMAN.fingers())] = closed[0, HUMAN.index("left_index_mcp")] + torch.arange(float(len(HUMAN.fingers())))[:, None]
    assert torch.equal(warping.part_field(closed, closed, HUMAN, X, Y).size, alone)
    assert torch.equal(warping.part_field(_with_hand(0.0), closed, HUMAN, X, Y).size, alone)


@pytest.mark.parametrize("raised", [60, 90, 150])
def test_beside_a_hanging_arm_nothing_is_taken_from_a_raised_one(raised):
    """A drawn person, arms down, from a picture of it with arms up: what is trusted of the sleeves where the true picture shows none."""
    query, reference = (_arms(angle) for angle in (10, raised))
    (_,), (true,) = FIGURE.render(query[None], np.zeros((480, 640, 3), np.uint8))
    (_,), (shown,) = FIGURE.render(reference[None], np.zeros((480, 640, 3), np.uint8))
    poses = [torch.from_numpy(truth(pose[None], FIGURE.joints, human(), (480, 640)).track().points) for pose in (query, reference)]
    field, own = warping.picture_field(*poses, human(), (480, 640))
    moved = warping.sample_field(torch.from_numpy(shown.astype(np.float32) / 255)[None, None], field)
    beside = (moved - torch.from_numpy(true.astype(np.float32) / 255)).clamp(0, 1) * own
    shoulder = query[FIGURE.joints.index("left_shoulder")]
    y, x = np.mgrid[:480, :640]
    about = torch.from_numpy(np.hypot(x - shoulder[0], y - shoulder[1]) < 0.16 * FIGURE.height_px)
    assert float(beside[0, 0][about].sum()) < 135  # 204, 292, 285 were


def _soundness(query: np.ndarray, reference: np.ndarray, lacks: set[str], at: tuple[int, int]) -> float:
    """How sound a drawn person's pixel is, of a picture of it in another pose, where joints of the query are not there."""
    poses = [torch.from_numpy(truth(pose[None], FIGURE.joints, human(), (480, 640)).track().points) for pose in (query, reference)]
    poses[0][:, [human().index(joint) for joint in lacks]] = torch.nan
    return float(warping.picture_field(*poses, human(), (480, 640))[1][0, 0, at[1], at[0]])


def _of_arm(side: str, first: str = "elbow") -> set[str]:
    """Joints of an arm from one on: elbow, wrist or index_mcp, of which the first one is no part of what hangs on it."""
    names = [f"{side}_{name}" for name in ("elbow", "wrist", *HAND_POINTS)]
    return set(names[names.index(f"{side}_{first}") :])


def test_what_the_query_hides_of_one_side_is_not_carried_with_the_trunk():
    """A hand beside the hip of the reference hangs on an arm that the query does not show: the hip's pixels are not to be had there."""
    pose = _arms(20)
    elbow, wrist = (pose[FIGURE.joints.index(f"left_{name}")] for name in ("elbow", "wrist"))
    x, y = ((elbow + wrist) / 2).astype(int)
    hidden = _of_arm("left")
    assert _soundness(pose, pose, set(), (x, y)) > 0.99
    assert _soundness(pose, pose, hidden, (x, y)) < 0.01
    assert _soundness(pose, pose, hidden | _of_arm("right", "wrist") - {"right_wrist"}, (x, y)) < 0.01
    one = _arms(20)
    one[[FIGURE.joints.index(joint) for joint in ("right_elbow", "right_wrist")]] = np.nan  # which shows the other one alone
    assert _soundness(pose, one, hidden, (x, y)) < 0.01


def test_what_the_query_knows_nothing_of_goes_along_with_what_it_hangs_on():
    """A driver of whom arms were never looked for, or hands and feet: they are carried as they hang there."""
    pose = _arms(20)
    elbow, wrist = (pose[FIGURE.joints.index(f"left_{name}")] for name in ("elbow", "wrist"))
    arm, palm = ((elbow + wrist) / 2).astype(int), (wrist + 0.6 * FIGURE.length("hand") * (wrist - elbow) / np.linalg.norm(wrist - elbow))
    assert _soundness(pose, pose, _of_arm("left") | _of_arm("right"), (arm[0], arm[1])) > 0.99
    assert _soundness(pose, pose, {"left_elbow"}, (arm[0], arm[1])) > 0.99  # a hand that is seen says that the arm is there
    assert _soundness(pose, pose, _of_arm("left", "wrist") - {"left_wrist"}, (int(palm[0]), int(palm[1]))) > 0.99


def test_between_thighs_that_stand_apart_there_is_what_was_between_them():
    """Cloth goes from thigh to thigh: it is no limb's, and stays sound where the reference's legs stand together."""
    apart, together = (_legs(angle) for angle in (60, 4))
    poses = [torch.from_numpy(truth(pose[None], FIGURE.joints, human(), (480, 640)).track().points) for pose in (apart, together)]
    _, own = warping.picture_field(*poses, human(), (480, 640))
    hips = np.mean([apart[FIGURE.joints.index(f"{side}_hip")] for side in ("left", "right")], axis=0)
    x, y = (hips + np.array([0, 0.07 * FIGURE.height_px])).astype(int)
    assert float(own[0, 0, y, x]) > 0.95  # 0.81 was, where limbs alone counted


def _legs(degrees: float) -> np.ndarray:
    """A person whose straight legs stand so far from straight down: (j 2)."""
    pose = FIGURE.points(1, (320, 300), Motion(wave=0, sway=0, lift=0))[0]
    at = FIGURE.joints.index
    for side, sign in (("left", 1), ("right", -1)):
        hip, joints = at(f"{side}_hip"), [at(f"{side}_{name}") for name in ("knee", "ankle", "heel", "toe")]
        cos, sin = np.cos(np.radians(degrees)), sign * np.sin(np.radians(degrees))
        pose[joints] = pose[hip] + (pose[joints] - pose[hip]) @ np.array([[cos, -sin], [sin, cos]])
    return pose


def _arms(degrees: float) -> np.ndarray:
    """A person with both arms straight, raised from the side so far: (j 2)."""
    pose = FIGURE.points(1, (320, 440), Motion(wave=0, sway=0, lift=0))[0]
    at = FIGURE.joints.index
    for side, sign in (("left", 1), ("right", -1)):
        heading = np.array([sign * np.sin(np.radians(degrees)), np.cos(np.radians(degrees))])
        elbow = pose[at(f"{side}_shoulder")] + FIGURE.length("upper_arm") * heading
        wrist = elbow + FIGURE.length("forearm") * heading
        pose[at(f"{side}_elbow")], pose[at(f"{side}_wrist")] = elbow, wrist
        for point in HAND_POINTS:
            pose[at(f"{side}_{point}")] = wrist + FIGURE.length("hand") * heading
    return pose
