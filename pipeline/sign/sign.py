"""An unsigned video → the same streams with a signed manifest (C2PA) inside: no packet is encoded anew.

Signed bytes differ each time, as ES256 draws a number for every signature; no other stage reads them.
"""

import json
from pathlib import Path

import c2pa

from pipeline.artifacts.store import publish, require_free_bytes
from pipeline.errors import InputError
from pipeline.params import Section, read_value
from pipeline.sign.identity import Identity, configuration_folder, own_identity, read_identity
from pipeline.sign.manifest import manifest, read_consent
from pipeline.sign.verify import OFFLINE, verify

MANIFEST_BYTES = 1_000_000  # more than any manifest takes


class SignParams(Section):
    """Section `sign` of params.yaml: paths in PEM, both or neither; without them, key and certificate are made on first use."""

    certificate: str | None
    key: str | None


def identity_of(params: SignParams) -> Identity:
    """Who signs: the params' certificate and key, else those in the user's configuration folder, made there if need be."""
    if (params.certificate is None) != (params.key is None):
        raise InputError("params.yaml: sign.certificate and sign.key must both be paths or both null, found one of each kind.")
    if params.certificate is None or params.key is None:
        return own_identity(configuration_folder())
    remedy = "Correct sign.certificate and sign.key in params.yaml, or set both to null to have them made."
    return read_identity(Path(params.certificate).expanduser(), Path(params.key).expanduser(), remedy)


def find_consent(params: Path, target: str, folder: Path) -> Path | None:
    """The target's consent file in a folder, None where params name none; InputError for one elsewhere, which DVC would not see change."""
    said = read_value(params, f"targets.{target}").get("consent")
    if said is None:
        return None
    if not isinstance(said, str) or not Path(said).resolve().is_relative_to(folder.resolve()):
        raise InputError(f"{params}: targets.{target}.consent must be a file in {folder}, found {said!r}. Move it there, or leave it out.")
    return Path(said)


def sign_video(video: Path, sidecar: Path, out: Path, consent: Path | None, identity: Identity) -> None:
    """Write `video` (mp4) with its manifest to `out`, whole or not at all.

    sidecar: the JSON beside the video; consent: a text file with the words of the person shown, if any. InputError when one
    of them cannot be read, or the certificate does not serve for C2PA.
    """
    said = manifest(out.stem, sidecar, video, None if consent is None else read_consent(consent))
    require_free_bytes(out, video.stat().st_size + MANIFEST_BYTES)
    with publish(out, "video") as temporary:
        try:
            signer = c2pa.Signer.from_info(c2pa.C2paSignerInfo(identity.algorithm, identity.chain, identity.key, None))
            builder = c2pa.Builder(json.dumps(said), c2pa.Context(settings=c2pa.Settings.from_dict(OFFLINE)))
            with video.open("rb") as source, temporary.open("w+b") as target:
                builder.sign(signer, "video/mp4", source, target)
        except c2pa.C2paError as error:
            raise InputError(
                f"{video} could not be signed: {' '.join(str(error).split()).rstrip('.')}. It must be an mp4, and the certificate one "
                "for signing (digitalSignature, and emailProtection or C2PA's purpose), with its authority's after it."
            ) from error
        verdict = verify(temporary, identity.chain)
        if verdict.state != "valid":
            raise InputError(f"{video} was signed, but does not read as valid: {verdict.reason}. Check the certificate in use.")
