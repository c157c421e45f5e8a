"""Where an artifact was read, and which stage makes it: what a message says of one that does not belong to the others."""

import os
from dataclasses import dataclass
from pathlib import Path

MADE_BY = {  # ends of names in data/foregrounds and data/meshes
    "generated": "generate_foreground",
    "warped": "warp_references",
    "enhanced": "enhance_faces",
    "refined": "refine_regions",
    "remeasured": "remeasure_faces",
}


@dataclass(frozen=True)
class Source:
    """What an artifact is, its path, and `stage@name` of what makes it; both empty where it was made in memory."""

    what: str
    path: str = ""
    stage: str = ""

    @staticmethod
    def of(path: str | os.PathLike[str], what: str, stage: str) -> "Source":
        """The source of what was read from a path and is made by a stage, or by that which the end of its name tells."""
        stem = Path(path).stem
        name, _, end = stem.rpartition("-")
        return Source(what, str(path), f"{MADE_BY[end]}@{name}" if end in MADE_BY else f"{stage}@{stem}")

    def __str__(self) -> str:
        return self.path or f"the {self.what}"

    @property
    def remedy(self) -> str:
        """What to do where the artifact is not what it must be."""
        return f"Run: dvc repro {self.stage}".rstrip()


IN_MEMORY = {what: Source(what) for what in ("keypoints", "foregrounds", "residuals", "crops", "meshes")}
