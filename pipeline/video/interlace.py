"""Interlaced video: frames flagged so are deinterlaced, one picture a frame; combs without the flag are told.

A frame's two fields, its even and its odd lines, were filmed at two times. bwdif keeps the first one's time.
"""

from collections import deque
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import pairwise

import av
import numpy as np
from av.error import BlockingIOError as FFmpegBlockingIOError
from av.error import EOFError as FFmpegEOFError
from av.filter import Graph

Stamped = tuple[av.VideoFrame, int]

VOTES = 60  # frames with motion that are judged
LEAST_VOTES, LEAST_SHARE = 8, 0.8
COLUMNS = 320  # looked at in a frame
# Moving pixels differ by so many levels between the frames before and after, and are at least this share of a frame.
MOVING_LEVELS, LEAST_MOVING = 12, 0.001
# Neighbours' lines put between a frame's fit as well as its own where they are half a frame away, as the own ones then are; in
# frames of one time they fit worse. The other field's are three times as far.
AS_WELL, WORSE, FARTHER = 1.05, 1.5, 1.1


def deinterlaced(frames: Iterator[Stamped], say: Callable[[str], None]) -> Iterator[Stamped]:
    """Yield the frames with their timestamps; from the first one that is flagged as interlaced on, flagged ones deinterlaced.

    What is done is said once. Frames that are not flagged come out as they are.
    """
    graph: Graph | None = None
    size = None
    stamps: deque[int] = deque()
    for number, (frame, pts) in enumerate(frames):
        if graph is not None and size != (frame.width, frame.height):
            yield from _flushed(graph, stamps)
            graph = None
        if graph is None and frame.interlaced_frame:
            if size is None:
                say("is interlaced: its frames are deinterlaced by bwdif, one picture a frame")
            graph, size = _graph(frame), (frame.width, frame.height)
        if graph is None:
            yield frame, pts
            continue
        stamps.append(pts)
        frame.pts, frame.time_base = number, Fraction(1, 25)  # the filter wants growing ones; the true ones wait in stamps
        graph.push(frame)
        yield from _pulled(graph, stamps)
    if graph is not None:
        yield from _flushed(graph, stamps)


class Combs:
    """Looks for the combs of interlaced frames in a clip whose frames are not flagged."""

    def __init__(self) -> None:
        self.votes: list[int] = []
        self._lumas: deque[np.ndarray] = deque(maxlen=3)

    def look(self, frame: av.VideoFrame) -> None:
        """Take one more frame, in order of display."""
        planar = frame.format.name.startswith(("yuv4", "yuvj4", "nv12", "nv21", "gray")) and frame.format.components[0].bits == 8
        if len(self.votes) >= VOTES or not planar or frame.interlaced_frame:
            return
        plane = frame.planes[0]
        values = np.frombuffer(plane, np.uint8)  # pyright: ignore[reportCallIssue, reportArgumentType]
        luma = values.reshape(-1, plane.line_size)[: frame.height, : frame.width]
        self._lumas.append(luma[:, :: max(1, frame.width // COLUMNS)].astype(np.int16))
        if len(self._lumas) == 3 and len({luma.shape for luma in self._lumas}) == 1 and (vote := field_vote(*self._lumas)) is not None:
            self.votes.append(vote)

    def remark(self) -> str | None:
        """One line when nearly all frames with motion have combs of the same order; None otherwise."""
        for order, name in ((1, "top"), (-1, "bottom")):
            count = self.votes.count(order)
            if count >= LEAST_VOTES and count >= LEAST_SHARE * len(self.votes):
                return (
                    f"looks interlaced, {name} field first, but is not marked so: moving edges are combs. Deinterlace it first: "
                    f"ffmpeg -i IN -vf setfield={name[0]}ff,bwdif=mode=send_frame OUT"
                )
        return None


def field_vote(before: np.ndarray, frame: np.ndarray, after: np.ndarray) -> int | None:
    """Return 1 or -1 when a frame's even or odd lines are the earlier ones, 0 when all are of one time, None when nothing moves.

    Lumas (h w) int16 of three consecutive frames. Even lines that were filmed first are nearer to the odd ones of the frame
    before than to those of the frame after.
    """
    moving = np.abs(after - before)[1:-1] > MOVING_LEVELS
    if moving.mean() < LEAST_MOVING:
        return None
    even = (np.arange(1, len(frame) - 1) % 2 == 0)[:, None]
    own, earlier, later = (np.abs(frame[:-2] + frame[2:] - 2 * other[1:-1]) for other in (frame, before, after))
    misfit = float(own[moving].mean())
    top_first = float(np.where(even, later, earlier)[moving].mean())
    bottom_first = float(np.where(even, earlier, later)[moving].mean())
    near, far = sorted((top_first, bottom_first))
    if near > WORSE * misfit:
        return 0
    return (1 if top_first < bottom_first else -1) if near < AS_WELL * misfit and far > FARTHER * near else None


def _graph(frame: av.VideoFrame) -> Graph:
    graph = Graph()
    source = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=Fraction(1, 25))
    nodes = [source, graph.add("bwdif", "mode=send_frame:parity=auto:deint=interlaced"), graph.add("buffersink")]
    for node, following in pairwise(nodes):
        node.link_to(following)
    graph.configure()
    return graph


def _pulled(graph: Graph, stamps: deque[int]) -> Iterator[Stamped]:
    while True:
        try:
            frame = graph.pull()
        except (FFmpegBlockingIOError, FFmpegEOFError):
            return
        assert isinstance(frame, av.VideoFrame)
        yield frame, stamps.popleft()


def _flushed(graph: Graph, stamps: deque[int]) -> Iterator[Stamped]:
    graph.push(None)
    yield from _pulled(graph, stamps)
