"""All scores of another system's video of a pair: on the held-out frames where it is the target's own pair, else as an imitation."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.evaluation.external import External, ExternalParams
from pipeline.evaluation.imitation import PairInputs, evaluate_external_imitation
from pipeline.evaluation.inception import Inception
from pipeline.evaluation.perceptual import Distance
from pipeline.evaluation.reconstruction import evaluate_external_reconstruction
from pipeline.evaluation.settings import EvaluationParams
from pipeline.evaluation.temporal import Flow
from pipeline.timeline.split import SplitParams


def score_external(
    inputs: PairInputs,
    params: EvaluationParams,
    split: SplitParams,
    name: str,
    shown: ExternalParams,
    distances: Mapping[str, Distance],
    flow: Flow,
    inception: Inception | None,
) -> dict[str, Any]:
    """Score the video of the entry `name` of external, seen at the moments and through the crop of ours; distances: of held-out frames."""
    generated, crops = inputs.generated, inputs.crops
    assert crops is not None
    rows = crops.crop if shown.is_own else generated.crop
    external = External(name, Path(shown.video), shown, generated.clock, rows, generated.crop_hw, generated.size_hw)
    if not shown.is_own:
        return evaluate_external_imitation(external, inputs, params, flow, inception)
    return evaluate_external_reconstruction(external, generated, crops, inputs.driver, params, split, distances, flow, inception)
