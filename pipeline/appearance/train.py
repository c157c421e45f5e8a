"""Training of a system that makes appearance from poses, in the order of Alg. 2."""

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pipeline.appearance.batch import Batch
from pipeline.appearance.budget import Budget, shortcomings
from pipeline.appearance.dataset import TrainingClip
from pipeline.appearance.earlier import Earlier, kept_for_later
from pipeline.appearance.footage import Footage
from pipeline.appearance.memory import EpisodicMemory
from pipeline.appearance.params import AppearanceParams, LearnParams
from pipeline.appearance.space import require_space
from pipeline.appearance.systems.base import Carrying, System
from pipeline.appearance.systems.chosen import chosen_system, params_read
from pipeline.artifacts.crops import Crops
from pipeline.artifacts.keypoints import Track
from pipeline.artifacts.models import save_discriminators, save_model
from pipeline.artifacts.references import References
from pipeline.artifacts.scores import write_curve
from pipeline.body.pose_maps import pose_channels
from pipeline.disk import digest_file
from pipeline.errors import InputError
from pipeline.networks.vgg import StVgg16, Vgg19, features_file, load_features
from pipeline.progress import Progress
from pipeline.timeline.split import SplitParams, split_frames
from pipeline.training.checkpoints import Scratch
from pipeline.training.device import prepare_cpu
from pipeline.training.digests import digest_code, fingerprint
from pipeline.training.processes import World, launch, require_alike
from pipeline.training.sharing import Share, count_processes, share_out, sharing_told
from pipeline.training.steps import check_finite, seed_step

DRAW_STEP, DRAW_REPLAY = 3, 4
CURVE_ROWS = 400


@dataclass(frozen=True)
class Outputs:
    """Where the results go: weights, their description, the loss curves; what a training that goes on needs beside, if one may."""

    weights: Path
    description: Path
    curve: Path
    discriminators: Path | None = None


@dataclass(frozen=True)
class Further:
    """A target's further clips in order, the last of which is new: names, and the crops, track and references of each; the training
    that the others led to."""

    names: tuple[str, ...]
    clips: tuple[tuple[Crops, Track, References], ...]
    earlier: Earlier


@dataclass(frozen=True)
class Inputs:
    """What is read of a target, the folder with the feature network's weights; its further clips where training goes on with one."""

    crops: Crops
    track: Track
    features: Path
    references: References | None = None
    further: Further | None = None


def train_appearance(
    inputs: Inputs,
    params: AppearanceParams,
    split: SplitParams,
    out: Outputs,
    scratch_root: Path = Path(".scratch"),
    processes: int | None = None,
    learn: LearnParams | None = None,
    count: int = 1,
    world: World | None = None,
) -> Budget:
    """Learn the look of a target from its training frames; returns how long that took in steps and images.

    crops, track and references are the target's own clip's; with further clips the training goes on where an earlier one ended.
    Publishes the generator's moving average after the budget's last step. What the budget leaves no room for is said first. An
    interrupted run goes on from its last checkpoint under scratch_root and ends in the same weights. References, and learn that
    says how to use them: the generator sees `count` real frames warped to its poses; without either, or for another system, it
    sees poses alone. world: this process's place among those started together for this training, each of which calls this.
    """
    crops, track, references, further = inputs.crops, inputs.track, inputs.references, inputs.further
    weights = features_file(params.features, inputs.features)
    if not weights.is_file():
        raise InputError(f"{weights} must hold the weights of appearance.features, it does not exist. Run: dvc repro fetch_features")
    system = chosen_system(params)
    params = params if track.clock.has_time else system.for_stills(params)
    training = split_frames(track.present, split).training
    if not 1 <= count <= 8:
        raise InputError(f"reference.find.count must be 1 to 8, found {count}: change it in params.yaml")
    if references is None or not system.SEES_REFERENCES or not len(references):
        learn = None
    footage = [] if further is None else _further(further, params, split)
    clip = TrainingClip(crops, track, training, params, references, learn, count, footage)
    # What tells this training from others: a checkpoint of another one is not taken up.
    description = {
        "network": "appearance generator",
        "params": params_read(params),
        "budget": vars(clip.budget),
        "epochs": clip.budget.epochs,
        "images_seen": clip.budget.images_seen,
        "inputs": {**clip.facts(), "features_sha256": digest_file(weights)},
        "carrying": None if learn is None else vars(learn.shape(crops.crop_hw)),
        "learn": None if learn is None else learn.model_dump(),
        "crop_scale": float(crops.crop[training[0], 0, 0]),
    }
    if further is not None:
        description |= {"further_clips": list(further.names), "earlier": further.earlier.facts}
    leads = world is None or world.leads
    for line in shortcomings(clip.budget, params, system.remembers(params)) if leads else []:
        print(f"train_appearance: {line}.", flush=True)
    # Alg. 2, in one process or several; the pixels are laid out once for reading at random.
    made_from = fingerprint({**description, "code": digest_code(__file__)})
    with Scratch("train_appearance", made_from, scratch_root, leads) as scratch:
        pixels = scratch.folder / "pixels.u8"
        if leads:
            clip.expand(crops, pixels, *(some.crops for some in footage))
        if world is not None:
            require_alike(world, made_from, "all processes of a training must have the same params, code and inputs")
            clip.take_up(pixels)
        work = (clip, weights, params, learn, scratch, description, out, None if further is None else further.earlier)
        launch(_train, work, processes or count_processes(params.accumulate, params.batch_windows), world)
        if leads:
            scratch.delete()
    return clip.budget


