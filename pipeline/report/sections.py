"""The sections of the page: a pair, a target, a clip; whatever is not there is named and left out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from pipeline.artifacts.crops import Crops, open_crops
from pipeline.artifacts.faces import open_faces
from pipeline.artifacts.foregrounds import Foregrounds, open_foregrounds
from pipeline.artifacts.frames import Frames, open_frames
from pipeline.artifacts.further import read_clips
from pipeline.artifacts.keypoints import Track, read_keypoints
from pipeline.artifacts.mattes import open_mattes
from pipeline.artifacts.residuals import Residuals, open_residuals
from pipeline.artifacts.scores import read_curve, read_scores
from pipeline.artifacts.watched import open_watched
from pipeline.body.pose_maps import PoseMapParams
from pipeline.report import facts, metrics, pictures, videos
from pipeline.report.curves import charts
from pipeline.report.page import code, folded, heading, image, paragraph, video
from pipeline.report.params import ReportParams
from pipeline.report.watch import watch_section
from pipeline.timeline.split import SplitParams, split_frames

T = TypeVar("T")
TRAININGS = ("appearance", "refiner")
WORST_BY = (("reconstruction_psnr_person", "dB about the person"), ("reconstruction_psnr", "dB"))


@dataclass(frozen=True)
class Run:
    """Where the run's artifacts lie, how they are shown, and what was looked for in vain (path by path).

    external: other systems' entries in params, name → driver and target.
    """

    data: Path
    params: ReportParams
    pose_map: PoseMapParams
    absent: list[str]
    external: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    def open(self, relative: str, opener: Callable[[Path], T]) -> T | None:
        """The artifact, or None when the run has not made it; a damaged one raises InputError."""
        path = self.data / relative
        if path.exists():
            return opener(path)
        if str(path) not in self.absent:
            self.absent.append(str(path))
        return None

    def others(self, driver: str, target: str) -> dict[str, dict[str, Any]]:
        """Score files of the other systems that showed this pair, by name."""
        names = [name for name, pair in self.external.items() if pair == (driver, target)]
        opened = {name: self.open(f"metrics/external/{name}.json", read_scores) for name in names}
        return {name: scores for name, scores in opened.items() if scores is not None}


def pair_section(run: Run, name: str, driver: str, target: str) -> list[str]:
    """Videos, scores, retargeting and sheets of one driver and target."""
    motion = run.open(f"motions/{name}.parquet", partial(read_keypoints, kind="motions"))
    track = None if motion is None else motion.track()
    frames = run.open(f"frames/{driver}.zarr", open_frames)
    generated = run.open(f"foregrounds/{name}-generated.zarr", open_foregrounds)
    parts = [heading(2, f"{driver} → {target}", f"pair-{name}")]
    parts += _pair_video(run, name, frames, track)
    scores = run.open(f"metrics/{name}.json", read_scores)
    others = run.others(driver, target) if driver != target else {}
    if scores is not None or others:
        parts += [heading(3, "Imitation"), metrics.imitation_table(scores or {}, metrics.scores_of(others))]
        parts += [metrics.faces_line(scores or {}), metrics.settings_lines(scores or {}), metrics.settings_of(others)]
    parts += _retargeting(run, name, track)
    if generated is not None and track is not None:
        at = pictures.chosen(track.present, run.params.sheet_frames)
        sheet = pictures.pose_maps(track, generated.crop, generated.crop_hw, at, run.pose_map)
        parts += [
            heading(3, "Step by step"),
            image(sheet, "Pose maps, as the generator reads them"),
            *_foreground_sheets(run, name, generated, at),
        ]
    fused = run.open(f"fused/{name}.zarr", partial(open_frames, kind="fused"))
    if fused is not None:
        present = track.present if track is not None and len(track.present) == len(fused) else np.ones(len(fused), bool)
        at = pictures.chosen(present, run.params.sheet_frames)
        parts.append(image(pictures.fused_crops(fused, at), "Fused: the finished frames, through the crop"))
    sidecar = run.open(f"videos/{name}.json", partial(Path.read_text, encoding="utf-8"))
    return [*parts, folded("What the output video says of itself", code(sidecar))] if sidecar else parts


def target_section(run: Run, name: str, clip: str, split: SplitParams) -> list[str]:
    """Reconstruction against the truth, training curves, and what the target's looks were learnt from."""
    keypoints = run.open(f"keypoints/{clip}.parquet", read_keypoints)
    track = keypoints.track() if keypoints else None
    crops = run.open(f"crops/{name}.zarr", open_crops)
    fused = run.open(f"fused/{name}-to-{name}.zarr", partial(open_frames, kind="fused"))
    parts = [heading(2, f"Target {name}", f"target-{name}"), *_camera(run, name)]
    parts += [paragraph(line, "warn") for line in crops.attributes.get("warnings", [])] if crops is not None else []
    if crops is not None and fused is not None and len(fused) == len(crops.frames):
        held_out = split_frames(track.present if track else crops.present, split).held_out
        parts += _reconstruction_video(run, crops, fused, held_out)
    scores = run.open(f"metrics/{name}.json", read_scores)
    others = run.others(clip, name)
    if scores is not None or others:
        parts += [heading(3, "Reconstruction of held-out frames"), metrics.reconstruction_table(scores or {}, metrics.scores_of(others))]
        parts += [metrics.faces_line(scores or {}), metrics.regions_table(scores or {})]
        parts += [metrics.settings_lines(scores or {}), metrics.settings_of(others)]
    columns = run.open(f"metrics/frames/{name}.tsv", read_curve) or {}
    if crops is not None and fused is not None:
        parts += _worst(run, columns, crops, fused)
    parts += watch_section(scores or {}, columns, run.open(f"metrics/watched/{name}.zarr", open_watched), run.params.worst_frames)
    parts += _curves(run, name)
    learnt_from = [*_target_sheets(run, name, clip, track, crops, split), *_further_clips(run, name)]
    return [*parts, heading(3, "What the looks were learnt from"), *learnt_from]


