"""A window as an ONNX graph."""

import contextlib
import io
import logging
import warnings
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import numpy as np
import torch
from torch.overrides import TorchFunctionMode

from pipeline.appearance.export.matrices import determinant, inverse, singular_values
from pipeline.appearance.export.window import Window
from pipeline.artifacts.replacing import TAG
from pipeline.errors import InputError

OPSET = 18  # grid_sample needs 16; what torch says its operators in
INPUTS = ("points", "scores", "pictures", "picture_points")
OUTPUTS = ("colours", "mattes")
MOST_WINDOWS, MOST_PX = 256, 8192  # a graph of any size is asked for up to these


def needed(package: str) -> Any:
    """A package of the extra `export`; InputError where it is not installed."""
    try:
        return import_module(package)
    except ModuleNotFoundError:
        raise InputError(f"Exporting needs the package {package}. Run: pip install -e '.[export]' -c constraints.txt") from None


def graph_of(window: Window, feed: dict[str, np.ndarray], facts: dict[str, str], dynamic: bool) -> bytes:
    """The graph of a window as a file's bytes, for inputs as feed has them; facts are laid beside it as its metadata.

    dynamic: for any number of windows at a time, and references of any size; else for those of the feed.
    """
    needed("onnx")
    needed("onnxscript")
    names = [name for name in INPUTS if name in feed]
    example = tuple(torch.from_numpy(feed[name]) for name in names)
    shapes: Any = None
    if dynamic:
        # A graph for any number must not have seen one alone: torch would take it for a constant.
        example = tuple(torch.cat([tensor, tensor]) for tensor in example)
        windows = torch.export.Dim("windows", min=1, max=MOST_WINDOWS)
        sides = {axis: torch.export.Dim(name, min=2, max=MOST_PX) for axis, name in ((4, "height"), (5, "width"))}
        shapes = tuple({0: windows, **(sides if name == "pictures" else {})} for name in names)
    with _quiet():
        with _ClosedForms():
            traced = torch.export.export(window.eval(), example, dynamic_shapes=shapes, strict=False)
        made = torch.onnx.export(
            traced, (), dynamo=True, opset_version=OPSET, input_names=names, output_names=list(OUTPUTS), verbose=False
        )
    assert made is not None
    model = made.model_proto
    model.producer_name = TAG
    for key, value in sorted(facts.items()):
        model.metadata_props.add(key=key, value=value)
    return bytes(model.SerializeToString(deterministic=True))


class _ClosedForms(TorchFunctionMode):
    """What ONNX cannot say of matrices is said in closed form."""

    def __torch_function__(self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None) -> Any:
        said = {torch.linalg.svd: singular_values, torch.linalg.inv: inverse, torch.det: determinant}
        return said.get(func, func)(*args, **(kwargs or {}))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without what torch says of its own progress; what goes wrong is raised."""
    said = logging.getLogger("torch.onnx"), logging.getLogger("onnxscript"), logging.getLogger("onnx_ir")
    levels = [logger.level for logger in said]
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        for logger in said:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(said, levels, strict=True):
                logger.setLevel(level)