def _further(further: Further, params: AppearanceParams, split: SplitParams) -> list[Footage]:
    """The further clips' training parts; InputError for a system that has no use for them."""
    if chosen_system(params).WHOLE_FRAMES:
        raise InputError(
            f"several clips of a target need appearance.system fakevideo, found {params.system}, which learns one clip's background: "
            "take its clips out of footage"
        )
    return [Footage(crops, track, split_frames(track.present, split).training, kept) for crops, track, kept in further.clips]


def _train(
    world: World, clip: TrainingClip, features: Path, params: AppearanceParams, learn: LearnParams | None, scratch: Scratch,
    description: dict[str, Any], out: Outputs, earlier: Earlier | None,
) -> None:  # fmt: skip
    prepare_cpu(params.threads)
    channels = pose_channels(clip.skeleton, params.pose_map)
    system = build_system(params, channels, load_features(params.features, features), world, learn, clip)
    memory = EpisodicMemory(params.memory.model_copy(update={"enabled": system.remembers(params)}), params.seed)
    budget = clip.budget
    history = torch.zeros(budget.steps, len(system.LOSSES))
    if earlier is not None:
        earlier.hand_on(system, memory)
    start = _resume(scratch.load(), system, memory, history)
    if world.leads:
        require_space(system, history, out.weights, out.discriminators, scratch.checkpoint)
    alone = system.goes_one_by_one((params.batch_windows, params.k, channels, *clip.crop_hw))
    if world.leads and alone:
        height, width = clip.crop_hw
        print(f"train_appearance: at {width}x{height} px windows go through one by one, to save memory (as by accumulate).", flush=True)
    if world.leads and world.size > 1:
        print(f"train_appearance: {sharing_told(params.accumulate, params.batch_windows, world.size, alone)}.", flush=True)
    # Nobody writes a checkpoint before all have read theirs.
    require_alike(world, f"step {start}", "all processes of a training must find the same checkpoint: share .scratch among the nodes")
    saved = time.monotonic()

    progress = Progress(budget.steps - start, "train_appearance", "step") if world.leads else None
    for step in range(start, budget.steps):
        epoch, place = budget.epoch_and_place(step)
        if place == 0:
            _replay(world, alone, system, memory, clip, epoch, step)
        seed_step(params.seed, world.rank, step)
        windows = clip.order(epoch)[place].reshape(params.accumulate, -1)
        batches = _batches(world, alone, clip, windows, DRAW_STEP, step)
        losses, windows_losses = system.step(batches, _rate(step, budget.steps, params))
        values = dict(zip(system.LOSSES, losses.tolist(), strict=True))
        check_finite(values, step, f"windows {windows.flatten().tolist()}")
        history[step] = losses.cpu()
        for window, loss in zip(windows.flatten().tolist(), windows_losses.tolist(), strict=True):
            memory.observe(epoch, window, loss)
        if place == budget.steps_per_epoch - 1:
            memory.end_epoch()
        if progress is not None:
            progress.advance(1, **{name: value for name, value in values.items() if value})
        if world.leads and time.monotonic() - saved >= params.checkpoint_s:
            scratch.save({"step": step + 1, "system": system.state_dict(), "memory": memory.state_dict(), "history": history})
            saved = time.monotonic()
    if progress is not None:
        progress.close()
        replayed = {"replays": memory.replays, "images_replayed": memory.replayed * params.k + system.images_repeated}
        known = {**description, "generator": system.shape, **replayed}
        digest = save_model(out.weights, out.description, system.ema.module.state_dict(), known)
        if out.discriminators is not None:
            save_discriminators(out.discriminators, *kept_for_later(system, memory, digest))
        write_curve(out.curve, _rows(history, system.LOSSES, params, budget))


