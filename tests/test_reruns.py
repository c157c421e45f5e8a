"""Which stages a change of params reruns: the table in docs/reference/reruns.md, held against dvc.yaml as DVC itself resolves it.

tests/test_walk.py runs some of the rows for real.
"""

import copy
import fnmatch
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from walking import ROOT, cast, edit_params, environment

from pipeline.closure import FAMILIES
from pipeline.plan import resolve_stage

EXAMPLE = {"<clip>": "ben", "<target>": "ann", "<pair>": "ben-to-ann", "<new>": "eve", "<new pair>": "eve-to-ann", "<system>": "fsv2v"}
EXAMPLE["<footage>"] = EXAMPLE["<new>"]

# change → stages; a `name` in the second column stands for all stages of that row
RERUNS = {
    "`report`": "report",
    "`evaluation`": "evaluate, evaluate_reconstruction, evaluate_external, `report`",
    "`evaluation.metrics`, `evaluation.flow`": "fetch_metric_weights, remeasure_faces, `evaluation`",
    "`sign`": "sign, `report`",
    "`fuse`": "fuse, redetect_poses, remeasure_faces, evaluate, evaluate_reconstruction, sign, `report`",
    "`refine`": "train_refiner, refine_regions, `fuse`",
    "`face`": "enhance_faces, `refine`",
    "`face_index`": "index_faces, index_footage_faces, `face`",
    "`face_mesh`": "measure_faces, `face`",
    "`face_mesh.network`": "fetch_face_mesh, `face_mesh`",
    "`regions`": "index_faces, index_footage_faces, measure_faces, `face`",
    "`generate`": "generate_foreground, warp_references, evaluate_external, `face`",
    "`appearance`": "train_appearance, continue_appearance, `generate`",
    "`reference`": "keep_references, keep_footage_references, find_references, `appearance`",
    "`crop`": "crop_person, crop_footage, `appearance`",
    "`background`": "inpaint_background, inpaint_footage, `crop`, `reference`",
    "`background.fill`": "fetch_fill_weights, `background`",
    "`matting`": "segment_person, segment_footage, index_faces, index_footage_faces, `background`",
    "`matting.edges`": "fetch_edge_weights, fetch_footage_edge_weights, `matting`",
    "`split`": "estimate_poses, retarget_motion, measure_faces, `matting`",
    "`pose`": "estimate_poses, retarget_motion, measure_faces, `matting`",
    "`frames`": "extract_frames, `pose`",
    "`motion`": "retarget_motion, find_references, generate_foreground, warp_references, enhance_faces, refine_regions, fuse, "
    "redetect_poses, remeasure_faces, sign, `evaluation`",
    "`targets.<target>.matte`": "fetch_matte_weights@<target>, fetch_edge_weights@<target>, `matting`",
    "`targets.<target>.matting`": "`matting`",
    "`targets.<target>.crop`": "`crop`",
    "`targets.<target>.reference`": "`reference`",
    "`targets.<target>.appearance`": "`appearance`",
    "`targets.<target>.face`": "`face`",
    "`targets.<target>.refine`": "`refine`",
    "`targets.<target>.consent`": "`sign`, report",  # the report lists what the targets are
    "a further clip in `footage`": "*@<new>, list_footage, find_references, `generate`, `sign`",
    "`footage.<clip>.steps`": "list_footage, continue_appearance@<footage>, find_references, `generate`, `sign`",
    "`footage.<clip>.matte`": "fetch_footage_weights@<footage>, fetch_footage_edge_weights@<footage>, `footage.<clip>.matting`",
    "`footage.<clip>.matting`": "list_footage, segment_footage@<footage>, inpaint_footage@<footage>, crop_footage@<footage>, "
    "index_footage_faces@<footage>, keep_footage_references@<footage>, continue_appearance@<footage>, find_references, `generate`, `sign`",
    "`pairs.<pair>.motion`": "retarget_motion@<pair>, find_references@<pair>, generate_foreground@<pair>, warp_references@<pair>, "
    "enhance_faces@<pair>, refine_regions@<pair>, "
    "fuse@<pair>, redetect_poses@<pair>, remeasure_faces@<pair>, evaluate@<pair>, sign@<pair>, report",
    "`pairs.<pair>.redetect`": "fetch_redetection_weights@<pair>, redetect_poses@<pair>, evaluate@<pair>, report",
    "`clips.<clip>.video` of a driver": "fetch_hand_weights@<clip>, extract_frames@<clip>, estimate_poses@<clip>, measure_faces@<clip>, "
    "`pairs.<pair>.motion`",
    "`clips.<clip>.span` of a driver": "`clips.<clip>.video` of a driver",
    "`clips.<clip>.select` of a driver": "`clips.<clip>.video` of a driver",
    "`clips.<clip>.hands` of a driver": "`clips.<clip>.video` of a driver",
    "`clips.<clip>.labels` of a driver": "`clips.<clip>.video` of a driver",
    "`clips.<clip>.skeleton` of a driver": "`clips.<clip>.video` of a driver",
    "`clips.<clip>.joint_map` of a driver": "`clips.<clip>.video` of a driver",
    "`clips.<clip>.camera` of a driver": "`clips.<clip>.video` of a driver",
    "`clips.<clip>.pose` of a driver": "fetch_pose_weights@<clip>, `clips.<clip>.video` of a driver",
    "`clips.<clip>.refiner` of a driver": "fetch_refiner_weights@<clip>, `clips.<clip>.video` of a driver",
    "`clips.<clip>.video` of a target": "fetch_hand_weights@<target>, extract_frames@<target>, estimate_poses@<target>, "
    "measure_faces@<target>, retarget_motion, segment_person, index_faces, inpaint_background, `reference`, `crop`",
    "`clips.<clip>.span` of a target": "`clips.<clip>.video` of a target",
    "`clips.<clip>.select` of a target": "`clips.<clip>.video` of a target",
    "`clips.<clip>.hands` of a target": "`clips.<clip>.video` of a target",
    "`clips.<clip>.labels` of a target": "`clips.<clip>.video` of a target",
    "`clips.<clip>.camera` of a target": "`clips.<clip>.video` of a target",
    "`clips.<clip>.pose` of a target": "fetch_pose_weights@<target>, `clips.<clip>.video` of a target",
    "`clips.<clip>.refiner` of a target": "fetch_refiner_weights@<target>, `clips.<clip>.video` of a target",
    "a new driver and its pair": "*@<new>, *@<new pair>, report",
    "`external.<system>`": "evaluate_external@<system>, report",
    "comments, the order of keys": "",
}
EDITS: dict[str, dict[str, Any]] = {
    "`report`": {"report.sheet_frames": 5},
    "`evaluation`": {"evaluation.dilate_px": 3},
    "`sign`": {"sign.certificate": "~/certificate.pem", "sign.key": "~/key.pem"},
    "`fuse`": {"fuse.crf": 20},
    "`refine`": {"refine.seed": 2},
    "`face`": {"face.alpha": 0.3},
    "`face_index`": {"face_index.size_px": 40},
    "`face_mesh`": {"face_mesh.min_presence": 0.6},
    "`face_mesh.network`": {"face_mesh.network": "none"},
    "`regions`": {"regions.hand_side": 1.2},
    "`generate`": {"generate.batch_windows": 3},
    "`appearance`": {"appearance.seed": 2},
    "`reference`": {"reference.enabled": False, "reference.find.switch_cost": 0.02},
    "`crop`": {"crop.margin": 1.3},
    "`background`": {"background.max_samples": 20},
    "`background.fill`": {"background.fill": "deepfill"},
    "`matting`": {"matting.smoothing": 0.4},
    "`matting.edges`": {"matting.edges": "none"},
    "`split`": {"split.hold_out_fraction": 0.3},
    "`pose`": {"pose.smoothing_s": 0.06},
    "`frames`": {"frames.max_height_px": 144},
    "`motion`": {"motion.limb_percentile": 80},
    "`targets.<target>.matte`": {"targets.ann.matte": "blazepose"},
    "`targets.<target>.matting`": {"targets.ann.matting": {"smoothing": 0.4}},
    "`targets.<target>.crop`": {"targets.ann.crop": {"margin": 1.3}},
    "`targets.<target>.reference`": {"targets.ann.reference": {"enabled": False}},
    "`targets.<target>.appearance`": {"targets.ann.appearance": {"seed": 2}},
    "`targets.<target>.face`": {"targets.ann.face": {"alpha": 0.3}},
    "`targets.<target>.refine`": {"targets.ann.refine": {"seed": 2}},
    "`targets.<target>.consent`": {"targets.ann.consent": "data/consent/ann.txt"},
    "`pairs.<pair>.motion`": {"pairs.ben-to-ann.motion": {"limb_percentile": 80}},
    "`pairs.<pair>.redetect`": {"pairs.ben-to-ann.redetect": "blazepose"},
    "`clips.<clip>.span` of a driver": {"clips.ben.span": [2, 9]},
    "`clips.<clip>.select` of a driver": {"clips.ben.select": {"track": 0}},
    "`clips.<clip>.hands` of a driver": {"clips.ben.hands": "mediapipe"},
    "`clips.<clip>.pose` of a driver": {"clips.ben.pose": "openpose"},
    "`clips.<clip>.refiner` of a driver": {"clips.ben.refiner": "dcpose"},
    "`clips.<clip>.video` of a driver": {"clips.ben.video": "data/source/eve.mp4"},
    "`clips.<clip>.labels` of a driver": {"clips.ben.labels": "data/source/eve.parquet"},
    "`clips.<clip>.skeleton` of a driver": {"clips.ben.skeleton": "fish"},
    "`clips.<clip>.joint_map` of a driver": {"clips.ben.joint_map": {"chin": "neck"}},
    "`clips.<clip>.camera` of a driver": {"clips.ben.camera": "moving"},
    "`clips.<clip>.video` of a target": {"clips.ann.video": "data/source/eve.mp4"},
    "`clips.<clip>.span` of a target": {"clips.ann.span": [2, 9]},
    "`clips.<clip>.select` of a target": {"clips.ann.select": {"track": 0}},
    "`clips.<clip>.hands` of a target": {"clips.ann.hands": "mediapipe"},
    "`clips.<clip>.labels` of a target": {"clips.ann.labels": "data/source/eve.parquet"},
    "`clips.<clip>.camera` of a target": {"clips.ann.camera": "moving"},
    "`clips.<clip>.pose` of a target": {"clips.ann.pose": "openpose"},
    "`clips.<clip>.refiner` of a target": {"clips.ann.refiner": "dcpose"},
    "a new driver and its pair": {
        "clips.eve": {**cast()["clips"]["ben"], "video": "data/source/eve.mp4", "labels": "data/source/eve.parquet"},
        "pairs.eve-to-ann": {"driver": "eve", "target": "ann", "redetect": "none", "motion": {}},
    },
    "a further clip in `footage`": {
        "clips.eve": {**cast()["clips"]["ben"], "video": "data/source/eve.mp4", "labels": "data/source/eve.parquet"},
        "footage.eve": {"target": "ann", "after": "ann", "matte": "background_difference", "matting": {}, "steps": None},
    },
    "`footage.<clip>.steps`": {"footage.eve.steps": 4},
    "`footage.<clip>.matte`": {"footage.eve.matte": "blazepose"},
    "`footage.<clip>.matting`": {"footage.eve.matting": {"smoothing": 0.4}},
    "`external.<system>`": {
        "external": {"fsv2v": {"driver": "ann", "target": "ann", "video": "data/source/fsv2v.mp4", "shows": "full", "first_frame": 0}}
    },
}
CHECKED = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text())["stages"]["check_names"]["params"]
CONSTANT = ("data/names.ok", "data/code/")  # params change nothing of what is written there
# The graph alone cannot show where unchanged bytes stop a rerun; test_walk runs these rows.
RUN_ONLY = {"`evaluation.metrics`, `evaluation.flow`", "`motion`", "comments, the order of keys"}


