"""Key and certificate: made once, outside the project, for nobody else to read; the user's own; and what does not serve."""

import getpass
import os
import platform
import stat

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa, x25519
from cryptography.x509.oid import ExtendedKeyUsageOID

from pipeline.errors import InputError
from pipeline.sign import identity as module
from pipeline.sign.identity import CHAIN, KEY, configuration_folder, own_identity, read_identity
from pipeline.sign.sign import SignParams, identity_of, sign_video
from pipeline.sign.verify import verify

DAMAGED = b"-----BEGIN %s-----\nMIGH\n-----END %s-----\n"


def modes(folder):
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}


def test_made_on_first_use_in_the_users_own_folder_and_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    old = os.umask(0)  # the modes are ours, not what the umask happens to leave
    try:
        first = identity_of(SignParams(certificate=None, key=None))
    finally:
        os.umask(old)
    folder = configuration_folder()
    assert folder == tmp_path / "motion-copy" / "signing"
    assert modes(folder) == {CHAIN: 0o600, KEY: 0o600}  # no key of the authority
    assert (modes(tmp_path), modes(folder.parent)) == ({"motion-copy": 0o700}, {"signing": 0o700})
    assert identity_of(SignParams(certificate=None, key=None)) == first
    assert first.algorithm == "es256"


def test_the_signers_certificate_is_an_authoritys_and_names_nobody(identity):
    leaf, root = x509.load_pem_x509_certificates(identity.chain)
    leaf.verify_directly_issued_by(root)
    assert not leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert {"emailProtection"} < {usage._name for usage in leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value}
    years = (leaf.not_valid_after_utc - leaf.not_valid_before_utc).days / 365
    assert years > 15  # a video reads as valid only as long
    names = f"{leaf.subject.rfc4514_string()} {leaf.issuer.rfc4514_string()}".lower()
    assert platform.node().lower() not in names
    assert getpass.getuser() not in names.split()


def test_of_two_makers_at_once_the_first_ones_stays(tmp_path, monkeypatch):
    folder = tmp_path / "signing"
    real, makers = module._new_chain, []

    def while_another_makes_one():
        if not makers:
            makers.append(own_identity)
            makers.append(own_identity(folder))
        return real()

    monkeypatch.setattr(module, "_new_chain", while_another_makes_one)
    assert own_identity(folder) == makers[1]
    assert [path.name for path in tmp_path.iterdir()] == ["signing"]


@pytest.mark.parametrize(
    ("make", "algorithm"),
    [
        (lambda: ec.generate_private_key(ec.SECP384R1()), "es384"),
        (lambda: ec.generate_private_key(ec.SECP521R1()), "es512"),
        (ed25519.Ed25519PrivateKey.generate, "ed25519"),
        (lambda: rsa.generate_private_key(65537, 2048), "ps256"),
    ],
    ids=["P-384", "P-521", "Ed25519", "RSA"],
)
def test_the_users_own_certificate_signs(make, algorithm, chain, drawn, tmp_path):
    certificate, key = chain(make())
    own = identity_of(SignParams(certificate=str(certificate), key=str(key)))
    assert own.algorithm == algorithm
    sign_video(drawn.video, drawn.sidecar, tmp_path / "out.mp4", None, own)
    verdict = verify(tmp_path / "out.mp4", certificate.read_bytes())
    assert (verdict.state, verdict.signer, verdict.trusted) == ("valid", "Somebody (Somebody's)", True)


def test_a_path_may_begin_at_home(chain, monkeypatch, tmp_path):
    chain()
    monkeypatch.setenv("HOME", str(tmp_path))
    assert identity_of(SignParams(certificate="~/certificate.pem", key="~/key.pem")).algorithm == "es256"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"days": (-9, -2)}, r"certificate\.pem must be valid today, found a certificate valid from 20..-..-.. to 20..-..-..\. Remedy\."),
        ({"days": (2, 9)}, r"must be valid today"),
        ({"alone": True}, r"must begin with a certificate that an authority signed \(C2PA\), found one that signs itself\. Remedy"),
        ({"password": b"secret"}, r"key\.pem must be a key without a password, found one that is encrypted\. Remedy"),
        ({"key": x25519.X25519PrivateKey.generate()}, r"key\.pem must be a key that C2PA knows: EC P-256, .*\. Remedy"),
        ({"key": ec.generate_private_key(ec.SECP256K1())}, r"must be a key that C2PA knows"),
        ({"key": rsa.generate_private_key(65537, 1024)}, r"must be a key that C2PA knows: .*RSA of 2048 bits"),
    ],
    ids=["expired", "not yet", "self-signed", "password", "X25519", "secp256k1", "short RSA"],
)
def test_what_does_not_serve_is_refused_in_one_line(arguments, message, chain):
    with pytest.raises(InputError, match=message) as caught:
        read_identity(*chain(**arguments), "Remedy.")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("key.pem", DAMAGED % (b"PRIVATE KEY", b"PRIVATE KEY"), r"key\.pem must hold a private key in PEM: .*\. Remedy"),
        ("key.pem", b"", r"key\.pem must hold a private key in PEM"),
        ("key.pem", b"\xff\xfe", r"key\.pem must hold a private key in PEM"),
        ("key.pem", None, r"key\.pem must be readable for signing: No such file or directory\. Remedy"),
        ("certificate.pem", DAMAGED % (b"CERTIFICATE", b"CERTIFICATE"), r"certificate\.pem must hold certificates in PEM"),
        ("certificate.pem", b"", r"certificate\.pem must hold certificates in PEM, the signer's first: .*\. Remedy"),
        ("certificate.pem", None, r"certificate\.pem must be readable for signing"),
    ],
)
def test_a_damaged_file_is_named_in_one_line(name, data, message, chain, tmp_path):
    files = chain()
    (tmp_path / name).unlink()
    if data is not None:
        (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError, match=message) as caught:
        read_identity(*files, "Remedy.")
    assert "\n" not in str(caught.value)


def test_the_key_of_another_certificate_is_refused(chain, identity, tmp_path):
    certificate, key = chain()
    key.write_bytes(identity.key)
    with pytest.raises(InputError, match=r"key\.pem must be the key of the first certificate in .*certificate\.pem, found that of another"):
        read_identity(certificate, key, "Remedy.")


def test_a_damaged_made_key_says_how_to_have_a_new_one(tmp_path):
    folder = tmp_path / "signing"
    own_identity(folder)
    (folder / KEY).write_text("cut off")
    with pytest.raises(InputError, match=rf"key\.pem must hold a private key.* Remove {folder} to have new ones made\."):
        own_identity(folder)


def test_one_path_of_the_two_is_refused(chain):
    certificate, _ = chain()
    with pytest.raises(InputError, match=r"sign\.certificate and sign\.key must both be paths or both null"):
        identity_of(SignParams(certificate=str(certificate), key=None))


@pytest.mark.parametrize("purposes", [(), (ExtendedKeyUsageOID.SERVER_AUTH,)], ids=["none", "servers"])
def test_a_certificate_for_another_purpose_is_refused_and_nothing_written(purposes, chain, drawn, tmp_path):
    own = read_identity(*chain(purposes=purposes), "Remedy.")
    with pytest.raises(InputError, match=r"could not be signed: .*emailProtection or C2PA's purpose") as caught:
        sign_video(drawn.video, drawn.sidecar, tmp_path / "signed" / "out.mp4", None, own)
    assert "\n" not in str(caught.value)
    assert not list((tmp_path / "signed").iterdir())
