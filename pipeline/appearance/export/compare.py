"""An exported graph against torch: are its frames the same, and how fast is it."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from pipeline.appearance.blending import Frame
from pipeline.appearance.export.graph import OUTPUTS, needed
from pipeline.appearance.export.motion import Motion
from pipeline.appearance.renderers.base import GenerateParams

COMPARED = 16  # windows, spread evenly over the motion
LIMIT = 1  # steps of 1/255 that a value may be off
Run = Callable[[dict[str, np.ndarray]], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Compared:
    """largest: steps of 1/255 between values (colours and mattes, of all pixels); share of the values that are off at all;
    frames_per_s of the runtime."""

    largest: int
    share: float
    frames_per_s: float


def torch_frames(motion: Motion, params: GenerateParams) -> tuple[list[Frame], float]:
    """The frames of a motion by torch, and how many it makes a second."""
    motion.of_windows(np.arange(1)).drawn(params)  # the first time takes longer
    started = time.perf_counter()
    frames = motion.drawn(params)
    return frames, len(frames) / (time.perf_counter() - started)


def compare(run: Run, motion: Motion, expected: list[Frame]) -> Compared:
    """What a graph makes of a motion that was cut to windows, beside the frames (t) that torch makes."""
    feeds = [motion.feed(window) for window in motion.windows]
    run(feeds[0])
    started = time.perf_counter()
    made = [run(feed) for feed in feeds]
    seconds = time.perf_counter() - started
    largest, off, total = 0, 0, 0
    for window, (colours, mattes) in zip(motion.windows, made, strict=True):
        for i, t in enumerate(window):
            steps = _steps(np.concatenate([colours[0, i], mattes[0, i]]), expected[t])
            largest, off, total = max(largest, int(steps.max())), off + int((steps > 0).sum()), total + steps.size
    return Compared(largest, off / total, len(expected) / seconds)


def _steps(made: np.ndarray, frame: Frame) -> np.ndarray:
    """Steps of 1/255 between a frame (4 h w) in [0, 1], colours and matte, and one of torch."""
    expected = np.concatenate([frame.rgb, frame.matte[..., None]], -1).transpose(2, 0, 1)
    return np.abs(np.rint(made * 255) - expected).astype(int)


def onnxruntime_of(graph: bytes, threads: int) -> Run:
    """The graph run by onnxruntime on the CPU."""
    runtime = needed("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = threads, 3
    session = runtime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])

    def run(feed: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        colours, mattes = session.run(list(OUTPUTS), feed)
        return colours, mattes

    return run


def openvino_of(graph: Path, threads: int) -> Run | None:
    """The graph run by OpenVINO on the CPU, in float32; None where it is not installed."""
    if find_spec("openvino") is None:
        return None
    openvino = needed("openvino")
    settings = {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
    compiled = openvino.Core().compile_model(str(graph), "CPU", settings)

    def run(feed: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        made = compiled(feed)
        colours, mattes = (made[name] for name in OUTPUTS)
        return colours, mattes

    return run
