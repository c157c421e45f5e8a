import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pipeline.artifacts.identities import Described, Identities, write_identities
from pipeline.artifacts.keypoints import write_keypoints
from pipeline.artifacts.meshes import Meshes, write_meshes
from pipeline.artifacts.scores import read_curve, read_scores
from pipeline.artifacts.watched import open_watched
from pipeline.networks.face_mesh import EXPRESSIONS, POINTS

ROOT = Path(__file__).resolve().parents[2]
T, HW = 20, (112, 192)
PARAMS = """
split: {hold_out_fraction: 0.4}
regions: {region_px: 32, face_side: 2.5, hand_side: 0.8, foot_side: 0.8, smooth_frames: 5, min_side_px: 2}
evaluation:
  metrics: [psnr, psnr_person, tcm, e_warp, flicker, motion_consistency, face_landmarks, face_expression, face_identity]
  flow: dis
  mask: {consistency: 0.01, consistency_px2: 0.5, boundary: 0.01, boundary_px2: 0.002}
  static_below: 1.0e-6
  dilate_px: 4
  driver_margin: 1.25
  faces: {min_eyes_px: 8, max_turn_deg: 60}
  watch_px: 96
  watch_frames: 40
"""


@pytest.fixture
def folder(scene, region_params):
    scene.write_residuals("enhanced", 0, ("face",), region_params, 12)
    scene.write_residuals("refined", 0, ("face", "left_foot"), region_params, 12)
    write_keypoints(scene.folder / "motion.parquet", scene.keypoints, kind="motions")
    shape = np.random.default_rng(0).normal(0, 20, (POINTS, 3))
    shape[[33, 263, 10, 152]] = (-20, -9, 0), (20, -9, 0), (0, -30, 0), (0, 30, 0)
    faces = np.repeat(shape[None], T, axis=0)
    faces[15] = np.nan  # a held-out one
    expression = np.random.default_rng(1).random((T, len(EXPRESSIONS)))
    for name, found, size_hw in (("meshes", faces, HW), ("remeasured", 2 * faces + 5, HW)):
        write_meshes(scene.folder / f"{name}.parquet", Meshes(found, expression, np.ones(T), size_hw, ()))
    write_identities(scene.folder / "identities.parquet", Identities(Described.nothing(), Described.nothing()))
    (scene.folder / "params.yaml").write_text(PARAMS)
    return scene.folder


def run(door, folder, **options):
    argv = [f"--{name.replace('_', '-')}={folder / value}" for name, value in options.items()]
    command = [sys.executable, "-m", f"stages.{door}", *argv, f"--params={folder / 'params.yaml'}"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)


def reconstruct(folder, **options):
    names = ("fused", "generated", "enhanced", "refined", "frames", "mattes", "plate", "crops")
    inputs = {name: f"{name}.zarr" for name in names} | {"keypoints": "keypoints.parquet", "weights": "weights"}
    inputs |= {"warped": "generated.zarr", **{name: f"{name}.parquet" for name in ("meshes", "remeasured")}}  # nothing was carried
    return run("evaluate_reconstruction", folder, **inputs, out="man.json", frame_scores="man.tsv", watched="man.zarr", **options)


def imitate(folder):
    inputs = {"fused": "fused.zarr", "generated": "generated.zarr", "motion": "motion.parquet", "weights": "weights"}
    driver = {"driver_frames": "frames.zarr", "driver_keypoints": "keypoints.parquet", "crops": "crops.zarr"}
    faces = {name: f"{name}.parquet" for name in ("meshes", "remeasured", "identities")} | {"driver_meshes": "meshes.parquet"}
    return run("evaluate", folder, **inputs, **driver, **faces, out="man-to-man.json")


def test_reconstruction_door_writes_nested_scores_and_a_row_a_frame(folder):
    done = reconstruct(folder, time="time.json")
    assert done.returncode == 0, done.stderr
    scores = read_scores(folder / "man.json")
    methods = {"reconstruction", "warped_pose", "nearest_pose", "plate"}
    assert set(scores) == methods | {"nearest_pose_moved", "reference", "regions", "stages", "settings"}
    assert all(set(scores[method]["watch"]) == {"psnr", "psnr_person"} for method in (*methods, "nearest_pose_moved"))
    assert scores["stages"]["generated"]["watch"] == {"psnr_person": scores["reconstruction"]["watch"]["psnr_person"]}
    assert set(scores["regions"]["face"]) == {"warped", "enhanced", "refined"}
    assert scores["settings"]["frames"] == 8
    columns, watched = read_curve(folder / "man.tsv"), open_watched(folder / "man.zarr")
    assert columns["frame"] == list(range(12, 20))
    assert {"warped_pose_psnr", "watch.nearest_pose_moved_psnr", "stages.refined.watch.psnr_person"} <= set(columns)
    assert watched.frames.tolist() == columns["frame"]
    assert set(watched.pictures) == {"truth", "reconstruction", "warped_pose", "nearest_pose"}
    assert watched.pictures["truth"].shape == (8, *scores["settings"]["watch"]["view_hw"], 3)
    assert json.loads((folder / "time.json").read_text())["frames"] == 20
    faces = scores["settings"]["faces"]
    assert (faces["frames"], faces["compared"], faces["left_out"]) == (8, 7, {"no face found (truth)": 1})
    assert scores["reconstruction"]["face_landmarks"] < 1e-6  # the result's faces are twice as large, and elsewhere
    assert scores["reconstruction"]["face_expression"] == 0 < scores["reconstruction"]["face_expression_still"]
    assert [math.isnan(value) for value in columns["reconstruction_face_landmarks"]] == [t == 15 for t in range(12, 20)]
    assert done.stdout.count("evaluate_reconstruction: faces compared in 7 of 8 frames; left out: 1 no face found (truth).") == 1


def test_imitation_door_writes_nested_scores(folder):
    done = imitate(folder)
    assert done.returncode == 0, done.stderr
    scores = read_scores(folder / "man-to-man.json")
    faces = {"face_landmarks", "face_expression", "face_expression_still", "face_identity"}
    assert set(scores["imitation"]) == {"motion_consistency", "e_warp", "flicker", *faces}
    assert scores["imitation"]["motion_consistency"] == pytest.approx(1)
    assert scores["imitation"]["face_landmarks"] < 1e-6
    assert scores["imitation"]["face_identity"] is None
    assert scores["settings"]["not_computed"]["face_identity"].startswith("0 of the target's own faces can be compared")
    assert scores["settings"]["faces"]["compared"] == 19
    assert "evaluate: faces compared in 19 of 20 frames; left out: 1 no face found (driver)." in done.stdout


def test_a_listed_metric_without_its_network_ends_in_one_line(folder):
    (folder / "params.yaml").write_text(PARAMS.replace("[psnr,", "[lpips_vgg, psnr,"))
    done = reconstruct(folder)
    assert done.returncode == 1
    assert done.stderr.startswith("error: evaluation.metrics lists lpips_vgg, which needs ")
    assert done.stderr.count("\n") == 1
    assert not (folder / "man.json").exists()


def test_an_unknown_metric_names_the_legal_ones(folder):
    (folder / "params.yaml").write_text(PARAMS.replace("[psnr,", "[niqe, psnr,"))
    done = imitate(folder)
    assert done.returncode == 1
    assert "evaluation.metrics.0 is 'niqe'" in done.stderr
    assert "'motion_consistency'" in done.stderr
