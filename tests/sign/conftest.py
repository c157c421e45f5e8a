"""A drawn video with sound, the JSON beside it, chains of certificates of any make."""

import datetime
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID
from media import scenes, write_clip

from pipeline.fuse.sidecar import describe
from pipeline.sign.identity import Identity, own_identity
from pipeline.sign.sign import sign_video

CONSENT = "I, Ann, agree to be shown dancing.\nUntil the end of 2027: „ja“."
WEIGHTS = {"ann-appearance": "a" * 64, "ann-refiner": "b" * 64}
PEM = serialization.Encoding.PEM
UNUSED = ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "crl_sign", "encipher_only", "decipher_only")


@dataclass(frozen=True)
class Drawn:
    """Paths of what is signed, and the signed video."""

    video: Path
    sidecar: Path
    consent: Path
    signed: Path


@pytest.fixture(scope="session")
def identity(tmp_path_factory) -> Identity:
    """One that the project made itself."""
    return own_identity(tmp_path_factory.mktemp("configuration") / "signing")


@pytest.fixture(scope="session")
def drawn(tmp_path_factory, identity) -> Drawn:
    """A video as the project writes it (index in front, tags, sound), signed."""
    folder = tmp_path_factory.mktemp("drawn")
    video = write_clip(folder / "ben-to-ann.mp4", scenes(), sound="aac", options={"movflags": "+faststart"})
    files = Drawn(video, folder / "ben-to-ann.json", folder / "ann.txt", folder / "signed" / "ben-to-ann.mp4")
    files.sidecar.write_text(_described(folder), encoding="utf-8")
    files.consent.write_text(CONSENT, encoding="utf-8")
    sign_video(video, files.sidecar, files.signed, files.consent, identity)
    return files


@pytest.fixture
def chain(tmp_path) -> Callable[..., tuple[Path, Path]]:
    """Makes an authority and a signer's certificate in the test's folder; returns the paths of chain and key."""

    def make(key=None, days=(-1, 1), purposes=(ExtendedKeyUsageOID.EMAIL_PROTECTION,), alone=False, password=None, revocation=None):
        key = key or ec.generate_private_key(ec.SECP256R1())
        authority = key if alone else ec.generate_private_key(ec.SECP256R1())
        root, name = _name("Somebody" if alone else "An authority"), _name("Somebody")
        now = datetime.datetime.now(datetime.UTC)
        first, last = (now + datetime.timedelta(days=day) for day in days)

        def certificate(subject, public, authoritative):
            builder = (
                x509.CertificateBuilder(root, subject, public, x509.random_serial_number(), first, last)
                .add_extension(x509.BasicConstraints(authoritative, None), critical=True)
                .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key()), critical=False)
                .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
                .add_extension(x509.KeyUsage(not authoritative, key_cert_sign=authoritative, **dict.fromkeys(UNUSED, False)), critical=True)
            )
            if purposes and not authoritative:
                builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
            if revocation:
                told = x509.AccessDescription(AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(revocation))
                builder = builder.add_extension(x509.AuthorityInformationAccess([told]), critical=False)
            digest = None if isinstance(authority, ed25519.Ed25519PrivateKey) else hashes.SHA256()
            return builder.sign(authority, digest).public_bytes(PEM)

        certificates = [certificate(name, key.public_key(), False)] + ([] if alone else [certificate(root, authority.public_key(), True)])
        lock = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
        (tmp_path / "certificate.pem").write_bytes(b"".join(certificates))
        (tmp_path / "key.pem").write_bytes(key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, lock))
        return tmp_path / "certificate.pem", tmp_path / "key.pem"

    return make


def _described(folder: Path) -> str:
    """What fusion writes beside a video made with two models from two inputs."""
    models = [folder / f"{name}.json" for name in WEIGHTS]
    for model, digest in zip(models, WEIGHTS.values(), strict=True):
        model.write_text(json.dumps({"weights_sha256": digest, "params": {"k": 3}}))
    inputs = {name: folder / f"{name}.bin" for name in ("plate", "driver_frames")}
    for name, path in inputs.items():
        path.write_text(name)
    return describe(models, inputs, {"fps": "30", "frames": 12})


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Somebody's"), x509.NameAttribute(NameOID.COMMON_NAME, text)])
