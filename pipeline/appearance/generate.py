"""Inference of Alg. 2: poses of a motion, window by window, to foregrounds; or frame after frame where the model is of that kind."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from pydantic import Field

from pipeline.appearance.blending import Blend, Frame, nothing
from pipeline.appearance.core import BodyCore, learn_core
from pipeline.appearance.fading import Fades, fade_frames, fades
from pipeline.appearance.poses import draw_poses, to_crop
from pipeline.appearance.references import ReferencePictures
from pipeline.appearance.renderers import Network, as_read, build_network, in_sequence
from pipeline.appearance.sequence import frames_in_sequence
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
from pipeline.networks.carrying import CarryShape, carry
from pipeline.networks.generator import Generator, own_picture
from pipeline.params import Section
from pipeline.picture.framing import driven_crop
from pipeline.picture.greyness import without_colour
from pipeline.progress import Progress
from pipeline.timeline.windows import rendering_windows, still_windows
from pipeline.training.device import Precision, autocast, choose_device, choose_dtype, prepare_cpu


class GenerateParams(Section):
    """Section `generate` of params.yaml; `overlap_stride` k or more leaves windows disjoint, 1 averages k renderings a frame."""

    overlap_stride: int = Field(ge=1)
    fade_s: float = Field(ge=0, le=5)
    matte_contrast: float = Field(ge=1.0, le=16.0)
    batch_windows: int = Field(ge=1)
    threads: int = Field(ge=1)
    precision: Precision
    compile: bool


@dataclass(frozen=True)
class LoadedGenerator:
    """A trained generator with what its description says of its inputs."""

    network: Network
    pose_map: PoseMapParams
    skeleton: Skeleton
    crop_hw: tuple[int, int]
    grey: bool
    weights_sha256: str
    carrying: CarryShape | None = None


def load_generator(weights: Path, description_path: Path) -> LoadedGenerator:
    """Read a model that train_appearance published; InputError when it is damaged or of another kind."""
    state, description = load_model(weights, description_path)
    if description.get("network") != "appearance generator":
        raise InputError(f"{weights} must be an appearance generator, found {description.get('network')}. Run: dvc repro train_appearance")
    with readable(description_path, "description of an appearance generator", "Run: dvc repro train_appearance"):
        network = build_network(description["params"]["system"], description["generator"])
        fill(network, state, weights)
        return LoadedGenerator(
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


def generate_foreground(
    model: LoadedGenerator,
    motion: Track,
    crops: Crops,
    params: GenerateParams,
    out: Path,
    references: References | None = None,
    chosen: ChosenReferences | None = None,
) -> dict[str, float]:
    """Publish the foregrounds of a motion (in the target's full pixels); returns frames and frames_per_s of generating.

    The crop is the target's training crop where the motion stays inside it. Frames without the subject get matte 0.
    A target filmed without colour is made without. Memory does not grow with the length of the motion. references of the target
    and those chosen for the motion are read where the model carries real pixels.
    """
    if motion.skeleton != model.skeleton:
        raise InputError(
            f"the motion must have the model's skeleton {model.skeleton.name}, found {motion.skeleton.name}: "
            "give both clips the same skeleton in params.yaml"
        )
    if crops.crop_hw != model.crop_hw:
        (height, width), (h, w) = model.crop_hw, crops.crop_hw
        raise InputError(f"crops must have the model's {width}x{height} px, found {w}x{h}. Run: dvc repro train_appearance")
    made_for = of_motion(motion)
    motion = as_read(model.network, motion, model.pose_map.score_threshold)
    present, (height, width) = motion.present, model.crop_hw
    require_free_bytes(out, len(present) * height * width * 4)
    rows = driven_crop(motion.points, present, crops.crop, crops.crop_hw, crops.size_hw, motion.clock.has_time)
    facts = {"model_sha256": model.weights_sha256, "skeleton": model.skeleton.name, "k": _window(model.network), "grey": model.grey}
    facts |= made_for
    seen = _seen(model, references, chosen, present, fade_frames(params.fade_s, motion.clock), float(rows[0, 0, 0]))
    if model.carrying is not None:
        facts["carrying"] = vars(model.carrying)
    ranks = None if seen is None else seen.ranks[:, 0]
    started = time.perf_counter()
    with (
        create_foregrounds(out, model.crop_hw, motion.clock, rows, present, crops.size_hw, facts, ranks) as writer,
        Progress(len(present), "generate_foreground") as progress,
    ):
        for frame in _frames(model, motion, to_crop(motion.points, rows), params, seen):
            rgb = without_colour(frame.rgb) if model.grey else frame.rgb
            writer.append(rgb[None], frame.matte[None], **{name: array[None] for name, array in frame.fields.items()})
            progress.advance()
    return {"frames": len(present), "frames_per_s": len(present) / (time.perf_counter() - started)}


@dataclass(frozen=True)
class _Seen:
    """The references that the generator sees: pictures, the ranks (t r) of each frame's, how they fade; and what is surely of the body."""

    pictures: ReferencePictures
    ranks: np.ndarray
    fading: Fades
    core: BodyCore


def _seen(
    model: LoadedGenerator,
    references: References | None,
    chosen: ChosenReferences | None,
    present: np.ndarray,
    fade: int,
    scale: float,
) -> _Seen | None:
    """What a model that carries real pixels sees of them in frames present (t), of which a fade lasts `fade`; None for another."""
    if model.carrying is None:
        return None
    assert isinstance(model.network, Generator)
    wanted = len(present), model.network.shape.references
    if references is None or chosen is None or chosen.rank.shape != wanted:
        found = "none" if chosen is None else "{} of {}".format(*chosen.rank.shape[::-1])
        needed = f"{wanted[1]} chosen references for each of {wanted[0]} frames"
        raise InputError(f"the model needs {needed}, found {found}. Run: dvc repro find_references")
    pictures = ReferencePictures(references, scale, next(model.network.parameters()).device)
    return _Seen(pictures, chosen.rank, fades(chosen.rank[:, 0], present, fade), learn_core(pictures, model.skeleton))


def _frames(
    model: LoadedGenerator, motion: Track, points: np.ndarray, params: GenerateParams, seen: _Seen | None
) -> Iterator[Frame]:
    """Every frame of the motion in order, for points (t j 2) in crop px."""
    if isinstance(model.network, Generator):
        yield from _frames_in_windows(model, model.network, motion, points, params, seen)
        return
    device = next(model.network.parameters()).device

    def poses(t: int) -> torch.Tensor:
        points_, scores_ = (torch.from_numpy(np.ascontiguousarray(a[None, t : t + 1])).to(device) for a in (points, motion.score))
        return draw_poses(points_, scores_, model.skeleton, model.crop_hw, model.pose_map)[0]

    renderer = in_sequence(model.network)
    for rgb, matte in frames_in_sequence(renderer, motion.present, poses, model.crop_hw, params.precision, motion.clock.has_time):
        yield Frame(rgb, matte, {})


def _window(network: Network) -> int:
    """Frames that are made together."""
    return network.shape.frames if isinstance(network, Generator) else 1


def _frames_in_windows(
    model: LoadedGenerator, network: Generator, motion: Track, points: np.ndarray, params: GenerateParams, seen: _Seen | None
) -> Iterator[Frame]:
    """Every frame, blended from its windows as soon as no later window holds it."""
    k, present = network.shape.frames, motion.present
    timed = motion.clock.has_time
    windows = rendering_windows(present, k, min(params.overlap_stride, k)) if timed else still_windows(np.flatnonzero(present), k)
    empty = nothing(model.crop_hw, seen is not None)
    pending: dict[int, Blend] = {}
    done = 0
    for start in range(0, len(windows), params.batch_windows):
        batch = windows[start : start + params.batch_windows]
        for frame, blend in _render(model, network, points[batch], motion.score[batch], batch, params, seen):
            if frame in pending:
                pending[frame].add(blend)
            else:
                pending[frame] = blend
        following = windows[start + len(batch), 0] if start + len(batch) < len(windows) else len(present)
        for frame in range(done, following):
            yield pending.pop(frame).finish(params.matte_contrast) if frame in pending else empty
        done = max(done, int(following))
    for _ in range(done, len(present)):
        yield empty


def _render(
    model: LoadedGenerator,
    network: Generator,
    points: np.ndarray,
    scores: np.ndarray,
    windows: np.ndarray,
    params: GenerateParams,
    seen: _Seen | None,
) -> Iterator[tuple[int, Blend]]:
    """Renderings of windows (b k) from crop points (b k j 2), a frame that a window repeats only once."""
    device = next(network.parameters()).device
    points_, scores_ = (torch.from_numpy(np.ascontiguousarray(a)).to(device) for a in (points, scores))
    with torch.inference_mode():
        with autocast(device, choose_dtype(params.precision, device)):
            poses = draw_poses(points_, scores_, model.skeleton, model.crop_hw, model.pose_map)
        if seen is None or model.carrying is None:
            with autocast(device, choose_dtype(params.precision, device)):
                colours, logits = own_picture(network(poses))
            images, maps = colours.flatten(0, 1), torch.sigmoid(logits).flatten(0, 1)
            blends = [Blend.of({"rgb": image}, {"matte": matte}) for image, matte in zip(images, maps, strict=True)]
        else:
            blends = _Carrying(model, model.carrying, network, params, seen).frames(poses, points_, windows)
    for i, (frame, before) in enumerate((frame, row[:j]) for row in windows.tolist() for j, frame in enumerate(row)):
        if frame not in before:
            yield frame, blends[i]


@dataclass(frozen=True)
class _Carrying:
    """Makes the frames of windows from references."""

    model: LoadedGenerator
    shape: CarryShape
    network: Generator
    params: GenerateParams
    seen: _Seen

    def frames(self, poses: torch.Tensor, points: torch.Tensor, windows: np.ndarray) -> list[Blend]:
        """Every frame of windows (b k), for pose maps (b k c h w) and points (b k j 2); one that fades is made from either side's."""
        k, other, device = windows.shape[1], self.seen.fading.other[windows], poses.device
        points = points.flatten(0, 1)
        least = self.seen.core.matte(points, self.model.crop_hw)
        warped = self._warped(self.seen.ranks[windows.flatten()], points)
        blends = self._made(poses, warped, least)
        fading = np.flatnonzero(other != NONE)
        if not len(fading):
            return blends
        rows = np.unique(fading // k)
        frames = (rows[:, None] * k + np.arange(k)).flatten()
        within, again = (torch.from_numpy(index).to(device) for index in (fading, frames))
        warped[within] = self._warped(self.seen.ranks[other.flat[fading]], points[within])
        others = dict(zip(frames.tolist(), self._made(poses[torch.from_numpy(rows).to(device)], warped[again], least[again]), strict=True))
        for i in fading.tolist():
            blends[i] = blends[i].faded(others[i], float(self.seen.fading.share[windows.flat[i]]))
        return blends

    def _warped(self, ranks: np.ndarray, points: torch.Tensor) -> torch.Tensor:
        """References of rank (n r) warped to points (n j 2), (n 6r h w)."""
        count = ranks.shape[1]
        poses = points.repeat_interleave(count, 0)
        warped = self.seen.pictures.warped(ranks.ravel(), poses, self.model.skeleton, self.model.crop_hw)
        return warped.unflatten(0, (-1, count)).flatten(1, 2)

    def _made(self, poses: torch.Tensor, warped: torch.Tensor, least: torch.Tensor) -> list[Blend]:
        """Frames of windows, for pose maps (b k c h w), warped references (n 6r h w) and least mattes (n 1 h w), n = b k."""
        with autocast(poses.device, choose_dtype(self.params.precision, poses.device)):
            outputs = self.network(poses, warped.unflatten(0, poses.shape[:2]))
        made = carry(outputs.flatten(0, 1), warped, self.shape, self.params.matte_contrast, least)
        colours = {"rgb": made.colours, "base_rgb": made.base_colours}
        maps = {"matte": made.mattes, "base_matte": made.base_mattes, "detail": made.detail, "flow": made.flow}
        return [Blend.of({n: x[i] for n, x in colours.items()}, {n: x[i] for n, x in maps.items()}) for i in range(len(warped))]


def prepare_generator(model: LoadedGenerator, params: GenerateParams) -> LoadedGenerator:
    """Bring the generator to this machine's device, in the layout that convolutions like best."""
    prepare_cpu(params.threads)
    model.network.to(choose_device()).to(memory_format=torch.channels_last)
    if params.compile:
        model.network.compile()
    return model
