"""Door: the video and its JSON → the same video with a signed manifest that says what it is.

`targets.<target>.consent` may be left out, and DVC's templates know no optional keys: the whole of `targets.<target>` is
therefore the stage's param, and the folder of all consents its dependency, in which the file that is named must lie.
"""

from pipeline.door import door_parser, run_door, stage_clock
from pipeline.names import named
from pipeline.params import read_section
from pipeline.sign.sign import SignParams, find_consent, identity_of, sign_video


def main() -> None:
    """Parse paths and params, sign, publish."""
    parser = door_parser(
        "Sign a video: a manifest (C2PA) inside it says that AI took part, and what it was made from.",
        reads={
            "unsigned": "video to be signed (mp4); it stays as it is",
            "sidecar": "what the video is and what it was made from (JSON)",
            "consents": "folder that holds the consent named in params, if any",
        },
        writes={"out": "signed video (mp4)"},
    )
    parser.add_argument("--target", type=named("target"), required=True, metavar="NAME", help="the target in params")
    args = parser.parse_args()
    identity = identity_of(read_section(args.params, "sign", SignParams))
    consent = find_consent(args.params, args.target, args.consents)
    with stage_clock(args.time):
        sign_video(args.unsigned, args.sidecar, args.out, consent, identity)


if __name__ == "__main__":
    run_door(main)
