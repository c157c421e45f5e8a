"""How good the choice of a reference is: the warp alone, from every training frame, on held-out frames.

Run by hand, after `dvc repro`: PYTHONPATH=. python tests/benchmarks/choices.py man. Prints mean distances to the truth, over the person's
box at watch size, of the nearest pose joint by joint, of the first reference that is chosen, and of the best frame, which nobody can know.
Only references that were kept are tried.
"""

import argparse
from pathlib import Path

import numpy as np

from pipeline.artifacts.frames import open_frames
from pipeline.artifacts.keypoints import read_keypoints
from pipeline.artifacts.mattes import open_mattes
from pipeline.artifacts.references import open_references, read_chosen
from pipeline.evaluation.baselines import nearest_pose, pasted, warped
from pipeline.evaluation.perceptual import load_distances
from pipeline.evaluation.settings import EvaluationParams
from pipeline.evaluation.view import box_of_mask, follow_person, person_boxes
from pipeline.params import read_section
from pipeline.timeline.sampling import spread_evenly
from pipeline.timeline.split import SplitParams, split_frames

ROOT = Path(__file__).resolve().parent.parent.parent
JUDGES = ("st_lpips", "alex")


def main() -> None:
    """Warp, judge, print a row a frame and the means."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", help="target of params.yaml whose own pair is there")
    parser.add_argument("--root", type=Path, default=ROOT, help="project with its params.yaml and data")
    parser.add_argument("--frames", type=int, default=8, metavar="N", help="held-out frames, evenly spread")
    args = parser.parse_args()
    data, params = args.root / "data", args.root / "params.yaml"
    evaluation = read_section(params, "evaluation", EvaluationParams)
    track = read_keypoints(data / f"keypoints/{args.target}.parquet").track()
    plate = open_frames(data / f"plates/{args.target}.zarr", "plates")[0]
    frames = open_frames(data / f"frames/{args.target}.zarr").steady(track.camera).over(plate)
    mattes = open_mattes(data / f"mattes/{args.target}.zarr")
    kept = open_references(data / f"references/{args.target}.zarr").frames
    chosen = read_chosen(data / f"references/{args.target}-to-{args.target}.parquet")
    view = follow_person(person_boxes(mattes, track.present), frames.size_hw, evaluation.watch_px)
    judges = load_distances(list(JUDGES), data / "weights/metrics")
    root, hands = track.skeleton.index(track.skeleton.root), track.skeleton.hands()
    assert view is not None
    rows = []
    held_out = split_frames(track.present, read_section(params, "split", SplitParams)).held_out
    for t in spread_evenly(held_out, args.frames).tolist():
        query, true, box = track.points[t], view.see(frames[t], t), view.box(t)
        x0, y0, x1, y1 = (int(edge) for edge in box_of_mask(view.see(mattes[t], t, "zero") > 127))
        found = []
        for n in kept.tolist():
            copy = pasted(*warped(frames[n], mattes[n], query, track.points[n], track.skeleton, box), plate, box[:2])
            seen = view.see(copy, t)
            found.append([float(judges[name](true[None, y0:y1, x0:x1], seen[None, y0:y1, x0:x1])[0][0]) for name in JUDGES])
        by_joints = nearest_pose(query, track.points[kept], root, hands)
        rows.append([found[by_joints], found[int(chosen.rank[t, 0])], np.min(found, axis=0)])
        print(f"frame {t}: by joints {kept[by_joints]}, chosen {chosen.frame[t, 0]}, best {kept[int(np.argmin([f[0] for f in found]))]}")
    print(f"\n| {args.target} | {' | '.join(JUDGES)} |\n|---|---|---|")
    for name, scores in zip(("nearest joint by joint", "chosen", "best of all"), np.mean(rows, axis=0), strict=True):
        print(f"| {name} | {' | '.join(f'{score:.4f}' for score in scores)} |")


if __name__ == "__main__":
    main()
