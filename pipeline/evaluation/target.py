"""All scores of a target's pair with itself: crops at the working size, face, hands and feet, and the size people watch."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.artifacts.agree import require_one_motion, require_same_length
from pipeline.artifacts.composites import Composites
from pipeline.artifacts.crops import Crops
from pipeline.artifacts.foregrounds import Foregrounds
from pipeline.artifacts.frames import Frames
from pipeline.artifacts.keypoints import Track
from pipeline.artifacts.meshes import Meshes
from pipeline.artifacts.residuals import Residuals
from pipeline.body.regions import RegionParams
from pipeline.evaluation.faces import compare_faces
from pipeline.evaluation.inception import Inception
from pipeline.evaluation.perceptual import Distance
from pipeline.evaluation.reconstruction import evaluate_reconstruction
from pipeline.evaluation.region_scores import score_regions
from pipeline.evaluation.settings import EvaluationParams
from pipeline.evaluation.temporal import Flow
from pipeline.evaluation.watch import WatchScores, score_watched
from pipeline.timeline.split import SplitParams, split_frames


@dataclass(frozen=True)
class TargetInputs:
    """The artifacts of a target and its self pair; warped: the foreground with real pixels carried into it; the target's and the result's
    face meshes."""

    fused: Frames
    generated: Foregrounds
    warped: Foregrounds
    enhanced: Residuals
    refined: Residuals
    frames: Frames
    mattes: Frames
    plate: Frames
    crops: Crops
    track: Track
    meshes: Meshes
    remeasured: Meshes


@dataclass(frozen=True)
class TargetScores:
    """Nested scores, a row of scores per held-out frame, and the pictures at the size people watch."""

    scores: dict[str, Any]
    rows: list[dict[str, float]]
    watched: WatchScores


def score_target(
    inputs: TargetInputs,
    params: EvaluationParams,
    split: SplitParams,
    regions: RegionParams,
    distances: Mapping[str, Distance],
    flow: Flow,
    inception: Inception | None,
) -> TargetScores:
    """Score a target on its held-out frames; a metric that was not computed has no key, a frame without it NaN in its row.

    Scores of the size people watch stand in `<method>.watch` and `stages.<stage>.watch`. InputError when the artifacts do not
    belong together.
    """
    i = inputs
    made = {"the generated foregrounds": i.generated, "the warped ones": i.warped}
    made |= {"the enhanced residuals": i.enhanced, "the refined ones": i.refined}
    require_one_motion({name: artifact.attributes for name, artifact in made.items()})
    scores, rows = evaluate_reconstruction(i.fused, i.generated, i.crops, i.track, params, split, distances, flow, inception)
    scores["regions"], scores["settings"]["regions"], by_frame = score_regions(
        i.frames, i.plate, i.warped, i.enhanced, i.refined, i.track, params, split, regions, distances
    )
    scores["settings"]["not_computed"] |= _score_faces(i, params, split, scores, by_frame)
    # The same frames at the size people watch.
    composites = Composites(i.generated, i.warped, i.enhanced, i.refined, i.plate, i.fused)
    watched = score_watched(composites, i.frames, i.mattes, i.track, params, split, distances)
    scores["settings"]["watch"] = watched.settings
    for method, values in watched.scores.items():
        scores.setdefault(method, {})["watch"] = values
    scores["stages"] = {stage: {"watch": values} for stage, values in watched.stages.items()}
    # One row a frame holds all of them.
    for name, values in (by_frame | watched.by_frame).items():
        for row in rows:
            row[name] = values.get(int(row["frame"]), math.nan)
    return TargetScores({name: values for name, values in scores.items() if values}, rows, watched)


def _score_faces(
    inputs: TargetInputs, params: EvaluationParams, split: SplitParams, scores: dict[str, Any], by_frame: dict[str, dict[int, float]]
) -> dict[str, str]:
    """Add the scores of the faces in held-out frames to those of the reconstruction; returns why some have none."""
    require_same_length(inputs.track, inputs.meshes, inputs.remeasured)
    held_out = split_frames(inputs.track.present, split).held_out
    faces = compare_faces(inputs.meshes, inputs.remeasured, ("truth", "result"), held_out, params)
    if said := faces.said():
        print(f"evaluate_reconstruction: {said}.")
    if faces.values:
        scores.setdefault("reconstruction", {}).update(faces.values)
    if faces.settings:
        scores["settings"]["faces"] = faces.settings
    by_frame |= {f"reconstruction_{name}": values for name, values in faces.by_frame.items()}
    return faces.why
