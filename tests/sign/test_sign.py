"""The signed video: the same packets, a manifest that says what it is; and the door."""

import hashlib
import json
import sys

import av
import c2pa
import pytest
from ruamel.yaml import YAML

from pipeline.errors import InputError
from pipeline.sign.manifest import CONSENT_CHARACTERS, read_consent
from pipeline.sign.sign import sign_video
from pipeline.sign.verify import Verdict, verify
from stages.sign import main


def packets(path):
    """Every packet of every stream, with its times and bytes, and the file's tags."""
    with av.open(str(path)) as container:
        found = [(p.stream_index, p.pts, p.dts, p.duration, p.time_base, p.is_keyframe, bytes(p)) for p in container.demux()]
        return found, dict(container.metadata), [stream.codec_context.extradata for stream in container.streams]


def manifest_of(path):
    with path.open("rb") as file, c2pa.Reader("video/mp4", file) as reader:
        found = json.loads(reader.json())
    return found["manifests"][found["active_manifest"]]


def part(manifest, label):
    return next(part for part in manifest["assertions"] if part["label"] == label)


def test_the_streams_are_the_same_packets(drawn):
    unsigned, signed = packets(drawn.video), packets(drawn.signed)
    assert len({packet[0] for packet in unsigned[0]}) == 2
    assert len(unsigned[0]) > 12
    assert signed == unsigned


def test_it_says_that_a_trained_generator_took_part(drawn):
    manifest = manifest_of(drawn.signed)
    (action,) = part(manifest, "c2pa.actions.v2")["data"]["actions"]
    assert action["action"] == "c2pa.created"
    assert action["digitalSourceType"] == "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
    assert action["softwareAgent"]["name"] == manifest["claim_generator_info"][0]["name"] == "Motion Copy"
    assert manifest["title"] == "ben-to-ann"
    assert {p["label"] for p in manifest["assertions"] if p.get("created")} >= {"c2pa.actions.v2", "motion-copy.sources"}


def test_it_holds_the_digests_and_the_consent(drawn):
    sources, described = part(manifest_of(drawn.signed), "motion-copy.sources")["data"], json.loads(drawn.sidecar.read_text())
    assert sources["models"] == {"ann-appearance": "a" * 64, "ann-refiner": "b" * 64}
    assert sources["inputs"] == described["inputs"]
    assert sources["inputs"]["plate"] == {"name": "plate.bin", "sha256": hashlib.sha256(b"plate").hexdigest()}
    assert sources["video_sha256"] == hashlib.sha256(drawn.video.read_bytes()).hexdigest()
    assert sources["description_sha256"] == hashlib.sha256(drawn.sidecar.read_bytes()).hexdigest()
    assert (sources["generated"], sources["statement"]) == (True, described["statement"])
    assert sources["consent"] == drawn.consent.read_text(encoding="utf-8")


def test_two_signatures_differ_and_both_hold(drawn, identity, tmp_path):
    sign_video(drawn.video, drawn.sidecar, tmp_path / "again.mp4", drawn.consent, identity)
    assert (tmp_path / "again.mp4").read_bytes() != drawn.signed.read_bytes()
    assert verify(tmp_path / "again.mp4").state == verify(drawn.signed).state == "valid"


