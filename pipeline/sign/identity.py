"""Who signs: a key and a chain of certificates, the user's own or made on first use in the user's configuration folder.

C2PA takes no certificate that signs itself, so two are made: an authority, whose key is thrown away at once, and the signer's,
which the authority has signed. They name nobody: a signed video is published, and its maker may not want to be.
"""

import datetime
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import platformdirs
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPublicKeyTypes, PrivateKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from pipeline.errors import InputError, require_plain

KEY, CHAIN = "key.pem", "certificate.pem"
# Long, since no authority of time says when a video was signed: it reads as valid for as long as the certificate lasts.
VALID = datetime.timedelta(days=365 * 20)
EARLIER = datetime.timedelta(days=1)  # a clock that is set back a little still finds the certificate valid
C2PA_SIGNING = x509.ObjectIdentifier("1.3.6.1.4.1.62558.2.1")
CURVES = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}


@dataclass(frozen=True)
class Identity:
    """What c2pa signs with: its name of the algorithm, PEM of the chain (the signer's certificate first), PEM of the key (PKCS 8)."""

    algorithm: str
    chain: bytes
    key: bytes


def configuration_folder() -> Path:
    """Where the made key and certificate stand: motion-copy/signing in the user's configuration folder (XDG_CONFIG_HOME)."""
    return platformdirs.user_config_path("motion-copy") / "signing"


def own_identity(folder: Path) -> Identity:
    """The identity that stands in `folder`, made there (ES256, files of mode 600) when there is none.

    InputError when what stands there is damaged or has run out.
    """
    if not folder.is_dir():
        _make(folder)
    return read_identity(folder / CHAIN, folder / KEY, f"Remove {folder} to have new ones made.")


def read_identity(chain: Path, key: Path, remedy: str) -> Identity:
    """Read and check a chain and its key, both PEM; InputError names the file, what is wrong with it, and the remedy."""
    try:
        certificates = x509.load_pem_x509_certificates(_read(chain, remedy))
    except ValueError as error:
        raise InputError(f"{chain} must hold certificates in PEM, the signer's first: {error}. {remedy}") from None
    try:
        private = serialization.load_pem_private_key(_read(key, remedy), password=None)
    except TypeError:
        raise InputError(f"{key} must be a key without a password, found one that is encrypted. {remedy}") from None
    except Exception as error:  # ValueError, UnsupportedAlgorithm and the parser's own kinds
        raise InputError(f"{key} must hold a private key in PEM: {' '.join(str(error).split()).rstrip('.')}. {remedy}") from None
    _require_usable(chain, certificates[0], key, private, remedy)
    return Identity(
        _algorithm(key, private, remedy),
        b"".join(certificate.public_bytes(serialization.Encoding.PEM) for certificate in certificates),
        _key_pem(private),
    )


def _read(path: Path, remedy: str) -> bytes:
    require_plain(path)
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} must be readable for signing: {error.strerror}. {remedy}") from None


def _require_usable(chain: Path, signer: x509.Certificate, key: Path, private: PrivateKeyTypes, remedy: str) -> None:
    now, first, last = datetime.datetime.now(datetime.UTC), signer.not_valid_before_utc, signer.not_valid_after_utc
    if not first <= now <= last:
        raise InputError(f"{chain} must be valid today, found a certificate valid from {first:%Y-%m-%d} to {last:%Y-%m-%d}. {remedy}")
    if signer.subject == signer.issuer:
        raise InputError(f"{chain} must begin with a certificate that an authority signed (C2PA), found one that signs itself. {remedy}")
    if _public_pem(signer.public_key()) != _public_pem(private.public_key()):  # pyright: ignore[reportArgumentType]
        raise InputError(f"{key} must be the key of the first certificate in {chain}, found that of another. {remedy}")


def _algorithm(path: Path, key: PrivateKeyTypes, remedy: str) -> str:
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in CURVES:
        return CURVES[key.curve.name]
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return "ed25519"
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size >= 2048:
        return "ps256"
    raise InputError(f"{path} must be a key that C2PA knows: EC P-256, P-384, P-521, Ed25519, or RSA of 2048 bits or more. {remedy}")


def _make(folder: Path) -> None:
    """Make both files, whole or absent, even where several stages do so at once: the first one's stay."""
    folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    made = Path(tempfile.mkdtemp(prefix=".signing-", dir=folder.parent))  # mode 700
    try:
        for name, data in zip((CHAIN, KEY), _new_chain(), strict=True):
            with os.fdopen(os.open(made / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(data)
        os.rename(made, folder)
    except OSError:
        if not folder.is_dir():
            raise
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _new_chain() -> tuple[bytes, bytes]:
    """PEM of the signer's certificate and its authority's, and of the signer's key."""
    authority, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    number = f"{x509.random_serial_number() >> 128:08x}"
    root_name, name = _name(f"Motion Copy authority {number}"), _name(f"Motion Copy signer {number}")
    root = (
        _builder(root_name, root_name, authority.public_key(), authority)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage("key_cert_sign", "crl_sign"), critical=True)
    )
    # Verifiers ask for one of these purposes; older ones do not know C2PA's own.
    purposes = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION, C2PA_SIGNING])
    leaf = (
        _builder(name, root_name, key.public_key(), authority)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage("digital_signature"), critical=True)
        .add_extension(purposes, critical=False)
    )
    signed = [builder.sign(authority, hashes.SHA256()).public_bytes(serialization.Encoding.PEM) for builder in (leaf, root)]
    return b"".join(signed), _key_pem(key)


def _builder(
    name: x509.Name, issuer: x509.Name, public: CertificateIssuerPublicKeyTypes, authority: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - EARLIER)
        .not_valid_after(now + VALID)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key()), critical=False)
    )


def _name(text: str) -> x509.Name:
    organisation = x509.NameAttribute(NameOID.ORGANIZATION_NAME, "self-made certificate")
    return x509.Name([organisation, x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _usage(*purposes: str) -> x509.KeyUsage:
    every = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "key_cert_sign")
    flags = {purpose: purpose in purposes for purpose in (*every, "crl_sign", "encipher_only", "decipher_only")}
    return x509.KeyUsage(**flags)


def _key_pem(key: PrivateKeyTypes) -> bytes:
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def _public_pem(key: CertificateIssuerPublicKeyTypes) -> bytes:
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
