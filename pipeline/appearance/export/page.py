"""A static page that runs an exported graph in a browser: all that it needs lies beside it, and it asks no other host.

In scene.json stands what scene.bin holds: where each array begins, its type and shape.
"""

import json
import shutil
import tarfile
from dataclasses import dataclass
from fractions import Fraction
from importlib.resources import files
from pathlib import Path

import cv2
import numpy as np

from pipeline.appearance.export.graph import needed
from pipeline.appearance.export.motion import Motion, picture_bytes
from pipeline.artifacts.references import NONE
from pipeline.artifacts.replacing import VIDEO_COMMENT
from pipeline.errors import InputError
from pipeline.picture.geometry import sample_crop, scaling

FILES = ("index.html", "player.mjs", "maker.mjs")
RUNTIME = ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm")  # of the package's dist
LICENCES = ("LICENSE", "ThirdPartyNotices.txt")  # the package on npm carries none; that on PyPI is of the same code
UNTIMED_FPS = 2.0  # a clip without time is shown as slides


@dataclass(frozen=True)
class Page:
    """What a page has beside the graph: onnxruntime-web's archive as npm has it, the target's plate (h w 3), and its title."""

    runtime: Path
    plate: np.ndarray
    title: str


def write_page(folder: Path, motion: Motion, page: Page) -> None:
    """Write the page and all that it reads into a folder that has the graph already. InputError when the archive lacks a file."""
    for name in FILES:
        (folder / name).write_bytes((files("pipeline.appearance.export") / "page_files" / name).read_bytes())
    runtime = folder / "ort"
    runtime.mkdir()
    _unpack(page.runtime, runtime)
    installed = Path(needed("onnxruntime").__file__).parent
    for name in LICENCES:
        shutil.copyfile(installed / name, runtime / name)
    # The scene at the working scale: the plate, and where on it each frame's crop lies.
    scale = float(motion.rows[0, 0, 0])
    to_working = scaling(scale)
    height, width = (max(1, round(side * scale)) for side in page.plate.shape[:2])
    small = sample_crop(page.plate, to_working, (height, width))
    done, png = cv2.imencode(".png", cv2.cvtColor(small, cv2.COLOR_RGB2BGR))
    assert done
    (folder / "plate.png").write_bytes(png.tobytes())
    arrays = _arrays(motion) | {"corners": (to_working[:, 2] - motion.rows[:, :, 2]).astype(np.float32)}
    blob, places = _packed(arrays)
    (folder / "scene.bin").write_bytes(blob)
    clock = motion.track.clock
    fps = float(Fraction(clock.fps)) if clock.fps and clock.has_time else UNTIMED_FPS
    scene = {"title": page.title, "generated": VIDEO_COMMENT, "fps": fps, "plate_hw": [height, width]}
    scene |= {"crop_hw": list(motion.model.crop_hw), "arrays": places}
    (folder / "scene.json").write_text(json.dumps(scene, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def _arrays(motion: Motion) -> dict[str, np.ndarray]:
    """What the page feeds the graph with: poses (t), windows (n k), and of the references those alone that it takes."""
    arrays = {"points": motion.points, "scores": motion.track.score, "windows": motion.windows.astype(np.int32)}
    if motion.seen is not None:
        ranks, pictures = motion.seen.ranks, motion.seen.pictures
        used = np.unique(ranks[ranks != NONE])
        images = [picture_bytes(pictures, int(rank)) for rank in used]
        place = np.where(ranks == NONE, NONE, np.searchsorted(used, ranks))
        arrays["ranks"] = place.astype(np.int32)
        arrays["pictures"] = np.stack(images) if images else np.zeros((0, 5, *pictures.size_hw), np.uint8)
        arrays["picture_points"] = pictures.points.cpu().numpy()[used]
    return arrays


def _packed(arrays: dict[str, np.ndarray]) -> tuple[bytes, dict[str, dict[str, object]]]:
    """Arrays behind one another, each from a multiple of 8 bytes on, and where they are."""
    blob, places = bytearray(), {}
    for name, array in sorted(arrays.items()):
        blob += bytes(-len(blob) % 8)
        places[name] = {"start": len(blob), "type": str(array.dtype), "shape": list(array.shape)}
        blob += np.ascontiguousarray(array).tobytes()
    return bytes(blob), places


def _unpack(archive: Path, folder: Path) -> None:
    """The files of onnxruntime-web that a page needs, out of the package's archive."""
    try:
        with tarfile.open(archive, "r:gz") as packed:
            for name in RUNTIME:
                member = packed.extractfile(f"package/dist/{name}")
                assert member is not None
                (folder / name).write_bytes(member.read())
    except (tarfile.TarError, KeyError, AssertionError, OSError) as error:
        raise InputError(f"{archive} must be onnxruntime-web as npm packs it, with {', '.join(RUNTIME)} in package/dist: {error}") from None
