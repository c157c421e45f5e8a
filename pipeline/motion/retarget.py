"""Retargeting: the driver's motion on the target's body, in the target's full pixels and at the driver's times."""

from dataclasses import replace
from typing import Any

import numpy as np

from pipeline.artifacts.keypoints import ORIGINS, Keypoints, Track, motion_of
from pipeline.body import sides
from pipeline.errors import InputError
from pipeline.motion import ankle_height, bone_ratio, lean, none
from pipeline.motion.body import Body, shared_centre
from pipeline.motion.contact import contact_weights, follow_contacts, foot_slide
from pipeline.motion.head import hold_head
from pipeline.motion.params import MotionParams
from pipeline.motion.placement import allowed_range, find_level, keep_inside, place
from pipeline.motion.unseen import MOSTLY_SHARE, fill_unseen, name_parts, shown_joints, to_fill, usual_scores
from pipeline.timeline.split import SplitParams, split_frames

DROPPED = ORIGINS.index("dropped")
FRAME_SECONDS = 1 / 25  # for a clip without timestamps


def retarget(driver: Track, target: Track, split: SplitParams, params: MotionParams) -> Keypoints:
    """Carry the driver's motion over to the target: a motion (t 1 j 2) with the target's skeleton and frame size.

    Joints are matched by name; what the driver misses in some frames stays missing there, what it never shows is filled as
    `unseen` says, and what the target never shows is left out; neither with method none. The target is measured in its
    training frames only, and a driver that is the target's own track in the same frames, so that it is carried onto itself.
    The attribute `retargeting` holds ratios, placement, figures and warnings. Not in the paper.

    Raises InputError when the driver is never seen, the target too seldom, or the two share no limb.
    """
    matched = _match(driver, target)
    training = split_frames(target.present, split).training
    same = driver.points.shape == target.points.shape and np.array_equal(driver.points, target.points, equal_nan=True)
    carried = params.method != "none" and not same
    turned_away = np.zeros(len(driver.points), bool)
    if params.sides == "match" and carried:
        turned_away = sides.turned_away(matched[0], target.points[training], target.skeleton, params.min_frames)
        points, score, origin = (sides.exchanged(some, turned_away, target.skeleton) for some in matched)
        matched = points, score, origin
        del points, score, origin
    whole = _body(target.points, target.score, target.present, np.isin(np.flatnonzero(target.present), training), target, params)
    there = np.isfinite(matched[0][..., 0])
    shown, mostly = shown_joints(matched[0], there, 1), shown_joints(matched[0], there, 1, MOSTLY_SHARE)
    known = shown_joints(whole.points[whole.measured], whole.confident[whole.measured], params.min_frames)
    _check(driver, target, matched[0], training, (shown, known), params)
    undrawn = shown & ~known & carried
    filled = to_fill(shown, mostly, known, target.skeleton) & (carried and params.unseen == "mean")
    as_seen, _ = _driving(matched, target, training if same else None, params)
    own, present = _driving(_without(matched, undrawn, filled), target, training if same else None, params)
    shared = np.asarray(np.isfinite(own.points[..., 0]).any(axis=0))
    other_points = np.where(shared[:, None], target.points, np.nan)  # what the driver never shows is not compared
    there = np.asarray(np.isfinite(other_points[..., 0]).any(axis=1))
    other = _body(other_points, target.score, there, np.isin(np.flatnonzero(there), training), target, params)
    seconds = _seconds(driver)[present]
    roll = lean.roll_between(as_seen, other) if params.lean == "match" and params.method != "none" else 0.0
    own = replace(own, points=lean.turned(own.points, roll))
    unseen, (_, seen_score, seen_origin) = ~np.isfinite(matched[0][..., 0]), matched
    del as_seen, matched  # of a long clip each layer fills hundreds of MB

    kept = params.model_copy(update={"head": "keep"}) if same else params  # whoever is carried onto itself holds the head as it does
    moved, facts = _carry_over(own, other, target.size_hw, seconds, kept)
    weights = contact_weights(own.points, own.skeleton, seconds, own.height, params.contact_speed)
    facts |= _figures(moved, own, other, weights, target.size_hw)
    points = np.full((*unseen.shape, 2), np.nan)
    points[present] = fill_unseen(moved, filled, whole, seconds) if filled.any() else moved
    added = np.isfinite(points[..., 0]) & (filled | unseen)
    score = np.where(added, usual_scores(whole, target.score[target.present]), seen_score)
    missing = [joint for joint, some in zip(target.joints, shared, strict=True) if not some]
    facts |= {"method": params.method, "roll_degrees": roll, "joints_missing": missing}
    facts["sides_exchanged"] = sides.first_and_last(turned_away)
    facts |= {name: name_parts(joints, target.skeleton) for name, joints in (("filled", filled), ("undrawn", undrawn))}
    facts["lacking"] = name_parts(filled if filled.any() else known & ~shown & carried, target.skeleton)
    facts["warnings"] = _warnings(facts, target)
    return motion_of(_track(points, score, np.where(undrawn, DROPPED, seen_origin), driver, target), retargeting=facts)


