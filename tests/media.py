"""Tiny real media files, written with PyAV: test support."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

HEIGHT, WIDTH, FRAMES = 32, 48, 12
BASE = Fraction(1001, 30000)
CODEC_OPTIONS = {"libx264": {"crf": "4"}, "libvpx-vp9": {"crf": "4", "b": "0", "deadline": "realtime", "cpu-used": "8"}}


def scene(t: int, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """Frame t (h w 3): red upper left, green upper right, blue lower left, grey 16 t lower right."""
    image = np.zeros((height, width, 3), np.uint8)
    h, w = height // 2, width // 2
    image[:h, :w], image[:h, w:], image[h:, :w], image[h:, w:] = (200, 30, 30), (30, 180, 30), (30, 30, 200), 16 * t % 256
    return image


def scenes(n: int = FRAMES, height: int = HEIGHT, width: int = WIDTH) -> list[np.ndarray]:
    return [scene(t, height, width) for t in range(n)]


def write_clip(
    path: Path,
    images: Sequence[np.ndarray],
    codec: str = "libx264",
    pixels: str = "yuv420p",
    pts: Sequence[int] | None = None,
    base: Fraction = BASE,
    sound: str | None = None,
    sound_s: float | None = None,
    rotation: int | None = None,
    aspect: Fraction | None = None,
    metadata: dict[str, str] | None = None,
    options: dict[str, str] | None = None,
) -> Path:
    """Write images (h w 3|4) at pts × base seconds; sound: a codec for a sine of 440 Hz."""
    with av.open(str(path), "w", options=options or {}) as container:
        stream = container.add_stream(codec, rate=1 / base if pts is None else Fraction(30))
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = pixels
        stream.codec_context.time_base = stream.time_base = base
        stream.codec_context.options = CODEC_OPTIONS.get(codec, {})
        if aspect:
            stream.codec_context.sample_aspect_ratio = aspect
        stream.metadata.update(metadata or {})
        if rotation is not None:
            stream.set_display_rotation(rotation)
        track = None
        if sound:
            rate = 48000 if "opus" in sound or path.suffix == ".mxf" else 44100  # MXF takes no other
            track = container.add_stream(sound, rate=rate)
            track.codec_context.layout = "mono"
        for i, image in enumerate(images):
            frame = av.VideoFrame.from_ndarray(image, format="rgba" if image.shape[2] == 4 else "rgb24")
            frame = frame.reformat(format=pixels)
            frame.pts, frame.time_base, frame.duration = (i if pts is None else pts[i]), base, 1 if pts is None else 0
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if track is not None:
            _write_sine(container, track, float(len(images) * base) if sound_s is None else sound_s)
    return path


def _write_sine(container: av.container.OutputContainer, track: av.AudioStream, seconds: float) -> None:
    rate = track.codec_context.sample_rate
    wave = (12000 * np.sin(2 * np.pi * 440 * np.arange(round(seconds * rate)) / rate)).astype(np.int16)
    frame = av.AudioFrame.from_ndarray(wave[None], format="s16", layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
    shape = track.codec_context.format.name if track.codec_context.format else "fltp"
    resampler = av.AudioResampler(format=shape, layout="mono", rate=rate, frame_size=960 if rate == 48000 else 1024)
    for part in [*resampler.resample(frame), *resampler.resample(None)]:
        container.mux(track.encode(part))
    container.mux(track.encode(None))


def seconds_of(path: Path) -> list[Fraction]:
    """Exact presentation times of a file's pictures, by plain PyAV."""
    with av.open(str(path)) as container:
        return [frame.pts * frame.time_base for frame in container.decode(video=0)]


def sound_of(path: Path) -> np.ndarray:
    """Samples of the first sound track (n) float32, one channel."""
    with av.open(str(path)) as container:
        resampler = av.AudioResampler(format="flt", layout="mono", rate=44100)
        parts = [r.to_ndarray()[0] for f in container.decode(audio=0) for r in resampler.resample(f)]
    return np.concatenate(parts)
