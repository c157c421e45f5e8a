"""The references' own pixels, carried into a generated motion at the source's resolution.

Not in the paper. The generator says at its working size how the warp of its reference is to be corrected and how far the detail is to
be trusted; here the warp is worked out anew as fine as the picture was filmed, so that the detail is the camera's up to the
borders between the body's parts.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.artifacts.agree import MOTION, require_motion, require_same_length
from pipeline.artifacts.foregrounds import FLOWS, SHARES, CarriedFields, Foregrounds, create_foregrounds
from pipeline.artifacts.keypoints import Track
from pipeline.artifacts.references import NONE, References
from pipeline.artifacts.store import require_free_bytes
from pipeline.errors import InputError
from pipeline.picture.geometry import apply_affine, compose_affine, crop_to_box, mask_box
from pipeline.progress import Progress
from pipeline.reference.carry import FIRST, SECOND, Asked, Part, Places, Source, carried, part_from, source_of
from pipeline.reference.side_by_side import in_order, whole_pictures_side_by_side
from pipeline.reference.where import CarriedWhere
from pipeline.timeline.sampling import spread_evenly

LEAST_SHARE = 12  # of 255: a second reference that shows no more anywhere is not looked at
RIM_PX = 2  # working px around the predicted matte in which a reference's edge may lie
NODES = 128  # along the longer side of what is carried; between them the warp goes on as picture_field() has it
LOOKED_AT = 30  # frames by which it is said where pixels were carried
BLOCK = 16


@dataclass(frozen=True)
class _Made:
    """A canvas's colour (h w 3) and matte (h w), and what CarriedWhere.add() takes of the part of it that shows the subject, if any."""

    rgb: np.ndarray
    matte: np.ndarray
    shown: tuple[int, np.ndarray, np.ndarray, np.ndarray] | None = None


@dataclass(frozen=True)
class _Carrier:
    """Makes single frames; canvas_hw and rows as canvas() has them, band_px in working px."""

    generated: Foregrounds
    references: References
    motion: Track
    canvas_hw: tuple[int, int]
    rows: np.ndarray
    band_px: float

    def make(self, t: int, layers: dict[str, np.ndarray], seen: list[tuple[int, np.ndarray | None]]) -> _Made:
        """Frame t, from its layers and the ranks and pictures of its first and second reference, None without one."""
        rgb, matte = np.zeros((*self.canvas_hw, 3), np.uint8), np.zeros(self.canvas_hw, np.uint8)
        to_working = compose_affine(self.generated.crop[t], _back(self.rows[t]))
        part = _part(layers["matte"], to_working, self.canvas_hw) if self.generated.present[t] else None
        if part is None:
            return _Made(rgb, matte)
        (x, y), (h, w) = part.corner_xy, part.size_hw
        points = apply_affine(self.rows[t], self.motion.points[t]) - np.array([x, y])
        whole = replace(part, corner_xy=(0, 0))
        inner = None if seen[1][1] is None else _part_of(layers["second_share"] * (layers["detail"] > 0), whole, self.band_px)
        first = self._source(*seen[0], points, layers, whole, whole, FIRST)
        second = None if inner is None else self._source(*seen[1], points - np.array(inner.corner_xy), layers, whole, inner, SECOND)
        colour, opaque, trusted = carried(layers, first, part.to_working, (h, w), self.band_px, second)
        rgb[y : y + h, x : x + w], matte[y : y + h, x : x + w] = colour, opaque
        return _Made(rgb, matte, (t, trusted, opaque, points))

    def _source(
        self, rank: int, picture: np.ndarray | None, points: np.ndarray, layers: dict[str, np.ndarray], whole: Part, own: Part, asked: Asked
    ) -> Source | None:
        if picture is None:
            return None
        places = Places.of(layers, asked, whole, own, self.band_px)
        pose = self.references.picture_points[rank]
        return source_of(picture, pose, points, self.motion.skeleton, layers[asked.flow], own, places) if places.looked_at else None


@dataclass(frozen=True)
class WarpInputs:
    """What was generated for a motion, the target's references, the motion."""

    generated: Foregrounds
    references: References
    motion: Track


def warp_references(inputs: WarpInputs, out: Path) -> dict[str, Any]:
    """Publish the foreground of a motion with the references' pixels in it; returns how much of the subject's pixels was carried where:
    share overall, limbs (share about each), the number of references and of changes between them.

    A canvas of full px, as large as the working crop, moves with it in whole px, so that fusion copies it without resampling. A
    foreground whose generator saw no references is passed on as it is. Memory does not grow with the length.
    """
    generated, references, motion = inputs.generated, inputs.references, inputs.motion
    fields = generated.carried
    if fields is None:
        _pass_on(generated, out)
        return {"share": 0.0, "limbs": {}, "references": 0, "changes": 0}
    require_motion(str(generated.source), generated.attributes, motion)
    require_same_length(motion, generated)
    most = max(int(ranks.max(initial=NONE)) for ranks in (fields.reference, fields.second))
    if most >= len(references):
        raise InputError(
            f"the foreground was generated from {most + 1} references or more, found {len(references)}. "
            "Run: dvc repro keep_references generate_foreground"
        )
    band_px = float(generated.attributes["carrying"]["band_px"])
    # Made side by side, written in order.
    canvas_hw, rows = canvas(generated.crop, generated.crop_hw)
    require_free_bytes(out, len(generated) * canvas_hw[0] * canvas_hw[1])
    facts = {k: v for k, v in generated.attributes.items() if k in ("model_sha256", "skeleton", "k", "grey", "carrying", MOTION)}
    carrier = _Carrier(generated, references, motion, canvas_hw, rows, band_px)
    where = CarriedWhere(motion.skeleton, {int(t) for t in spread_evenly(np.flatnonzero(generated.present), LOOKED_AT)})
    with (
        whole_pictures_side_by_side(),
        create_foregrounds(out, canvas_hw, generated.clock, rows, generated.present, generated.size_hw, facts) as writer,
        Progress(len(generated), "warp_references") as progress,
    ):
        for made in in_order(carrier.make, _frames(generated, fields, references)):
            if made.shown is not None:
                where.add(*made.shown)
            writer.append(made.rgb[None], made.matte[None])
            progress.advance()
    # What the report says of it.
    used = fields.reference[generated.present]
    changes = int((np.diff(used) != 0).sum()) if len(used) else 0
    return {**where.summary(), "references": len(np.unique(used[used != NONE])), "changes": changes}


