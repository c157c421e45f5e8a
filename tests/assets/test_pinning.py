"""Files whose digest nobody published: the first fetch writes it into the asset's YAML, later ones must match."""

import functools
import hashlib
import http.server
import io
import threading
import zipfile
from pathlib import Path

import pytest

from pipeline.assets.catalogue import Asset, Origin, pin_digests, read_asset
from pipeline.assets.fetch import fetch_asset, fetch_by_name
from pipeline.errors import InputError

TEXT = """name: toy
what: a toy
source: here
licence: MIT
allows: Anything.
files:
  - name: first.pth
    sha256: null  # not published
    size: 10  # about
    from:
      {origin}
  - name: second.pth
    sha256: {known}
    size: 10
    from:
      drive: abc
"""
FIRST, SECOND = b"weights of the first", b"weights of the second"


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "assets"
    path.mkdir()
    (path / "toy.yaml").write_text(TEXT.format(origin="drive: 1xyz", known=digest(SECOND)))
    (tmp_path / "incoming").mkdir()
    (tmp_path / "incoming" / "second.pth").write_bytes(SECOND)
    return path


def fetch(folder: Path, out: str = "out") -> None:
    fetch_by_name("toy", folder.parent / out, folder.parent / "incoming", folder.parent / "cache", folder)


def archive(content: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as whole:
        whole.writestr("data.pkl", content)
    return stream.getvalue()


class Answer(http.server.BaseHTTPRequestHandler):
    """Answers every request with the same bytes."""

    def __init__(self, *args: object, body: bytes, **kwargs: object) -> None:
        self.body = body
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, format: str, *args: object) -> None:
        pass


def fetched_from_server(tmp_path: Path, body: bytes) -> dict[str, str]:
    with http.server.HTTPServer(("127.0.0.1", 0), functools.partial(Answer, body=body)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        file = {"name": "net.pth", "sha256": None, "size": 1, "from": {"url": [f"http://127.0.0.1:{server.server_port}/net.pth"]}}
        facts = {"name": "toy", "what": "x", "source": "x", "licence": "x", "allows": "x", "files": [file]}
        try:
            return fetch_asset(Asset.model_validate(facts), tmp_path / "out", tmp_path / "incoming", tmp_path / "cache")
        finally:
            server.shutdown()


def test_first_fetch_pins_and_leaves_the_rest_of_the_text(folder: Path, capsys: pytest.CaptureFixture) -> None:
    (folder.parent / "incoming" / "first.pth").write_bytes(FIRST)
    fetch(folder)
    before = TEXT.format(origin="drive: 1xyz", known=digest(SECOND))
    after = (folder / "toy.yaml").read_text()
    assert after == before.replace("null  # not published", f"{digest(FIRST)}  # as first fetched")
    assert read_asset("toy", folder).files[0].sha256 == digest(FIRST)
    assert f"sha256 of first.pth is now {digest(FIRST)}: commit it" in capsys.readouterr().err
    assert [p.name for p in folder.iterdir()] == ["toy.yaml"]
    fetch(folder)
    assert (folder / "toy.yaml").read_text() == after


def test_another_file_under_a_pinned_name_is_refused(folder: Path) -> None:
    brought = folder.parent / "incoming" / "first.pth"
    brought.write_bytes(FIRST)
    fetch(folder)
    brought.write_bytes(b"else")
    with pytest.raises(InputError, match=rf"first.pth must have sha256 {digest(FIRST)}, found {digest(b'else')}"):
        fetch(folder, "again")


def test_a_failed_fetch_pins_nothing(folder: Path) -> None:
    (folder.parent / "incoming" / "first.pth").write_bytes(FIRST)
    (folder.parent / "incoming" / "second.pth").write_bytes(b"else")
    with pytest.raises(InputError, match=r"second.pth must have sha256"):
        fetch(folder)
    assert "sha256: null" in (folder / "toy.yaml").read_text()


def test_null_in_an_unexpected_place_names_the_line_to_write(folder: Path) -> None:
    path = folder / "toy.yaml"
    path.write_text(path.read_text().replace("    sha256: null  # not published\n    size: 10  # about", "    size: 10\n    sha256: null"))
    with pytest.raises(InputError, match=f"right below `name: first.pth`: write sha256: {digest(FIRST)} there"):
        pin_digests("toy", {"first.pth": digest(FIRST)}, folder)


def test_download_of_an_unknown_digest(tmp_path: Path) -> None:
    body = archive(b"weights")
    assert fetched_from_server(tmp_path, body) == {"net.pth": digest(body)}
    assert (tmp_path / "out" / "net.pth").read_bytes() == body
    assert (tmp_path / "cache" / digest(body)).read_bytes() == body  # found by its digest once it is pinned


@pytest.mark.parametrize(
    ("body", "said"),
    [(b"\n<!DOCTYPE html><p>quota", "a web page"), (archive(b"weights")[:-5], "a part of it"), (b"", "a part of it")],
)
def test_pages_and_cut_files_are_not_pinned(tmp_path: Path, body: bytes, said: str) -> None:
    with pytest.raises(InputError, match=rf"net.pth must be a file of weights, .* answered with {said}. Get it from .* with a browser"):
        fetched_from_server(tmp_path, body)
    assert not (tmp_path / "out").exists()
    assert not list((tmp_path / "cache").glob("*.part"))


def test_google_drive_has_an_address_and_a_page() -> None:
    origin = Origin(drive="1xyz")
    assert origin.page == "https://drive.google.com/file/d/1xyz/view"
    assert "id=1xyz" in origin.addresses[0]
    assert Origin(url=["https://a/b", "https://c/b"]).page == "https://a/b or https://c/b"
    with pytest.raises(ValueError, match="give one of wheel, url, drive"):
        Origin(drive="1xyz", url=["https://a/b"])
