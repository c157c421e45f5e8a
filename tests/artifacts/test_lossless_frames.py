"""Laws of frames kept as lossless video: bit for bit, by plain Zarr too, the same bytes each time, and no damage unnoticed."""

import os
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
import zarr
from zarr.registry import get_codec_class

from pipeline.artifacts.frames import create_frames, open_frames
from pipeline.artifacts.lossless import GROUP_FRAMES, NAME, LosslessVideo, packed, register, unpacked
from pipeline.artifacts.packing import SHARD_FRAMES
from pipeline.artifacts.peek import peek_zarr
from pipeline.errors import InputError
from pipeline.video.clock import NO_TIME

ROOT = Path(__file__).resolve().parent.parent.parent
SIZE_HW = (10, 14)


def noise(t: int, size_hw: tuple[int, int] = SIZE_HW, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (t, *size_hw, 3), np.uint8)


def write(path: Path, frames: np.ndarray, sizes: list[int] | None = None, layout: str = "video") -> Path:
    with create_frames(path, NO_TIME, frames.shape[1:3], layout=layout) as writer:
        start = 0
        for size in sizes or [len(frames)]:
            writer.append(frames[start : start + size])
            start += size
    return path


def files(path: Path) -> dict[str, bytes]:
    return {p.relative_to(path).as_posix(): p.read_bytes() for p in sorted(path.rglob("*")) if p.is_file()}


