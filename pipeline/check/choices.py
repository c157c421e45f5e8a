"""Values of params.yaml that pick a file or a folder of this project, and what they may be: what lies there, by its name."""

import difflib
import functools
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from pipeline.clips import HANDS
from pipeline.names import look_alike

PIPELINE = Path(__file__).resolve().parent.parent
OF_ENTRIES = ("clips", "targets", "footage", "pairs")  # sections of named entries, each of which chooses for itself
FUSE_STAGES = ("generated", "warped", "enhanced", "refined")  # dvc.yaml names a store of foregrounds after each
EDGES = ("modnet", "none")  # each has an asset of its name
FACE_MESHES = ("face_mesh", "none")  # likewise


@functools.cache
def choices() -> dict[str, list[str]]:
    """Legal values by key: of an entry of clips, targets, footage or pairs (`clips.pose`), or of a section (`background.fill`)."""
    assets = sorted(path.stem for path in (PIPELINE / "assets").glob("*.yaml"))
    seers = _packages("pose/backends", assets)
    return {
        "demo": assets,
        "clips.skeleton": sorted(path.stem for path in (PIPELINE / "skeletons").glob("*.yaml")),
        "clips.pose": [name for name in seers if name != "none"],
        "clips.hands": list(HANDS),
        "clips.refiner": _packages("pose/refiners", assets),
        "targets.matte": _packages("matting/backends", assets),
        "footage.matte": _packages("matting/backends", assets),
        "pairs.redetect": [name for name in seers if name != "imported"],
        "matting.edges": list(EDGES),
        "face_mesh.network": list(FACE_MESHES),
        "background.fill": _packages("background/backends", assets),
        "appearance.features": assets,
        "fuse.stage": list(FUSE_STAGES),
    }


def choice_faults(tree: Mapping[Any, Any]) -> list[str]:
    """Complaints about the values that sections (not entries of clips, targets, …) choose by, one line each, in the order of choices()."""
    faults = []
    for key, legal in choices().items():
        section, _, name = key.partition(".")
        if not name or section in OF_ENTRIES:
            continue
        values = tree.get(section)
        found = values.get(name) if isinstance(values, Mapping) else None
        faults += value_faults(key, found, legal)
    demo = tree.get("demo")
    if not isinstance(demo, list):
        return [*faults, f"demo must be a list of assets, [] for none, found {demo!r}"]
    return faults + [fault for i, name in enumerate(demo) for fault in value_faults(f"demo.{i}", name, choices()["demo"])]


def value_faults(key: str, found: Any, legal: Collection[str]) -> list[str]:
    """A complaint in a list when a value is not among the legal ones, else []."""
    return [] if found in legal else [f"{key} is {found!r}; legal: {there_are(legal, found)}"]


def there_are(legal: Collection[str], found: Any) -> str:
    """The legal names, or `none`, and after a near miss `; did you mean x?`."""
    alike = next((name for name in legal if name != found and look_alike(name) == look_alike(str(found))), None)
    if alike is not None:
        return f"{', '.join(legal)}; did you mean {alike!a}, whose capitals or accents are written otherwise than in {str(found)!a}?"
    near = difflib.get_close_matches(str(found), list(legal), 1)
    return (", ".join(legal) or "none") + (f"; did you mean {near[0]}?" if near else "")


def _packages(folder: str, assets: list[str]) -> list[str]:
    """Interchangeable packages of a folder of rooms, each of which has an asset of its name."""
    return sorted(path.name for path in (PIPELINE / folder).iterdir() if (path / "__init__.py").is_file() and path.name in assets)