def canvas(crop: np.ndarray, crop_hw: tuple[int, int]) -> tuple[tuple[int, int], np.ndarray]:
    """Size (h, w) in full px and rows (t 2 3), whole shifts, of a canvas that holds the working crop of rows (t 2 3) everywhere."""
    scale = crop[0, 0, 0]
    height, width = (int(np.ceil(side / scale - 1e-6)) + 1 for side in crop_hw)
    corners = np.array([np.floor(crop_to_box(row, crop_hw)[:2] + 1e-6) for row in crop])
    rows = np.tile(np.eye(2, 3), (len(crop), 1, 1))
    rows[:, :, 2] = -corners
    return (height, width), rows


def _frames(
    generated: Foregrounds, fields: CarriedFields, references: References
) -> Iterator[tuple[int, dict[str, np.ndarray], list[tuple[int, np.ndarray | None]]]]:
    """Each frame, its layers, the ranks and pictures (h w 4) of its two references, M ⊙ F and M, None without one."""
    pictures: dict[int, np.ndarray | None] = {}
    readers = {"matte": generated.matte} | {name: getattr(fields, name) for name in ("base_rgb", *SHARES, *FLOWS)}
    for start in range(0, len(generated), BLOCK):
        stop = min(start + BLOCK, len(generated))
        blocks = {name: reader[start:stop] for name, reader in readers.items()}
        for t in range(start, stop):
            ranks = int(fields.reference[t]), int(fields.second[t])
            pictures = {rank: pictures[rank] if rank in pictures else _picture(references, rank) for rank in ranks}
            yield t, {name: block[t - start] for name, block in blocks.items()}, [(rank, pictures[rank]) for rank in ranks]


def _picture(references: References, rank: int) -> np.ndarray | None:
    return None if rank == NONE else np.concatenate([references.colours[rank], references.mattes[rank][..., None]], -1)


def _pass_on(generated: Foregrounds, out: Path) -> None:
    known = {"kind", "version", "fps", "time_base", "pts", "crop_hw", "size_hw"}
    facts = {k: v for k, v in generated.attributes.items() if k not in known}
    with create_foregrounds(
        out, generated.crop_hw, generated.clock, generated.crop, generated.present, generated.size_hw, facts
    ) as writer:
        for start in range(0, len(generated), BLOCK):
            rows = slice(start, min(start + BLOCK, len(generated)))
            writer.append(generated.rgb[rows], generated.matte[rows])


def _part(matte: np.ndarray, to_working: np.ndarray, canvas_hw: tuple[int, int]) -> Part | None:
    """The part of a canvas where the matte (h w) at working size, or a rim around it, is not 0; None when that is nowhere."""
    opaque = mask_box(matte)
    if opaque is None:
        return None
    scale, offset = to_working[0, 0], to_working[:, 2]
    low = (np.array(opaque[:2]) - RIM_PX - offset) / scale
    high = (np.array(opaque[2:]) - 1 + RIM_PX - offset) / scale
    x0, y0 = np.maximum(np.floor(low), 0).astype(int)
    x1, y1 = np.minimum(np.ceil(high).astype(int) + 1, canvas_hw[::-1])
    if x1 <= x0 or y1 <= y0:
        return None
    size_hw = int(y1 - y0), int(x1 - x0)
    return Part((int(x0), int(y0)), size_hw, part_from(to_working, (x0, y0)), max(1, -(-max(size_hw) // NODES)))


def _part_of(share: np.ndarray, whole: Part, band_px: float) -> Part | None:
    """The part of a part where a share (h w) uint8 at working size is worth it, with what its low band sees; None when that is nowhere."""
    box = mask_box(share > LEAST_SHARE)
    if box is None:
        return None
    rim, scale, offset = 1 + 3 * band_px, whole.to_working[0, 0], whole.to_working[:, 2]
    x0, y0 = np.maximum(np.floor((np.array(box[:2]) - rim - offset) / scale), 0).astype(int)
    x1, y1 = np.minimum(np.ceil((np.array(box[2:]) - 1 + rim - offset) / scale).astype(int) + 1, whole.size_hw[::-1])
    if x1 <= x0 or y1 <= y0:
        return None
    return Part((int(x0), int(y0)), (int(y1 - y0), int(x1 - x0)), part_from(whole.to_working, (x0, y0)), whole.cell)


def _back(row: np.ndarray) -> np.ndarray:
    """Canvas px → full px for a row of whole shifts."""
    return np.array([[1.0, 0.0, -row[0, 2]], [0.0, 1.0, -row[1, 2]]])
