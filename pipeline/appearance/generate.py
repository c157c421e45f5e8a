"""Inference of Alg. 2: poses of a motion, window by window, to foregrounds; or frame after frame where the model is of that kind."""

import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from pipeline.appearance.fading import fade_frames
from pipeline.appearance.poses import to_crop
from pipeline.appearance.renderers.base import GenerateParams, Renderer
from pipeline.appearance.renderers.chosen import RENDERERS
from pipeline.artifacts.agree import of_motion
from pipeline.artifacts.crops import Crops
from pipeline.artifacts.foregrounds import create_foregrounds
from pipeline.artifacts.keypoints import Track
from pipeline.artifacts.models import fill, load_model
from pipeline.artifacts.references import NONE, ChosenReferences, References
from pipeline.artifacts.store import readable, require_free_bytes
from pipeline.body.pose_maps import PoseMapParams
from pipeline.body.skeleton import Skeleton
from pipeline.errors import InputError
from pipeline.networks.carrying import CarryShape
from pipeline.picture.framing import driven_crop, driven_shape, matching_crop
from pipeline.picture.greyness import without_colour
from pipeline.progress import Progress
from pipeline.training.device import choose_device, prepare_cpu


def load_generator(weights: Path, description_path: Path) -> Renderer:
    """Read a model that train_appearance published; InputError when it is damaged or of another kind."""
    state, description = load_model(weights, description_path)
    if description.get("network") != "appearance generator":
        raise InputError(f"{weights} must be an appearance generator, found {description.get('network')}. Run: dvc repro train_appearance")
    with readable(description_path, "description of an appearance generator", "Run: dvc repro train_appearance"):
        renderer = RENDERERS[description["params"]["system"]]
        network = renderer.build(description["generator"])
        fill(network, state, weights)
        return renderer(
            network.eval().requires_grad_(False),
            PoseMapParams.model_validate(description["params"]["pose_map"]),
            Skeleton.from_json(description["inputs"]["skeleton"]),
            _size(description["inputs"]["crop_hw"]),
            bool(description["inputs"]["grey"]),
            description["weights_sha256"],
            CarryShape(**description["carrying"]) if description.get("carrying") else None,
        )


def _size(crop_hw: list[int]) -> tuple[int, int]:
    height, width = crop_hw
    return height, width


@dataclass(frozen=True)
class GenerateInputs:
    """The generator, the motion, the target's crops; where real pixels are carried, its references and those chosen for the motion."""

    model: Renderer
    motion: Track
    crops: Crops
    references: References | None = None
    chosen: ChosenReferences | None = None


def generate_foreground(inputs: GenerateInputs, params: GenerateParams, out: Path) -> dict[str, float]:
    """Publish the foregrounds of a motion (in the target's full pixels); returns frames and frames_per_s of generating.

    The crop is the target's training crop where the motion stays inside it, and a larger one where the body does not fit. Frames
    without the subject get matte 0.
    A target filmed without colour is made without. Memory does not grow with the length of the motion.
    """
    crops = inputs.crops
    # Of the motion as it is given, before the network's way of reading it.
    made_for = of_motion(inputs.motion)
    motion, rows = seen_through(inputs)
    model, wide_hw = inputs.model, driven_shape(motion.points, crops.crop, crops.crop_hw, crops.size_hw)
    if wide_hw != crops.crop_hw:
        model = widened(model, wide_hw)
        scale = float(crops.crop[0, 0, 0])
        rows = matching_crop(motion.points, motion.present, crops.size_hw, wide_hw, scale, motion.clock.has_time).rows
    present, (height, width) = motion.present, model.crop_hw
    require_free_bytes(out, len(present) * height * width * 4)
    # Which references each frame is made from.
    facts = {"model_sha256": model.weights_sha256, "skeleton": model.skeleton.name, "k": model.k, "grey": model.grey}
    facts |= made_for
    seen = model.see(inputs.references, inputs.chosen, present, fade_frames(params.fade_s, motion.clock), float(rows[0, 0, 0]))
    if model.carrying is not None:
        facts["carrying"] = vars(model.carrying)
    ranks = None if seen is None else first_and_second(seen.ranks)
    # Frame by frame, so that memory does not grow.
    started = time.perf_counter()
    with (
        create_foregrounds(out, model.crop_hw, motion.clock, rows, present, crops.size_hw, facts, ranks) as writer,
        Progress(len(present), "generate_foreground") as progress,
    ):
        for frame in model.frames(motion, to_crop(motion.points, rows), params, seen):
            rgb = without_colour(frame.rgb) if model.grey else frame.rgb
            writer.append(rgb[None], frame.matte[None], **{name: array[None] for name, array in frame.fields.items()})
            progress.advance()
    return {"frames": len(present), "frames_per_s": len(present) / (time.perf_counter() - started)}


def seen_through(inputs: GenerateInputs) -> tuple[Track, np.ndarray]:
    """The motion as the network reads one, and where each of its frames is seen: rows (t 2 3), full → crop px.

    InputError where motion or crops are not of the model's kind.
    """
    model, motion, crops = inputs.model, inputs.motion, inputs.crops
    if motion.skeleton != model.skeleton:
        raise InputError(
            f"the motion must have the model's skeleton {model.skeleton.name}, found {motion.skeleton.told_from(model.skeleton)}: "
            "give both clips the same skeleton in params.yaml"
        )
    if crops.crop_hw != model.crop_hw:
        (height, width), (h, w) = model.crop_hw, crops.crop_hw
        raise InputError(f"crops must have the model's {width}x{height} px, found {w}x{h}. Run: dvc repro train_appearance")
    motion = model.read(motion)
    return motion, driven_crop(motion.points, motion.present, crops.crop, crops.crop_hw, crops.size_hw, motion.clock.has_time)


def widened(model: Renderer, crop_hw: tuple[int, int]) -> Renderer:
    """The generator for a larger crop of the same scale, in which limbs are drawn as broad as it learnt them."""
    pose_map = model.pose_map.model_copy(update={"width": model.pose_map.width * max(model.crop_hw) / max(crop_hw)})
    return replace(model, crop_hw=crop_hw, pose_map=pose_map)


def first_and_second(ranks: np.ndarray) -> np.ndarray:
    """The first two (t 2) of the ranks (t r) of each frame's references, NONE where there is one alone."""
    return np.pad(ranks[:, :2], ((0, 0), (0, max(0, 2 - ranks.shape[1]))), constant_values=NONE)


def prepare_generator(model: Renderer, params: GenerateParams) -> Renderer:
    """Bring the generator to this machine's device, in the layout that convolutions like best."""
    prepare_cpu(params.threads)
    model.network.to(choose_device()).to(memory_format=torch.channels_last)
    if params.compile:
        model.network.compile()
    return model
