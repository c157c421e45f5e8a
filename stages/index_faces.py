"""Door: a target's frames, mattes and keypoints → the index of its training faces."""

from pipeline.artifacts.frames import open_frames
from pipeline.artifacts.keypoints import read_keypoints
from pipeline.artifacts.mattes import open_mattes
from pipeline.body.regions import RegionParams
from pipeline.door import door_parser, run_door, stage_clock
from pipeline.face.index import FaceIndexParams, IndexInputs, index_faces
from pipeline.params import read_section
from pipeline.timeline.split import SplitParams


def main() -> None:
    """Parse paths and params, open the inputs, index, publish."""
    parser = door_parser(
        "Index the faces of a target's training frames by their orientation.",
        reads={"frames": "frames (Zarr)", "mattes": "mattes (Zarr)", "keypoints": "keypoints (Parquet)"},
        writes={"out": "face index (Parquet)", "face-crops": "pictures and mattes of the faces (Zarr)"},
    )
    args = parser.parse_args()
    params = read_section(args.params, "face_index", FaceIndexParams)
    regions = read_section(args.params, "regions", RegionParams)
    split = read_section(args.params, "split", SplitParams)
    track = read_keypoints(args.keypoints).track()
    inputs = IndexInputs(open_frames(args.frames).steady(track.camera), open_mattes(args.mattes), track)
    with stage_clock(args.time) as figures:
        figures["faces"] = index_faces(inputs, params, regions, split, args.out, args.face_crops)


if __name__ == "__main__":
    run_door(main)
