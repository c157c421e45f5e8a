"""Valid, altered, unsigned: offline, for every byte of picture and sound, and whoever signed."""

import datetime
import http.server
import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import av
import c2pa
import pytest
from cryptography import x509

from pipeline.command.__main__ import main as motion_copy
from pipeline.errors import InputError
from pipeline.sign import identity as identity_module
from pipeline.sign.__main__ import main
from pipeline.sign.identity import own_identity, read_identity
from pipeline.sign.sign import sign_video
from pipeline.sign.verify import verify

ROOT = Path(__file__).resolve().parents[2]


def altered(path, folder, place, value=None):
    """A copy of a file with one bit at `place` turned, or bytes put there."""
    data = bytearray(path.read_bytes())
    if value is None:
        data[place] ^= 1
    else:
        data[place : place + len(value)] = value
    (folder / "altered.mp4").write_bytes(data)
    return folder / "altered.mp4"


def test_as_signed_is_valid_and_the_unsigned_video_is_unsigned(drawn):
    verdict = verify(drawn.signed)
    assert (verdict.state, verdict.reason) == ("valid", "")
    assert "source type: compositeWithTrainedAlgorithmicMedia" in verdict.says
    assert f"model ann-appearance: weights of sha256 {'a' * 64}" in verdict.says
    assert verify(drawn.video).state == "unsigned"


@pytest.mark.parametrize("kind", ["video", "audio"])
@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_one_turned_bit_of_picture_or_sound_is_noticed(kind, share, drawn, tmp_path):
    with av.open(str(drawn.signed)) as container:
        (stream,) = (s for s in container.streams if s.type == kind)
        found = [packet for packet in container.demux(stream) if packet.size]
        packet = found[round(share * (len(found) - 1))]
        place, content = packet.pos + packet.size // 2, bytes(packet)
    assert drawn.signed.read_bytes()[packet.pos :].startswith(content)
    verdict = verify(altered(drawn.signed, tmp_path, place))
    assert verdict.state == "altered"
    assert "bmffHash" in verdict.reason


def test_another_index_tag_or_end_is_noticed(drawn, tmp_path):
    data = drawn.signed.read_bytes()
    for place in (data.index(b"moov") + 20, data.index(b"stts") + 12, data.index(b"Lavf")):
        assert verify(altered(drawn.signed, tmp_path, place)).state == "altered"
    (tmp_path / "cut.mp4").write_bytes(data[:-200])
    (tmp_path / "longer.mp4").write_bytes(data + b"\0\0\0\x10mdatabcdefgh")
    assert verify(tmp_path / "cut.mp4").state == verify(tmp_path / "longer.mp4").state == "altered"


def test_what_is_written_into_the_manifest_afterwards_is_noticed(drawn, tmp_path):
    data = drawn.signed.read_bytes()
    for old, new in ((b"compositeWithTrained", b"compositeCapture    "), (b"dancing", b"singing"), (b"aaaaaaaa", b"bbbbbbbb")):
        assert verify(altered(drawn.signed, tmp_path, data.index(old), new)).state == "altered"


def test_a_destroyed_manifest_is_altered_and_one_taken_out_is_unsigned(drawn, tmp_path):
    data = drawn.signed.read_bytes()
    box = data.index(b"uuid")
    assert verify(altered(drawn.signed, tmp_path, box, b"free")).state == "altered"
    size = int.from_bytes(data[box - 4 : box], "big")
    assert verify(altered(drawn.signed, tmp_path, box, b"free" + bytes(size - 8))).state == "unsigned"


def test_a_manifest_moved_to_another_video_is_noticed(drawn, tmp_path):
    data, other = drawn.signed.read_bytes(), bytearray(drawn.video.read_bytes())
    other[other.rindex(b"mdat") + 100] ^= 1
    box = data.index(b"uuid") - 4
    size = int.from_bytes(data[box : box + 4], "big")
    (tmp_path / "moved.mp4").write_bytes(other[:box] + data[box : box + size] + other[box:])
    assert verify(tmp_path / "moved.mp4").state == "altered"


def test_only_a_certificate_that_is_known_vouches_for_the_signer(drawn, identity, tmp_path):
    stranger = own_identity(tmp_path / "stranger")
    assert verify(drawn.signed, identity.chain).trusted
    assert not verify(drawn.signed, stranger.chain).trusted
    assert not verify(drawn.signed).trusted
    changed = altered(drawn.video, tmp_path, drawn.video.read_bytes().rindex(b"mdat") + 100)
    sign_video(changed, drawn.sidecar, tmp_path / "anew.mp4", None, stranger)
    again = verify(tmp_path / "anew.mp4", identity.chain)
    assert (again.state, again.trusted) == ("valid", False)
    assert "no certificate known here vouches" in again.text()


def signed_in_time(drawn, folder, monkeypatch):
    """out.mp4 in the folder, signed by a certificate that runs out soon; where the machine is too slow for that, a little later."""
    for seconds in (2, 8, 32):
        monkeypatch.setattr(identity_module, "VALID", datetime.timedelta(seconds=seconds))
        try:
            short = own_identity(folder / f"signing-{seconds}")
            sign_video(drawn.video, drawn.sidecar, folder / "out.mp4", None, short)
            return short
        except InputError:
            continue
    raise AssertionError("nothing is signed within 32 s here")


