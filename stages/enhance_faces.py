"""Door: generated foregrounds, a motion and a face index → residuals of the enhanced faces."""

from pipeline.artifacts.faces import open_all_faces
from pipeline.artifacts.foregrounds import open_foregrounds
from pipeline.artifacts.keypoints import read_keypoints
from pipeline.artifacts.meshes import read_meshes
from pipeline.body.regions import RegionParams
from pipeline.door import door_parser, run_door, stage_clock
from pipeline.face.enhance import FaceInputs, MeshInputs, enhance_faces
from pipeline.face.params import FaceParams
from pipeline.names import named
from pipeline.params import read_section, read_value
from pipeline.timeline.split import self_split


def main() -> None:
    """Parse paths and params, open the inputs, enhance, publish."""
    parser = door_parser(
        "Mix real faces of similar orientation into the generated ones (Eq. 6-7).",
        reads={
            "warped": "foregrounds with carried pixels (Zarr)",
            "motion": "motion (Parquet)",
            "faces": "face index (Parquet)",
            "face-crops": "pictures of the face index (Zarr)",
        },
        writes={"out": "residuals (Zarr)"},
        optional={
            "features": "st_vgg16 weights, for face.similarity: image_features",
            "driver-meshes": "face meshes of the driver (Parquet), for face.align: mesh, as are the next three",
            "meshes": "face meshes of the target (Parquet)",
            "driver-keypoints": "keypoints of the driver (Parquet)",
            "weights": "folder of the asset face_mesh",
            "further-faces": "folder of the face indices of the target's further clips",
        },
    )
    parser.add_argument("--pair", required=True, type=named("pair"), metavar="NAME", help="pair, for its target's overrides in params.yaml")
    args = parser.parse_args()
    target = read_value(args.params, f"pairs.{args.pair}.target")
    params = read_section(args.params, "face", FaceParams, f"targets.{target}.face")
    regions = read_section(args.params, "regions", RegionParams)
    split = self_split(args.params, args.pair)
    meshes = None
    if None not in (args.driver_meshes, args.meshes, args.driver_keypoints, args.weights):
        joints = read_keypoints(args.driver_keypoints).track()
        meshes = MeshInputs(read_meshes(args.driver_meshes), read_meshes(args.meshes), joints, args.weights)
    inputs = FaceInputs(
        open_foregrounds(args.warped),
        read_keypoints(args.motion, "motions").track(),
        open_all_faces(args.faces, args.face_crops, args.further_faces),
        args.features,
        meshes,
    )
    with stage_clock(args.time) as figures:
        figures["frames"] = enhance_faces(inputs, params, regions, split, args.out)


if __name__ == "__main__":
    run_door(main)
