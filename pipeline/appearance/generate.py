"""Inference of Alg. 2: poses of a motion, window by window, to foregrounds; or frame after frame where the model is of that kind."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import Field

from pipeline.appearance.poses import draw_poses, to_crop
from pipeline.appearance.sequence import frames_in_sequence
from pipeline.artifacts.crops import Crops
from pipeline.artifacts.foregrounds import create_foregrounds
from pipeline.artifacts.keypoints import Track
from pipeline.artifacts.models import load_model
from pipeline.artifacts.store import require_free_bytes
from pipeline.drawing import PoseMapParams
from pipeline.errors import InputError
from pipeline.framing import driven_crop
from pipeline.greyness import without_colour
from pipeline.networks.edn import GlobalGenerator
from pipeline.networks.generator import Generator, GeneratorShape
from pipeline.params import Section
from pipeline.progress import Progress
from pipeline.skeleton import Skeleton
from pipeline.training import Precision, autocast, choose_device, choose_dtype, prepare_cpu
from pipeline.windows import rendering_windows, still_windows

FAINT = 1e-3  # keeps a colour where every window's matte is 0


class GenerateParams(Section):
    """Section `generate` of params.yaml; `overlap_stride` k or more leaves windows disjoint, 1 averages k renderings a frame."""

    overlap_stride: int = Field(ge=1)
    matte_contrast: float = Field(ge=1.0, le=16.0)
    batch_windows: int = Field(ge=1)
    threads: int = Field(ge=1)
    precision: Precision
    compile: bool


@dataclass
class _Blend:
    """Renderings of a frame by overlapping windows: colours weighted by their mattes, mattes by number."""

    colours: torch.Tensor
    weights: torch.Tensor
    mattes: torch.Tensor
    count: int = 1

    def add(self, other: "_Blend") -> None:
        self.colours += other.colours
        self.weights += other.weights
        self.mattes += other.mattes
        self.count += other.count

    def finish(self, contrast: float) -> tuple[np.ndarray, np.ndarray]:
        """Straight colour (h w 3) and matte (h w), uint8.

        What the network predicts of a matte is the chance that a pixel is the subject's, flat where the pose leaves it open;
        contrast about one half makes an edge of it again.
        """
        colours = ((self.colours / self.weights + 1) * 127.5).clamp(0, 255).round().byte()
        mattes = (((self.mattes / self.count - 0.5) * contrast + 0.5) * 255).clamp(0, 255).round().byte()
        return colours.permute(1, 2, 0).cpu().numpy(), mattes[0].cpu().numpy()


@dataclass(frozen=True)
class LoadedGenerator:
    """A trained generator with what its description says of its inputs."""

    network: Generator | GlobalGenerator
    pose_map: PoseMapParams
    skeleton: Skeleton
    crop_hw: tuple[int, int]
    grey: bool
    weights_sha256: str


def load_generator(weights: Path, description_path: Path) -> LoadedGenerator:
    """Read a model that train_appearance published; InputError when it is damaged or of another kind."""
    state, description = load_model(weights, description_path)
    if description.get("network") != "appearance generator":
        raise InputError(f"{weights} must be an appearance generator, found {description.get('network')}. Run: dvc repro train_appearance")
    network = _network(description["params"]["system"], description["generator"])
    network.load_state_dict(state)
    return LoadedGenerator(
        network.eval().requires_grad_(False),
        PoseMapParams.model_validate(description["params"]["pose_map"]),
        Skeleton.from_json(description["inputs"]["skeleton"]),
        _size(description["inputs"]["crop_hw"]),
        bool(description["inputs"]["grey"]),
        description["weights_sha256"],
    )


def _size(crop_hw: list[int]) -> tuple[int, int]:
    height, width = crop_hw
    return height, width


def _network(system: str, shape: dict[str, Any]) -> Generator | GlobalGenerator:
    if system == "edn":
        return GlobalGenerator(shape["pose_channels"] + 3, shape["width"], shape["downsamplings"], shape["blocks"])
    return Generator(GeneratorShape(**shape))


def generate_foreground(
    model: LoadedGenerator, motion: Track, crops: Crops, params: GenerateParams, out: Path
) -> dict[str, float]:
    """Publish the foregrounds of a motion (in the target's full pixels); returns frames and frames_per_s of generating.

    The crop is the target's training crop where the motion stays inside it. Frames without the subject get matte 0.
    A target filmed without colour is made without. Memory does not grow with the length of the motion.
    """
    if motion.skeleton != model.skeleton:
        raise InputError(
            f"the motion must have the model's skeleton {model.skeleton.name}, found {motion.skeleton.name}: "
            "give both clips the same skeleton in params.yaml"
        )
    if crops.crop_hw != model.crop_hw:
        (height, width), (h, w) = model.crop_hw, crops.crop_hw
        raise InputError(f"crops must have the model's {width}x{height} px, found {w}x{h}. Run: dvc repro train_appearance")
    present, (height, width) = motion.present, model.crop_hw
    require_free_bytes(out, len(present) * height * width * 4)
    rows = driven_crop(motion.points, present, crops.crop, crops.crop_hw, crops.size_hw, motion.clock.has_time)
    facts = {"model_sha256": model.weights_sha256, "skeleton": model.skeleton.name, "k": _window(model.network), "grey": model.grey}
    started = time.perf_counter()
    with (
        create_foregrounds(out, model.crop_hw, motion.clock, rows, present, crops.size_hw, facts) as writer,
        Progress(len(present), "generate_foreground") as progress,
    ):
        for colours, mattes in _frames(model, motion, to_crop(motion.points, rows), params):
            writer.append((without_colour(colours) if model.grey else colours)[None], mattes[None])
            progress.advance()
    return {"frames": len(present), "frames_per_s": len(present) / (time.perf_counter() - started)}


def _frames(
    model: LoadedGenerator, motion: Track, points: np.ndarray, params: GenerateParams
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Colours (h w 3) and matte (h w) uint8 of every frame of the motion in order."""
    if not isinstance(model.network, GlobalGenerator):
        return _frames_in_windows(model, model.network, motion, points, params)
    device = next(model.network.parameters()).device

    def poses(t: int) -> torch.Tensor:
        points_, scores_ = (torch.from_numpy(np.ascontiguousarray(a[None, t : t + 1])).to(device) for a in (points, motion.score))
        return draw_poses(points_, scores_, model.skeleton, model.crop_hw, model.pose_map)[0]

    return frames_in_sequence(model.network, motion.present, poses, model.crop_hw, params.precision, motion.clock.has_time)


def _window(network: Generator | GlobalGenerator) -> int:
    """Frames that are made together, one where each is made of the one before."""
    return 1 if isinstance(network, GlobalGenerator) else network.shape.frames


def _frames_in_windows(
    model: LoadedGenerator, network: Generator, motion: Track, points: np.ndarray, params: GenerateParams
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Every frame, blended from its windows as soon as no later window holds it."""
    k, present = network.shape.frames, motion.present
    timed = motion.clock.has_time
    windows = rendering_windows(present, k, min(params.overlap_stride, k)) if timed else still_windows(np.flatnonzero(present), k)
    nothing = np.zeros((*model.crop_hw, 3), np.uint8), np.zeros(model.crop_hw, np.uint8)
    pending: dict[int, _Blend] = {}
    done = 0
    for start in range(0, len(windows), params.batch_windows):
        batch = windows[start : start + params.batch_windows]
        for frame, blend in _render(model, points[batch], motion.score[batch], batch, params):
            if frame in pending:
                pending[frame].add(blend)
            else:
                pending[frame] = blend
        following = windows[start + len(batch), 0] if start + len(batch) < len(windows) else len(present)
        for frame in range(done, following):
            yield pending.pop(frame).finish(params.matte_contrast) if frame in pending else nothing
        done = max(done, int(following))
    for _ in range(done, len(present)):
        yield nothing


def _render(
    model: LoadedGenerator, points: np.ndarray, scores: np.ndarray, windows: np.ndarray, params: GenerateParams
) -> Iterator[tuple[int, _Blend]]:
    """Renderings of windows (b k) from crop points (b k j 2), a frame that a window repeats only once."""
    device = next(model.network.parameters()).device
    points_, scores_ = (torch.from_numpy(np.ascontiguousarray(a)).to(device) for a in (points, scores))
    with torch.inference_mode(), autocast(device, choose_dtype(params.precision, device)):
        poses = draw_poses(points_, scores_, model.skeleton, model.crop_hw, model.pose_map)
        colours, logits = model.network(poses)
    mattes = torch.sigmoid(logits)
    weights = mattes + FAINT
    for b, window in enumerate(windows.tolist()):
        for i, frame in enumerate(window):
            if frame not in window[:i]:
                yield frame, _Blend(colours[b, i] * weights[b, i], weights[b, i], mattes[b, i].clone())


def prepare_generator(model: LoadedGenerator, params: GenerateParams) -> LoadedGenerator:
    """Bring the generator to this machine's device, in the layout that convolutions like best."""
    prepare_cpu(params.threads)
    model.network.to(choose_device()).to(memory_format=torch.channels_last)
    if params.compile:
        model.network.compile()
    return model
