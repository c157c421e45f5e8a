"""Section `evaluation` of params.yaml, and what stands beside the numbers: how they were computed, and which were not."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from pydantic import Field

from pipeline.artifacts.foregrounds import Foregrounds
from pipeline.artifacts.identities import COMPARED, FACES
from pipeline.errors import InputError
from pipeline.evaluation.fidelity import PSNR_CONVENTION, SSIM_CONVENTION
from pipeline.evaluation.temporal import MaskParams
from pipeline.params import Section

Metric = Literal[
    "psnr",
    "psnr_person",
    "ssim",
    "st_lpips",
    "alex",
    "sharpness",
    "lpips_alex",
    "lpips_vgg",
    "fid",
    "is",
    "tcm",
    "e_warp",
    "flicker",
    "motion_consistency",
    "pose",
    "face_landmarks",
    "face_expression",
    "face_identity",
]
DISTANCES = ("st_lpips", "alex", "lpips_alex", "lpips_vgg")
RECONSTRUCTION = ("psnr", "psnr_person", "ssim", *DISTANCES, "sharpness", "fid", "is", "tcm", "e_warp", "flicker", *COMPARED)
IMITATION = ("motion_consistency", "e_warp", "flicker", "fid", "is", "pose", *FACES)
NEEDS = {  # file by name, or where it comes from
    "st_lpips": "vgg_shift_tolerant.pth",
    "alex": "alex_shift_tolerant.pth",
    "lpips_alex": "alexnet-owt-7be5be79.pth and the package lpips",
    "lpips_vgg": "vgg16-397923af.pth and the package lpips",
    "fid": "pt_inception-2015-12-05-6726825d.pth and the package torch-fidelity (extra `fid`)",
    "is": "pt_inception-2015-12-05-6726825d.pth and the package torch-fidelity (extra `fid`)",
    "face_identity": "dlib_face_recognition_resnet_model_v1.dat and the package dlib-bin (extra `identity`)",
}


class FaceScoreParams(Section):
    """Section `evaluation.faces` of params.yaml: which faces are compared."""

    min_eyes_px: float = Field(ge=1)
    max_turn_deg: float = Field(gt=0, le=180)


class EvaluationParams(Section):
    """Section `evaluation` of params.yaml."""

    metrics: list[Metric]
    flow: Literal["dis", "raft"]
    mask: MaskParams
    static_below: float = Field(ge=0)
    dilate_px: float = Field(ge=0)
    driver_margin: float = Field(ge=1, le=4)
    watch_px: int = Field(ge=64, le=2160)
    watch_frames: int = Field(ge=1)
    faces: FaceScoreParams


def window_of(generated: Foregrounds) -> int:
    """Frames per window of the generator that made these foregrounds; InputError when they do not say."""
    k = generated.attributes.get("k")
    if not isinstance(k, int) or k < 1:
        raise InputError(f"Generated foregrounds must say how many frames a window has, found k = {k}. Run: dvc repro generate_foreground")
    return k


def not_computed(params: EvaluationParams, metrics: tuple[str, ...]) -> dict[str, str]:
    """What each unlisted metric of `metrics` needs: name → sentence."""
    needs = {name: f", needs {NEEDS[name]}" if name in NEEDS else "" for name in metrics if name not in params.metrics}
    return {name: f"add {name} to evaluation.metrics{file}" for name, file in needs.items()}


def external_faces(params: EvaluationParams, metrics: tuple[str, ...]) -> dict[str, str]:
    """Why those of `metrics` that are of faces have no score where another system's result is scored."""
    asked = [name for name in FACES if name in params.metrics and name in metrics]
    return dict.fromkeys(asked, "the faces of another system's result are not measured")


def finite_mean(values: Sequence[float]) -> float:
    """Mean over what is finite; NaN when nothing is."""
    kept = np.asarray(values, np.float64)
    kept = kept[np.isfinite(kept)]
    return float(kept.mean()) if len(kept) else float("nan")


def listed(values: Mapping[str, float], params: EvaluationParams) -> dict[str, float]:
    """The values that were asked for and could be computed."""
    return {name: value for name, value in values.items() if name in params.metrics and np.isfinite(value)}


def fidelity_settings(params: EvaluationParams) -> dict[str, Any]:
    """How single frames are compared, in words."""
    return {
        "psnr": PSNR_CONVENTION,
        "psnr_person": f"as psnr, over the pixels within {params.dilate_px:g} px of the true matte > 0.5, the same for every method",
        "ssim": SSIM_CONVENTION,
        "st_lpips": "shift-tolerant VGG16, version 0.0, of stlpips-pytorch 0.0.2; not comparable with LPIPS",
        "alex": "ST-LPIPS with AlexNet (shift-tolerant, version 0.0, of stlpips-pytorch 0.0.2), which no training loss uses",
        "lpips_alex": "lpips 0.1.4, net alex",
        "lpips_vgg": "lpips 0.1.4, net vgg",
    }


def temporal_settings(params: EvaluationParams) -> dict[str, Any]:
    """How pairs of frames are compared, in words."""
    return {
        "flow": {"dis": "dis (OpenCV, medium preset)", "raft": "raft (torchvision raft_large, C_T_SKHT_V2)"}[params.flow],
        "mask": params.mask.describe(),
        "e_warp": "mean squared warping error over visible pixels and channels, range [0, 1], mean over pairs",
        "flicker": "mean warping error across the borders of windows / inside them; windows laid from the first frame of each run",
        "static_below": params.static_below,
    }
