"""The paper's own chain through `dvc repro`: OpenPose, DCPose, Mask R-CNN and DeepFill, each chosen by its value in params.yaml.

The networks have their real architectures and weights filled by the oracles' rule, brought by hand to data/incoming. What they
see means nothing; that every stage takes what the one before it made is what is shown here.
"""

import json

import filled
import numpy as np
import pytest
from figure import Figure, Motion
from ruamel.yaml import YAML
from walking import SIZE_HW, SMALL, Project, draw_clip, make_project

from pipeline.artifacts.frames import open_frames
from pipeline.artifacts.keypoints import ORIGINS, read_keypoints
from pipeline.artifacts.mattes import open_mattes
from pipeline.disk import digest_file

pytestmark = pytest.mark.slow
FRAMES = 8
# Networks that mean nothing see other people in every other picture; a figure that hardly moves keeps those it has.
STILL = Motion(travel=0, sway=0, lift=0, wave=0.05, turn_degrees=1)
CHAIN = [
    "fetch_pose_weights@ann", "fetch_refiner_weights@ann", "fetch_matte_weights@ann", "fetch_fill_weights", "extract_frames@ann",
    "estimate_poses@ann", "segment_person@ann", "inpaint_background@ann", "crop_person@ann", "index_faces@ann", "train_appearance@ann",
    "retarget_motion@ann-to-ann", "generate_foreground@ann-to-ann", "enhance_faces@ann-to-ann", "train_refiner@ann",
    "refine_regions@ann-to-ann", "fuse@ann-to-ann",
]  # fmt: skip


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A drawn clip of eight frames whose target asks for the paper's networks; their files lie in data/incoming."""
    project = make_project(tmp_path_factory.mktemp("paper") / "p")
    draw_clip(project.folder, "ann.mkv", Figure(), STILL, FRAMES)
    incoming = project.folder / "data" / "incoming"
    incoming.mkdir(parents=True)
    filled.write_openpose(incoming)
    filled.write_dcpose(incoming)
    filled.write_maskrcnn(incoming, "maskrcnn", filled.SURE)
    filled.write_deepfill(incoming, "pt")
    for asset in ("openpose", "dcpose", "maskrcnn", "deepfill"):
        _accept(project, asset)
    project.set(
        clips__ann__pose="openpose",
        clips__ann__refiner="dcpose",
        clips__ann__select={"track": 0},
        targets__ann__matte="maskrcnn",
        background__fill="deepfill",
        background__reveal="none",  # all that the person hides is left to the network
        pose__openpose={"scales": [0.25], "hand_scales": [0.1]},
        matting__extremities="none",
        # what a network without meaning sees looks like failures, which would all be dropped
        pose__min_score=0.0,
        motion__score_threshold=0.0,
        pose__repair__max_jump_frames=0,
        pose__repair__limb_ratio=100.0,
        pose__repair__swap_cost=1000000.0,
    )
    return project


def _accept(project: Project, asset: str) -> None:
    """Write the digests of the files brought by hand into the asset's file, as one does who brings weights of one's own."""
    path, yaml = project.folder / "pipeline" / "assets" / f"{asset}.yaml", YAML()
    tree = yaml.load(path.read_text())
    for file in tree["files"]:
        file["sha256"] = digest_file(project.folder / "data" / "incoming" / file["name"])
    with open(path, "w") as out:
        yaml.dump(tree, out)


def test_every_stage_from_poses_to_the_fused_video_runs(project: Project) -> None:
    ran = project.repro("fuse@ann-to-ann")
    assert set(CHAIN) <= set(ran)
    data = project.folder / "data"
    keypoints = read_keypoints(data / "keypoints/ann.parquet")
    assert keypoints.attributes["backend"] == "openpose"
    assert keypoints.attributes["refiner"] == "dcpose"
    track = keypoints.track()
    assert track.present.any()
    assert (track.origin == ORIGINS.index("refined")).any()
    mattes = open_mattes(data / "mattes/ann.zarr")
    assert mattes.attributes["backend"] == "maskrcnn"
    assert mattes[0:FRAMES].shape == (FRAMES, *SIZE_HW)
    assert mattes[0:FRAMES].any()
    assert open_frames(data / "plates/ann.zarr", "plates").attributes["inpainting"]["filled_share"] > 0
    fused = open_frames(data / "fused/ann-to-ann.zarr", "fused")[0:FRAMES]
    assert (fused.shape[0], max(fused.shape[1:3]), fused.shape[3], fused.dtype) == (FRAMES, SMALL["crop.size_px"], 3, np.uint8)
    assert json.loads((data / "videos/ann-to-ann.json").read_text())
    assert (data / "videos/ann-to-ann.mp4").stat().st_size > 0


def test_the_licences_of_the_networks_travel_with_them(project: Project) -> None:
    project.repro("fetch_pose_weights@ann", "fetch_refiner_weights@ann", "fetch_matte_weights@ann", "fetch_fill_weights")
    folders = {"openpose": "pose/ann", "dcpose": "refiner/ann", "maskrcnn": "matte/ann", "deepfill": "fill"}
    for name, folder in folders.items():
        manifest = json.loads((project.folder / "data/weights" / folder / "asset.json").read_text())
        assert manifest["name"] == name
        assert manifest["licence"]


def test_again_nothing_runs(project: Project) -> None:
    assert project.repro("fuse@ann-to-ann") == []
