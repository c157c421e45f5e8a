"""A page in a real browser, where the system has one."""

import functools
import http.server
import json
import queue
import re
import shutil
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

BROWSER = next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None)
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--autoplay-policy=no-user-gesture-required", "--timeout=8000"]
needs_browser = pytest.mark.skipif(BROWSER is None, reason="no Chromium here: apt-get install chromium")


def videos_that_play(page: Path, profile: Path) -> tuple[int, int]:
    """How many of the page's videos can be played when it is opened from disk, and how many it has."""
    assert BROWSER is not None
    command = [BROWSER, *FLAGS, f"--user-data-dir={profile}", "--dump-dom", page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    found = re.search(r'<html[^>]*data-videos="(\d+)/(\d+)"', done.stdout)
    assert found is not None, done.stdout[:1000]
    return int(found[1]), int(found[2])


PROBE = b"""<!doctype html><iframe src="/index.html"></iframe><script>
const wait = setInterval(() => {
  const page = document.querySelector("iframe").contentDocument;
  const { error, done, shown } = page?.documentElement.dataset ?? {};
  if (!error && !done) return;
  clearInterval(wait);
  const picture = error ? null : page.querySelector("canvas").toDataURL();
  fetch("/found", { method: "POST", body: JSON.stringify({ error, done, shown, picture, said: page.body.innerText }) });
}, 100);
</script>"""


class _Probed(http.server.SimpleHTTPRequestHandler):
    """Serves a folder, and beside it a probe that looks into the folder's page and tells what it finds."""

    def __init__(self, *args: Any, asked: list[str], found: queue.Queue[dict[str, Any]], **kwargs: Any) -> None:
        self.asked, self.found = asked, found
        super().__init__(*args, **kwargs)

    def do_GET(self) -> None:
        self.asked.append(self.path)
        if self.path != "/probe":
            return super().do_GET()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(PROBE)

    def do_POST(self) -> None:
        self.found.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


def served_page(folder: Path, profile: Path, timeout_s: float) -> tuple[dict[str, Any], list[str]]:
    """What the page of a folder came to when it was served and no other host could be reached: error, done, the number of the
    frame that it shows and its canvas as a data: address, its text; and the paths that it asked for."""
    assert BROWSER is not None
    asked: list[str] = []
    found: queue.Queue[dict[str, Any]] = queue.Queue()
    handler = functools.partial(_Probed, asked=asked, found=found, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}", "--remote-debugging-port=0"]
        command += ["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", f"http://127.0.0.1:{server.server_port}/probe"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as browser:
            try:
                return found.get(timeout=timeout_s), asked
            finally:
                browser.terminate()
                server.shutdown()
