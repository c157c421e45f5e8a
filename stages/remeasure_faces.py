"""Door: a pair's finished frames and its motion → the meshes of the result's faces, and who they are where that is asked for."""

from pipeline.artifacts.composites import Composites
from pipeline.artifacts.foregrounds import open_foregrounds
from pipeline.artifacts.frames import open_frames
from pipeline.artifacts.keypoints import read_keypoints
from pipeline.artifacts.meshes import read_meshes
from pipeline.artifacts.residuals import open_residuals
from pipeline.body.regions import RegionParams
from pipeline.door import door_parser, run_door, stage_clock
from pipeline.face.measure import FaceMeshParams
from pipeline.face.remeasure import RemeasureInputs, RemeasureOutputs, asked_for, remeasure_faces
from pipeline.params import read_section, read_value


def main() -> None:
    """Parse paths and params, open the inputs, measure, publish."""
    parser = door_parser(
        "Measure the face again in the finished frames of a pair, to judge them.",
        reads={
            "fused": "fused crops of the pair (Zarr), which say what the video shows",
            "generated": "generated foregrounds (Zarr)",
            "warped": "foregrounds with carried pixels (Zarr)",
            "enhanced": "residuals of the face index (Zarr)",
            "refined": "final residuals (Zarr)",
            "plate": "the target's plate (Zarr)",
            "motion": "the pair's motion (Parquet)",
            "frames": "the target's frames (Zarr), for face_identity as are the next two",
            "keypoints": "the target's keypoints (Parquet)",
            "meshes": "the target's face meshes (Parquet)",
            "weights": "folder with the networks of face_mesh and of the metrics",
        },
        writes={"out": "face meshes of the result (Parquet)", "identities": "who its faces and the target's own are (Parquet)"},
    )
    args = parser.parse_args()
    params = read_section(args.params, "face_mesh", FaceMeshParams)
    regions = read_section(args.params, "regions", RegionParams)
    asked = asked_for(read_value(args.params, "evaluation.metrics"))
    composites = Composites(
        generated=open_foregrounds(args.generated),
        warped=open_foregrounds(args.warped),
        enhanced=open_residuals(args.enhanced),
        refined=open_residuals(args.refined),
        plate=open_frames(args.plate, "plates"),
        fused=open_frames(args.fused, "fused"),
    )
    frames = open_frames(args.frames).steady(read_keypoints(args.keypoints).track().camera)
    motion = read_keypoints(args.motion, "motions").track()
    inputs = RemeasureInputs(composites, motion, frames, read_meshes(args.meshes), args.weights)
    with stage_clock(args.time) as figures:
        figures["faces"] = remeasure_faces(inputs, params, regions, asked, RemeasureOutputs(args.out, args.identities))


if __name__ == "__main__":
    run_door(main)
