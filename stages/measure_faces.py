"""Door: a clip's frames and keypoints → the mesh of the subject's face in each frame."""

from pipeline.artifacts.frames import open_frames
from pipeline.artifacts.keypoints import read_keypoints
from pipeline.body.regions import RegionParams
from pipeline.door import door_parser, run_door, stage_clock
from pipeline.face.measure import FaceMeshParams, MeasureInputs, measure_faces
from pipeline.params import read_section


def main() -> None:
    """Parse paths and params, open the inputs, measure, publish."""
    parser = door_parser(
        "Measure the subject's face in every frame: 478 points and its expression.",
        reads={"frames": "frames (Zarr)", "keypoints": "keypoints (Parquet)", "weights": "folder of the asset face_mesh"},
        writes={"out": "face meshes (Parquet)"},
    )
    args = parser.parse_args()
    params = read_section(args.params, "face_mesh", FaceMeshParams)
    regions = read_section(args.params, "regions", RegionParams)
    track = read_keypoints(args.keypoints).track()
    inputs = MeasureInputs(open_frames(args.frames).steady(track.camera), track, args.weights)
    with stage_clock(args.time) as figures:
        figures["faces"] = measure_faces(inputs, params, regions, args.out)


if __name__ == "__main__":
    run_door(main)
