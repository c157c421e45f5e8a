"""What a generated video says of itself: tags inside it, a JSON beside it, and if wanted a mark in every frame."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from pipeline.artifacts.replacing import VIDEO_COMMENT
from pipeline.disk import digest_file
from pipeline.errors import InputError

TITLE = "Generated video"


def describe(models: Iterable[Path], inputs: Mapping[str, Path], facts: Mapping[str, Any]) -> str:
    """JSON text: generated, the models' digests and params, the inputs' sha256, and further facts; no clock in it."""
    described = {
        "generated": True,
        "statement": VIDEO_COMMENT,
        "models": {path.stem: _model(path) for path in models},
        "inputs": {name: {"name": path.name, "sha256": digest_path(path)} for name, path in inputs.items()},
        **facts,
    }
    return json.dumps(described, indent=1, sort_keys=True) + "\n"


def digest_path(path: Path) -> str:
    """sha256 of a file, or of a folder: over its files' relative names and digests in order of name."""
    if path.is_file():
        return digest_file(path)
    digest = hashlib.sha256()
    for part in sorted(p for p in path.rglob("*") if p.is_file()):
        digest.update(f"{part.relative_to(path).as_posix()} {digest_path(part)}\n".encode())
    return digest.hexdigest()


def draw_mark(image: np.ndarray, text: str) -> None:
    """Write text in place into the lower right corner of image (h w 3) uint8, white on a dark edge, 1/40 of the height."""
    height, width = image.shape[:2]
    scale = max(0.35, height / 40 / 22)  # the font's capitals are 22 px high at scale 1
    thick = max(1, round(scale * 1.5))
    (text_w, _), below = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, thick)
    corner = (max(0, width - text_w - 2 * thick - 4), max(8, height - below - 4))
    for colour, extra in (((0, 0, 0), 2 * thick), ((255, 255, 255), 0)):
        cv2.putText(image, text, corner, cv2.FONT_HERSHEY_SIMPLEX, scale, colour, thick + extra, cv2.LINE_AA)


def _model(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise InputError(f"{path} does not exist. Run: dvc repro train_appearance train_refiner")
    try:
        description = json.loads(path.read_text(encoding="utf-8"))
        return {"weights_sha256": description["weights_sha256"], "params": description.get("params")}
    except (ValueError, KeyError) as error:
        raise InputError(f"{path} does not describe a model ({error}). Run: dvc repro train_appearance train_refiner") from error
