"""Is a file as it was signed? Valid, altered or unsigned, and who signed; without the network.

Valid means unaltered since somebody signed. Who that was is only as sure as the certificates that one trusts: whoever alters
a video can sign it anew with a certificate of their own, under any name.
"""

import json
import mmap
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import c2pa

from pipeline.errors import InputError
from pipeline.sign.manifest import ACTIONS, SOURCES

# No manifest is fetched, no authority asked whether it took a certificate back.
OFFLINE = {"verify": {"remote_manifest_fetch": False, "ocsp_fetch": False, "verify_trust": True}}
UNTRUSTED, EXPIRED = "signingCredential.untrusted", "signingCredential.expired"
TRACES = (b"jumdc2pa", bytes.fromhex("d8fec3d61b0e483c92975828877ec481"))  # a manifest store, and its box in an mp4
LINE = 500  # characters of a foreign text that are told

State = Literal["valid", "altered", "unsigned"]


@dataclass(frozen=True)
class Verdict:
    """What was found: signer is the name in the certificate ("" if none), trusted whether a given certificate vouches for it.

    reason tells what is amiss, or what a valid one leaves open; says is what the manifest claims, one line each.
    """

    state: State
    reason: str = ""
    signer: str = ""
    trusted: bool = False
    says: tuple[str, ...] = ()

    def text(self) -> str:
        """The verdict in lines."""
        lines = [f"{self.state}: {self.reason}" if self.reason else self.state]
        if self.state == "valid":
            vouched = "for whom a certificate known here vouches" if self.trusted else "for whom no certificate known here vouches"
            lines += [f"signed by {self.signer}, {vouched}", *self.says]
        return "\n".join(lines)


def verify(path: Path, trusted: bytes | None = None) -> Verdict:
    """Check a file (mp4, or whatever else C2PA knows); trusted: certificates (PEM) whose signatures name their signer for sure.

    InputError when the file cannot be read or is of a kind that C2PA does not know.
    """
    settings = dict(OFFLINE) if trusted is None else {**OFFLINE, "trust": {"trust_anchors": trusted.decode("ascii")}}
    if not path.is_file():
        raise InputError(f"{path} must be a video file, there is none. Name a file that is there.")
    try:
        with path.open("rb") as file, c2pa.Reader(None, file, context=c2pa.Context(settings=c2pa.Settings.from_dict(settings))) as reader:
            return _judge(json.loads(reader.json()))
    except c2pa.C2paError as error:
        if str(error).startswith("Remote"):
            return Verdict("unsigned", f"it only names a manifest elsewhere, which is not fetched ({_line(error)})")
        if _has_trace(path):
            return Verdict("altered", f"its signature is damaged ({_line(error)})")
        if str(error).startswith("ManifestNotFound"):
            return Verdict("unsigned", "it holds no manifest (C2PA), or that was taken out")
        raise InputError(f"{path} must be a video (mp4) that can be read: {_line(error)}. Name another file.") from error


def _judge(found: dict[str, Any]) -> Verdict:
    active = found["manifests"].get(found.get("active_manifest"))
    if active is None or "validation_results" not in found:
        return Verdict("altered", "its signature is damaged")
    failures = {status["code"]: status for status in found["validation_results"]["activeManifest"]["failure"]}
    failures |= {status["code"]: status for status in found.get("validation_status", [])}  # of ingredients too
    signature = active.get("signature_info", {})
    signer = _line(f"{signature.get('common_name') or 'nobody named'} ({signature.get('issuer') or 'no organisation'})")
    broken = {code: status for code, status in failures.items() if code not in (UNTRUSTED, EXPIRED)}
    if broken:
        return Verdict("altered", ", ".join(_line(f"{code}: {status.get('explanation')}") for code, status in broken.items()), signer)
    if found.get("validation_state") not in ("Valid", "Trusted") and EXPIRED not in failures:
        return Verdict("altered", "its manifest is not valid", signer)
    late = "the signer's certificate has run out since, and nothing says when it signed" if EXPIRED in failures else ""
    return Verdict("valid", late, signer, not failures, tuple(_said(active)))


def _said(active: dict[str, Any]) -> list[str]:
    """What a manifest says of AI, and this project's of models and consent; only told, since it is the signer's word."""
    parts = {part["label"]: part["data"] for part in active.get("assertions", [])}
    kinds = {action["digitalSourceType"].rsplit("/")[-1] for a in (ACTIONS, "c2pa.actions") for action in _actions(parts.get(a))}
    lines = [f"source type: {_line(kind)}" for kind in sorted(kinds)]
    sources = parts.get(SOURCES)
    if isinstance(sources, dict):
        lines += [f"model {_line(name)}: weights of sha256 {_line(digest)}" for name, digest in dict(sources.get("models", {})).items()]
        lines += [f"consent of the person shown: {_line(sources['consent'])}"] if "consent" in sources else []
    return lines


def _actions(data: Any) -> list[dict[str, Any]]:
    actions = data.get("actions", []) if isinstance(data, dict) else []
    return [action for action in actions if isinstance(action.get("digitalSourceType"), str)]


def _line(text: object) -> str:
    """A foreign text in one line that a terminal may show: no control characters, not endless."""
    shown = "".join(c if c.isprintable() else " " for c in str(text))
    shown = " ".join(shown.split())
    return shown if len(shown) <= LINE else f"{shown[:LINE]} ..."


def _has_trace(path: Path) -> bool:
    """Whether a file holds any part of a manifest."""
    with path.open("rb") as file:
        if path.stat().st_size == 0:
            return False
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return any(data.find(trace) >= 0 for trace in TRACES)
