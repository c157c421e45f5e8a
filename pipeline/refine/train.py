"""Training the multi-local GANs: one generator and one discriminator per region (§3.2, Eq. 8)."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, softplus

from pipeline.artifacts.agree import require_same_length
from pipeline.artifacts.foregrounds import Foregrounds
from pipeline.artifacts.frames import Frames
from pipeline.artifacts.keypoints import Track
from pipeline.artifacts.models import save_model
from pipeline.artifacts.residuals import Residuals
from pipeline.artifacts.scores import write_curve
from pipeline.body.regions import RegionParams, drop_unusable, feather, region_boxes
from pipeline.errors import InputError
from pipeline.networks.local_gan import LocalGenerator, PatchDiscriminator
from pipeline.networks.vgg import StVgg16, load_st_vgg16
from pipeline.progress import Progress
from pipeline.refine.params import RefineParams
from pipeline.refine.patches import Pairs, blurred, check_boxes, training_pairs
from pipeline.timeline.sampling import spread_evenly
from pipeline.timeline.split import SplitParams, split_frames
from pipeline.training.checkpoints import Scratch
from pipeline.training.device import autocast, choose_device, choose_dtype, prepare_cpu
from pipeline.training.digests import digest_arrays, digest_code, fingerprint
from pipeline.training.steps import MovingAverage, check_finite, step_generator

STAGE = "train_refiner"
FEATURE_DEPTH = 3
FEATURE_SHARE = 2  # the features see one patch in so many: they dominate the time


@dataclass(frozen=True)
class TrainInputs:
    """What is read: foreground and enhancement of the target's self pair, its frames, mattes and keypoints.

    features: the st_vgg16 weights, which refine.losses.perceptual needs.
    """

    generated: Foregrounds
    enhanced: Residuals
    frames: Frames
    mattes: Frames
    track: Track
    features: Path | None


@dataclass(frozen=True)
class TrainOutputs:
    """Where the results go: weights, their description, the loss curves."""

    weights: Path
    description: Path
    curve: Path


def train_refiner(
    inputs: TrainInputs,
    params: RefineParams,
    regions: RegionParams,
    split: SplitParams,
    out: TrainOutputs,
    scratch: Path = Path(".scratch"),
) -> int:
    """Train and publish the local generators of a target; returns the number of regions that got one.

    Only training frames are read. A skeleton without regions, or refine.enabled: false, publishes a model of no regions.
    """
    prepare_cpu(params.threads)
    pairs = _read_pairs(inputs, params, regions, split) if params.enabled else {}
    device = choose_device()
    psi = _load_features(inputs.features, params, device) if pairs else None
    read = params.model_dump(exclude={"checkpoint_steps"})  # how often it saves changes no result
    facts = {"params": read, "regions": regions.model_dump(), "data": _digests(pairs, psi)}
    with Scratch(STAGE, fingerprint({**facts, "code": digest_code(__file__)}), scratch) as folder:
        state, rows = _run(pairs, params, regions.region_px, psi, device, folder)
        save_model(out.weights, out.description, state, {**facts, "regions_trained": list(pairs), "width": params.width})
        write_curve(out.curve, rows)
        folder.delete()
    return len(pairs)


class RegionTrainer:
    """Local generator, discriminator, optimisers and moving average of one region."""

    def __init__(self, index: int, pairs: Pairs, params: RefineParams, region_px: int, psi: StVgg16 | None, device: torch.device) -> None:
        self.index, self.pairs, self.params, self.region_px, self.psi, self.device = index, pairs, params, region_px, psi, device
        torch.manual_seed(params.seed * 1000 + index)
        self.generator = LocalGenerator(params.width).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.discriminator = PatchDiscriminator(params.discriminator_width).to(device)
        self.optimisers = [
            torch.optim.Adam(net.parameters(), params.learning_rate, (0.5, 0.999)) for net in (self.generator, self.discriminator)
        ]
        self.ema = MovingAverage(self.generator, params.ema_decay)
        self.dtype = choose_dtype(params.precision, device)
        self.weight = torch.from_numpy(feather(region_px)).to(device)

    def step(self, number: int) -> dict[str, float]:
        """One update of discriminator and generator; returns the losses."""
        x, matte, true, mask = self._batch(number)
        with autocast(self.device, self.dtype):
            fake = x + self.weight * self.generator(x, matte)
        seen, fake, real = x * mask, fake * mask, true * mask
        losses: dict[str, Tensor] = {"pixel": (fake - real).abs().sum() / (3 * mask.sum() + 1)}
        weights = self.params.losses
        if weights.adversarial:
            losses["discriminator"] = self._update_discriminator(seen, fake.detach(), real)
            with autocast(self.device, self.dtype):
                losses["adversarial"] = softplus(-self.discriminator(seen, fake)).mean()
        if self.psi is not None:
            losses["perceptual"] = self._perceptual(fake, real)
        total = sum((getattr(weights, name) * loss for name, loss in losses.items() if name != "discriminator"), torch.zeros(()))
        self._update(self.optimisers[0], total)
        self.ema.update(self.generator)
        return {name: float(loss.detach()) for name, loss in losses.items()}

    def state_dict(self) -> dict[str, Any]:
        """Everything a resumed run needs."""
        nets = [net.state_dict() for net in (self.generator, self.discriminator)]
        return {"nets": nets, "optimisers": [o.state_dict() for o in self.optimisers], "ema": self.ema.state_dict()}

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Take up a checkpoint."""
        for net, state in zip((self.generator, self.discriminator), saved["nets"], strict=True):
            net.load_state_dict(state)
        for optimiser, state in zip(self.optimisers, saved["optimisers"], strict=True):
            optimiser.load_state_dict(state)
        self.ema.load_state_dict(saved["ema"])

    def _batch(self, number: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Generated patches and mattes, true patches, and the mask: the union of both mattes, where Eq. 9 may show the patch."""
        rng = step_generator(self.params.seed, self.index, number)
        rows = rng.integers(0, len(self.pairs), self.params.batch)
        shifts = rng.integers(0, 2 * self.pairs.spare + 1, (self.params.batch, 2))
        blurs = rng.uniform(-1, 1, self.params.batch) * self.params.blur_px  # half of them stay as they are
        columns: list[list[np.ndarray]] = [[], [], [], []]
        for row, (dy, dx), blur in zip(rows, shifts, blurs, strict=True):
            window = slice(dy, dy + self.region_px), slice(dx, dx + self.region_px)
            arrays = (self.pairs.generated, self.pairs.generated_matte, self.pairs.true, self.pairs.true_matte)
            cut = [array[row][window] for array in arrays]
            cut[0] = blurred(cut[0], float(blur))
            for column, patch in zip(columns, cut, strict=True):
                column.append(patch)
        x, matte, true, true_matte = (torch.from_numpy(np.stack(column)).to(self.device) for column in columns)
        mattes = [m[:, None].float() / 255 for m in (matte, true_matte)]
        return images(x), mattes[0], images(true), torch.maximum(*mattes)

    def _update_discriminator(self, seen: Tensor, fake: Tensor, real: Tensor) -> Tensor:
        with autocast(self.device, self.dtype):
            loss = softplus(-self.discriminator(seen, real)).mean() + softplus(self.discriminator(seen, fake)).mean()
        self._update(self.optimisers[1], loss)
        return loss

    def _perceptual(self, fake: Tensor, real: Tensor) -> Tensor:
        """Squared L2 between unit features, averaged over layers (Eq. 5's idea at the scale of ST-LPIPS)."""
        assert self.psi is not None
        fake, real = fake[::FEATURE_SHARE], real[::FEATURE_SHARE]
        if self.region_px >= 64:  # half the resolution, for the same reason
            fake, real = (interpolate(a, scale_factor=0.5, mode="area") for a in (fake, real))
        with autocast(self.device, self.dtype):
            with torch.no_grad():
                true_maps = self.psi.features(real, FEATURE_DEPTH)
            maps = self.psi.features(fake, FEATURE_DEPTH)
        unit = nn.functional.normalize
        gaps = [(unit(a.float()) - unit(b.float())).square().sum(1).mean() for a, b in zip(maps, true_maps, strict=True)]
        return torch.stack(gaps).mean()

    @staticmethod
    def _update(optimiser: torch.optim.Optimizer, loss: Tensor) -> None:
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()


def images(patches: Tensor) -> Tensor:
    """uint8 (n p p 3) → float32 (n 3 p p) in [-1, 1]."""
    return patches.permute(0, 3, 1, 2).float() / 127.5 - 1


def _run(
    pairs: dict[str, Pairs], params: RefineParams, region_px: int, psi: StVgg16 | None, device: torch.device, folder: Scratch
) -> tuple[dict[str, Tensor], list[dict[str, float]]]:
    """The loop: at every step one update per region; resumes from the last checkpoint."""
    trainers = {n: RegionTrainer(i, p, params, region_px, psi, device) for i, (n, p) in enumerate(pairs.items())}
    saved = folder.load()
    rows: list[dict[str, float]] = [] if saved is None else saved["rows"]
    if saved is not None:
        for name, trainer in trainers.items():
            trainer.load_state_dict(saved["regions"][name])
    with Progress(params.steps - len(rows) if trainers else 0, STAGE, "step") as progress:
        for number in range(len(rows), params.steps if trainers else 0):
            row: dict[str, float] = {"step": number + 1}
            for name, trainer in trainers.items():
                losses = trainer.step(number)
                check_finite(losses, number + 1, f"region {name}")
                row |= {f"{name}_{loss}": value for loss, value in losses.items()}
            rows.append(row)
            progress.advance()
            if (number + 1) % params.checkpoint_steps == 0 and number + 1 < params.steps:
                folder.save({"rows": rows, "regions": {name: trainer.state_dict() for name, trainer in trainers.items()}})
    state = {f"{name}.{key}": value for name, trainer in trainers.items() for key, value in trainer.ema.module.state_dict().items()}
    return state, rows


def _read_pairs(inputs: TrainInputs, params: RefineParams, regions: RegionParams, split: SplitParams) -> dict[str, Pairs]:
    generated, enhanced, track = inputs.generated, inputs.enhanced, inputs.track
    require_same_length(inputs.frames, inputs.mattes, track, generated, enhanced)
    chosen = _training_frames(track, split, params.most_frames, int(generated.attributes.get("k", 1)) - 1)
    border = split_frames(track.present, split).border
    boxes, _ = drop_unusable(region_boxes(track.points, track.skeleton, regions, border), track.size_hw, regions.min_side_px)
    check_boxes(enhanced, boxes, regions.region_px)
    boxes = {name: boxes[name] for name in params.chosen_regions(boxes) if name not in enhanced.placed}
    spare = round(params.jitter * regions.region_px)
    return training_pairs(chosen, boxes, generated, enhanced, inputs.frames, inputs.mattes, regions.region_px, spare)


def _training_frames(track: Track, split: SplitParams, most: int, reach: int) -> np.ndarray:
    """Training frames, at most `most` evenly spaced, without the last `reach` before the held-out part.

    Those may have been rendered in one window with held-out frames, and so have seen their poses.
    """
    parts = split_frames(track.present, split)
    training = parts.training[: max(len(parts.training) - reach, 0)] if len(parts.held_out) else parts.training
    if not len(training):
        raise InputError("No training frame is left for the local generators: lower split.hold_out_fraction or film more.")
    return spread_evenly(training, most)


def _digests(pairs: dict[str, Pairs], psi: StVgg16 | None) -> dict[str, str]:
    digests = {name: digest_arrays([p.generated, p.generated_matte, p.true, p.true_matte]) for name, p in pairs.items()}
    if psi is not None:
        digests["features"] = digest_arrays(tensor.cpu().numpy() for tensor in psi.state_dict().values())
    return digests


def _load_features(path: Path | None, params: RefineParams, device: torch.device) -> StVgg16 | None:
    if not params.losses.perceptual:
        return None
    if path is None:
        raise InputError("refine.losses.perceptual needs the st_vgg16 weights: name them with --features, or set it to 0.")
    return load_st_vgg16(path).to(device)