def build_system(
    params: AppearanceParams, channels: int, features: StVgg16 | Vgg19, world: World, learn: LearnParams | None, clip: TrainingClip
) -> System:
    """The system that params ask for, for channels of pose maps; learn: how references are carried, None without any."""
    carrying = None
    if learn is not None:
        weights = {"own": learn.own, "detail": learn.detail}
        carrying = Carrying(learn.shape(clip.crop_hw), weights, clip.count)
    return chosen_system(params)(params, channels, features, world, carrying)


def _replay(world: World, alone: bool, system: System, memory: EpisodicMemory, clip: TrainingClip, epoch: int, step: int) -> None:
    """Lines 6-11 of Alg. 2: train on remembered windows by L_GW and L_p alone, and note how they fare now."""
    params = system.params
    remembered = memory.draw(epoch)
    memory.replays += bool(remembered)
    times = -(-len(remembered) // params.batch_windows)
    for number, windows in enumerate(np.resize(remembered, (times, params.batch_windows)) if times else []):
        seed_step(params.seed, world.rank, step)
        batches = _batches(world, alone, clip, windows[None], DRAW_REPLAY, step, first=number)
        losses, windows_losses = system.step(batches, _rate(step, clip.budget.steps, params), replay=True)
        check_finite(dict(zip(system.LOSSES, losses.tolist(), strict=True)), step, f"replayed windows {windows.tolist()}")
        for window, loss in zip(windows.tolist(), windows_losses.tolist(), strict=True):
            memory.refresh(window, loss)


def _batches(world: World, alone: bool, clip: TrainingClip, windows: np.ndarray, *keys: int, first: int = 0) -> list[Batch]:
    """What this process is shown of a step's batches of windows (n b), drawn by numbers from `first` on; alone: windows go one by one."""
    if world.size == 1:
        return [clip.batch(some, 0, 1, world.device, *keys, first + i) for i, some in enumerate(windows)]
    found, (count, size) = [], windows.shape
    units, together = (windows.size, 1) if alone else (count, size)
    for parts in share_out(count, size, world.size, alone):
        own = parts[world.rank]
        batch = clip.batch(windows[own.batch], own.place, own.among, world.device, *keys, first + own.batch)
        found.append(replace(batch, share=Share(units, together, world.rank, parts)))
    return found


def _rate(step: int, steps: int, params: AppearanceParams) -> float:
    """Share of the learning rate at a step of so many: 1, then falling linearly to 0 at the end."""
    decay = params.optimiser.decay_share * steps
    return min(1.0, (steps - step) / decay) if decay else 1.0


def _resume(state: dict[str, Any] | None, system: System, memory: EpisodicMemory, history: torch.Tensor) -> int:
    if state is None:
        return 0
    system.load_state_dict(state["system"])
    memory.load_state_dict(state["memory"])
    history.copy_(state["history"])
    return int(state["step"])


def _rows(history: torch.Tensor, names: tuple[str, ...], params: AppearanceParams, budget: Budget) -> list[dict[str, float]]:
    """Means of the unweighted losses over stretches of steps, at most CURVE_ROWS of them; losses never used are left out."""
    stretch = -(-len(history) // CURVE_ROWS)
    used = [i for i in range(len(names)) if history[:, i].any()]
    rows = []
    for part in range(0, len(history), stretch):
        last = min(part + stretch, len(history)) - 1
        means = history[part : last + 1].double().mean(0)
        fixed = {"step": last + 1, "epoch": budget.epoch_and_place(last)[0], "rate": _rate(last, budget.steps, params)}
        rows.append({**fixed, **{names[i]: float(means[i]) for i in used}})
    return rows