@pytest.mark.parametrize("t", sorted({1, GROUP_FRAMES - 1, GROUP_FRAMES, GROUP_FRAMES + 1, SHARD_FRAMES, SHARD_FRAMES + 1}))
def test_frames_come_back_by_integer_slice_and_block(tmp_path, t):
    frames = noise(t)
    found = open_frames(write(tmp_path / "a.zarr", frames))
    assert (len(found), found.shape, found.size_hw) == (t, (t, *SIZE_HW, 3), SIZE_HW)
    assert np.array_equal(found[:], frames)
    for at in {0, t // 2, t - 1, -1}:
        assert np.array_equal(found[at], frames[at])
    for part in (slice(1, 3), slice(t - 2, t), slice(GROUP_FRAMES - 1, GROUP_FRAMES + 1), slice(0, t, 3), slice(t, t)):
        assert np.array_equal(found[part], frames[part])
    assert all(np.array_equal(block, frames[start : start + 16]) for start, block in found.blocks(16))


@pytest.mark.parametrize("size_hw", [(1, 1), (17, 31), (16, 16)])
def test_odd_sizes_and_grey(tmp_path, size_hw):
    frames = noise(6, size_hw)
    frames[:3] = frames[:3, ..., :1]
    assert np.array_equal(open_frames(write(tmp_path / "a.zarr", frames))[:], frames)


def test_frames_in_any_order_are_those_of_the_other_layout(tmp_path):
    frames = noise(30)
    video, old = (open_frames(write(tmp_path / f"{layout}.zarr", frames, layout=layout)) for layout in ("video", "zstd"))
    for t in np.random.default_rng(1).permutation(30):
        assert np.array_equal(video[t], old[t])


def test_black_frames_are_frames_wherever_they_are(tmp_path):
    frames = noise(2 * GROUP_FRAMES + 3)
    frames[[0, 1, GROUP_FRAMES - 1, 2 * GROUP_FRAMES + 2]] = 0
    frames[GROUP_FRAMES : 2 * GROUP_FRAMES] = 0
    assert np.array_equal(open_frames(write(tmp_path / "a.zarr", frames))[:], frames)


def test_block_sizes_and_threads_change_no_byte(tmp_path, monkeypatch):
    frames = noise(SHARD_FRAMES + 7)
    whole = files(write(tmp_path / "a.zarr", frames))
    assert whole == files(write(tmp_path / "b.zarr", frames, [1] * len(frames)))
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    monkeypatch.setattr("pipeline.artifacts.packing.BATCH_BYTES", 1)
    assert whole == files(write(tmp_path / "c.zarr", frames, [3, 0, SHARD_FRAMES, 4]))
    assert sorted(name for name in whole if "/c/" in name) == ["frames/c/0/0/0/0", "frames/c/1/0/0/0"]


@pytest.mark.parametrize("layout", ["video", "zstd"])
def test_the_bytes_are_those_that_zarr_itself_writes(tmp_path, layout):
    frames = noise(SHARD_FRAMES + 5)
    ours = write(tmp_path / "a.zarr", frames, layout=layout)
    array = zarr.open_group(ours, mode="r")["frames"]
    inner = array.metadata.codecs[0].codecs
    how = {"serializer": inner[0], "compressors": None} if layout == "video" else {"compressors": inner[1:]}
    other = zarr.open_group(tmp_path / "b.zarr", mode="w").create_array(
        "frames", shape=frames.shape, chunks=array.chunks, shards=array.shards, dtype="uint8", fill_value=0,
        dimension_names=array.metadata.dimension_names, config={"write_empty_chunks": True}, **how,
    )  # fmt: skip
    other[:] = frames
    assert files(ours / "frames") == files(tmp_path / "b.zarr" / "frames")
    other[3] = 7  # a chunk of which a part is written is read first
    assert np.array_equal(other[:], np.concatenate([frames[:3], np.full_like(frames[:1], 7), frames[4:]]))


def test_all_ways_of_zarr_to_choose(tmp_path):
    frames = noise(2 * GROUP_FRAMES + 5)
    array = zarr.open_group(write(tmp_path / "a.zarr", frames), mode="r")["frames"]
    assert np.array_equal(array[5, 2:4, ::2], frames[5, 2:4, ::2])
    assert np.array_equal(array[::5, 4, :, 1], frames[::5, 4, :, 1])
    assert np.array_equal(array.oindex[[1, 7, 12]], frames[[1, 7, 12]])
    assert np.array_equal(array.oindex[np.arange(len(frames)) % 2 == 0], frames[::2])
    points = [1, 12, 3, 2], [2, 3, 4, 9], [1, 13, 1, 0], [0, 1, 2, 2]
    assert np.array_equal(array.vindex[points], frames[points])


def test_plain_zarr_finds_the_codec_where_the_project_is_installed(tmp_path):
    """In a process that imports nothing of ours, by the entry points that pyproject.toml declares."""
    frames = noise(GROUP_FRAMES + 1)
    path, entries = write(tmp_path / "a.zarr", frames), tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]
    installed = tmp_path / "site" / "motion_copy-0.dist-info"
    installed.mkdir(parents=True)
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: motion-copy\nVersion: 0\n")
    lines = [line for group, named in entries.items() for line in (f"[{group}]", *(f"{name} = {at}" for name, at in named.items()))]
    (installed / "entry_points.txt").write_text("\n".join(lines))
    body = "import sys, zarr, numpy; numpy.save(sys.argv[2], zarr.open(sys.argv[1])['frames'][:])"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (installed.parent, ROOT)))}
    subprocess.run([sys.executable, "-c", body, path, tmp_path / "found.npy"], check=True, env=environment, cwd=tmp_path)
    assert np.array_equal(np.load(tmp_path / "found.npy"), frames)


def test_registering_twice_leaves_one_codec(recwarn):
    register()
    register()
    assert get_codec_class(NAME) is LosslessVideo
    assert not recwarn


