"""A result's faces, seen again in its finished frames. The networks are stood in for: they tell what they were shown."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from turning import HUMAN, REGIONS, SIZE, T, write_clip

from pipeline.artifacts.composites import Composites
from pipeline.artifacts.foregrounds import open_foregrounds
from pipeline.artifacts.frames import create_frames, open_frames
from pipeline.artifacts.identities import read_identities
from pipeline.artifacts.keypoints import read_keypoints
from pipeline.artifacts.meshes import Meshes, read_meshes
from pipeline.artifacts.residuals import create_residuals, open_residuals
from pipeline.errors import InputError
from pipeline.face import remeasure
from pipeline.face.measure import FaceMeshParams
from pipeline.face.remeasure import RemeasureInputs, RemeasureOutputs, asked_for, remeasure_faces
from pipeline.networks.face_mesh import EXPRESSIONS, POINTS, Face
from pipeline.networks.mediapipe import Roi
from pipeline.video.clock import NO_TIME, Clock

PARAMS = FaceMeshParams(network="face_mesh", threads=1, min_presence=0.5, min_side_px=12)
ALL = frozenset({"face_landmarks", "face_expression", "face_identity"})
SHAPE = np.random.default_rng(5).normal(0, 1, (POINTS, 3)) * np.array([9.0, 11.0, 4.0])
SHAPE[10], SHAPE[152] = (0, -13, 0), (0, 13, 0)  # upright


class Mesh:
    """Finds a face wherever it looks; its expression is the brightness of what it was shown there."""

    presence = 1.0
    folders: list[Path] = []  # noqa: RUF012

    def __init__(self, folder: Path, threads: int) -> None:
        type(self).folders = [folder]

    def __call__(self, image: np.ndarray, square: Roi) -> Face:
        x, y = (round(v) for v in square.centre_xy)
        shown = float(image[y - 2 : y + 3, x - 2 : x + 3].mean()) / 255
        return Face(SHAPE + np.array([*square.centre_xy, 0.0]), np.full(len(EXPRESSIONS), shown, np.float32), self.presence)


class Identity:
    """Describes a face by the mean colour about its middle."""

    def __init__(self, folder: Path) -> None:
        assert folder.parts[-2:] == ("metrics", "face_identity")

    def __call__(self, image: np.ndarray, mesh: np.ndarray) -> np.ndarray:
        x, y = (round(float(v)) for v in mesh[:, :2].mean(axis=0) - SHAPE[:, :2].mean(axis=0))
        return np.full(128, image[y - 2 : y + 3, x - 2 : x + 3].mean(), np.float32)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The drawn clip; a white plate, a face lightened by 40 levels among the residuals, and fused crops that say they are enhanced."""
    folder = tmp_path_factory.mktemp("result")
    paths, clock = write_clip(folder), Clock.regular("25", T)
    paths |= {name: folder / f"{name}.zarr" for name in ("plate", "fused", "enhanced", "refined")}
    with create_frames(paths["plate"], NO_TIME, (SIZE, SIZE), {}, "plates") as out:
        out.append(np.full((1, SIZE, SIZE, 3), 255, np.uint8))
    with create_frames(paths["fused"], clock, (64, 64), {"stage": "enhanced"}, "fused") as out:
        out.append(np.zeros((T, 64, 64, 3), np.uint8))
    boxes = np.repeat([[0.0, 0, SIZE, SIZE]], T, axis=0)
    with create_residuals(paths["enhanced"], {"face": boxes}, {"face": []}, 32, clock, (SIZE, SIZE), T) as out:
        out.append("face", np.full((T, 32, 32, 3), 40, np.int16))
    with create_residuals(paths["refined"], {}, {}, 32, clock, (SIZE, SIZE), T):
        pass
    return paths