FURTHER = "a further clip in `footage`"
SECTION_ROWS = ("`matting`", "`background`", "`crop`", "`reference`", "`appearance`", "`face_index`", "`regions`", "`split`", "`pose`")
OF_THE_TARGETS_CLIP = "`clips.<clip>.video` of a target"  # further clips train after it


def stages_of(row: str, names: dict[str, str] = EXAMPLE) -> list[str]:
    """Patterns of the stages a row of RERUNS names, with a project's names for <clip>, <target>, <pair>; the drawn one's if not said."""
    patterns: list[str] = []
    for token in filter(None, (part.strip() for part in RERUNS[row].split(","))):
        if token.startswith("`"):
            patterns += stages_of(token, names)
        else:
            for placeholder, name in names.items():
                token = token.replace(placeholder, name)
            patterns += [token] if "@" in token else [token, f"{token}@*"]
    return patterns


def expected(row: str, stages: set[str], names: dict[str, str] = EXAMPLE) -> set[str]:
    """The stages of the project that a row names, and the check of names where the row's edit is of what it reads."""
    checked = {"check_names"} & stages if any(_is_under(key, part) for key in EDITS.get(row, {}) for part in CHECKED) else set()
    return checked | {stage for stage in stages if any(fnmatch.fnmatchcase(stage, pattern) for pattern in stages_of(row, names))}


