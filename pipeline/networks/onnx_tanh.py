"""ONNX files as OpenCV 5.0 computes them rightly: its Tanh gives NaN above about 44, where e^2x overflows, and 1 is meant.

Every Tanh gets a Clip before it. At ±20 tanh is ±1 in float32, so that nothing else changes. A file is protobuf: fields, each a tag,
and a number or a length and as many bytes.
"""

import struct
from collections.abc import Iterator

LIMIT = 20.0
NUMBER, FIXED_64, BYTES, FIXED_32 = 0, 1, 2, 5
WIDTHS = {FIXED_64: 8, FIXED_32: 4}
MODEL_GRAPH, GRAPH_NODE, GRAPH_INITIALIZER = 7, 1, 5
NODE_INPUT, NODE_OUTPUT, NODE_OPERATOR = 1, 2, 4
TENSOR_TYPE, TENSOR_NAME, TENSOR_RAW, FLOAT = 2, 8, 9, 1
LEAST, MOST, SUFFIX = "tanh_least", "tanh_most", "_limited"


def with_bounded_tanh(model: bytes) -> bytes:
    """Return an ONNX model (operator set 11 or later, no subgraphs) whose Tanh nodes see values between -20 and 20.

    ValueError when the bytes are no protobuf message.
    """
    out = bytearray()
    for tag, kind, body, whole in _fields(model):
        out += field(MODEL_GRAPH, _graph(body)) if (tag, kind) == (MODEL_GRAPH, BYTES) else whole
    return bytes(out)


def _graph(graph: bytes) -> bytes:
    out, found = bytearray(), False
    for tag, kind, body, whole in _fields(graph):
        bounded = _bounded(body) if (tag, kind) == (GRAPH_NODE, BYTES) else None
        found |= bounded is not None
        out += bounded or whole
    if found:
        for name, value in ((LEAST, -LIMIT), (MOST, LIMIT)):
            tensor = varint(TENSOR_TYPE << 3) + varint(FLOAT) + text(TENSOR_NAME, name)  # no dimensions: a scalar
            out += field(GRAPH_INITIALIZER, tensor + field(TENSOR_RAW, struct.pack("<f", value)))
    return bytes(out)


def _bounded(node: bytes) -> bytes | None:
    """A Clip and the Tanh that reads it, both as fields of a graph, in the place of a Tanh node; None for any other node."""
    fields = list(_fields(node))
    if (NODE_OPERATOR, b"Tanh") not in [(tag, body) for tag, _, body, _ in fields]:
        return None
    read = next(body for tag, _, body, _ in fields if tag == NODE_INPUT).decode()
    clip = text(NODE_INPUT, read) + text(NODE_INPUT, LEAST) + text(NODE_INPUT, MOST)
    clip += text(NODE_OUTPUT, read + SUFFIX) + text(NODE_OPERATOR, "Clip")
    tanh = b"".join(text(NODE_INPUT, read + SUFFIX) if tag == NODE_INPUT else whole for tag, _, _, whole in fields)
    return field(GRAPH_NODE, clip) + field(GRAPH_NODE, tanh)


def _fields(message: bytes) -> Iterator[tuple[int, int, bytes, bytes]]:
    """Yield each field of a message as (tag, kind, its bytes where it is of kind BYTES, the whole field)."""
    at = 0
    while at < len(message):
        start = at
        key, at = _read_number(message, at)
        kind, body = key & 7, b""
        if kind == NUMBER:
            _, at = _read_number(message, at)
        elif kind == BYTES:
            length, at = _read_number(message, at)
            body = message[at : at + length]
            at += length
        elif kind in WIDTHS:
            at += WIDTHS[kind]
        else:
            raise ValueError(f"field of unknown kind {kind} at byte {start}")
        if at > len(message):
            raise ValueError(f"it ends within the field at byte {start}")
        yield key >> 3, kind, body, message[start:at]


def _read_number(message: bytes, at: int) -> tuple[int, int]:
    value = 0
    for i, byte in enumerate(message[at : at + 10]):
        value |= (byte & 127) << 7 * i
        if byte < 128:
            return value, at + i + 1
    raise ValueError(f"no number at byte {at}")


def varint(value: int) -> bytes:
    """A number >= 0 as protobuf writes it."""
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def field(tag: int, body: bytes) -> bytes:
    """A field of bytes: a message, a text or packed numbers."""
    return varint(tag << 3 | BYTES) + varint(len(body)) + body


def text(tag: int, said: str) -> bytes:
    """A field of text."""
    return field(tag, said.encode())