def test_a_certificate_that_has_run_out_since_leaves_a_note(drawn, tmp_path, monkeypatch):
    short = signed_in_time(drawn, tmp_path, monkeypatch)
    last = x509.load_pem_x509_certificates(short.chain)[0].not_valid_after_utc
    time.sleep(max(0.0, last.timestamp() - time.time() + 1.1))  # c2pa signs with none that has run out, so the end is waited for
    verdict = verify(tmp_path / "out.mp4", short.chain)
    assert (verdict.state, verdict.trusted) == ("valid", False)
    assert "has run out since" in verdict.text()
    place = (tmp_path / "out.mp4").read_bytes().rindex(b"mdat") + 100
    assert verify(altered(tmp_path / "out.mp4", tmp_path, place)).state == "altered"


@pytest.fixture
def server():
    """The address of a server on this machine, and the paths that it was asked for."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_error(404)

        do_POST = do_GET

        def log_message(self, format, *args):  # into no log
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()


def test_no_manifest_is_fetched(server, drawn, identity, tmp_path):
    address, asked = server
    signer = c2pa.Signer.from_info(c2pa.C2paSignerInfo(identity.algorithm, identity.chain, identity.key, None))
    action = {"action": "c2pa.created", "digitalSourceType": "http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture"}
    builder = c2pa.Builder(json.dumps({"assertions": [{"label": "c2pa.actions", "data": {"actions": [action]}}]}))
    builder.set_no_embed()
    builder.set_remote_url(f"{address}/manifest.c2pa")
    with drawn.video.open("rb") as source, (tmp_path / "remote.mp4").open("w+b") as target:
        builder.sign(signer, "video/mp4", source, target)
    verdict = verify(tmp_path / "remote.mp4")
    assert verdict.state == "unsigned"
    assert "elsewhere, which is not fetched" in verdict.reason
    assert asked == []
    with pytest.raises(c2pa.C2paError), (tmp_path / "remote.mp4").open("rb") as file:
        c2pa.Reader("video/mp4", file)  # as others read it: the address does lead there
    assert asked == ["/manifest.c2pa"]


def test_no_authority_is_asked_about_a_certificate(server, chain, drawn, tmp_path):
    address, asked = server
    certificate, key = chain(revocation=f"{address}/revoked")
    sign_video(drawn.video, drawn.sidecar, tmp_path / "out.mp4", None, read_identity(certificate, key, "Remedy."))
    assert verify(tmp_path / "out.mp4", certificate.read_bytes()).trusted
    assert asked == []


@pytest.mark.parametrize(("data", "message"), [(None, "there is none"), (b"", "that can be read"), (b"hello " * 50, "that can be read")])
def test_what_is_no_video_is_one_line(data, message, tmp_path):
    if data is not None:
        (tmp_path / "a.mp4").write_bytes(data)
    with pytest.raises(InputError, match=rf"a\.mp4 must be a video .*{message}") as caught:
        verify(tmp_path / "a.mp4")
    assert "\n" not in str(caught.value)


def test_foreign_words_cannot_steer_the_terminal(drawn, identity, tmp_path):
    consent = tmp_path / "c.txt"
    consent.write_text("yes\x1b[2J\nvalid: all of it\r" + "x" * 5000)
    sign_video(drawn.video, drawn.sidecar, tmp_path / "out.mp4", consent, identity)
    (line,) = (line for line in verify(tmp_path / "out.mp4").text().splitlines() if "consent" in line)
    assert line.startswith("consent of the person shown: yes [2J valid: all of it x")
    assert line.isprintable()
    assert len(line) < 600


def test_the_command_tells_by_its_exit_code(drawn, identity, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "none"))
    place = drawn.signed.read_bytes().rindex(b"mdat") + 100
    assert main([str(drawn.signed)]) == 0
    assert main([str(altered(drawn.signed, tmp_path, place))]) == 1
    assert main([str(drawn.video)]) == 2
    said = capsys.readouterr().out.splitlines()
    assert [line.split(": ")[1] for line in said if "mp4: " in line] == ["valid", "altered", "unsigned"]
    assert "no certificate known here vouches" in said[1]
    assert not (tmp_path / "none").exists()  # verifying makes no key
    (tmp_path / "known.pem").write_bytes(identity.chain)
    assert main([str(drawn.signed), "--trust", str(tmp_path / "known.pem")]) == 0
    assert "for whom a certificate known here vouches" in capsys.readouterr().out


@pytest.mark.parametrize(("name", "code"), [("signed", 0), ("video", 2), ("consent", 3)])
def test_motion_copy_verify_is_the_same_outside_a_project(name, code, drawn, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["motion-copy", "verify", str(getattr(drawn, name))])
    with pytest.raises(SystemExit) as done:
        motion_copy()
    said = capsys.readouterr()
    assert done.value.code == code == main([str(getattr(drawn, name))])
    assert (said.out, said.err) == tuple(capsys.readouterr())


def test_what_could_not_be_found_out_is_exit_code_3(drawn, tmp_path, capsys):
    assert main([str(tmp_path / "absent.mp4")]) == 3
    assert main([str(drawn.signed), "--trust", str(drawn.sidecar)]) == 3
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 2
    assert all(line.startswith("error: ") for line in errors)
    with pytest.raises(SystemExit) as caught:
        main(["--no-such-option"])
    assert caught.value.code == 3


def test_a_reader_that_leaves_changes_no_verdict(drawn):
    script = "import sys, time; from pipeline.sign.__main__ import main; time.sleep(float(sys.argv[2])); sys.exit(main(sys.argv[1:2]))"
    command = [sys.executable, "-c", script, str(drawn.signed), "0.2"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 0


def test_ones_own_certificate_is_known(drawn, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    own = own_identity(identity_module.configuration_folder())
    sign_video(drawn.video, drawn.sidecar, tmp_path / "out.mp4", None, own)
    assert main([str(tmp_path / "out.mp4")]) == 0
    assert "for whom a certificate known here vouches" in capsys.readouterr().out
