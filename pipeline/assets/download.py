"""Downloads into a cache keyed by sha256: whole and checked, or not there at all."""

import http.client
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

from pipeline.assets.catalogue import Wheel
from pipeline.disk import digest_file
from pipeline.errors import InputError

BLOCK_BYTES = 1 << 20
TIMEOUT_S = 60.0
TRIES = 3


def cached_wheel(wheel: Wheel, cache: Path, incoming: Path) -> Path:
    """Return the wheel's path in the cache, fetching it with pip when it is not there.

    Two processes that want the same wheel download it once. InputError when pip cannot get it.
    """
    address = f"https://pypi.org/project/{wheel.project}/{wheel.version}/#files"
    by_hand = f"get {wheel.file} from {address} on any machine and put it into {incoming}/"
    return _cached(wheel.sha256, cache, wheel.file, lambda part: _pip_download(wheel, part, by_hand))


def cached_url(urls: list[str], sha256: str | None, cache: Path, name: str, incoming: Path, page: str | None = None) -> Path:
    """Return the file's path in the cache; downloads from the first address that answers, and resumes.

    page: where a person finds the file, for the message when nothing answers. sha256 None: not known yet; then the
    file is downloaded anew, and refused when it is a web page or a torch file whose end is missing.
    """
    page = page or " or ".join(urls)
    if sha256 is None:
        return _first_time(urls, cache, name, incoming, page)
    return _cached(sha256, cache, name, lambda part: _url_download(urls, part, sha256, name, incoming, page))


def _first_time(urls: list[str], cache: Path, name: str, incoming: Path, page: str) -> Path:
    cache.mkdir(parents=True, exist_ok=True)
    part = cache / f"first-{name}.part"
    with FileLock(cache / f"first-{name}.lock"):
        _url_download(urls, part, "", name, incoming, page)
        with part.open("rb") as stream:
            start = stream.read(64).lstrip()
        if start.startswith(b"<") or (start.startswith(b"PK") and not zipfile.is_zipfile(part)) or not start:
            part.unlink()
            raise InputError(
                f"{name} must be a file of weights, {urls[0]} answered with {'a web page' if start.startswith(b'<') else 'a part of it'}. "
                f"Get it from {page} with a browser and put it into {incoming}/"
            )
        whole = cache / digest_file(part)
        os.replace(part, whole)
    return whole


def _cached(sha256: str, cache: Path, name: str, fill: Callable[[Path], None]) -> Path:
    cache.mkdir(parents=True, exist_ok=True)
    whole, part = cache / sha256, cache / f"{sha256}.part"
    with FileLock(cache / f"{sha256}.lock"):
        if whole.exists() and digest_file(whole).startswith(sha256):
            return whole
        whole.unlink(missing_ok=True)
        fill(part)
        found = digest_file(part)
        if not found.startswith(sha256):
            part.unlink()
            raise InputError(
                f"{name} must have sha256 {sha256}, the download has {found}. It was thrown away; the publisher may "
                "have changed the file, or something on the way did. Try again, or see pipeline/assets/*.yaml"
            )
        os.replace(part, whole)
    return whole


def _pip_download(wheel: Wheel, part: Path, by_hand: str) -> None:
    print(f"fetching {wheel.file} ({wheel.size / 1e6:.1f} MB) with pip", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory(dir=part.parent) as folder:
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--quiet"]
        command += ["--dest", folder, *wheel.pip, f"{wheel.project}=={wheel.version}"]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        path = Path(folder) / wheel.file
        if done.returncode != 0 or not path.is_file():
            said = [line for line in done.stderr.splitlines() if line.strip()] or ["pip said nothing"]
            why = next((line for line in reversed(said) if "error" in line.lower()), said[-1])
            raise InputError(f"{wheel.file} could not be fetched with pip ({why.strip()}). Check the network and try again, or {by_hand}")
        os.replace(path, part)


def _url_download(urls: list[str], part: Path, sha256: str, name: str, incoming: Path, page: str) -> None:
    why = ""
    for url in urls:
        for _ in range(TRIES):
            try:
                _resume(url, part)
                return
            except urllib.error.HTTPError as error:
                if error.code == 416:  # the part is already whole, or longer than the file; the digest decides
                    if digest_file(part).startswith(sha256):
                        return
                    part.unlink(missing_ok=True)
                why = f"HTTP status {error.code}"
            except (OSError, http.client.HTTPException) as error:
                why = str(getattr(error, "reason", error)) or type(error).__name__
    raise InputError(
        f"{name} could not be fetched from {page} ({why}). Check the network and try again, or get the "
        f"file on any machine and put it into {incoming}/"
    )


def _resume(url: str, part: Path) -> None:
    """Append what is missing; start anew when the server ignores the range."""
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    print(f"fetching {url}" + (f" from byte {have}" if have else ""), file=sys.stderr, flush=True)
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
        resumed = answer.status == 206
        missing = int(answer.headers.get("Content-Length") or -1)
        with part.open("ab" if resumed else "wb") as out:
            start = out.tell() if resumed else 0
            shutil.copyfileobj(answer, out, BLOCK_BYTES)
            if missing >= 0 and out.tell() - start != missing:
                raise OSError("the connection closed early")
