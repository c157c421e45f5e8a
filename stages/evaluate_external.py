"""Door: another system's video of a pair → its scores by the protocol that ours are scored by."""

from pipeline.artifacts.crops import open_crops
from pipeline.artifacts.foregrounds import open_foregrounds
from pipeline.artifacts.frames import open_frames
from pipeline.artifacts.keypoints import read_keypoints
from pipeline.artifacts.scores import write_scores
from pipeline.door import door_parser, run_door, stage_clock
from pipeline.evaluation.external import ExternalParams
from pipeline.evaluation.imitation import PairInputs
from pipeline.evaluation.inception import load_inception_metrics
from pipeline.evaluation.others import score_external
from pipeline.evaluation.perceptual import load_distances
from pipeline.evaluation.settings import EvaluationParams
from pipeline.evaluation.temporal import load_flow
from pipeline.names import named
from pipeline.params import read_section
from pipeline.timeline.split import SplitParams


def main() -> None:
    """Parse paths and params, open the inputs, score, publish."""
    parser = door_parser(
        "Score another system's video of a pair: on the held-out frames if it is the target's own pair, else as an imitation.",
        reads={
            "generated": "our generated foregrounds of the pair, for its crop and windows (Zarr)",
            "motion": "the pair's motion (Parquet)",
            "driver-frames": "the driver's frames (Zarr)",
            "driver-keypoints": "the driver's keypoints (Parquet)",
            "crops": "the target's crops (Zarr)",
            "weights": "folder with a folder per fetched asset",
        },
        writes={"out": "scores (JSON)"},
    )
    parser.add_argument("--external", required=True, type=named("external"), metavar="NAME", help="entry of external, for its video")
    args = parser.parse_args()
    params = read_section(args.params, "evaluation", EvaluationParams)
    shown = read_section(args.params, f"external.{args.external}", ExternalParams)
    split = read_section(args.params, "split", SplitParams)
    driver = read_keypoints(args.driver_keypoints).track()
    inputs = PairInputs(
        generated=open_foregrounds(args.generated),
        driver_frames=open_frames(args.driver_frames).steady(driver.camera),
        driver=driver,
        motion=read_keypoints(args.motion, "motions").track(),
        crops=open_crops(args.crops),
    )
    with stage_clock(args.time, frames=len(inputs.generated)):
        flow, inception = load_flow(params.flow, args.weights), load_inception_metrics(params.metrics, args.weights)
        distances = load_distances(params.metrics, args.weights) if shown.is_own else {}
        write_scores(args.out, score_external(inputs, params, split, args.external, shown, distances, flow, inception))


if __name__ == "__main__":
    run_door(main)
