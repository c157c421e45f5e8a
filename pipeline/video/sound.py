"""The sound of a clip, set aside: one track as a small mp4 in memory, ready to be laid under another video (§4.1.2)."""

import contextlib
import io
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer, OutputContainer
from av.error import FFmpegError

from pipeline.errors import InputError
from pipeline.video.opening import open_media, sound_stream, stream_origin_s

# Codecs that browsers play inside an mp4; any other sound is encoded anew as AAC.
COPIED = ("aac", "mp3", "ac3", "eac3", "alac", "opus", "flac")
AAC_BITS_PER_S, AAC_FRAME = 192_000, 1024
AAC_HZ = (7350, 8000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)  # and no other rate below
LEAST_GAP_S = Fraction(1, 25)  # packets are missing: what follows would be heard too early; containers are coarse by less

Heard = tuple[Fraction, Fraction]  # from when to when, in seconds on the clock of the pictures


def extract_sound(path: str | Path, heard: Heard | None = None) -> bytes | None:
    """The sound track of a media file as the bytes of an mp4, on the clock of its pictures; None without one that can be decoded.

    Copied untouched where an mp4 can hold the codec, else encoded as AAC. Of a part that is `heard` the samples in it are
    encoded anew, from time 0 on, since packets do not end where pictures do; None when it has none. A folder of images has
    no sound. InputError when the track cannot be read.
    """
    if Path(path).is_dir():
        return None
    with open_media(path) as source:
        track = sound_stream(source)
        if track is None:
            return None
        target = io.BytesIO()
        rate = track.codec_context.sample_rate
        try:
            with av.open(target, "w", format="mp4", options={"movie_timescale": str(rate)}) as container:
                if heard is None and track.codec_context.codec.canonical_name in COPIED:
                    _copy(source, track, container)
                elif not _encode(source, track, container, heard):
                    return None
        except (FFmpegError, ValueError) as error:
            raise InputError(f"{path} has a sound track that breaks ({error}). Remove the sound, or re-encode it.") from error
        return target.getvalue()


class SoundMuxer:
    """Lays the packets of an extracted sound under a video that is being written."""

    _next: av.Packet | None

    def __init__(self, sound: bytes, container: OutputContainer, stack: contextlib.ExitStack) -> None:
        source = stack.enter_context(av.open(io.BytesIO(sound), "r", format="mp4"))
        track = source.streams.audio[0]
        self._container = container
        self._stream = container.add_stream_from_template(track)
        self._packets = (packet for packet in source.demux(track) if packet.dts is not None)
        self._next = next(self._packets, None)

    def mux_until(self, seconds: Fraction | None) -> None:
        """Hand over the packets that start by `seconds`; None: all that are left."""
        while self._next is not None and (seconds is None or (self._next.dts or 0) * self._next.time_base <= seconds):
            self._next.stream = self._stream
            self._container.mux(self._next)
            self._next = next(self._packets, None)


def _copy(source: InputContainer, track: av.AudioStream, container: OutputContainer) -> None:
    stream = container.add_stream_from_template(track)
    shift, last, end = round(stream_origin_s(source) / (track.time_base or 1)), None, 0
    for packet in source.demux(track):
        if packet.dts is None:
            continue
        if last is not None and packet.dts - shift <= last:  # recordings that were joined: the clock begins anew
            shift = packet.dts - end
        packet.pts = (packet.dts if packet.pts is None else packet.pts) - shift
        packet.dts -= shift
        last, end = packet.dts, packet.dts + max(packet.duration or 0, 1)
        packet.stream = stream
        container.mux(packet)


def _encode(source: InputContainer, track: av.AudioStream, container: OutputContainer, heard: Heard | None) -> bool:
    """Encode as AAC; False when nothing is heard, and nothing is written then."""
    rate = track.codec_context.sample_rate
    stream = container.add_stream("aac", rate=next((hz for hz in AAC_HZ if hz >= rate), AAC_HZ[-1]))
    encoder = stream.codec_context
    encoder.format = "fltp"
    encoder.layout = "mono" if track.codec_context.layout.nb_channels == 1 else "stereo"
    encoder.bit_rate = AAC_BITS_PER_S
    resampler = av.AudioResampler("fltp", encoder.layout, encoder.sample_rate, frame_size=AAC_FRAME)
    written = False
    for frame in _counted(source, track, resampler, heard):
        written = True
        container.mux(stream.encode(frame))
    if written:
        container.mux(stream.encode(None))
    return written


def _counted(source: InputContainer, track: av.AudioStream, resampler: av.AudioResampler, heard: Heard | None) -> Iterator[av.AudioFrame]:
    """Frames stamped by counting samples from the first one, since what containers say about PCM is often coarse; anew behind a gap."""
    samples = None
    for frame in source.decode(track):
        assert isinstance(frame, av.AudioFrame)
        base = Fraction(1, frame.sample_rate)
        stated = round(((frame.pts or 0) * (frame.time_base or base) - stream_origin_s(source)) / base)
        if samples is None or (stated - samples) * base > LEAST_GAP_S:
            samples = stated
        frame.pts, frame.time_base = samples, base
        samples += frame.samples
        part = frame if heard is None else _part(frame, *(round(edge / base) for edge in heard))
        if part is not None:
            yield from resampler.resample(part)
        if heard is not None and samples * base >= heard[1]:
            break
    yield from resampler.resample(None)


def _part(frame: av.AudioFrame, start: int, stop: int) -> av.AudioFrame | None:
    """The samples from start to stop (counted as the frame's pts are) of a frame, stamped from start on; None without any."""
    first, last = max(start - (frame.pts or 0), 0), min(stop - (frame.pts or 0), frame.samples)
    if first >= last:
        return None
    step = 1 if frame.format.is_planar else frame.layout.nb_channels
    values = np.ascontiguousarray(frame.to_ndarray()[:, first * step : last * step])
    part = av.AudioFrame.from_ndarray(values, frame.format.name, frame.layout.name)  # pyright: ignore[reportArgumentType]
    part.sample_rate, part.time_base = frame.sample_rate, frame.time_base
    part.pts = (frame.pts or 0) + first - start
    return part
