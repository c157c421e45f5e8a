"""What a signed video says of itself in C2PA's words: that AI took part, what it was made from, and the consent of who is shown.

The source type is IPTC's `compositeWithTrainedAlgorithmicMedia`: the background and much of the person's detail are pixels that a
camera took, and a trained generator made the rest. `trainedAlgorithmicMedia` would say that all of it was generated, though
it shows a real person in a real place; `compositeSynthetic` would not say that a trained network took part.
"""

import hashlib
import json
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from pipeline.artifacts.store import readable
from pipeline.disk import digest_file
from pipeline.errors import InputError, require_plain

SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
GENERATOR = "Motion Copy"
ACTIONS, SOURCES = "c2pa.actions.v2", "motion-copy.sources"
CONSENT_CHARACTERS = 20_000  # it travels in every video


def manifest(title: str, sidecar: Path, video: Path, consent: str | None) -> dict[str, Any]:
    """The manifest of `video` (mp4), as the c2pa package reads it; sidecar: the JSON beside the video, consent: the words, if any.

    It holds the sha256 of the unsigned video and of its sidecar, those of the models' weights and of every input, by name.
    InputError when the sidecar is not one.
    """
    with readable(sidecar, "description of a video", "Run: dvc repro fuse"):
        text = sidecar.read_bytes()
        sources = _sources(json.loads(text))
    sources["video_sha256"], sources["description_sha256"] = _digest(video), hashlib.sha256(text).hexdigest()
    if consent is not None:
        sources["consent"] = consent
    agent = _agent()
    action = {
        "action": "c2pa.created",
        "digitalSourceType": SOURCE_TYPE,
        "softwareAgent": agent,
        "description": sources["statement"],
    }
    return {
        "claim_generator_info": [agent],
        "title": title,
        "format": "video/mp4",
        "assertions": [
            {"label": ACTIONS, "created": True, "data": {"actions": [action]}},
            {"label": SOURCES, "created": True, "kind": "Json", "data": sources},
        ],
    }


def read_consent(path: Path) -> str:
    """The words of a consent file: UTF-8, not empty, at most CONSENT_CHARACTERS; InputError otherwise."""
    remedy = "Put the words there, or take `consent` out of the target's params."
    require_plain(path)
    try:
        words = path.read_text(encoding="utf-8-sig").strip()
    except OSError as error:
        raise InputError(f"{path} must be a readable text file with the person's consent: {error.strerror}. {remedy}") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path} must be text in UTF-8: {error.reason} at byte {error.start}. {remedy}") from None
    if not 1 <= len(words) <= CONSENT_CHARACTERS:
        raise InputError(f"{path} must hold 1 to {CONSENT_CHARACTERS} characters of consent, found {len(words)}. {remedy}")
    return words


def _sources(described: Mapping[str, Any]) -> dict[str, Any]:
    """What is kept of a sidecar: its statement and all digests."""
    return {
        "generated": bool(described["generated"]),
        "statement": str(described["statement"]),
        "models": {name: model["weights_sha256"] for name, model in described["models"].items()},
        "inputs": {name: dict(part) for name, part in described["inputs"].items()},
    }


def _agent() -> dict[str, str]:
    try:
        return {"name": GENERATOR, "version": metadata.version("motion-copy")}
    except metadata.PackageNotFoundError:  # run from a folder without being installed
        return {"name": GENERATOR}


def _digest(path: Path) -> str:
    if not path.is_file():
        raise InputError(f"{path} must be a video to be signed, there is none. Run: dvc repro fuse")
    return digest_file(path)
