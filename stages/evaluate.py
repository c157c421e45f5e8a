"""Door: the result of a pair and its driver → scores of the imitation."""

from pathlib import Path

from pipeline.artifacts.crops import open_crops
from pipeline.artifacts.foregrounds import open_foregrounds
from pipeline.artifacts.frames import open_frames
from pipeline.artifacts.identities import read_identities
from pipeline.artifacts.keypoints import Track, read_keypoints
from pipeline.artifacts.meshes import read_meshes
from pipeline.artifacts.scores import write_scores
from pipeline.door import door_parser, run_door, stage_clock
from pipeline.evaluation.imitation import PairFaces, PairInputs, evaluate_imitation
from pipeline.evaluation.inception import load_inception_metrics
from pipeline.evaluation.settings import EvaluationParams
from pipeline.evaluation.temporal import load_flow
from pipeline.params import read_section


def main() -> None:
    """Parse paths and params, open the inputs, score, publish."""
    parser = door_parser(
        "Score how a pair's result imitates its driver: steadiness, and the pose and faces found again in the result.",
        reads={
            "fused": "fused crops of the pair (Zarr)",
            "generated": "generated foregrounds of the pair (Zarr)",
            "motion": "the pair's motion (Parquet)",
            "driver-frames": "the driver's frames (Zarr)",
            "driver-keypoints": "the driver's keypoints (Parquet)",
            "crops": "the target's crops, whose true frames FID compares with (Zarr)",
            "driver-meshes": "face meshes of the driver (Parquet)",
            "meshes": "face meshes of the target (Parquet)",
            "remeasured": "face meshes of the result (Parquet)",
            "identities": "who the faces of result and target are (Parquet)",
            "weights": "folder with a folder per fetched asset",
        },
        writes={"out": "scores (JSON)"},
        optional={"redetected": "keypoints detected in the fused crops (Parquet); without them the pose is not scored"},
    )
    args = parser.parse_args()
    params = read_section(args.params, "evaluation", EvaluationParams)
    driver = read_keypoints(args.driver_keypoints).track()
    inputs = PairInputs(
        generated=open_foregrounds(args.generated),
        driver_frames=open_frames(args.driver_frames).steady(driver.camera),
        driver=driver,
        motion=read_keypoints(args.motion, "motions").track(),
        crops=open_crops(args.crops),
        fused=open_frames(args.fused, "fused"),
        redetected=_seen_again(args.redetected),
        faces=PairFaces(
            driver=read_meshes(args.driver_meshes),
            target=read_meshes(args.meshes),
            result=read_meshes(args.remeasured),
            identities=read_identities(args.identities),
        ),
    )
    with stage_clock(args.time, frames=len(inputs.generated)):
        flow, inception = load_flow(params.flow, args.weights), load_inception_metrics(params.metrics, args.weights)
        write_scores(args.out, evaluate_imitation(inputs, params, flow, inception))


def _seen_again(path: Path | None) -> Track | None:
    """The poses seen in the result; None when nobody looked (backend none), so that no score claims that nobody was seen."""
    keypoints = None if path is None else read_keypoints(path)
    return None if keypoints is None or keypoints.attributes.get("backend") == "none" else keypoints.track()


if __name__ == "__main__":
    run_door(main)
