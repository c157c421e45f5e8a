"""Meshes measured and real heads placed, from files: who is placed, who stays, what is said. The network is stood in for."""

from pathlib import Path

import numpy as np
import pytest
from turning import HUMAN, REGIONS, SPLIT, T, face_params, index, write_clip

from pipeline.artifacts.faces import open_faces
from pipeline.artifacts.foregrounds import open_foregrounds
from pipeline.artifacts.frames import open_frames
from pipeline.artifacts.keypoints import read_keypoints
from pipeline.artifacts.meshes import Meshes, read_meshes, write_meshes
from pipeline.artifacts.residuals import open_residuals
from pipeline.errors import InputError
from pipeline.face import heads, measure
from pipeline.face.enhance import FaceInputs, MeshInputs, enhance_faces
from pipeline.face.measure import FaceMeshParams, MeasureInputs, first_looks, measure_faces
from pipeline.face.place import Laid
from pipeline.networks.face_mesh import EXPRESSIONS, POINTS, Face, square_about
from pipeline.networks.mediapipe import Roi

SHAPE = np.random.default_rng(5).normal(0, 1, (POINTS, 3)) * np.array([9.0, 11.0, 4.0])
SHAPE[10], SHAPE[152] = (0, -13, 0), (0, 13, 0)
SHAPE[33], SHAPE[263] = (-6, -4, 0), (6, -4, 0)
PARAMS = FaceMeshParams(network="face_mesh", threads=1, min_presence=0.5, min_side_px=12)


class StandIn:
    """Sees the same face wherever it looks, as sure as the class says."""

    presence, looks = 1.0, 0

    def __init__(self, folder: Path, threads: int) -> None:
        del folder, threads

    def __call__(self, image: np.ndarray, square: Roi) -> Face:
        type(self).looks += 1
        points = SHAPE + np.array([*square.centre_xy, 0.0])
        return Face(points, np.full(len(EXPRESSIONS), 0.5, np.float32), self.presence)


def seen_as(presence: float) -> type[StandIn]:
    return type("Seen", (StandIn,), {"presence": presence, "looks": 0})


@pytest.fixture
def clip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """The drawn clip with its index and meshes; generated heads show no face."""
    monkeypatch.setattr(measure, "FaceMesh", seen_as(1.0))
    monkeypatch.setattr(heads, "FaceMesh", seen_as(0.0))
    paths = write_clip(tmp_path)
    paths["table"], paths["crops"] = index(paths, tmp_path)
    paths["meshes"] = tmp_path / "meshes.parquet"
    assert measured(paths, tmp_path, PARAMS) == T
    return paths


def inputs(clip: dict[str, Path], meshes: MeshInputs | None) -> FaceInputs:
    motion, faces = read_keypoints(clip["motion"], "motions").track(), open_faces(clip["table"], clip["crops"])
    return FaceInputs(open_foregrounds(clip["generated"]), motion, faces, None, meshes)


def measured(clip: dict[str, Path], weights: Path, params: FaceMeshParams) -> int:
    track = read_keypoints(clip["keypoints"]).track()
    return measure_faces(MeasureInputs(open_frames(clip["frames"]), track, weights), params, REGIONS, clip["meshes"])


def place(clip: dict[str, Path], **changes: object):
    out = clip["table"].with_name("placed.zarr")
    meshes, track = read_meshes(clip["meshes"]), read_keypoints(clip["keypoints"]).track()
    values = {"align": "mesh", "alpha": 1.0, "candidates": 1, **changes}
    n = enhance_faces(inputs(clip, MeshInputs(meshes, meshes, track, out.parent)), face_params(**values), REGIONS, SPLIT, out)
    return n, open_residuals(out)


