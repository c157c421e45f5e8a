"""Ablations and comparisons: queue what is not done, then tabulate what is.

python -m pipeline.experiments queue ablations     then: GOMP_SPINCOUNT=1000 dvc queue start -j 2
python -m pipeline.experiments table ablations     writes data/experiments/ablations.parquet and .md
"""

import argparse
from pathlib import Path

from pipeline.door import run_door
from pipeline.experiments.lists import Experiment, ExperimentList, changed, experiments, list_names, read_list
from pipeline.experiments.queue import queue, require_commit, require_known_sources
from pipeline.experiments.results import Repository, Result
from pipeline.experiments.table import write_table
from pipeline.params import read_value

START = """{done} of {all} done, {new} queued now. To run what is queued, in the background, two at a time:
GOMP_SPINCOUNT=1000 dvc queue start -j 2
Watch: dvc queue status, dvc queue logs NAME -f. Stop: dvc queue stop --kill.
After a kill or a failure: this command again, then dvc queue start."""


def main() -> None:
    """Parse, then queue or tabulate."""
    parser = argparse.ArgumentParser(
        "python -m pipeline.experiments", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("do", choices=["queue", "table"], help="queue what is not done | tabulate what is")
    parser.add_argument("list", metavar="LIST", help=f"a file of pipeline/experiments: {', '.join(list_names())}")
    parser.add_argument("--target", metavar="NAME", help="another target than the list's; tables are then named LIST-NAME")
    parser.add_argument("--seeds", type=int, nargs="+", metavar="N", help="other seeds than the list's")
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="values of params.yaml over the list's base")
    parser.add_argument("--params", type=Path, default=Path("params.yaml"), metavar="PATH", help="params file")
    parser.add_argument("--out", type=Path, default=Path("data/experiments"), metavar="FOLDER", help="where tables go")
    args = parser.parse_args()
    root = args.params.resolve().parent
    listed = changed(read_list(args.list), args.target, args.seeds, args.set)
    wanted = experiments(args.list, listed, args.params)
    require_commit(root)
    repository = Repository(root)
    finished = repository.finished()
    if args.do == "table":
        name = f"{args.list}-{args.target}" if args.target else args.list
        paths = write_table(args.out, name, listed, read_results(repository, finished, listed, wanted))
        print(f"wrote {' and '.join(map(str, paths))}")
        return
    require_known_sources(root, listed.target, read_value(args.params, "clips"), read_value(args.params, "targets"))
    queued = queue(wanted, finished, root)
    done = sum(experiment.name in finished for experiment in wanted)
    print(START.format(done=done, all=len(wanted), new=len(queued)))


def read_results(
    repository: Repository, finished: dict[str, str], listed: ExperimentList, wanted: list[Experiment]
) -> dict[str, dict[int, Result]]:
    """Results of the finished experiments of a list by row and seed."""
    overridden = frozenset(key for experiment in wanted for key in (*experiment.set, *experiment.added))
    results: dict[str, dict[int, Result]] = {}
    for experiment in wanted:
        if experiment.name in finished:
            result = repository.result(finished[experiment.name], listed.target, overridden)
            results.setdefault(experiment.row, {})[experiment.seed] = result
    return results


if __name__ == "__main__":
    run_door(main)
