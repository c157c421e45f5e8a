"""Faces of a result, seen again in its finished frames: their meshes, and who they are. Not in the paper."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.artifacts.agree import require_motion, require_one_motion, require_same_clip, require_same_length, require_same_size
from pipeline.artifacts.composites import Composites
from pipeline.artifacts.frames import Frames
from pipeline.artifacts.identities import FACES, IDENTITY, Described, Identities, write_identities
from pipeline.artifacts.keypoints import Track
from pipeline.artifacts.meshes import Meshes, write_meshes
from pipeline.body.regions import RegionParams, drop_unusable, region_boxes
from pipeline.errors import InputError
from pipeline.face.measure import FaceMeshParams, MeshRows, follow_face, no_meshes, unsure
from pipeline.networks.face_identity import FaceIdentity
from pipeline.networks.face_mesh import FaceMesh
from pipeline.progress import Progress
from pipeline.timeline.sampling import spread_evenly

MOST_DESCRIBED = 200  # frames of the result, and of the target: one takes a core 20 ms


@dataclass(frozen=True)
class RemeasureInputs:
    """A pair's finished frames, its motion, the target's own frames and meshes, and the folder of all fetched networks."""

    composites: Composites
    motion: Track
    frames: Frames
    meshes: Meshes
    weights: Path


@dataclass(frozen=True)
class RemeasureOutputs:
    """Paths of the result's meshes and of the identities (Parquet)."""

    meshes: Path
    identities: Path


def asked_for(metrics: Any) -> frozenset[str]:
    """Those of evaluation.metrics that need the result's faces; InputError when it is no list of names."""
    if not isinstance(metrics, list) or not all(isinstance(name, str) for name in metrics):
        raise InputError(f"evaluation.metrics must be a list of names, [psnr, ssim], found {metrics!r}: correct it in params.yaml")
    return frozenset(metrics) & frozenset(FACES)


def remeasure_faces(
    inputs: RemeasureInputs, params: FaceMeshParams, regions: RegionParams, asked: Collection[str], outputs: RemeasureOutputs
) -> int:
    """Publish the meshes of a result's faces, looked for where the motion has them, and identities where `asked` has face_identity.

    Returns the number of frames with a face. Nothing is measured, and the table says why, where no metric of faces is asked for, for
    network: none and for a skeleton without a face. InputError when the artifacts do not belong together.
    """
    _check(inputs)
    motion, composites = inputs.motion, inputs.composites
    t, size_hw, face = len(motion.points), composites.plate.size_hw, motion.skeleton.face
    if face is None or params.network == "none" or not asked:
        why = "the skeleton has no face" if face is None else "face_mesh.network is none" if asked else "no metric of faces is asked for"
        write_identities(outputs.identities, Identities(Described.nothing(), Described.nothing()))
        write_meshes(outputs.meshes, no_meshes(t, size_hw, why))
        return 0
    describe = FaceIdentity(inputs.weights / "metrics" / IDENTITY) if IDENTITY in asked else None
    boxes, skipped = drop_unusable(region_boxes(motion.points, motion.skeleton, regions), size_hw, params.min_side_px)
    boxes = np.where(composites.generated.present[:, None], boxes[face.name], np.nan)
    network = FaceMesh(inputs.weights / "face_mesh", params.threads)
    looked = np.flatnonzero(np.isfinite(boxes).all(axis=1))
    described = set(spread_evenly(looked, MOST_DESCRIBED).tolist())
    rows, who, seen = MeshRows(t), dict[int, np.ndarray](), 0
    with Progress(t, "remeasure_faces") as progress:
        for n, (image, found, presence) in enumerate(follow_face(network, _finished(composites), motion, boxes, params.min_presence)):
            rows.put(n, found, presence)
            seen += found is not None
            if describe is not None and found is not None and n in described:
                who[n] = describe(image, found.points)
            progress.advance()
    reasons = [*skipped[face.name], *unsure(len(looked) - seen, t)]
    own = Described.nothing() if describe is None else _own(inputs, describe)
    write_identities(outputs.identities, Identities(_described(who), own))
    write_meshes(outputs.meshes, rows.meshes(size_hw, tuple(reasons)))
    return seen


def _finished(composites: Composites) -> Iterator[np.ndarray]:
    """The result's frames (h w 3) uint8 in turn, as the video shows them before it is coded."""
    shown = composites.shown()
    for t in range(len(composites.generated)):
        yield composites.frame(*shown, t)


def _own(inputs: RemeasureInputs, describe: FaceIdentity) -> Described:
    """The target's own faces, in frames spread over its clip."""
    at = spread_evenly(np.flatnonzero(inputs.meshes.seen), MOST_DESCRIBED)
    return _described({int(t): describe(inputs.frames[int(t)], inputs.meshes.points[t]) for t in at})


def _described(who: dict[int, np.ndarray]) -> Described:
    return Described(np.array(list(who), np.int64), np.stack(list(who.values()))) if who else Described.nothing()


def _check(inputs: RemeasureInputs) -> None:
    c, motion = inputs.composites, inputs.motion
    require_same_length(motion, c.generated, c.warped, c.enhanced, c.refined, c.fused)
    made = (c.generated, c.warped, c.enhanced, c.refined)
    require_one_motion({str(artifact.source): artifact.attributes for artifact in made})
    require_motion(str(c.generated.source), c.generated.attributes, motion)
    require_same_size(c.generated, c.plate)
    require_same_clip(inputs.frames, inputs.meshes)
