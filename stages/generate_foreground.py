"""Door: a motion and a target's generator → foregrounds."""

from pipeline.appearance.generate import GenerateInputs, GenerateParams, generate_foreground, load_generator, prepare_generator
from pipeline.artifacts.crops import open_crops
from pipeline.artifacts.further import read_last_model
from pipeline.artifacts.keypoints import read_keypoints
from pipeline.artifacts.references import open_all_references, read_chosen
from pipeline.door import door_parser, run_door, stage_clock
from pipeline.params import read_section


def main() -> None:
    """Parse paths and params, open the inputs, generate, publish."""
    parser = door_parser(
        "Render a motion as the foreground of a target, with the matte that goes with it.",
        reads={
            "model": "generator (safetensors)",
            "description": "its description (JSON)",
            "motion": "motion (Parquet)",
            "crops": "the target's crops (Zarr)",
            "references": "the target's references (Zarr)",
            "chosen": "references chosen for the motion (Parquet)",
        },
        writes={"out": "foregrounds (Zarr)"},
        optional={
            "further-references": "folder of the references of the target's further clips",
            "further-models": "folder of the generators that its further clips led to, of which the last one is taken",
        },
    )
    args = parser.parse_args()
    params = read_section(args.params, "generate", GenerateParams)
    inputs = GenerateInputs(
        motion=read_keypoints(args.motion, kind="motions").track(),
        crops=open_crops(args.crops),
        references=open_all_references(args.references, args.further_references),
        chosen=read_chosen(args.chosen),
        model=load_generator(*read_last_model(args.model, args.description, args.further_models)),
    )
    with stage_clock(args.time) as figures:
        prepare_generator(inputs.model, params)
        figures.update(generate_foreground(inputs, params, args.out))


if __name__ == "__main__":
    run_door(main)
