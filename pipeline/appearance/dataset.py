"""A target's training frames, ready for random access, and the batches drawn from them."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from pipeline.appearance.augment import draw_similarities, move_images, move_points
from pipeline.appearance.batch import Batch
from pipeline.appearance.budget import plan_budget
from pipeline.appearance.detail import PatchSource
from pipeline.appearance.dropout import draw_undrawn
from pipeline.appearance.footage import Footage, Joined
from pipeline.appearance.held import hold_missing
from pipeline.appearance.mirror import mirror_partners, mirror_windows
from pipeline.appearance.params import AppearanceParams, LearnParams
from pipeline.appearance.poses import draw_poses, to_crop
from pipeline.appearance.references import NONE, ReferenceDrawer, signed, warped_references
from pipeline.appearance.systems.chosen import chosen_system
from pipeline.artifacts.crops import Crops
from pipeline.artifacts.keypoints import Track
from pipeline.artifacts.references import References
from pipeline.artifacts.store import require_free_bytes
from pipeline.errors import InputError
from pipeline.picture.geometry import compose_affine, sample_crop
from pipeline.picture.greyness import are_grey
from pipeline.picture.unmixing import unmixed
from pipeline.timeline.sampling import spread_evenly
from pipeline.timeline.windows import runs, still_windows, training_windows, window_frames
from pipeline.training.digests import digest_arrays
from pipeline.training.steps import step_generator

DRAW_BATCH, DRAW_MIRROR = 2, 5
BLOCK = 64
LOOKED_AT = 16  # training frames by which footage is called grey


class TrainingClip:
    """Training frames of one target, of one clip or several: pixels in a file, keypoints in crop pixels, windows by index."""

    def __init__(
        self,
        crops: Crops,
        track: Track,
        training: np.ndarray,
        params: AppearanceParams,
        references: References | None = None,
        learn: LearnParams | None = None,
        count: int = 1,
        further: Sequence[Footage] = (),
    ) -> None:
        """references are carried as learn says, `count` a frame; the generator sees none without either.

        further: the target's further clips, the last of which is new; windows of the earlier ones are shown beside its own.
        """
        footage = Joined.of([Footage(crops, track, training, references), *further])
        training, references = footage.training, footage.references
        self.params, self.skeleton, self.crop_hw = params, track.skeleton, crops.crop_hw
        system = chosen_system(params)
        system.check(params, self.crop_hw)
        self.row_of = np.full(footage.length, -1)
        self.row_of[training] = np.arange(len(training))
        self.frames = training
        points, self.scores = footage.of_training("points"), footage.of_training("score")
        self.has_time, self.whole_frames = track.clock.has_time, system.WHOLE_FRAMES
        if system.HOLDS_JOINTS and self.has_time:
            points, self.scores = hold_missing(points, self.scores, training, params.pose_map.score_threshold)
        self.points = to_crop(points, footage.crop_rows())
        self.partners = mirror_partners(self.skeleton, params.augment.mirror_sides == "exchanged")
        rows = training_windows(training, params.k, params.max_stride)
        self.windows = rows if self.has_time else np.stack([training, np.zeros_like(training)], 1)
        self.shown = footage.shown(self.windows[:, 0])
        self.budget = plan_budget(params, len(self.shown))
        self.parts = [clip.training for clip in footage.clips]
        self.digest = digest_arrays(self._blocks([clip.crops for clip in footage.clips]))
        looked_at = spread_evenly(np.arange(len(training)), LOOKED_AT)
        self.grey = are_grey(footage.frame(row) for row in looked_at)
        self.drawer: ReferenceDrawer | None = None
        self.count = 0 if references is None or learn is None else count
        self.source: PatchSource | None = None
        self.transient: dict[int, np.ndarray] = {}
        if references is not None and learn is not None:
            kept = [self.row_of[frames] for frames in footage.reference_frames()]
            rows, scaled = np.concatenate(kept), footage.scaled_rows()
            self.transient = transient_crops(references, rows, scaled, self.crop_hw)
            self.drawer = ReferenceDrawer(self.points, kept, self.skeleton, learn.absent, learn.far, self.transient)
            self.source = PatchSource(references, rows, scaled, self.crop_hw, self.skeleton) if learn.detail else None
        self._store: Path | None = None

    def order(self, epoch: int) -> np.ndarray:
        """Windows of an epoch in the order of training, (steps_per_epoch, windows_a_step)."""
        return self.shown[self.budget.order(epoch)]

    def expand(self, crops: Crops, store: Path, *further: Crops) -> None:
        """Copy foregrounds and mattes of the training frames to one file (n h w 4) uint8: a shard is slow to read at random.

        crops, and those of the further clips, are what this was made of. InputError before anything is written when the disk is too
        full; the file of an interrupted run makes room.
        """
        height, width = self.crop_hw
        store.unlink(missing_ok=True)
        require_free_bytes(store, len(self.frames) * height * width * 4)
        with open(store, "wb") as file:
            for block in self._blocks([crops, *further]):
                file.write(block.tobytes())
        self._store = store

    def take_up(self, store: Path) -> None:
        """Read from the file that another process of the training laid out by expand(); InputError where it cannot be seen whole."""
        size, needed = (store.stat().st_size if store.exists() else 0), len(self.frames) * self.crop_hw[0] * self.crop_hw[1] * 4
        if size != needed:
            raise InputError(
                f"all nodes of a training must see {store} of {needed} bytes, which process 0 wrote, found {size} bytes: share the "
                "project's .scratch among them"
            )
        self._store = store

    def _blocks(self, clips: Sequence[Crops]) -> Iterator[np.ndarray]:
        for crops, training in zip(clips, self.parts, strict=True):
            yield from _blocks(crops, training, self.whole_frames)

    def pixels(self, rows: np.ndarray) -> np.ndarray:
        """M x F and mattes (… h w 4) uint8 of training rows (…), read from the file: pages of a map would count as memory, and stay."""
        if self._store is None:
            raise RuntimeError("expand() must come before the first batch")
        shape = (*self.crop_hw, 4)
        found = np.empty((rows.size, *shape), np.uint8)
        with open(self._store, "rb") as file:
            for picture, row in zip(found, rows.ravel(), strict=True):
                file.seek(int(row) % len(self.frames) * picture.nbytes)
                file.readinto(picture.data)
        return found.reshape(*rows.shape, *shape)

    def _transient(self, rows: np.ndarray) -> np.ndarray:
        """What is transient (… h w 1) uint8 in training rows (…)."""
        layers = np.zeros((rows.size, *self.crop_hw, 1), np.uint8)
        for layer, row in zip(layers, rows.ravel(), strict=True):
            layer[..., 0] = self.transient.get(int(row), 0)
        return layers.reshape(*rows.shape, *layers.shape[1:])

    def facts(self) -> dict[str, object]:
        """What identifies the training inputs: digests of pixels and of keypoints, the sizes, whether they are without colour."""
        return {
            "pixels_sha256": self.digest,
            "keypoints_sha256": digest_arrays([self.points, self.scores]),
            "frames": len(self.frames),
            "has_time": self.has_time,
            "crop_hw": list(self.crop_hw),
            "grey": self.grey,
            "references": 0 if self.drawer is None else len(self.drawer.rows),
            "references_a_frame": self.count,
            "transient_sha256": digest_arrays([np.array(list(self.transient)), *self.transient.values()]),
            "skeleton": self.skeleton.to_json(),
        }

    def batch(self, windows: np.ndarray, rank: int, size: int, device: torch.device, *keys: int) -> Batch:
        """This process's share of the batch of windows; stride, similarity and mirror of each are drawn for the whole batch."""
        generator = step_generator(self.params.seed, DRAW_BATCH, *keys)
        rows = np.stack([self._rows(int(window), generator) for window in windows])
        maps = draw_similarities(generator, len(windows), self.params.augment, self.crop_hw)
        references = None if self.drawer is None else np.stack([self.drawer.draw(row, self.count, generator) for row in rows])
        mirrored = step_generator(self.params.seed, DRAW_MIRROR, *keys).random(len(windows)) < self.params.augment.mirror
        share = slice(rank * len(windows) // size, (rank + 1) * len(windows) // size)
        shared = None if references is None else references[share]
        colour = torch.from_numpy(generator.uniform(-1, 1, (1, 1, 3, 1, 1)).astype(np.float32))
        backgrounds = colour.repeat(len(rows[share]), 1, 1, 1, 1).to(device)
        chances = generator.random((len(windows), 3))[share]
        undrawn = draw_undrawn(generator, len(windows), self.skeleton, self.params.dropout)[share]
        own = [int(window) for window in windows[share]]
        return self._load(rows[share], maps[share], mirrored[share], undrawn, own, backgrounds, shared, chances)

    def _rows(self, window: int, generator: np.random.Generator) -> np.ndarray:
        first, widest = (int(v) for v in self.windows[window])
        stride = int(generator.integers(1, max(widest, 1) + 1))
        if not self.has_time:
            return self.row_of[still_windows(np.array([first]), self.params.k)[0]]
        return self.row_of[window_frames(first, min(stride, widest), self.params.k, self.frames)]

    def _load(
        self,
        rows: np.ndarray,
        maps: np.ndarray,
        mirrored: np.ndarray,
        undrawn: np.ndarray,
        windows: list[int],
        backgrounds: Tensor,
        references: np.ndarray | None,
        chances: np.ndarray,
    ) -> Batch:
        device = backgrounds.device
        images = torch.from_numpy(self.pixels(rows)).to(device)
        images = images.permute(0, 1, 4, 2, 3).float()
        points, scores = (torch.from_numpy(a[rows]).to(device) for a in (self.points, self.scores))
        if mirrored.any():
            images, points, scores = mirror_windows(images, points, scores, mirrored, self.partners)
        moved = torch.from_numpy(maps).to(device)
        if (maps != np.eye(2, 3)).any():
            images = move_images(images, moved, "border" if self.whole_frames else "zeros")
        points = move_points(points.double(), moved).float()
        left_out = torch.from_numpy(undrawn).to(device)[..., None]  # (b j 1)
        points = points.masked_fill(left_out[:, None], torch.nan)
        poses = draw_poses(points, scores, self.skeleton, self.crop_hw, self.params.pose_map)
        warped = None if references is None else self._warped(references, mirrored, points, left_out)
        mattes = torch.ones_like(images[:, :, 3:]) if self.whole_frames else images[:, :, 3:] / 255
        stacked = poses.flatten(1, 2).contiguous(memory_format=torch.channels_last)  # the layout that convolutions and pools like
        patches = None
        if self.source is not None and references is not None:
            patches = self.source.cut(rows, np.where(mirrored, NONE, references[:, 0]), maps, points, left_out, mattes, chances)
        poses, halved = (x.unflatten(1, poses.shape[1:3]) for x in (stacked, F.avg_pool2d(stacked, 2)))
        return Batch(poses, halved, signed(images[:, :, :3], mattes), mattes, windows, backgrounds, warped, patches)

    def _warped(self, references: np.ndarray, mirrored: np.ndarray, points: Tensor, left_out: Tensor) -> Tensor:
        """References (b r) rows, mirrored as their windows are and warped to the poses of each (b k j 2), as carry() has it (b k 6r h w).

        0 where there is none. Joints that are left out of a window (b j 1) are left out of its references too: the picture shows them.
        """
        (b, k), count = points.shape[:2], references.shape[1]
        layers = np.concatenate([self.pixels(references), self._transient(references)], -1)
        pictures = torch.from_numpy(layers).to(points.device).permute(0, 1, 4, 2, 3).float()
        pictures[torch.from_numpy(references == NONE)] = 0
        own, scores = (torch.from_numpy(a[references]).to(points.device) for a in (self.points, self.scores))
        if mirrored.any():
            pictures, own, _ = mirror_windows(pictures, own, scores, mirrored, self.partners)
        own = own.masked_fill(left_out[:, None], torch.nan)
        pictures, own = (x.repeat_interleave(k, 0).flatten(0, 1) for x in (pictures, own))  # b k r
        poses, there = points.flatten(0, 1).repeat_interleave(count, 0), np.repeat(references != NONE, k, 0).ravel()
        warped = warped_references(pictures, own, poses, self.skeleton, self.crop_hw, there)
        return warped.unflatten(0, (b, k, count)).flatten(2, 3)


def transient_crops(
    references: References, rows: np.ndarray, crop: np.ndarray, crop_hw: tuple[int, int]
) -> dict[int, np.ndarray]:
    """What is transient (h w) uint8 in the training rows (n) that are references, where anything is; crop (r 2 3): full → crop px of each
    training row."""
    found = {}
    for rank, row in enumerate(rows):
        layer = references.transient[rank]
        if layer.any():
            x, y = references.corner_xy[rank]
            from_picture = compose_affine(crop[row], np.array([[1.0, 0.0, x], [0.0, 1.0, y]]))
            found[int(row)] = sample_crop(layer, from_picture, crop_hw, border="zero")
    return found


def _blocks(crops: Crops, training: np.ndarray, whole_frames: bool) -> Iterator[np.ndarray]:
    """Foregrounds M x F and mattes (n h w 4) uint8 of the training frames, block by block; whole_frames: the frames as they are.

    The background is unmixed from the edges by the training plate.
    """
    for start, stop in runs(training):
        for first in range(start, stop, BLOCK):
            last = min(first + BLOCK, stop)
            frames, mattes = crops.frames[first:last], crops.mattes[first:last]
            if not whole_frames:
                plates = np.stack([crops.plate_at(t) for t in range(first, last)])
                frames = unmixed(frames, mattes, plates)
            yield np.concatenate([frames, mattes[..., None]], -1)