def _is_under(key: str, part: str) -> bool:
    return key == part or key.startswith(f"{part}.")


def resolve(folder: Path) -> dict[str, dict[str, Any]]:
    """Stages of the folder's dvc.yaml, resolved by DVC, each with the values of its params."""
    from dvc.parsing import DataResolver
    from dvc.repo import Repo

    tree = YAML(typ="safe").load((folder / "params.yaml").read_text())
    with Repo(str(folder)) as repo:
        plan = YAML(typ="safe").load((folder / "dvc.yaml").read_text())
        stages = copy.deepcopy(DataResolver(repo, str(folder), plan).resolve()["stages"])
    for stage in stages.values():
        stage["values"] = {key: _value(tree, key) for key in stage.get("params", [])}
    return stages


def affected(before: dict[str, dict[str, Any]], after: dict[str, dict[str, Any]]) -> set[str]:
    """Stages of `after` whose command, paths or params changed, and all stages downstream of them."""
    found = {name for name, stage in after.items() if stage != before.get(name)}
    while True:
        written = [path for name in found for path in _paths(after[name], "outs", "metrics", "plots") if not path.startswith(CONSTANT)]
        more = {name for name, stage in after.items() if any(_meets(dep, out) for dep in _paths(stage, "deps") for out in written)}
        if more <= found:
            return found
        found |= more