def _driving(
    matched: tuple[np.ndarray, np.ndarray, np.ndarray], target: Track, training: np.ndarray | None, params: MotionParams
) -> tuple[Body, np.ndarray]:
    """The driver in the target's joints and the frames (t) that show it; only `training` frames are measured, None = all."""
    present = np.asarray(np.isfinite(matched[0][..., 0]).any(axis=1))
    measured = np.ones(int(present.sum()), bool) if training is None else np.isin(np.flatnonzero(present), training)
    return _body(matched[0], matched[1], present, measured, target, params), present


def _without(
    matched: tuple[np.ndarray, np.ndarray, np.ndarray], *left_out: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The driver's points, scores and origins without some joints (j)."""
    gone = np.logical_or.reduce(left_out)
    return np.where(gone[:, None], np.nan, matched[0]), matched[1], matched[2]


def _carry_over(
    driver: Body, target: Body, size_hw: tuple[int, int], seconds: np.ndarray, params: MotionParams
) -> tuple[np.ndarray, dict[str, Any]]:
    """The chosen method on frames that show the driver: points (n j 2) in the target's pixels, and what was done."""
    if params.method == "none":
        return none.carry_over(driver.points), {}
    # The body's size and the poses built anew, by the method.
    middle = shared_centre(driver, target)
    if params.method == "ankle_height":
        scale = ankle_height.body_scale(driver, target)
        level = find_level(driver, target, scale, middle)
        moved, facts = ankle_height.scale_about_centre(driver, scale * level.size, middle), {}
    else:
        ratios = bone_ratio.Ratios(driver, target)
        if not ratios.measured:
            raise InputError(
                f"motion.method bone_ratio needs a limb that driver and target both show in {params.min_frames} confident "
                "frames, found none: lower motion.score_threshold, or set motion.method: ankle_height"
            )
        scale = ratios.ground()
        level = find_level(driver, target, scale, middle)
        built = bone_ratio.forward_kinematics(driver.points, driver.skeleton, ratios, level.size)
        moved, head = hold_head(built, driver, target, level.size) if params.head == "match" else (built, {})
        del built
        weights = contact_weights(driver.points, driver.skeleton, seconds, driver.height, params.contact_speed)
        # Where no foot is seen the body leads, not its fingers.
        moved += follow_contacts(moved, driver.points, weights, scale * level.size, sorted(driver.skeleton.fingers()))[:, None]
        facts = {"ratios": ratios.table(), "guessed": sorted(ratios.guessed), "limited": sorted(ratios.limited), "head": head}
    # Where it stands, and how far it may go from there.
    moved = place(moved, driver, target, level, scale, middle, seconds)
    allowed = allowed_range(target.points, size_hw, params.keep_within, params.room)
    kept = 1.0
    if allowed is not None:
        moved, kept = keep_inside(moved, allowed, 0, seconds)
        if level.anchor != "ankles":
            moved, kept_y = keep_inside(moved, allowed, 1, seconds)
            kept = min(kept, kept_y)
    placement = {"anchor": level.anchor, "centre": middle.name, "scale": scale, "slope": level.slope}
    placement |= {"driver_y_px": level.driver_y, "target_y_px": level.target_y, "way_kept": kept}
    return moved, {**facts, "placement": placement}


def _match(driver: Track, target: Track) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The driver's points (t j 2) float64, scores and origins in the order of the target's joints, by name."""
    shape = (len(driver.points), len(target.joints))
    points, score, origin = np.full((*shape, 2), np.nan), np.zeros(shape, np.float32), np.zeros(shape, np.uint8)
    for i, joint in enumerate(target.joints):
        if joint in driver.joints:
            j = driver.joints.index(joint)
            points[:, i], score[:, i], origin[:, i] = driver.points[:, j], driver.score[:, j], driver.origin[:, j]
    return points, score, origin


def _check(
    driver: Track,
    target: Track,
    moving: np.ndarray,
    training: np.ndarray,
    shows: tuple[np.ndarray, np.ndarray],
    params: MotionParams,
) -> None:
    """Raise InputError where nothing can be carried over; shows: which joints (j) the driver shows, and which the target."""
    shared = [joint for joint in target.joints if joint in driver.joints]
    if len(shared) < 2:
        raise InputError(
            f"Driver and target must share joints: skeleton {driver.skeleton.name} and skeleton {target.skeleton.name} "
            f"have {len(shared)} names in common. Give both clips the same skeleton in params.yaml, or add the names"
        )
    if not np.isfinite(moving[..., 0]).any():
        raise InputError(
            f"The driver must be seen in at least one frame, found in none of {len(moving)}: choose another person with "
            "clips.<driver>.select, or another clip"
        )
    confident = target.score[training] >= params.score_threshold
    frames = int(((confident & np.isfinite(target.points[training, :, 0])).sum(axis=1) >= 2).sum())
    if frames < params.min_frames:
        lower = "motion.min_frames" if len(training) < params.min_frames else "motion.score_threshold"
        raise InputError(
            f"The target must be seen in at least {params.min_frames} training frames with two joints scoring "
            f"{params.score_threshold} or more (motion.min_frames, motion.score_threshold), found {frames} of "
            f"{len(training)}: use a longer clip, or lower {lower}"
        )
    if not (shows[0] & shows[1]).any():
        names = [", ".join(np.array(target.joints)[some]) for some in shows]
        raise InputError(
            f"Driver and target must show a joint that the other shows too, found {names[0]} in the driver and {names[1]} in the "
            "target's training frames: use clips that show more of the body, or another split"
        )


def _body(points: np.ndarray, score: np.ndarray, present: np.ndarray, measured: np.ndarray, target: Track, params: MotionParams) -> Body:
    """The frames that show a person; measured (n) is among those."""
    shown = np.asarray(points[present], np.float64)
    confident = (score[present] >= params.score_threshold) & np.isfinite(shown).all(axis=-1)
    return Body(shown, confident, measured, target.skeleton, params)


def _seconds(track: Track) -> np.ndarray:
    return track.clock.seconds() if track.clock.has_time else np.arange(len(track.points)) * FRAME_SECONDS


def _track(points: np.ndarray, score: np.ndarray, origin: np.ndarray, driver: Track, target: Track) -> Track:
    """Present joints are `retargeted`; those the driver lacks keep their reason, missing or dropped."""
    there = np.isfinite(points).all(axis=-1)
    origin = np.where(there, ORIGINS.index("retargeted"), origin).astype(np.uint8)
    score = np.where(there, score, 0).astype(np.float32)
    return Track(points.astype(np.float32), score, origin, target.skeleton, driver.clock, target.size_hw, {})


def _figures(points: np.ndarray, driver: Body, target: Body, weights: np.ndarray, size_hw: tuple[int, int]) -> dict[str, Any]:
    """Numbers that say how well it fits; a number that cannot be computed has no key."""
    result = Body(points, driver.confident, driver.measured, driver.skeleton, driver.params)
    ground = driver.skeleton.indices("ground")
    there = np.isfinite(points).all(axis=-1)
    outside = ((points < -0.5) | (points > np.array([size_hw[1], size_hw[0]]) - 0.5)).any(axis=-1) & there
    numbers = {
        "height_px": result.height,
        "height_ratio": result.height / target.height,
        "outside_share": float(outside.sum() / there.sum()),
    }
    slides = zip(
        ("foot_slide_median", "foot_slide_max", "driver_foot_slide_median", "driver_foot_slide_max"),
        (*foot_slide(points, weights, ground, result.height), *foot_slide(driver.points, weights, ground, driver.height)),
        strict=True,
    )
    return {"figures": {**numbers, **{name: value for name, value in slides if np.isfinite(value)}}}


def _warnings(facts: dict[str, Any], target: Track) -> list[str]:
    """What a user should look at; nothing about feet where the skeleton has none, as a fish's or one seen from above."""
    height, walks = target.size_hw[0], bool(target.skeleton.indices("ankles"))
    figures, placement = facts["figures"], facts.get("placement", {})
    lines = []
    if facts["roll_degrees"]:
        lines.append(
            f"driver and target were taken to be filmed with cameras rolled against each other, and the driver was turned by "
            f"{facts['roll_degrees']:.0f}°: motion.lean: keep leaves it as it is"
        )
    if facts["sides_exchanged"]:
        lines.append(
            f"the target is never seen from the side, front or back, that the driver turns to the camera in "
            f"{sum(last - first + 1 for first, last in facts['sides_exchanged'])} frames: left and right are exchanged there, as in a "
            "mirror: motion.sides: keep leaves them"
        )
    if figures["outside_share"] > 0.05:
        lines.append(f"{figures['outside_share']:.0%} of the joints lie outside the target's frame")
    if figures["height_px"] > height:
        lines.append(f"the body is {figures['height_px']:.0f} px tall, the target's frame {height} px")
    if not 0.6 < figures["height_ratio"] < 1.6:
        lines.append(f"the body appears {figures['height_ratio']:.2f} times as tall as the target")
    if placement.get("way_kept", 1.0) < 1.0:
        slide = ": feet slide" if walks and placement["anchor"] == "ankles" else ""
        lines.append(f"the way was shortened to {placement['way_kept']:.0%} to stay in the picture{slide}")
    if facts["lacking"]:
        usual = "hold the target's usual pose (motion.unseen: none leaves them out)"
        done = usual if facts["filled"] else "stay undrawn (motion.unseen: none)"
        lines.append(f"the driver never shows {_listed(facts['lacking'])}: they {done}")
    if facts["undrawn"]:
        lines.append(f"the target never shows {_listed(facts['undrawn'])}: they stay undrawn")
    if walks and placement.get("anchor", "ankles") != "ankles":
        lines.append(f"no ankles in both clips: heights were matched by {placement['anchor']}")
    return lines


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