def clip_section(run: Run, name: str) -> list[str]:
    """Keypoints over frames, and every repair."""
    frames = run.open(f"frames/{name}.zarr", open_frames)
    keypoints = run.open(f"keypoints/{name}.parquet", read_keypoints)
    parts = [heading(2, f"Clip {name}", f"clip-{name}")]
    if frames is not None:
        h, w = frames.size_hw
        rate = f"{frames.clock.fps} frames/s" if frames.clock.has_time else "no timestamps"
        parts.append(paragraph(f"{len(frames)} frames of {w} × {h}, {rate}.", "soft"))
    if keypoints is None:
        return parts
    track = keypoints.track()
    parts += [paragraph(line) for line in facts.moving_camera(track)]
    people = keypoints.points.shape[1]
    parts.append(paragraph(f"{people} tracked, the selected one is there in {int(track.present.sum())} of {len(track.present)} frames."))
    if frames is not None:
        at = pictures.chosen(track.present, run.params.sheet_frames)
        sheet = pictures.poses_on_frames(frames.steady(track.camera), track, at, run.pose_map)
        parts.append(image(sheet, "Keypoints on frames, cut to where the person is"))
    numbers = facts.attribute_table(track.attributes)
    return [*parts, facts.repaired_joints(track), *([folded("Numbers of the poses", numbers)] if numbers else [])]


def _pair_video(run: Run, name: str, frames: Frames | None, track: Track | None) -> list[str]:
    path = run.open(f"videos/{name}.mp4", Path)
    if path is None or track is None:
        return []
    height = run.params.video_height_px
    names, sizes = ["pose map", "result"], [track.size_hw, track.size_hw]
    panels = [videos.pose_panel(track, height, run.pose_map), videos.video_panel(path, height)]
    if frames is not None:
        names, sizes, panels = ["driver", *names], [frames.size_hw, *sizes], [videos.frames_panel(frames), *panels]
    shown = min(len(track.points), run.params.video_max_frames)
    blob = videos.side_by_side(names, panels, sizes, track.clock, shown, height, run.params.video_crf)
    return [video(blob, f"{' · '.join(names)}{_cut(shown, len(track.points))}")]


def _reconstruction_video(run: Run, crops: Crops, fused: Frames, held_out: np.ndarray) -> list[str]:
    height, size = run.params.video_height_px, crops.crop_hw
    marks = ["held out" if t in set(held_out.tolist()) else "training" for t in range(len(fused))]
    true = videos.marked(videos.enlarged((crops.frames[t] for t in range(len(fused))), height), marks)
    shown = min(len(fused), run.params.video_max_frames)
    panels = [true, videos.frames_panel(fused)]
    blob = videos.side_by_side(["ground truth", "reconstruction"], panels, [size, size], crops.clock, shown, height, run.params.video_crf)
    return [video(blob, f"Ground truth and reconstruction through the crop ({size[1]} × {size[0]} px){_cut(shown, len(fused))}")]


def _retargeting(run: Run, name: str, track: Track | None) -> list[str]:
    parts = []
    preview = run.open(f"motions/{name}.png", Path.read_bytes)
    if preview:
        parts.append(image(preview, "Driver and target before and after", "image/png"))
    if track is not None:
        parts += [paragraph(line, "warn") for line in track.attributes.get("retargeting", {}).get("warnings", [])]
        parts.append(folded("Numbers of the retargeting", facts.attribute_table(track.attributes)))
        left_out = facts.left_undrawn(track)
        parts += [paragraph(left_out)] if left_out else []
    return [heading(3, "Retargeting"), *parts] if parts else [paragraph("The motion has not been made yet.", "soft")]


