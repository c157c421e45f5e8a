"""Decoding one stream of a video: timestamps that grow, and everything by which a file shows that it is cut or damaged."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer
from av.error import FFmpegError
from av.format import Flags

from pipeline.errors import InputError
from pipeline.video.endings import mxf_is_whole, nut_has_index, ts_ends_with_a_packet
from pipeline.video.layouts import gif_is_whole, png_frames
from pipeline.video.opening import stream_origin_s

# The native decoders drop the alpha layer of VP8 and VP9; libvpx keeps it.
ALPHA_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
HDR_CURVES = {16: "PQ", 18: "HLG"}  # a frame's color_trc


class Decoding:
    """Decodes a stream, keeps its timestamps growing, and notices when the file ends before it should."""

    def __init__(self, container: InputContainer, stream: av.VideoStream, path: Path) -> None:
        self.container, self.stream, self.path = container, stream, path
        self.decoder = _decoder(stream)
        self.frames = self.packets = self.pts = 0
        self.end_s = Fraction(0)
        base = stream.time_base or Fraction(1, 1000)
        rate = frame_rate(stream)
        self.step = max(1, round(1 / (rate * base))) if rate else 1
        self.origin = round(stream_origin_s(container) / base)
        self.unkeyed = self.smeared = False
        self.end_byte: int | None = None
        self.ending: str | None = None
        self.damaged: list[int] = []
        self.curve: str | None = None
        self.indexed = len(stream.index_entries) if "mov" in container.format.name else 0

    def decoded(self) -> Iterator[av.VideoFrame]:
        """Yield frames in order of display; `pts` and `frames` tell about the last one yielded."""
        try:
            for packet in self.container.demux():
                self._count(packet)
                if packet.stream.index == self.stream.index:  # stream_index is 0 in every flush packet
                    for frame in self.decoder.decode(packet if packet.size else None):
                        if not self.frames:
                            self.smeared = self.unkeyed and not frame.key_frame
                            self.curve = HDR_CURVES.get(frame.color_trc)
                        self._stamp(frame)
                        yield frame
        except (FFmpegError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise InputError(f"{self.path} breaks {self._where()} ({reason}). Copy it again, or re-encode it.") from error

    def require_decoded(self, frame: av.VideoFrame, number: int) -> None:
        """Raise InputError for a frame of which the decoder made up a part; of a broadcast stream it is only told."""
        if not frame.is_corrupt:
            return
        if "mpegts" not in self.container.format.name:
            raise InputError(f"{self.path} is damaged: frame {number} cannot be decoded whole. Copy it again, or re-encode it.")
        self.damaged.append(number)

    def remarks(self, start: int) -> Iterator[str]:
        """What a user should know of the frames from `start` on, each a line without the file's name."""
        if self.curve:
            how = "which is not tone-mapped: its colours come out flat; film or export it in SDR for true ones"
            yield f"is filmed in HDR ({self.curve}), {how}"
        if _is_bare(self.stream):
            how = "put it into a container with another if that is wrong (ffmpeg -r RATE -i IN -c copy OUT.mp4)"
            yield f"does not say when its frames are shown: {float(frame_rate(self.stream) or 0):.6g} frames/s were taken; {how}"
        if self.smeared and start == 0:
            yield "starts between two key frames: its first pictures may be grey or smeared; leave them out by the clip's span"
        if self.damaged:
            more = " …" if len(self.damaged) > 5 else ""
            yield f"has frames that cannot be decoded whole, {', '.join(map(str, self.damaged[:5]))}{more}: look at them"
        if self.ending:
            yield f"{self.ending}: look at its last frames, or copy it again"

    def require_whole(self) -> None:
        """Raise InputError unless all that the file's header declares was there to read, and it ends where its container says.

        Broadcasts and NUT may end anywhere, since recordings break off: where they show that, it is kept for remarks().
        """
        if self.indexed > self.packets:
            raise InputError(f"{self.path} is cut short: {self.packets} of {self.indexed} frames are there. Copy it again.")
        pictures = png_frames(self.path)
        if pictures > max(self.frames, 1):
            raise InputError(f"{self.path} is cut short: {self.frames} of {pictures} frames are there. Copy it again.")
        if self.container.format.name == "gif" and not gif_is_whole(self.path):
            raise InputError(f"{self.path} is cut short or damaged {self._where()}. Copy it again.")
        self._require_ending()
        declared = Fraction(self.container.duration or 0, av.time_base)
        trusted = any(name in self.container.format.name for name in ("matroska", "avi", "flv"))
        slack = Fraction(1, 10) + 3 * self.step * (self.stream.time_base or 0)
        if trusted and self.end_s + slack < declared:
            raise InputError(f"{self.path} is cut short: it declares {float(declared):.2f} s and ends {self._where()}. Copy it again.")

    def _require_ending(self) -> None:
        match self.container.format.name:
            case "yuv4mpegpipe" if self.end_byte is not None and self.end_byte < self.path.stat().st_size:
                raise InputError(f"{self.path} is cut short: it ends within frame {self.packets}. Copy it again.")
            case "mxf" if not mxf_is_whole(self.path):
                raise InputError(f"{self.path} is cut short {self._where()}. Copy it again.")
            case "nut" if not nut_has_index(self.path):
                self.ending = "has no index at its end, as a NUT file that is cut short or whose recording broke off"
            case "mpegts" if not ts_ends_with_a_packet(self.path):
                self.ending = "ends within a packet, as a file that is cut short or whose recording broke off"

    def _count(self, packet: av.Packet) -> None:
        # MPEG-TS marks every joint between recordings as corrupt; elsewhere the mark means that bytes are missing.
        if packet.is_corrupt and "mpegts" not in self.container.format.name:
            raise InputError(f"{self.path} is cut short or damaged {self._where()}. Copy it again.")
        if not packet.size:
            return
        if packet.stream.index == self.stream.index:
            self.unkeyed = self.unkeyed or (not self.packets and not packet.is_keyframe)
            self.packets += 1
            self.end_byte = None if packet.pos is None else packet.pos + packet.size
        stamp = packet.pts if packet.pts is not None else packet.dts
        if stamp is not None and packet.time_base:
            start = self.container.start_time or 0
            self.end_s = max(self.end_s, (stamp + (packet.duration or 0)) * packet.time_base - Fraction(min(start, 0), av.time_base))

    def _stamp(self, frame: av.VideoFrame) -> None:
        stamp = None if frame.pts is None else frame.pts - self.origin
        if self.frames and (stamp is None or stamp <= self.pts):
            stamp = self.pts + self.step
        self.pts = stamp or 0
        self.frames += 1

    def _where(self) -> str:
        return f"after frame {self.frames - 1} ({float(self.end_s):.2f} s)" if self.frames else "before its first frame"


def frame_rate(stream: av.VideoStream) -> Fraction | None:
    """Frames a second, as well as the file tells; None when it does not. Of a bare stream (.h264) FFmpeg's average is a mere 25."""
    average = None if _is_bare(stream) else stream.average_rate
    return average or stream.guessed_rate or stream.base_rate


def _is_bare(stream: av.VideoStream) -> bool:
    """Whether a stream lies in no container that could tell when its frames are shown."""
    return bool(stream.container.format.flags & Flags.no_timestamps.value)


def _decoder(stream: av.VideoStream) -> av.VideoCodecContext:
    name = ALPHA_DECODERS.get(stream.codec_context.codec.canonical_name)
    if name is None or stream.metadata.get("alpha_mode", stream.metadata.get("ALPHA_MODE")) != "1":
        return stream.codec_context
    decoder = av.CodecContext.create(name, "r")
    assert isinstance(decoder, av.VideoCodecContext)
    return decoder
