"""The command motion-copy: `check` says what is wrong before anything runs, `init` writes videos into params.yaml.

`spread` runs the stages on several machines. `export` writes a trained generator for other programs. `verify` says whether a video is as
it was signed; that is asked of any file, in no project.
"""

import argparse
import os
import sys
from pathlib import Path

from pipeline.command.init import add_videos
from pipeline.door import run_door
from pipeline.errors import InputError
from pipeline.imports import ROOT
from pipeline.record import PARAMS, PLAN


def main() -> None:
    """Run the command; bad input ends in one line and exit code 1 (of `verify`: 3, its others are verdicts)."""
    if sys.argv[1:2] == ["verify"]:
        from pipeline.sign.__main__ import main as verify  # c2pa serves nothing else here

        sys.exit(verify(sys.argv[2:], "motion-copy verify"))
    run_door(_run)


def _run() -> None:
    parser = argparse.ArgumentParser(prog="motion-copy", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="check | export | init | spread | verify")
    commands.add_parser("check", help="say what is wrong in params.yaml, a line each; exit code 1 if anything is")
    init = commands.add_parser("init", help="write clips, a target and its pairs into params.yaml; copies nothing, asks nothing")
    init.add_argument("target", metavar="TARGET", type=Path, help="video, or folder of images, of the person whose looks are learnt")
    init.add_argument("drivers", metavar="DRIVER", type=Path, nargs="+", help="videos whose motion the target takes on")
    spread = commands.add_parser("spread", help="bring stages up to date by workers: processes here, Slurm's jobs, a Dask cluster")
    spread.add_argument("targets", metavar="TARGET", nargs="*", help="stages or outs, as of dvc repro; none: everything")
    where = spread.add_mutually_exclusive_group()
    where.add_argument("--scheduler", metavar="ADDRESS", help="of a Dask cluster that runs already, for instance tcp://node:8786")
    where.add_argument("--slurm", action="store_true", help="jobs as jobqueue.slurm in ~/.config/dask/jobqueue.yaml describes them")
    spread.add_argument("--workers", metavar="N", type=int, default=2, help="how many processes here, or jobs at a time (default: 2)")
    spread.add_argument("--scratch", metavar="FOLDER", type=Path, help="a folder that all workers see (default: the project's .scratch)")
    export = commands.add_parser("export", help="write a target's trained generator as an ONNX graph, held against torch")
    export.add_argument("what", choices=["model"], help="what is exported")
    export.add_argument("target", metavar="TARGET", help="target of params.yaml, whose generator is trained")
    export.add_argument("--to", choices=["onnx"], required=True, help="format")
    export.add_argument("--pair", metavar="PAIR", help="whose motion the check is made on and the page shows (default: the target's own)")
    export.add_argument("--dynamic", action="store_true", help="for any number of windows at a time and references of any size")
    export.add_argument("--page", action="store_true", help="with a page that runs the graph in a browser")
    export.add_argument("--out", metavar="FOLDER", type=Path, help="where to (default: data/exports/TARGET)")
    commands.add_parser("verify", help="say whether a video is as it was signed, and who signed it; verify --help says more")
    args = parser.parse_args()
    project = find_project(Path.cwd())
    if args.command == "init":
        videos = [Path(os.path.abspath(video)) for video in (args.target, *args.drivers)]
        print("\n".join(add_videos(project, videos[0], videos[1:])))
        return
    if args.command == "export":
        from pipeline.command.export import Request, export_model  # torch takes seconds

        out = None if args.out is None else args.out.absolute()
        os.chdir(project)
        print("\n".join(export_model(Path(PARAMS), Request(args.target, args.pair, out, args.dynamic, args.page))))
        return
    from pipeline.command.check import everything_wrong, summary  # takes seconds: every room is asked for its params

    os.chdir(project)
    if faults := everything_wrong(Path(PARAMS)):
        print("\n".join(f"{PARAMS}: {fault}" for fault in faults))
        sys.exit(1)
    print(f"{PARAMS}: nothing is wrong; {summary(Path(PARAMS))}")
    if args.command == "spread":
        from pipeline.cluster.clusters import Choice
        from pipeline.cluster.run import spread_project

        if args.workers < 1:
            raise InputError(f"--workers must be 1 or more, found {args.workers}.")
        choice = Choice(args.scheduler, args.slurm, args.workers)
        scratch = (project / ".scratch" if args.scratch is None else args.scratch).absolute()
        sys.exit(0 if spread_project(project, args.targets, choice, scratch) else 1)


def find_project(here: Path) -> Path:
    """The checkout that `here` lies in; InputError when there is none, or its code is not the code that runs."""
    project = next((folder for folder in (here, *here.parents) if (folder / PLAN).is_file() and (folder / PARAMS).is_file()), None)
    if project is None:
        raise InputError(f"{here} lies in no project: {PLAN} and {PARAMS} must be there. Go to your checkout, for instance cd {ROOT}.")
    if project.resolve() != ROOT.resolve():
        raise InputError(
            f"{project} is another checkout than the one that is installed, {ROOT}: its stages would run other code. "
            "Activate its own environment, or run pip install -e . there."
        )
    return project


if __name__ == "__main__":
    main()
