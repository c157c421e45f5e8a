"""Door: a target's frames, mattes and keypoints → the index of its training faces."""

from pipeline.body.regions import RegionParams
from pipeline.door import door_parser, run_door, stage_clock
from pipeline.face.index import FaceIndexParams, index_faces
from pipeline.params import read_section
from pipeline.timeline.split import SplitParams


def main() -> None:
    """Parse paths and params, index, publish."""
    parser = door_parser(
        "Index the faces of a target's training frames by their orientation.",
        reads={"frames": "frames (Zarr)", "mattes": "mattes (Zarr)", "keypoints": "keypoints (Parquet)"},
        writes={"out": "face index (Parquet)", "face-crops": "pictures and mattes of the faces (Zarr)"},
    )
    args = parser.parse_args()
    params = read_section(args.params, "face_index", FaceIndexParams)
    regions = read_section(args.params, "regions", RegionParams)
    split = read_section(args.params, "split", SplitParams)
    with stage_clock(args.time) as figures:
        figures["faces"] = index_faces(
            args.frames, args.mattes, args.keypoints, args.out, args.face_crops, params, regions, split
        )


if __name__ == "__main__":
    run_door(main)
