"""A project of its own in a temporary folder: drawn clips of known truth, the real dvc.yaml, the smallest trainings."""

import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from figure import JOINTS, Figure, Motion, human, static_background, truth, write_video
from ruamel.yaml import YAML

from pipeline.artifacts.keypoints import write_keypoints

ROOT = Path(__file__).resolve().parent.parent
CONFIGURATION = tempfile.TemporaryDirectory()  # keys made by the stage `sign` do not go among the user's own
SIZE_HW = (160, 240)  # wider than the way of the target, whose crop is neither square nor the whole frame
FRAMES = 30
STAGE = re.compile(r"Running stage '([\w@-]+)'")

SMALL = {  # what makes a training take seconds; everything else stays as users get it
    "appearance.steps": 6,
    "appearance.threads": 1,
    "appearance.precision": "float32",
    "appearance.network.base_width": 8,
    "appearance.network.levels": 3,
    "appearance.network.blocks": 1,
    "appearance.discriminators.width": 8,
    "appearance.checkpoint_s": 0,
    "matting.edges": "none",  # these mattes are made without a network
    "generate.threads": 1,
    "generate.precision": "float32",
    "crop.size_px": 96,
    "regions.region_px": 32,
    "regions.min_side_px": 6,
    "face_index.size_px": 32,
    "face_mesh.network": "none",
    "face.align": "joints",  # drawn faces have no mesh
    "face.alpha": 0.6,
    "refine.enabled": True,
    "refine.steps": 4,
    "refine.threads": 1,
    "refine.precision": "float32",
    "refine.width": 8,
    "refine.discriminator_width": 8,
    "refine.checkpoint_steps": 1,
    "evaluation.watch_frames": 3,
    "report.sheet_frames": 4,
    "report.video_height_px": 96,
}


