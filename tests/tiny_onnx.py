"""ONNX files of a few bytes, written by hand: networks whose answers a test can work out."""

import struct
from pathlib import Path

import numpy as np

from pipeline.networks.onnx_tanh import field, text, varint


def write_pointwise(path: Path, weights_rgb: list[float], bias: float, outputs: int = 1) -> Path:
    """Write `output = sigmoid(weights · pixel + bias)` of an `input` (1 3 h w) of any size, repeated in `outputs` channels."""
    weights = np.tile(np.asarray(weights_rgb, np.float32), outputs)
    graph = _node("Conv", ["input", "w", "b"], "raw") + _node("Sigmoid", ["raw"], "output") + text(2, "pointwise")
    graph += field(5, _tensor("w", (outputs, 3, 1, 1), weights)) + field(5, _tensor("b", (outputs,), np.full(outputs, bias, np.float32)))
    return _write(path, graph + field(11, _value("input", 3)) + field(12, _value("output", outputs)))


def write_operator(path: Path, operator: str) -> Path:
    """Write `output = operator(input)` of an `input` (1 3 h w) of any size."""
    graph = _node(operator, ["input"], "output") + text(2, operator)
    return _write(path, graph + field(11, _value("input", 3)) + field(12, _value("output", 3)))


def write_recurrent(path: Path, weights_rgb: list[float], bias: float, strides: tuple[int, ...] = (2, 4, 8, 16)) -> Path:
    """Write a network with RVM's inputs and outputs: each state is tanh(what came in + the average of `raw` over its stride).

    raw = (weights · pixel + bias) × downsample_ratio; the opacity `pha` is sigmoid(raw + the mean of the last state that goes out).
    """
    nodes = _node("Relu", ["src"], "fgr") + _node("Conv", ["src", "w", "b"], "plain") + _node("Mul", ["plain", "downsample_ratio"], "raw")
    for i, stride in enumerate(strides, 1):
        sides = b"".join(field(5, text(1, name) + _number(8, stride) * 2 + _number(20, 7)) for name in ("kernel_shape", "strides"))
        nodes += _node("AveragePool", ["raw"], f"mean{i}", sides) + _node("Add", [f"mean{i}", f"r{i}i"], f"sum{i}")
        nodes += _node("Tanh", [f"sum{i}"], f"r{i}o")
    nodes += _node("GlobalAveragePool", [f"r{len(strides)}o"], "all") + _node("Add", ["raw", "all"], "seen")
    nodes += _node("Sigmoid", ["seen"], "pha")
    graph = nodes + text(2, "recurrent")
    graph += field(5, _tensor("w", (1, 3, 1, 1), np.asarray(weights_rgb, np.float32))) + field(5, _tensor("b", (1,), np.float32([bias])))
    graph += field(11, _value("src", 3))
    ends = range(1, len(strides) + 1)
    graph += b"".join(field(11, _value(f"r{i}i", 1)) for i in ends)
    ratio = field(2, field(1, _number(1, 1) + field(2, field(1, _number(1, 1)))))
    graph += field(11, text(1, "downsample_ratio") + ratio) + field(12, _value("fgr", 3)) + field(12, _value("pha", 1))
    return _write(path, graph + b"".join(field(12, _value(f"r{i}o", 1)) for i in ends))


def _node(operator: str, inputs: list[str], output: str, attributes: bytes = b"") -> bytes:
    return field(1, b"".join(text(1, name) for name in inputs) + text(2, output) + text(4, operator) + attributes)


def _write(path: Path, graph: bytes) -> Path:
    path.write_bytes(_number(1, 8) + field(7, graph) + field(8, _number(2, 13)))
    return path


def _number(tag: int, value: int) -> bytes:
    return varint(tag << 3) + varint(value)


def _tensor(name: str, shape: tuple[int, ...], values: np.ndarray) -> bytes:
    sizes = b"".join(_number(1, n) for n in shape)
    return sizes + _number(2, 1) + text(8, name) + field(9, struct.pack(f"<{values.size}f", *values.tolist()))


def _value(name: str, channels: int) -> bytes:
    """A float tensor (1 channels h w) whose height and width are open."""
    sizes = [_number(1, 1), _number(1, channels), text(2, "h"), text(2, "w")]
    shape = b"".join(field(1, size) for size in sizes)
    return text(1, name) + field(2, field(1, _number(1, 1) + field(2, shape)))
