"""Where unfinished work waits to be taken up again: checkpoints, downloads."""

import os
from pathlib import Path


def scratch_root() -> Path:
    """The folder `.scratch` of the project.

    A queued experiment runs in a copy of the project that is thrown away, so its checkpoints must lie outside it: DVC
    names the project that it was queued from in DVC_ROOT. Run by hand, or by `dvc repro`, that is the working folder.
    The place changes no result: a checkpoint is found by the fingerprint of what it is made from.
    """
    root = Path(os.environ.get("DVC_ROOT", "."))
    if not (root / ".dvc").is_dir() or root.resolve() == Path.cwd():
        return Path(".scratch")
    return root / ".scratch"