@dataclass
class Project:
    """A folder in which `dvc repro` runs."""

    folder: Path
    ran: list[str] = field(default_factory=list)  # stages of the first run

    def dvc(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run dvc here; the output is kept."""
        result = subprocess.run(
            [sys.executable, "-m", "dvc", *arguments], cwd=self.folder, env=environment(), capture_output=True, text=True, timeout=1500
        )
        if check and result.returncode:
            raise AssertionError(result.stdout[-4000:] + result.stderr[-4000:])
        return result

    def repro(self, *targets: str) -> list[str]:
        """Run `dvc repro`; the stages that ran, in order."""
        return STAGE.findall(self.dvc("repro", *targets).stdout)

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start dvc here and leave it running; its output goes to dvc.log."""
        with open(self.folder / "dvc.log", "wb") as log:
            command = [sys.executable, "-m", "dvc", *arguments]
            # no SHELL, as in a container: dvc then takes /bin/sh, which may stay between it and the stage
            return subprocess.Popen(
                command, cwd=self.folder, env={**environment(), "SHELL": "/bin/sh"}, stdout=log, stderr=subprocess.STDOUT
            )

    def door(self, stage: str, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run one door as dvc would."""
        command = [sys.executable, "-m", f"stages.{stage}", *arguments]
        return subprocess.run(command, cwd=self.folder, env={**environment(), **environ}, capture_output=True, text=True, timeout=300)

    def copy(self, folder: Path) -> "Project":
        """A project of its own with the same files; what is never written in place is linked."""
        shutil.copytree(self.folder, folder, copy_function=_copy_or_link, ignore=shutil.ignore_patterns("tmp"))
        return Project(folder)

    def set(self, **values: Any) -> None:
        """Change params by dotted key (dots written as __)."""
        edit_params(self.folder / "params.yaml", {key.replace("__", "."): value for key, value in values.items()})

    def bytes_of(self, *paths: str) -> dict[str, bytes]:
        """All files under the paths, by name."""
        files: dict[str, bytes] = {}
        for path in map(self.folder.joinpath, paths):
            assert path.exists(), path
            for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
                if file.is_file():
                    files[str(file.relative_to(self.folder))] = file.read_bytes()
        return files


def make_project(folder: Path) -> Project:
    """Drawn target `ann` and a driver `ben` of other proportions, imported keypoints, mattes by background difference."""
    folder.mkdir(parents=True)
    for name in ("pipeline", "stages"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("dvc.yaml", "params.yaml", ".dvcignore", ".gitignore"):
        shutil.copy(ROOT / name, folder)
    for name in ("experiments", "demo"):
        (folder / "data" / name).mkdir(parents=True)
        (folder / "data" / name / ".gitkeep").touch()
    (folder / "data" / "consent").mkdir()
    draw_ann(folder)
    draw_clip(folder, "ben.mp4", Figure(proportions={"thigh": 0.8, "shin": 0.8, "torso": 1.1}), Motion(wave=1.5))
    bring_downloads(folder)
    edit_params(folder / "params.yaml", {**SMALL, **cast()})
    for command in (["git", "init", "-q"], [sys.executable, "-m", "dvc", "init", "-q"]):
        subprocess.run(command, cwd=folder, check=True, env=environment())
    shutil.copy(ROOT / ".dvc" / "config", folder / ".dvc" / "config")
    return Project(folder)


def draw_ann(folder: Path) -> dict[str, np.ndarray]:
    """Draw the target's clip."""
    return draw_clip(folder, "ann.mkv", Figure(), Motion(travel=0.8))


def draw_clip(folder: Path, name: str, figure: Figure, motion: Motion, frames: int = FRAMES) -> dict[str, np.ndarray]:
    """Write data/source/<name> and its true keypoints beside it; returns the true frames, mattes, points, background."""
    source = folder / "data" / "source"
    source.mkdir(parents=True, exist_ok=True)
    skeleton = human()
    foot = (SIZE_HW[1] * 0.35, SIZE_HW[0] * 0.93)
    points = figure.points(frames, foot, motion)
    background = static_background(SIZE_HW, seed=len(name))
    images, mattes = figure.render(points, background)
    lossless = name.endswith(".mkv")  # a frame may then change without a trace in its neighbours
    write_video(source / name, images, "25", "ffv1" if lossless else "libx264")
    write_keypoints((source / name).with_suffix(".parquet"), truth(points, JOINTS, skeleton, SIZE_HW, "25"))
    return {"frames": images, "mattes": mattes, "points": points, "background": background}


def edit_params(path: Path, values: dict[str, Any]) -> None:
    """Set dotted keys of a params file, comments kept; a key must exist already, but for clips, targets, footage, pairs and theirs."""
    yaml = YAML()
    tree = yaml.load(path.read_text())
    for dotted, value in values.items():
        *parents, last = dotted.split(".")
        node = tree
        free = bool(parents) and parents[0] in ("clips", "targets", "footage", "pairs")
        for part in parents:
            node = node.setdefault(part, {}) if free else node[part]
        assert last in node or free, dotted
        node[last] = value
    out = io.StringIO()
    yaml.dump(tree, out)
    path.write_text(out.getvalue())


def arrays_and_tables(project: Project) -> dict[str, bytes]:
    """Everything that must come out the same after an interruption: arrays, tables, weights, scores; no times, no mp4."""
    wanted = ("frames", "keypoints", "mattes", "plates", "crops", "faces", "models", "motions", "foregrounds", "fused", "metrics")
    files = project.bytes_of(*(f"data/{name}" for name in wanted))
    return {name: data for name, data in files.items() if not name.startswith("data/metrics/time/")}


def differing(a: dict[str, bytes], b: dict[str, bytes]) -> list[str]:
    """Names whose bytes differ or that stand on one side only."""
    return sorted(name for name in a.keys() | b.keys() if a.get(name) != b.get(name))


def group_of(stages: Sequence[str]) -> set[str]:
    """Stage names without their keys."""
    return {stage.split("@")[0] for stage in stages}


_built: dict[str, Project] = {}


def built(base: Path) -> Project:
    """The drawn project after its first `dvc repro`, made once per test session; copy it before changing anything."""
    if "project" not in _built:
        project = make_project(base / "walk")
        _built["project"] = project
        project.ran = project.repro()
    return _built["project"]


def _copy_or_link(source: str, target: str) -> None:
    linked = any(part in source for part in ("/.dvc/cache/", "/.scratch/downloads/", "/data/weights/"))
    (os.link if linked else shutil.copy2)(source, target)


def cast() -> dict[str, Any]:
    """Clips, targets, pairs and another system's result of the drawn project, as params."""
    clips = {
        name: {
            "video": f"data/source/{name}{suffix}",
            "labels": f"data/source/{name}.parquet",
            "skeleton": "human",
            "pose": "imported",
            "refiner": "none",
            "select": "auto",
        }
        for name, suffix in (("ann", ".mkv"), ("ben", ".mp4"))
    }
    overrides = ("matting", "crop", "reference", "appearance", "face", "refine")
    targets = {"ann": {"clip": "ann", "matte": "background_difference", **{name: {} for name in overrides}}}
    pairs = {
        "ann-to-ann": {"driver": "ann", "target": "ann", "redetect": "none", "motion": {"method": "none"}},
        "ben-to-ann": {"driver": "ben", "target": "ann", "redetect": "none", "motion": {}},
    }
    # the target's own clip, as another system that reconstructs perfectly
    external = {"truth": {"driver": "ann", "target": "ann", "video": "data/source/ann.mkv", "shows": "full", "first_frame": 0}}
    return {"demo": [], "clips": clips, "targets": targets, "footage": {}, "pairs": pairs, "external": external}


def bring_downloads(folder: Path) -> None:
    """Take what was downloaded for this checkout along, so that a walk fetches at most once."""
    cache = ROOT / ".scratch" / "downloads"
    if cache.is_dir():
        unfinished = shutil.ignore_patterns("*.part", "*.lock", "tmp*")  # another test may be fetching
        shutil.copytree(cache, folder / ".scratch" / "downloads", copy_function=os.link, ignore=unfinished)


def environment() -> dict[str, str]:
    """Environment of every command in the project."""
    return {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "OMP_NUM_THREADS": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "XDG_CONFIG_HOME": CONFIGURATION.name,
    }


def read_json(path: Path) -> Any:
    """A JSON file."""
    return json.loads(path.read_text())


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    """Peak signal-to-noise ratio of two uint8 images, dB."""
    return float(10 * np.log10(255**2 / np.mean((a.astype(float) - b.astype(float)) ** 2)))