@pytest.fixture
def clip(files: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    monkeypatch.setattr(remeasure, "FaceMesh", Mesh)
    monkeypatch.setattr(remeasure, "FaceIdentity", Identity)
    return files


def inputs_of(clip: dict[str, Path], seen: range = range(T)) -> RemeasureInputs:
    generated = open_foregrounds(clip["generated"])
    residuals = (open_residuals(clip[name]) for name in ("enhanced", "refined"))
    composites = Composites(generated, generated, *residuals, open_frames(clip["plate"], "plates"), open_frames(clip["fused"], "fused"))
    points = np.full((T, POINTS, 3), np.nan, np.float32)
    for t in seen:
        points[t] = SHAPE + np.array([*head(clip, t), 0])
    own = Meshes(points, np.zeros((T, len(EXPRESSIONS)), np.float32), np.ones(T, np.float32), (SIZE, SIZE), ())
    motion = read_keypoints(clip["motion"], "motions").track()
    return RemeasureInputs(composites, motion, open_frames(clip["frames"]), own, clip["frames"].parent / "weights")


def outputs_of(clip: dict[str, Path]) -> RemeasureOutputs:
    return RemeasureOutputs(clip["frames"].with_name("meshes.parquet"), clip["frames"].with_name("identities.parquet"))


def measured(clip: dict[str, Path], asked=ALL, params=PARAMS, **changes):
    outputs = outputs_of(clip)
    n = remeasure_faces(replace(inputs_of(clip), **changes), params, REGIONS, asked, outputs)
    return n, read_meshes(outputs.meshes), read_identities(outputs.identities)


def head(clip: dict[str, Path], t: int) -> tuple[int, int]:
    """About where the network is to look, as the motion says."""
    names = ("nose", "right_eye", "left_eye", "right_ear", "left_ear")
    points = read_keypoints(clip["motion"], "motions").track().points[t][[HUMAN.index(name) for name in names]]
    x, y = np.nanmean(points, axis=0)
    return round(float(x)), round(float(y))


def test_what_is_measured_is_the_finished_frame_at_its_place(clip):
    n, meshes, identities = measured(clip)
    composites = inputs_of(clip).composites
    assert (n, meshes.size_hw) == (T, (SIZE, SIZE))
    assert Mesh.folders == [clip["frames"].parent / "weights/face_mesh"]
    assert identities.result.frames.tolist() == list(range(T))
    for t in (0, 7, T - 1):
        x, y = head(clip, t)
        assert np.abs(meshes.points[t].mean(axis=0)[:2] - SHAPE[:, :2].mean(axis=0) - (x, y)).max() < 8
        middle = meshes.points[t, :, :2].mean(axis=0) - SHAPE[:, :2].mean(axis=0)
        x, y = (round(float(v)) for v in middle)
        finished = composites.frame(*composites.shown(), t)[y - 2 : y + 3, x - 2 : x + 3].mean()
        plain = composites.frame(composites.generated, None, t)[y - 2 : y + 3, x - 2 : x + 3].mean()
        assert meshes.expression[t, 0] == pytest.approx(finished / 255, abs=1e-3)
        assert identities.result.descriptors[t, 0] == pytest.approx(finished, abs=0.1)
        assert finished > plain + 20  # the residuals that the video shows are seen


def test_the_target_is_described_in_its_own_frames_where_they_have_a_face(clip):
    _, _, identities = measured(clip, meshes=inputs_of(clip, range(4, 9)).meshes)
    assert identities.target.frames.tolist() == [4, 5, 6, 7, 8]
    frames = open_frames(clip["frames"])
    shown = []
    for t, descriptor in zip(identities.target.frames, identities.target.descriptors, strict=True):
        x, y = head(clip, int(t))
        shown.append([frames[n][y - 2 : y + 3, x - 2 : x + 3].mean() for n in (int(t), 0)])
        assert descriptor[0] == pytest.approx(shown[-1][0], abs=0.1)
    assert np.ptp(shown, axis=1).max() > 1  # another frame has something else there


def test_who_it_is_is_found_out_only_when_asked_and_of_some_frames(clip, monkeypatch):
    monkeypatch.setattr(remeasure, "MOST_DESCRIBED", 5)
    _, _, identities = measured(clip)
    assert len(identities.result) == len(identities.target) == 5
    monkeypatch.setattr(remeasure, "FaceIdentity", None)
    n, _, identities = measured(clip, ALL - {"face_identity"})
    assert (n, len(identities.result), len(identities.target)) == (T, 0, 0)


@pytest.mark.parametrize(
    ("asked", "network", "why"),
    [(frozenset(), "face_mesh", "no metric of faces is asked for"), (ALL, "none", "face_mesh.network is none")],
)
def test_where_nobody_asks_nothing_is_measured_and_the_table_says_so(clip, monkeypatch, asked, network, why):
    monkeypatch.setattr(remeasure, "FaceMesh", None)
    n, meshes, identities = measured(clip, asked, PARAMS.model_copy(update={"network": network}))
    assert (n, len(meshes), meshes.points.size, meshes.skipped) == (0, T, 0, (why,))
    assert len(identities.result) == len(identities.target) == 0


def test_a_face_that_the_network_doubts_or_nobody_drew_has_none(clip, monkeypatch):
    monkeypatch.setattr(Mesh, "presence", 0.3)
    n, meshes, identities = measured(clip)
    assert (n, len(identities.result)) == (0, 0)
    assert meshes.skipped == (f"{T} of {T} frames: the face is turned away or hidden",)
    monkeypatch.setattr(Mesh, "presence", 1.0)
    inputs = inputs_of(clip)
    absent = inputs.composites.generated.present.copy()
    absent[3:5] = False
    composites = replace(inputs.composites, generated=replace(inputs.composites.generated, present=absent))
    n, meshes, _ = measured(clip, composites=composites)
    assert np.flatnonzero(~meshes.seen).tolist() == [3, 4]
    assert n == T - 2


def test_artifacts_that_do_not_belong_together_are_refused(clip):
    inputs = inputs_of(clip)
    with pytest.raises(InputError, match="has 10"):
        measured(clip, motion=replace(inputs.motion, points=inputs.motion.points[:10]))
    short = Meshes(*(a[:5] for a in (inputs.meshes.points, inputs.meshes.expression, inputs.meshes.presence)), (SIZE, SIZE), ())
    with pytest.raises(InputError, match="has 5 frames"):
        measured(clip, meshes=short)


def test_the_metrics_that_need_faces_are_picked_and_no_list_is_refused():
    assert asked_for(["psnr", "face_identity", "face_landmarks"]) == {"face_identity", "face_landmarks"}
    for wrong in ("face_identity", None, ["psnr", 1]):
        with pytest.raises(InputError, match=r"evaluation\.metrics must be a list of names"):
            asked_for(wrong)