def test_meshes_come_back_with_their_gaps_and_reasons(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    points, expression = rng.normal(size=(3, 7, 3)).astype(np.float32), rng.random((3, 2)).astype(np.float32)
    points[1], expression[1] = np.nan, np.nan
    write_meshes(tmp_path / "m.parquet", Meshes(points, expression, np.array([1, 0.2, 0.9], np.float32), (90, 120), ("1 frame",)))
    found = read_meshes(tmp_path / "m.parquet")
    np.testing.assert_array_equal(found.points, points)
    np.testing.assert_array_equal(found.expression, expression)
    assert (found.seen.tolist(), found.size_hw, found.skipped) == ([True, False, True], (90, 120), ("1 frame",))
    with pytest.raises(InputError, match="dvc repro measure_faces"):
        read_meshes(tmp_path / "none.parquet")


def test_looks_are_level_then_where_it_was_then_upright() -> None:
    points = np.full((len(HUMAN.joints), 2), np.nan)
    points[HUMAN.index("right_eye")], points[HUMAN.index("left_eye")] = (10, 10), (20, 20)
    track = type("Track", (), {"skeleton": HUMAN})()
    looks = first_looks(points, track, np.array([0.0, 0, 40, 40]), SHAPE)  # type: ignore[arg-type]
    assert [round(look.rotation, 3) for look in looks] == [round(np.pi / 4, 3), 0.0, 0.0]
    assert looks[1] == square_about(SHAPE)
    assert looks[2] == Roi((19.5, 19.5), 40.0)
    assert len(first_looks(points * np.nan, track, np.array([0.0, 0, 40, 40]), None)) == 1  # type: ignore[arg-type]


def test_in_profile_a_head_is_looked_at_as_it_stands_and_a_face_upside_down_is_none(
    clip: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The eyes of a profile lie one behind the other: their line may point anywhere."""
    points = np.full((len(HUMAN.joints), 2), np.nan)
    points[HUMAN.index("right_eye")], points[HUMAN.index("left_eye")] = (12, 10), (10, 11)
    points[HUMAN.index("neck")] = (12, 30)
    track = type("Track", (), {"skeleton": HUMAN})()
    looks = first_looks(points, track, np.array([0.0, 0, 40, 40]), None)  # type: ignore[arg-type]
    assert abs(looks[0].rotation) < 0.1
    points[[HUMAN.index("right_mouth"), HUMAN.index("left_mouth")]] = (18, 10)  # she lies, her face to the right
    assert abs(first_looks(points, track, np.array([0.0, 0, 40, 40]), None)[0].rotation + np.pi / 2) < 0.1  # type: ignore[arg-type]

    class Fallen(seen_as(1.0)):
        def __call__(self, image: np.ndarray, square: Roi) -> Face:
            face = super().__call__(image, square)
            return Face(2 * face.points.mean(axis=0) - face.points, face.expression, face.presence)

    monkeypatch.setattr(measure, "FaceMesh", Fallen)
    assert measured(clip, tmp_path, PARAMS) == 0


def test_a_face_that_the_network_doubts_has_no_mesh_and_says_so(
    clip: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(measure, "FaceMesh", seen_as(0.3))
    assert measured(clip, tmp_path, PARAMS) == 0
    assert f"{T} of {T} frames: the face is turned away or hidden" in capsys.readouterr().out
    n, residuals = place(clip)
    assert (n, residuals.regions) == (0, ())
    small = PARAMS.model_copy(update={"min_side_px": 500.0})
    measured(clip, tmp_path, small)
    assert "its side is under 500 px" in capsys.readouterr().out
    none = PARAMS.model_copy(update={"network": "none"})
    assert measured(clip, tmp_path / "absent", none) == 0
    assert place(clip)[1].attributes["reason"] == "no face of the index has a mesh"


def test_a_real_head_is_placed_where_the_generated_one_is_none(clip: dict[str, Path]) -> None:
    n, residuals = place(clip)
    assert n == T
    assert residuals.placed["face"] == residuals.patches["face"].shape[1] == residuals.boxes["face"][0][2] - residuals.boxes["face"][0][0]
    assert all(residuals.residual("face", t).any() for t in range(T))


@pytest.mark.parametrize("rows", [slice(0, None), slice(1, None)], ids=["none", "one"])
def test_what_is_seldom_or_hardly_taken_for_a_face_is_no_head(
    clip: dict[str, Path], rows: slice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the squares over a face: the network is half sure of a few."""
    meshes = read_meshes(clip["meshes"])
    presence = meshes.presence.copy()
    presence[rows] = 0.75
    write_meshes(clip["meshes"], Meshes(meshes.points, meshes.expression, presence, meshes.size_hw, ()))
    monkeypatch.setattr(heads, "LEAST_SHARE", 0.1)  # one of 18 is less
    n, residuals = place(clip)
    assert n == 0
    assert f"{1 if rows.start else 0} of 18 faces of the target are sure to be one" in residuals.attributes["reason"]


def test_a_driver_whose_face_may_be_none_asks_for_no_head(clip: dict[str, Path]) -> None:
    meshes = read_meshes(clip["meshes"])
    presence = meshes.presence.copy()
    presence[18:] = 0.75
    write_meshes(clip["meshes"], Meshes(meshes.points, meshes.expression, presence, meshes.size_hw, ()))
    n, residuals = place(clip)
    assert n == 18
    assert f"{T - 18} of {T} frames: what looks like a face may be none" in residuals.skipped["face"]


def test_a_generated_head_that_fits_as_well_stays(clip: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heads, "FaceMesh", seen_as(1.0))
    monkeypatch.setattr(heads, "misfit", lambda *_: -0.01)  # it sees the same face as in the index, but for rounding
    n, residuals = place(clip)
    assert n == 0
    assert not residuals.patches["face"][:].any()


@pytest.mark.parametrize(("wider", "shown", "aside", "placed"), [(1.15, 1.15, 1.0, 6), (1.6, 1.6, 1.0, 0), (1.0, 1.6, 0.0, 6)])
def test_a_generated_head_of_the_right_shape_stays_before_a_real_one_of_another(
    clip: dict[str, Path], monkeypatch: pytest.MonkeyPatch, wider: float, shown: float, aside: float, placed: int
) -> None:
    """Though it lies a face's size aside: that counts, but not wholly. In its place and of another shape it gives way."""
    meshes, wide = read_meshes(clip["meshes"]), np.array([wider, 1.0, 1.0])
    points = meshes.points.copy()
    points[:18] = np.nan  # who drives has no face there
    points[18:] = (points[18:] - points[18:].mean(axis=1, keepdims=True)) * wide + points[18:].mean(axis=1, keepdims=True)
    driver = Meshes(points, meshes.expression, meshes.presence, meshes.size_hw, ())

    class Seen(StandIn):
        def __call__(self, image: np.ndarray, square: Roi) -> Face:
            return Face(SHAPE * [shown, 1, 1] + np.array([*square.centre_xy, 0.0]), np.full(len(EXPRESSIONS), 0.5, np.float32), 1.0)

    monkeypatch.setattr(heads, "FaceMesh", Seen)
    monkeypatch.setattr(heads, "misfit", lambda *_: aside)
    out, track = clip["table"].with_name("placed.zarr"), read_keypoints(clip["keypoints"]).track()
    given = inputs(clip, MeshInputs(driver, meshes, track, out.parent))
    assert enhance_faces(given, face_params(align="mesh", alpha=1.0, candidates=1, max_misfit=0.9), REGIONS, SPLIT, out) == placed


def test_no_real_head_is_laid_before_a_larger_one_that_would_look_out(
    clip: dict[str, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And what was shown in the frame before has its advantage here too: no change from frame to frame about the limit."""
    beyond = iter([1.0] * 5 + [0.9] * 5 + [0.1] * 5 + [1.1] * 5 + [2.0] * 5 + [1.1] * (T - 25))
    monkeypatch.setattr(heads, "crown_beyond", lambda *_: heads.CROWN * next(beyond))
    _, residuals = place(clip, hysteresis=0.2)
    assert [bool(residuals.residual("face", t).any()) for t in range(T)] == [10 <= t < 20 for t in range(T)]
    assert f"10 of {T} frames show a real head, others the generated one, which fits as well, or looks out" in capsys.readouterr().out


def test_the_frames_around_the_query_are_never_taken(clip: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[np.ndarray] = []
    real = heads.laid

    def watched(head: heads.Head, pool: heads.FaceIndex, chosen: np.ndarray, *rest: np.ndarray) -> Laid:
        seen.append(pool.frame[chosen])
        return real(head, pool, chosen, *rest)

    monkeypatch.setattr(heads, "laid", watched)
    place(clip, exclude_neighbours=4)
    assert len(seen) == T
    assert all(abs(int(frames[0]) - t) > 4 and frames[0] < 18 for t, frames in enumerate(seen))


def test_a_head_farther_off_than_max_misfit_is_not_taken(clip: dict[str, Path]) -> None:
    meshes = read_meshes(clip["meshes"])
    stretched = meshes.points.copy()
    stretched[18:, :, 0] = (stretched[18:, :, 0] - stretched[18:, :, 0].mean(axis=1, keepdims=True)) * 2 + 100
    write_meshes(clip["meshes"], Meshes(stretched, meshes.expression, meshes.presence, meshes.size_hw, ()))
    assert place(clip, max_misfit=0.2)[0] == 18
    assert place(clip, max_misfit=0.9)[0] == T


def test_meshes_of_another_clip_and_missing_paths_are_said(clip: dict[str, Path]) -> None:
    meshes = read_meshes(clip["meshes"])
    write_meshes(clip["meshes"], Meshes(meshes.points[:5], meshes.expression[:5], meshes.presence[:5], meshes.size_hw, ()))
    with pytest.raises(InputError, match="as many frames"):
        place(clip)
    assert read_keypoints(clip["keypoints"]).track().present.all()
    out = clip["table"].with_name("other.zarr")
    with pytest.raises(InputError, match="--driver-meshes"):
        enhance_faces(inputs(clip, None), face_params(align="mesh", alpha=1.0), REGIONS, SPLIT, out)
