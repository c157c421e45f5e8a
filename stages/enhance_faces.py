"""Door: generated foregrounds, a motion and a face index → residuals of the enhanced faces."""

from pipeline.body.regions import RegionParams
from pipeline.door import door_parser, run_door, stage_clock
from pipeline.face.enhance import FaceParams, MeshInputs, enhance_faces
from pipeline.names import named
from pipeline.params import read_section, read_value
from pipeline.timeline.split import self_split


def main() -> None:
    """Parse paths and params, enhance, publish."""
    parser = door_parser(
        "Mix real faces of similar orientation into the generated ones (Eq. 6-7).",
        reads={
            "generated": "generated foregrounds (Zarr)",
            "motion": "motion (Parquet)",
            "faces": "face index (Parquet)",
            "face-crops": "pictures of the face index (Zarr)",
        },
        writes={"out": "residuals (Zarr)"},
        optional={
            "features": "st_vgg16 weights, for face.similarity: image_features",
            "driver-meshes": "face meshes of the driver (Parquet), for face.align: mesh, as are the next three",
            "target-meshes": "face meshes of the target (Parquet)",
            "driver-keypoints": "keypoints of the driver (Parquet)",
            "mesh": "folder of the asset face_mesh",
        },
    )
    parser.add_argument("--pair", required=True, type=named("pair"), metavar="NAME", help="pair, for its target's overrides in params.yaml")
    args = parser.parse_args()
    target = read_value(args.params, f"pairs.{args.pair}.target")
    params = read_section(args.params, "face", FaceParams, f"targets.{target}.face")
    regions = read_section(args.params, "regions", RegionParams)
    split = self_split(args.params, args.pair)
    paths = args.generated, args.motion, args.faces, args.face_crops, args.out
    by_mesh = args.driver_meshes, args.target_meshes, args.driver_keypoints, args.mesh
    meshes = None if None in by_mesh else MeshInputs(*by_mesh)
    with stage_clock(args.time) as figures:
        figures["frames"] = enhance_faces(*paths, params, regions, split, args.features, meshes)


if __name__ == "__main__":
    run_door(main)