def _foreground_sheets(run: Run, name: str, generated: Foregrounds, at: list[int]) -> list[str]:
    parts = [image(pictures.foregrounds(generated, at), "Generated: on grey, straight colour, matte")]
    stages: dict[str, Residuals] = {}
    for stage in ("enhanced", "refined"):
        residuals = run.open(f"foregrounds/{name}-{stage}.zarr", open_residuals)
        if residuals is not None:
            stages[stage] = residuals
    for region in dict.fromkeys(region for stage in stages.values() for region in stage.regions):
        sheet = pictures.patches(generated, stages, region, at)
        if sheet:
            then = ", then ".join(["generated", *(name for name, stage in stages.items() if region in stage.regions)])
            parts.append(image(sheet, f"{region.replace('_', ' ')}: {then}, at the source's resolution"))
    for stage, residuals in stages.items():
        if residuals.regions:
            parts += [paragraph(f"Regions skipped when {stage}:"), facts.skipped_regions(residuals.skipped)]
        else:
            parts.append(paragraph(f"Nothing was {stage}: it is switched off, or the skeleton has no such region.", "soft"))
    return parts


def _target_sheets(run: Run, name: str, clip: str, track: Track | None, crops: Crops | None, split: SplitParams) -> list[str]:
    parts = []
    frames = run.open(f"frames/{clip}.zarr", open_frames)
    mattes = run.open(f"mattes/{name}.zarr", open_mattes)
    if frames is not None and mattes is not None and track is not None:
        at = pictures.chosen(track.present, run.params.sheet_frames)
        sheet = pictures.mattes_on_frames(frames.steady(track.camera), mattes, track, at)
        parts.append(image(sheet, "Mattes: what lies outside the person is grey"))
    if mattes is not None:
        parts.append(facts.matte_table(mattes.attributes))
    plates = run.open(f"plates/{name}.zarr", partial(open_frames, kind="plates"))
    if plates is not None:
        parts.append(image(pictures.plate(plates), "Plate: the background without the person, from training frames only"))
        parts.append(folded("Numbers of the plate", facts.attribute_table(plates.attributes)))
    if crops is not None:
        sheet = pictures.crops_and_mattes(crops, pictures.chosen(crops.present, run.params.sheet_frames))
        parts.append(image(sheet, "Crops: what the networks see"))
        parts.append(paragraph(facts.crop_fill(crops, split_frames(crops.present, split).training)))
    index = run.open(f"faces/{name}.parquet", lambda table: open_faces(table, table.with_suffix(".zarr")))
    if index is not None and len(index):
        sheet = pictures.faces(index, 2 * run.params.sheet_frames)
        parts.append(image(sheet, f"Face index: {len(index)} faces of training frames (sharp: variance of the Laplacian)"))
    elif index is not None:
        parts.append(paragraph("The face index is empty: no face was seen, or the skeleton has none.", "soft"))
    return parts


def _worst(run: Run, columns: Mapping[str, Sequence[float]], crops: Crops, fused: Frames) -> list[str]:
    """The held-out frames that scored lowest, from the table of scores by frame."""
    for column, unit in WORST_BY:
        if column in columns:
            scored = [(int(t), score) for t, score in zip(columns["frame"], columns[column], strict=True) if np.isfinite(score)]
            rows = sorted(scored, key=lambda row: row[1])[: run.params.worst_frames]
            caption = "Worst held-out frames: truth, result, twice the difference"
            return [image(pictures.worst(crops, fused, rows, unit), caption)] if rows else []
    return []


def _further_clips(run: Run, name: str) -> list[str]:
    """What the networks saw of each further clip, and the curves of the training that went on with it."""
    folder = run.data / "faces" / name
    parts = []
    for clip in read_clips(folder) if folder.is_dir() else []:
        crops = run.open(f"crops/{name}/{clip}.zarr", open_crops)
        if crops is not None:
            sheet = pictures.crops_and_mattes(crops, pictures.chosen(crops.present, run.params.sheet_frames))
            parts.append(image(sheet, f"Crops of the further clip {clip}"))
        parts += _curves(run, f"{name}/{clip}", TRAININGS[:1])
    return parts


def _curves(run: Run, name: str, trainings: Sequence[str] = TRAININGS) -> list[str]:
    parts = []
    for training in trainings:
        columns = run.open(f"metrics/curves/{name}-{training}.tsv", read_curve) or {}
        if len(next(iter(columns.values()), [])) > 1:
            title = f"Curves of the {training} training" + (f" that went on with {name.split('/')[1]}" if "/" in name else "")
            parts += [heading(3, title), charts(columns)]
    return parts


def _camera(run: Run, name: str) -> list[str]:
    plates = run.open(f"plates/{name}.zarr", partial(open_frames, kind="plates"))
    warning = facts.camera_warning(plates.attributes) if plates is not None else ""
    return [paragraph(warning, "warn")] if warning else []


def _cut(shown: int, length: int) -> str:
    return f" (the first {shown} of {length} frames)" if shown < length else ""
