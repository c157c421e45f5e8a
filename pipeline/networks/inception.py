"""The Inception network of FID and IS (Szegedy et al. 2015, as converted from TensorFlow), by the package torch-fidelity."""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from pipeline.errors import InputError

WEIGHTS = "pt_inception-2015-12-05-6726825d.pth"
LAYERS = ["2048", "logits_unbiased"]  # last pooling, for FID; 1008 logits without their bias, for IS


def load_inception(weights: str | Path) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
    """The network whose file lies in the folder `weights`: images (n 3 h w) uint8 → features (n 2048), logits (n 1008).

    Images of any size are brought to 299 px as TensorFlow 1 did. InputError without the package or the file, or when the
    file holds another network.
    """
    path = Path(weights) / WEIGHTS
    try:
        from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise InputError("evaluation.metrics lists fid or is, which need the package torch-fidelity: pip install -e '.[fid]'") from None
    if not path.is_file():
        raise InputError(
            f"evaluation.metrics lists fid or is, which need {path}: put the file into data/incoming and run "
            "dvc repro fetch_metric_weights, or unlist them"
        )
    try:
        torch.load(path, map_location="cpu", weights_only=True)  # the package would unpickle whatever lies there
        network = FeatureExtractorInceptionV3("inception", LAYERS, feature_extractor_weights_path=str(path))
    except Exception as error:  # a cut file, a pickle, missing keys, other shapes: all mean that these are not the weights
        why = f"reading it failed ({type(error).__name__})"
        raise InputError(f"{path} must hold the Inception network of FID, {why}: fetch it again") from error
    return network