def test_without_consent_none_is_claimed(drawn, identity, tmp_path):
    sign_video(drawn.video, drawn.sidecar, tmp_path / "out.mp4", None, identity)
    assert "consent" not in part(manifest_of(tmp_path / "out.mp4"), "motion-copy.sources")["data"]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (None, r"ann\.txt must be a readable text file with the person's consent: No such file or directory\. Put the words there"),
        (b"\xff\xfea", r"ann\.txt must be text in UTF-8: invalid start byte at byte 0\."),
        (b" \n", rf"must hold 1 to {CONSENT_CHARACTERS} characters of consent, found 0\."),
        (b"a" * (CONSENT_CHARACTERS + 1), rf"characters of consent, found {CONSENT_CHARACTERS + 1}\. Put .* take `consent` out"),
    ],
    ids=["absent", "no text", "empty", "too long"],
)
def test_a_consent_that_cannot_be_read_is_one_line(data, message, tmp_path):
    if data is not None:
        (tmp_path / "ann.txt").write_bytes(data)
    with pytest.raises(InputError, match=message) as caught:
        read_consent(tmp_path / "ann.txt")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", [None, "[]", "{", '{"generated": true}', "{}"])
def test_without_a_description_nothing_is_signed(text, drawn, identity, tmp_path):
    sidecar = tmp_path / "a.json"
    if text is not None:
        sidecar.write_text(text)
    with pytest.raises(InputError, match=r"a\.json is not a readable description of a video: .* Run: dvc repro fuse") as caught:
        sign_video(drawn.video, sidecar, tmp_path / "out.mp4", None, identity)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.glob("*.mp4"))


def test_what_is_no_video_is_not_signed(drawn, identity, tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"no video" * 100)
    with pytest.raises(InputError, match=r"a\.mp4 could not be signed: ") as caught:
        sign_video(tmp_path / "a.mp4", drawn.sidecar, tmp_path / "out.mp4", None, identity)
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match=r"b\.mp4 must be a video to be signed, there is none\. Run: dvc repro fuse"):
        sign_video(tmp_path / "b.mp4", drawn.sidecar, tmp_path / "out.mp4", None, identity)
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def test_what_does_not_read_as_valid_is_not_published(drawn, identity, tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.sign.sign.verify", lambda *_: Verdict("altered", "a reason"))
    with pytest.raises(InputError, match=r"was signed, but does not read as valid: a reason\."):
        sign_video(drawn.video, drawn.sidecar, tmp_path / "out.mp4", None, identity)
    assert not list(tmp_path.iterdir())


@pytest.fixture
def door(drawn, tmp_path, monkeypatch):
    """Runs the door in a project of one target; returns the signed video's path."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "configuration"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data" / "consent").mkdir(parents=True)
    (tmp_path / "data" / "consent" / "ann.txt").write_text("Yes.")

    def run(target, sign=None):
        tree = {"targets": {"ann": target}, "sign": {"certificate": None, "key": None} if sign is None else sign}
        with open("params.yaml", "w") as file:
            YAML(typ="safe", pure=True).dump(tree, file)
        paths = ["--unsigned", str(drawn.video), "--sidecar", str(drawn.sidecar)]
        paths += ["--consents", "data/consent", "--out", "data/signed/a.mp4"]
        monkeypatch.setattr(sys, "argv", ["sign", "--target", "ann", *paths])
        main()
        return tmp_path / "data/signed/a.mp4"

    return run


def test_the_door_signs_and_leaves_the_unsigned_video(door, drawn):
    before = drawn.video.read_bytes()
    signed = door({"clip": "ann", "consent": "data/consent/ann.txt"})
    assert drawn.video.read_bytes() == before
    assert verify(signed).state == "valid"
    assert "consent of the person shown: Yes." in verify(signed).says


def test_params_without_consent_are_legal(door):
    assert not [line for line in verify(door({"clip": "ann"})).says if "consent" in line]


@pytest.mark.parametrize("named", ["data/source/ann.txt", "data/consent/../ann.txt", "/etc/hostname", 3])
def test_a_consent_that_dvc_would_not_watch_is_refused(named, door, tmp_path):
    with pytest.raises(InputError, match=r"params\.yaml: targets\.ann\.consent must be a file in data/consent, found .*Move it there"):
        door({"consent": named})
    assert not (tmp_path / "data/signed").exists()


def test_an_unknown_key_of_the_section_is_named(door):
    with pytest.raises(InputError, match=r"sign\.certficate is not a known key; legal here: certificate, key"):
        door({}, {"certficate": None, "key": None})
