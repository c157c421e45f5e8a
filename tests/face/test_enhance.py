"""Index and enhancement from files: a turning head of a drawn figure finds its neighbours; identity, hold-out, bad input."""

from pathlib import Path

import figure
import numpy as np
import pytest
from turning import MATRIX, REGIONS, SIZE, SPLIT, TURNING, T, face_params, index, write_clip

from pipeline.artifacts.faces import open_faces
from pipeline.artifacts.foregrounds import open_foregrounds
from pipeline.artifacts.frames import create_frames, open_frames
from pipeline.artifacts.keypoints import read_keypoints
from pipeline.artifacts.residuals import open_residuals
from pipeline.errors import InputError
from pipeline.face import enhance
from pipeline.face.enhance import FaceInputs, enhance_faces
from pipeline.face.index import sharpness
from pipeline.timeline.split import SplitParams
from pipeline.video.clock import Clock


def polish(clip: dict[str, Path], faces: tuple[Path, Path], out: Path, split: SplitParams | None = SPLIT, **changes: object):
    motion = read_keypoints(clip["motion"], "motions").track()
    inputs = FaceInputs(open_foregrounds(clip["generated"]), motion, open_faces(*faces), None, None)
    enhance_faces(inputs, face_params(**changes), REGIONS, split, out)
    return open_residuals(out)


def test_index_holds_the_training_faces_and_their_vectors(tmp_path: Path) -> None:
    clip = write_clip(tmp_path)
    faces = open_faces(*index(clip, tmp_path))
    np.testing.assert_array_equal(faces.frame, np.arange(18))
    posed = dict(zip(figure.JOINTS, figure.Figure(height_px=160).points(T, (100, 185), TURNING).swapaxes(0, 1), strict=True))
    np.testing.assert_allclose(faces.vectors[:, 0], (posed["left_eye"] - posed["right_eye"])[:18], atol=1e-4)
    np.testing.assert_allclose(faces.vectors[:, 5], (posed["left_ear"] - posed["nose"])[:18], atol=1e-4)
    assert faces.crops.shape == (18, 48, 48, 3)
    assert faces.mattes[4][24, 24] == 255
    assert np.ptp(faces.size_px) == pytest.approx(0, abs=1e-9)


def test_the_turning_head_chooses_its_neighbours_but_not_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = write_clip(tmp_path)
    faces = index(clip, tmp_path)
    seen: list[np.ndarray] = []
    real = enhance.enhancement

    def watched(query: enhance.Query, pool: enhance.FaceIndex, chosen: np.ndarray, *rest: object) -> np.ndarray:
        seen.append(pool.frame[chosen])
        return real(query, pool, chosen, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(enhance, "enhancement", watched)
    polish(clip, faces, tmp_path / "out.zarr", candidates=1)
    # figure.py turns the head by turn_degrees · sin(π t / period): frame 24 - t looks exactly where frame t does
    for t in (7, 8, 9, 10, 14, 15, 16, 17, *range(18, T)):
        assert seen[t][0] == 24 - t
    assert all(abs(frames[0] - t) > 2 for t, frames in enumerate(seen))


def test_enhanced_faces_are_nearer_to_the_truth(tmp_path: Path) -> None:
    from pipeline.body.regions import cut_from_crop, cut_region
    from pipeline.refine.patches import polished

    clip = write_clip(tmp_path)
    enhanced = polish(clip, index(clip, tmp_path), tmp_path / "out.zarr", alpha=0.8)
    frames, generated = open_frames(clip["frames"]), open_foregrounds(clip["generated"])
    middle = slice(8, 24)
    gains = []
    for t in range(18, T):
        box = enhanced.boxes["face"][t]
        truth = cut_region(frames[t], box, 32)[middle, middle].astype(float)
        patch = cut_from_crop(generated.rgb[t], MATRIX, box, 32)
        after = polished(patch, enhanced.residual("face", t))[middle, middle]
        gains.append(np.abs(patch[middle, middle] - truth).mean() - np.abs(after - truth).mean())
    assert min(gains) > 0


def test_alpha_zero_is_the_identity(tmp_path: Path) -> None:
    clip = write_clip(tmp_path)
    residuals = polish(clip, index(clip, tmp_path), tmp_path / "out.zarr", alpha=0.0, beta=0.5)
    assert not residuals.patches["face"][:].any()


def test_held_out_pixels_and_poses_change_no_byte(tmp_path: Path) -> None:
    made = []
    for name, seed in (("a", 1), ("b", 2)):
        clip = write_clip(tmp_path / name, held_out_seed=seed)
        table, crops = index(clip, tmp_path / name)
        residuals = polish(clip, (table, crops), tmp_path / name / "out.zarr", hysteresis=0.3)
        files = {p.relative_to(crops): p.read_bytes() for p in sorted(crops.rglob("*")) if p.is_file()}
        made.append((table.read_bytes(), files, residuals.patches["face"][:18].tobytes()))
    assert made[0] == made[1]


def test_another_drivers_frames_may_use_every_face(tmp_path: Path) -> None:
    clip = write_clip(tmp_path)
    faces = index(clip, tmp_path)
    own = polish(clip, faces, tmp_path / "own.zarr", exclude_neighbours=50)
    assert not own.patches["face"][:].any()
    assert any("no face of the index" in reason for reason in own.skipped["face"])
    assert polish(clip, faces, tmp_path / "other.zarr", split=None, exclude_neighbours=50).patches["face"][:].any()


def test_faces_never_seen_leave_an_empty_index_and_no_region(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clip = write_clip(tmp_path, blank=True)
    faces = index(clip, tmp_path)
    assert len(open_faces(*faces)) == 0
    residuals = polish(clip, faces, tmp_path / "out.zarr")
    assert residuals.regions == ()
    assert len(residuals) == T
    assert residuals.attributes["reason"] == "the face index is empty"
    assert "faces stay as generated" in capsys.readouterr().out


def test_sharpness_falls_with_blur_and_ignores_the_background() -> None:
    rng = np.random.default_rng(0)
    sharp = rng.integers(0, 256, (48, 48, 3), dtype=np.uint8)
    soft = np.full((48, 48, 3), 128, np.uint8)
    inside = np.zeros((48, 48), np.uint8)
    inside[10:38, 10:38] = 255
    assert sharpness(sharp, inside) > 1000
    assert sharpness(soft, inside) == 0
    assert sharpness(sharp, np.zeros((48, 48), np.uint8)) == 0


def test_errors_name_what_to_do(tmp_path: Path) -> None:
    clip = write_clip(tmp_path)
    faces = index(clip, tmp_path)
    with pytest.raises(InputError, match="needs the st_vgg16 weights"):
        polish(clip, faces, tmp_path / "out.zarr", similarity="image_features")
    with create_frames(clip["frames"], Clock.regular("25", 2), (SIZE, SIZE)) as writer:
        writer.append(np.zeros((2, SIZE, SIZE, 3), np.uint8))
    with pytest.raises(InputError, match=r"mattes\.zarr has 24 frames, .*frames\.zarr has 2\."):
        index(clip, tmp_path)
    with pytest.raises(InputError, match=r"does not exist\. Run: dvc repro index_faces"):
        open_faces(tmp_path / "none.parquet", tmp_path / "none.zarr")
    assert not (tmp_path / "out.zarr").exists()