def test_any_damage_is_one_clear_line(tmp_path):
    path = write(tmp_path / "a.zarr", noise(GROUP_FRAMES + 2))
    shard = path / "frames/c/0/0/0/0"
    good = shard.read_bytes()
    for position in range(0, len(good), len(good) // 40):
        shard.write_bytes(good[:position] + bytes([good[position] ^ 1]) + good[position + 1 :])
        with pytest.raises(InputError, match=r"a\.zarr is damaged at frames .*Run: dvc repro extract_frames") as caught:
            open_frames(path)[:]
        assert "\n" not in str(caught.value)
    for length in (0, 10, len(good) - 1):
        shard.write_bytes(good[:length])
        with pytest.raises(InputError, match=r"a\.zarr is damaged at frames 0"):
            open_frames(path)[0]
    shard.unlink()
    with pytest.raises(InputError, match=r"a\.zarr is damaged: frames/c/0/0/0/0 is missing"):
        open_frames(path)


def test_only_the_damaged_group_is_lost(tmp_path):
    frames = noise(2 * GROUP_FRAMES)
    path = write(tmp_path / "a.zarr", frames)
    shard = path / "frames/c/0/0/0/0"
    good = bytearray(shard.read_bytes())
    good[100] ^= 1
    shard.write_bytes(good)
    assert np.array_equal(open_frames(path)[GROUP_FRAMES], frames[GROUP_FRAMES])
    with pytest.raises(InputError, match=r"a\.zarr is damaged at frames 0: the checksum of a group of frames does not fit\. Run: "):
        open_frames(path)[0]


def test_lengths_that_lie_are_an_error():
    """Bytes that bear a checksum and are no frames: a foreign file, not a damaged one."""
    from pipeline.artifacts.packing import checksummed

    shape = (GROUP_FRAMES, *SIZE_HW, 3)
    chunk = packed(noise(GROUP_FRAMES), GROUP_FRAMES)
    assert np.array_equal(unpacked(chunk, [2, 0], shape), noise(GROUP_FRAMES)[[2, 0]])
    for body in (b"", chunk[:12], b"\xff" * 100, chunk[:-40]):
        with pytest.raises(ValueError, match=r"checksum|H\.264|not in it|lengths"):
            unpacked(checksummed(body), range(GROUP_FRAMES), shape)


def test_a_kill_leaves_nothing_that_could_be_read(tmp_path):
    body = (
        "import os, signal, sys, numpy as np\nfrom pipeline.artifacts.frames import create_frames\n"
        "from pipeline.video.clock import NO_TIME\n"
        "with create_frames(sys.argv[1], NO_TIME, (6, 8), layout='video') as writer:\n"
        "    writer.append(np.ones((200, 6, 8, 3), np.uint8))\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    path = tmp_path / "a.zarr"
    done = subprocess.run([sys.executable, "-c", body, path], env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False)
    assert done.returncode == -signal.SIGKILL
    with pytest.raises(InputError, match=r"a\.zarr does not exist"):
        open_frames(path)
    write(path, noise(3))
    assert os.listdir(tmp_path) == ["a.zarr"]


def test_a_failing_packer_ends_the_writing(tmp_path, monkeypatch):
    def fails(frames: np.ndarray) -> list[bytes]:
        raise OSError("no encoder")

    monkeypatch.setattr("pipeline.video.lossless.encode_group", fails)
    with pytest.raises(OSError, match="no encoder"):
        write(tmp_path / "a.zarr", noise(3))
    assert os.listdir(tmp_path) == []


def test_what_the_codec_cannot_keep_is_refused(tmp_path):
    group = zarr.open_group(tmp_path / "a.zarr", mode="w")
    for name, shape, dtype, chunks in [("grey", (5, 6, 7), "uint8", (4, 6, 7)), ("deep", (5, 6, 7, 3), "uint16", (4, 6, 7, 3))]:
        with pytest.raises(ValueError, match=rf"{NAME} keeps uint8 \(n h w 3\), found"):
            group.create_array(name, shape=shape, dtype=dtype, chunks=chunks, serializer=LosslessVideo(), compressors=None)
    with pytest.raises(ValueError, match=r"keeps whole frames: chunks must be \(n 6 7 3\)"):
        group.create_array("cut", shape=(5, 6, 7, 3), dtype="uint8", chunks=(4, 3, 7, 3), serializer=LosslessVideo(), compressors=None)
    with pytest.raises(ValueError, match="without configuration"):
        LosslessVideo.from_dict({"name": NAME, "configuration": {"quality": 1}})
    with pytest.raises(ValueError, match="keeps uint8"), create_frames(tmp_path / "b.zarr", NO_TIME, SIZE_HW, None, "mattes", "video"):
        raise AssertionError("mattes were let in")


def test_anything_that_looks_into_stores_opens_it(tmp_path):
    frames = noise(GROUP_FRAMES)
    _, arrays = peek_zarr(write(tmp_path / "a.zarr", frames))
    assert np.array_equal(arrays["frames"][1], frames[1])