def _value(tree: Any, key: str) -> Any:
    for part in key.split("."):
        tree = tree[part]
    return tree


def _paths(stage: dict[str, Any], *kinds: str) -> list[str]:
    return [next(iter(entry)) if isinstance(entry, dict) else entry for kind in kinds for entry in stage.get(kind, [])]


def _meets(a: str, b: str) -> bool:
    return a == b or a.startswith(f"{b}/") or b.startswith(f"{a}/")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with dvc.yaml and the drawn project's params, without any data."""
    folder = tmp_path_factory.mktemp("plan")
    for name in ("dvc.yaml", "params.yaml"):
        (folder / name).write_text((ROOT / name).read_text())
    edit_params(folder / "params.yaml", cast())
    subprocess.run([sys.executable, "-m", "dvc", "init", "-q", "--no-scm"], cwd=folder, env=environment(), check=True)
    return folder


@pytest.fixture(scope="module")
def unchanged(folder):
    """The stages before any change."""
    return resolve(folder)


@pytest.fixture(scope="module")
def with_footage(folder):
    """The stages where the target has a further clip."""
    return edited(folder, EDITS[FURTHER])


def edited(folder: Path, *edits: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The stages after edits of params, which are taken back."""
    params = folder / "params.yaml"
    text = params.read_text()
    try:
        for edit in edits:
            edit_params(params, edit)
        return resolve(folder)
    finally:
        params.write_text(text)


@pytest.mark.parametrize("row", [row for row in RERUNS if row not in RUN_ONLY and not row.startswith("`footage.")])
def test_a_change_reaches_exactly_these_stages(row, folder, unchanged):
    after = edited(folder, EDITS[row])
    assert affected(unchanged, after) == expected(row, set(after))


@pytest.mark.parametrize("row", [*SECTION_ROWS, OF_THE_TARGETS_CLIP, *(row for row in RERUNS if row.startswith("`footage."))])
def test_with_a_further_clip_a_change_reaches_its_stages_too(row, folder, with_footage):
    after = edited(folder, EDITS[FURTHER], EDITS[row])
    assert affected(with_footage, after) == expected(row, set(after))


def test_a_clip_added_last_leaves_the_stages_of_those_before_it_alone(folder, with_footage):
    again = {key.replace("eve", "fay"): value for key, value in EDITS[FURTHER].items()}
    again["footage.fay"] = {**again["footage.fay"], "after": "ann/eve"}
    after = edited(folder, EDITS[FURTHER], again)
    found = affected(with_footage, after)
    assert {stage[:-4] for stage in after if stage.endswith("@eve")} == {stage[:-4] for stage in found if stage.endswith("@fay")}
    assert not [stage for stage in found if stage.endswith("@eve")]
    learning = ("train_appearance", "segment_person", "crop_person", "keep_references", "index_faces", "inpaint_background")
    assert not [stage for stage in found if stage.split("@")[0] in learning]


def test_a_stage_finds_its_own_deps_and_params_as_dvc_does(folder, unchanged):
    plan, params = ((folder / name).read_text() for name in ("dvc.yaml", "params.yaml"))
    assert len(unchanged) > 20
    for name, stage in unchanged.items():
        found = resolve_stage(name, plan, params)
        assert (found.deps, found.params) == (_paths(stage, "deps"), stage["values"]), name


def test_code_of_a_backend_that_is_not_chosen_is_nobodys_concern(unchanged):
    interchangeable = {path.relative_to(ROOT).as_posix() for folder in FAMILIES for path in (ROOT / folder).iterdir() if path.is_dir()}
    stages = [stage for name, stage in unchanged.items() if name != "check_names"]  # which lists all code
    met = {path for path in interchangeable for stage in stages if any(_meets(dep, path) for dep in _paths(stage, "deps"))}
    assert met == {
        "pipeline/pose/backends/imported",
        "pipeline/pose/backends/none",  # looks at the result again
        "pipeline/pose/refiners/none",
        "pipeline/matting/backends/background_difference",
        "pipeline/background/backends/exemplar",
    }


@pytest.mark.parametrize(("key", "name"), [("pose", "openpose"), ("refiner", "dcpose")])
def test_the_targets_own_clip_seen_otherwise_is_segmented_and_learnt_anew(key, name, folder, unchanged):
    after = edited(folder, {f"clips.ann.{key}": name})
    kinds = {"pose": "backends", "refiner": "refiners"}
    assert f"pipeline/pose/{kinds[key]}/{name}" in _paths(after["estimate_poses@ann"], "deps")
    own = {f"fetch_{key}_weights@ann", "fetch_hand_weights@ann"}
    before_poses = {stage for stage in after if stage.split("@")[0].startswith("fetch_")} - own
    of_ben = {"extract_frames@ben", "estimate_poses@ben", "measure_faces@ben"}
    assert affected(unchanged, after) == set(after) - before_poses - of_ben - {"list_footage@ann"}


def test_another_systems_video_is_read_by_its_own_scoring_only(folder):
    stages = edited(folder, EDITS["`external.<system>`"])
    readers = {name for name, stage in stages.items() if "data/source/fsv2v.mp4" in _paths(stage, "deps")}
    assert readers == {"evaluate_external@fsv2v"}
    assert not [name for name, stage in stages.items() if "data/source/fsv2v.mp4" in _paths(stage, "outs", "metrics", "plots")]


def test_nothing_reads_what_is_signed(unchanged):
    signed = {name: _paths(stage, "outs", "metrics", "plots") for name, stage in unchanged.items() if name.startswith("sign@")}
    assert signed == {f"sign@{pair}": [f"data/signed/{pair}.mp4"] for pair in cast()["pairs"]}  # no time: the report reads those
    read = {path for stage in unchanged.values() for path in _paths(stage, "deps")}
    assert not [path for path in read for (out,) in signed.values() if _meets(path, out)]


def test_params_without_consent_are_legal_and_every_consent_is_watched(folder, unchanged):
    targets = YAML(typ="safe").load((folder / "params.yaml").read_text())["targets"]
    assert not [name for name, target in targets.items() if "consent" in target]
    for pair in cast()["pairs"]:
        assert "data/consent" in _paths(unchanged[f"sign@{pair}"], "deps")


def test_every_section_of_params_has_a_row():
    sections = set(YAML(typ="safe").load((ROOT / "params.yaml").read_text())) - {"demo"}
    named = {re.split(r"[.`]", row)[1] for row in RERUNS if row.startswith("`")}
    assert named == sections


def test_evaluating_renders_nothing_and_fusing_trains_nothing():
    making = {"train_appearance@ann", "train_refiner@ann", "generate_foreground@ben-to-ann", "refine_regions@ben-to-ann"}
    assert not expected("`evaluation.metrics`, `evaluation.flow`", {*making, "fuse@ben-to-ann"})
    assert not expected("`fuse`", making)
    assert not {stage for stage in expected("a new driver and its pair", {*making, "train_appearance@eve"}) if "@ann" in stage}


def test_the_documents_print_this_table():
    text = (ROOT / "docs/reference/reruns.md").read_text()
    table = re.search(r"<!-- reruns -->\n(.*?)<!-- /reruns -->", text, re.DOTALL)
    assert table, "docs/reference/reruns.md has no table between <!-- reruns --> and <!-- /reruns -->"
    rows = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in table[1].strip().splitlines()[2:]]
    assert {change: stages.replace("nothing", "") for change, stages in rows} == RERUNS
