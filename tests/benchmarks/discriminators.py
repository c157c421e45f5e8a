"""Do discriminators that see through the feature network learn what those of pixels do not? On a trained generator, held out.

Run by hand in a project whose target is trained: python tests/benchmarks/discriminators.py man. Prints a Markdown table.
The generator stays as it is; discriminators learn from training windows, real and generated, over the same random colours. Told
apart: share of held-out windows whose real frames one holds for more real than the generated ones of the same poses; one half is chance.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pipeline.appearance import losses
from pipeline.appearance.batch import Batch
from pipeline.appearance.dataset import TrainingClip
from pipeline.appearance.params import AppearanceParams, DiscriminatorParams, LearnParams
from pipeline.appearance.systems.fakevideo import FakeVideo
from pipeline.appearance.train import build_system
from pipeline.artifacts.crops import open_crops
from pipeline.artifacts.keypoints import read_keypoints
from pipeline.artifacts.models import load_model
from pipeline.artifacts.references import open_references
from pipeline.body.pose_maps import pose_channels
from pipeline.networks.vgg import load_features
from pipeline.params import read_section, read_value
from pipeline.timeline.split import SplitParams, split_frames
from pipeline.training.device import prepare_cpu
from pipeline.training.processes import World

KINDS = {"features": ({}, 1e-3), "pixels": ({"sees": [], "width": 32, "layers": 3}, 2e-4)}  # params of each kind, and its rate
CPU = World(0, 1, torch.device("cpu"))
HELD_OUT = 24  # windows


def main() -> None:
    """Train both kinds of discriminators, print how they tell held-out windows apart."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target")
    parser.add_argument("--data", type=Path, default=Path("data"), help="folder of the project's artifacts")
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--steps", type=int, default=80)
    args = parser.parse_args()
    prepare_cpu(1)
    print("| discriminators see | steps | D_q tells apart | D_t tells apart |\n|---|---|---|---|")
    for kind in KINDS:
        told = _told_apart(args.target, args.data, args.params, args.steps, kind)
        print(f"| {kind} | {args.steps} | {told['quality']:.2f} | {told['temporal']:.2f} |", flush=True)


def _told_apart(target: str, data: Path, path: Path, steps: int, kind: str) -> dict[str, float]:
    changes, rate = KINDS[kind]
    params = read_section(path, "appearance", AppearanceParams, f"targets.{target}.appearance")
    discriminators = DiscriminatorParams(**{**params.discriminators.model_dump(), **changes})
    params = params.model_copy(
        update={"discriminators": discriminators, "optimiser": params.optimiser.model_copy(update={"discriminator_rate": rate})}
    )
    learn = read_section(path, "reference.learn", LearnParams, f"targets.{target}.reference.learn")
    count = int(read_value(path, "reference.find.count", f"targets.{target}.reference.find.count"))
    crops, track = open_crops(data / f"crops/{target}.zarr"), read_keypoints(data / f"keypoints/{target}.parquet").track()
    split = split_frames(track.present, read_section(path, "split", SplitParams))
    references = open_references(data / f"references/{target}.zarr")
    clip = TrainingClip(crops, track, np.flatnonzero(track.present), params, references, learn, count)
    clip.expand(crops, data.parent / ".scratch/discriminators.u8")
    features = load_features(params.features, data / "weights/features")
    gan = build_system(params, pose_channels(clip.skeleton, params.pose_map), features, CPU, learn, clip)
    assert isinstance(gan, FakeVideo)
    model = data / f"models/{target}-appearance"
    gan.generator.load_state_dict(load_model(model.with_suffix(".safetensors"), model.with_suffix(".json"))[0])
    gan.generator.requires_grad_(requires_grad=False)
    draw, first = np.random.default_rng(1), clip.windows[:, 0]
    training = np.flatnonzero(first + params.k * params.max_stride < split.border)
    for step in range(steps):
        batch, real, fake = _seen(gan, clip, draw.choice(training, params.batch_windows), step)
        true, made = (gan._logits(batch.halved_poses, windows) for windows in (real, fake))
        torch.stack([losses.discriminator_adversarial(true[name], made[name], params.adversarial) for name in true]).sum().backward()
        assert gan.discriminator_optimiser is not None
        gan.discriminator_optimiser.step()
        gan.discriminator_optimiser.zero_grad()
    right: dict[str, list[float]] = {"quality": [], "temporal": []}
    for number, window in enumerate(draw.choice(np.flatnonzero(first >= split.border), HELD_OUT)):
        batch, real, fake = _seen(gan, clip, np.array([window]), steps + number)
        with torch.no_grad():
            true, made = (gan._logits(batch.halved_poses, windows) for windows in (real, fake))
        for name, found in right.items():
            found += (true[name].flatten(1).mean(1) > made[name].flatten(1).mean(1)).float().tolist()
    (data.parent / ".scratch/discriminators.u8").unlink()
    return {name: float(np.mean(found)) for name, found in right.items()}


@torch.no_grad()
def _seen(gan: FakeVideo, clip: TrainingClip, windows: np.ndarray, key: int) -> tuple[Batch, Tensor, Tensor]:
    """A batch, and what the discriminators see of its real and of its generated windows."""
    batch = clip.batch(windows, 0, 1, CPU.device, key)
    made = gan.render(batch).foregrounds
    sees = gan.params.discriminators.sees
    real, fake = gan.feature_maps(batch.composites, made, gan.params.perceptual, max([1, *sees])) if sees else ([], [])
    return batch, gan._as_seen(batch.composites, real), gan._as_seen(made, fake)


if __name__ == "__main__":
    main()
