"""`motion-copy export`: a target's trained generator as an ONNX graph, with a page that runs it where one is asked for."""

from dataclasses import dataclass
from pathlib import Path

from pipeline.appearance.export.compare import Compared
from pipeline.appearance.export.graph import needed
from pipeline.appearance.export.page import Page
from pipeline.appearance.export.write import GRAPH, Exported, export_generator
from pipeline.appearance.generate import GenerateInputs, load_generator
from pipeline.appearance.renderers.base import GenerateParams
from pipeline.artifacts.crops import open_crops
from pipeline.artifacts.frames import open_frames
from pipeline.artifacts.further import read_last_model
from pipeline.artifacts.keypoints import read_keypoints
from pipeline.artifacts.references import open_all_references, read_chosen
from pipeline.artifacts.replacing import SCRATCH
from pipeline.assets.fetch import fetch_by_name
from pipeline.errors import InputError
from pipeline.params import read_entries, read_section

PACKAGES = ("onnx", "onnxscript", "onnxruntime")
RUNTIME, ARCHIVE = "onnxruntime_web", "onnxruntime-web.tgz"


@dataclass(frozen=True)
class Request:
    """What is exported: a target's generator, held against torch on the frames of a pair (None: the target's own), where to (None: into
    data/exports), for which sizes, with a page or without."""

    target: str
    pair: str | None
    out: Path | None
    dynamic: bool
    page: bool


def export_model(params: Path, request: Request, data: Path = Path("data")) -> list[str]:
    """Publish the export's folder and return lines that say how it compares with torch. Paths are those from the project's root.

    InputError when there is no such target or pair, something is not made yet or not installed, or the graph is not as torch is.
    """
    for package in PACKAGES:
        needed(package)
    target, pair = request.target, _pair(params, request)
    out = data / "exports" / target if request.out is None else request.out
    models, references = data / "models" / target, data / "references" / target
    weights, description = (data / "models" / f"{target}-appearance{suffix}" for suffix in (".safetensors", ".json"))
    inputs = GenerateInputs(
        model=load_generator(*read_last_model(weights, description, models)),
        motion=read_keypoints(data / "motions" / f"{pair}.parquet", kind="motions").track(),
        crops=open_crops(data / "crops" / f"{target}.zarr"),
        references=open_all_references(references.with_name(f"{target}.zarr"), references),
        chosen=read_chosen(references.with_name(f"{pair}.parquet")),
    )
    page = None
    if request.page:
        plate = open_frames(data / "plates" / f"{target}.zarr", kind="plates")[0]
        scratch = Path(SCRATCH)
        fetch_by_name(RUNTIME, scratch / RUNTIME, data / "incoming", scratch / "downloads")
        page = Page(scratch / RUNTIME / ARCHIVE, plate, pair)
    found = export_generator(inputs, read_section(params, "generate", GenerateParams), out, request.dynamic, page)
    return _said(out, pair, found, request.page)


def _pair(params: Path, request: Request) -> str:
    """The pair whose motion is taken; InputError when it is none of the target's."""
    targets, pairs = read_entries(params, "targets", ("clip",)), read_entries(params, "pairs", ("driver", "target"))
    if request.target not in targets:
        raise InputError(f"{params}: {request.target} must be a target, there are: {', '.join(targets) or 'none'}.")
    own = {name: entry["driver"] for name, entry in pairs.items() if entry["target"] == request.target}
    wanted = next((name for name, driver in own.items() if driver == targets[request.target]["clip"]), None)
    name = request.pair or wanted
    if name not in own:
        raise InputError(f"{params}: --pair must name a pair of the target {request.target}, found {name}; there are: {', '.join(own)}.")
    return name


def _said(out: Path, pair: str, found: Exported, page: bool) -> list[str]:
    lines = [
        f"{out / GRAPH}: {found.windows} windows of {pair} by onnxruntime are torch's {_difference(found.onnxruntime)}",
        f"frames a second on {found.threads} CPU threads: torch {found.torch_frames_per_s:.1f}, "
        f"onnxruntime {found.onnxruntime.frames_per_s:.1f}, "
        + ("OpenVINO is not installed" if found.openvino is None else f"OpenVINO {found.openvino.frames_per_s:.1f}"),
    ]
    if found.openvino is not None:
        lines.append(f"by OpenVINO the same windows are torch's {_difference(found.openvino)}")
    if page:
        lines.append(f"The page must be served: python -m http.server -b localhost -d {out}, then open http://localhost:8000")
    return lines


def _difference(found: Compared) -> str:
    if not found.largest:
        return "to the bit of a byte"
    return f"but for {found.share:.2%} of the values, which are off by {found.largest}/255 at most"
