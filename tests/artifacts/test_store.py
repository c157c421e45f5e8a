"""The store: whole or absent, the same bytes for the same frames, and no damage unnoticed."""

import json
import os
import pickle
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import zarr

from pipeline.artifacts import writing
from pipeline.artifacts.frames import open_frames
from pipeline.artifacts.packing import SHARD_FRAMES
from pipeline.artifacts.peek import peek_zarr
from pipeline.artifacts.store import (
    ArrayWriter,
    create_group,
    open_group,
    publish,
    read_array,
    readable,
    require_free_bytes,
    require_room,
    write_array,
)
from pipeline.errors import InputError

ROOT = Path(__file__).resolve().parent.parent.parent


def noise(t: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (t, 6, 8, 3), np.uint8)


def write(path: Path, frames: np.ndarray, sizes: list[int]) -> Path:
    with create_group(path, "frames", {"note": "x"}) as group:
        writer = ArrayWriter(group, "frames", frames.shape[1:], str(frames.dtype))
        start = 0
        for size in sizes:
            writer.append(frames[start : start + size])
            start += size
        writer.flush()
        write_array(group, "present", np.zeros(len(frames), np.uint8), ("time",))
    return path


def read(path: Path, name: str = "frames"):
    return read_array(open_group(path, ("frames",), "Run: this")[0], name, path, "Run: this")


def files(path: Path) -> dict[str, bytes]:
    return {p.relative_to(path).as_posix(): p.read_bytes() for p in sorted(path.rglob("*")) if p.is_file()}


def test_block_sizes_change_no_byte(tmp_path):
    t = 2 * SHARD_FRAMES + 7
    frames = noise(t)
    whole = files(write(tmp_path / "a.zarr", frames, [t]))
    assert whole == files(write(tmp_path / "b.zarr", frames, [1] * t))
    assert whole == files(write(tmp_path / "c.zarr", frames, [SHARD_FRAMES - 1, 2, 0, SHARD_FRAMES, 6]))
    assert sorted(name for name in whole if "/c/" in name) == [*(f"frames/c/{i}/0/0/0" for i in range(3)), "present/c/0"]


def test_writing_again_gives_the_same_bytes(tmp_path):
    frames = noise(20)
    first = files(write(tmp_path / "a.zarr", frames, [20]))
    assert first == files(write(tmp_path / "a.zarr", frames, [20]))


@pytest.mark.parametrize("t", [0, 1, SHARD_FRAMES, SHARD_FRAMES + 1])
def test_frames_come_back_by_integer_slice_and_block(tmp_path, t):
    frames = noise(t)
    array = read(write(tmp_path / "a.zarr", frames, [t]))
    assert len(array) == t
    assert (array[:] == frames).all()
    assert [start for start, _ in array.blocks(16)] == list(range(0, t, 16))
    assert sum(len(block) for _, block in array.blocks(16)) == t
    if t:
        assert (array[-1] == frames[-1]).all()
        assert (array[np.int64(t // 2)] == frames[t // 2]).all()
    with pytest.raises(IndexError, match=f"frame {t} of {t}"):
        array[t]
    with pytest.raises(TypeError, match="by integer or slice"):
        array[[0, 1]]  # type: ignore[index]


def test_plain_zarr_opens_it(tmp_path):
    frames = noise(5)
    group = zarr.open_group(write(tmp_path / "a.zarr", frames, [5]), mode="r")
    assert dict(group.attrs) == {"kind": "frames", "version": 1, "note": "x"}
    assert (np.asarray(group["frames"]) == frames).all()


def test_axes_have_names(tmp_path):
    with create_group(tmp_path / "a.zarr", "frames", {}) as group:
        for name, shape, axes in (("frames", (6, 8, 3), ()), ("mattes", (6, 8), ()), ("flow", (6, 8, 2), (("time", "y", "x", "xy"),))):
            writer = ArrayWriter(group, name, shape, "uint8", *axes)
            writer.append(np.zeros((5, *shape), np.uint8))
            writer.flush()
        write_array(group, "crop", np.zeros((5, 2, 3)), ("time", "row", "column"))
    group = zarr.open_group(tmp_path / "a.zarr", mode="r")
    assert {name: array.metadata.dimension_names for name, array in group.arrays()} == {
        "frames": ("time", "y", "x", "channel"),
        "mattes": ("time", "y", "x"),
        "flow": ("time", "y", "x", "xy"),
        "crop": ("time", "row", "column"),
    }


def test_a_block_of_another_shape_or_type_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"expected frames \(6, 8, 3\) uint8, got \(6, 8\) uint8"):
        write(tmp_path / "a.zarr", noise(2), [1, 1]) and _append(tmp_path / "b.zarr", np.zeros((2, 6, 8), np.uint8))
    with pytest.raises(ValueError, match=r"expected .* uint8, got \(6, 8, 3\) float32"):
        _append(tmp_path / "b.zarr", np.zeros((2, 6, 8, 3), np.float32))
    assert not (tmp_path / "b.zarr").exists()


def _append(path: Path, block: np.ndarray) -> None:
    with create_group(path, "frames", {}) as group:
        ArrayWriter(group, "frames", (6, 8, 3), "uint8").append(block)


def test_an_error_leaves_the_old_artifact_and_nothing_else(tmp_path):
    before = files(write(tmp_path / "a.zarr", noise(3), [3]))
    with pytest.raises(RuntimeError, match="late"), create_group(tmp_path / "a.zarr", "frames", {}) as group:  # noqa: PT012
        write_array(group, "x", np.ones(3), ("x",))
        raise RuntimeError("late")
    assert files(tmp_path / "a.zarr") == before
    assert os.listdir(tmp_path) == ["a.zarr"]


def test_a_file_is_whole_or_absent_too(tmp_path):
    path = tmp_path / "deep" / "a.json"
    with pytest.raises(RuntimeError), publish(path) as temporary:  # noqa: PT012
        temporary.write_text("half")
        raise RuntimeError
    assert os.listdir(path.parent) == []
    for text in ("{}\n", "[]\n"):
        with publish(path) as temporary:
            assert temporary.parent == path.parent
            assert temporary.suffix == ".json"
            temporary.write_text(text)
    assert path.read_text() == "[]\n"
    assert os.listdir(path.parent) == ["a.json"]


def test_a_kill_leaves_nothing_that_could_be_read(tmp_path):
    body = (
        "import os, signal, sys, numpy as np\nfrom pipeline.artifacts.store import ArrayWriter, create_group\n"
        "with create_group(sys.argv[1], 'frames', {}) as group:\n"
        "    ArrayWriter(group, 'frames', (6, 8, 3), 'uint8').append(np.ones((70, 6, 8, 3), np.uint8))\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    path = tmp_path / "a.zarr"
    done = subprocess.run([sys.executable, "-c", body, str(path)], env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False)
    assert done.returncode == -signal.SIGKILL
    assert not path.exists()
    with pytest.raises(InputError, match=r"a\.zarr does not exist"):
        open_group(path, ("frames",), "Run: this")
    frames = noise(4)
    assert (read(write(path, frames, [4]))[:] == frames).all()
    assert os.listdir(tmp_path) == ["a.zarr"]


def test_one_writer_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setattr(writing, "WAIT_S", 0.05)
    path = tmp_path / "a.json"
    with publish(path) as first:
        first.write_text("first")
        with pytest.raises(InputError, match=r"a\.json is being written by another process"), publish(path):
            raise AssertionError("a second writer was let in")
        assert first.exists()
        with publish(tmp_path / "b.json") as other:
            other.write_text("other")
    assert path.read_text() == "first"
    assert sorted(os.listdir(tmp_path)) == ["a.json", "b.json"]


def test_what_dead_writers_left_goes_with_the_next_and_nothing_else_does(tmp_path):
    left = [".a.zarr.partial.zarr", ".a.zarr.1234-0badcafe.partial.zarr"]
    others = [".a.zarr.b.1234-0badcafe.partial.zarr", ".b.zarr.1234-0badcafe.partial.zarr", "a.zarr.partial.zarr", ".a.zarr.mine"]
    for name in [*left, *others]:
        (tmp_path / name).mkdir()
        (tmp_path / name / "zarr.json").write_text("{}")
    (tmp_path / ".a.zarr.lock").touch()  # no lock without a process that holds it
    write(tmp_path / "a.zarr", noise(3), [3])
    assert sorted(os.listdir(tmp_path)) == sorted([*others, "a.zarr"])


def test_two_partials_never_meet(tmp_path):
    names = {writing.partial_name(tmp_path / "a.zarr").name for _ in range(20)}
    assert len(names) == 20
    assert all(f".{os.getpid()}-" in name and name.endswith(".partial.zarr") for name in names)
    assert not writing.leftovers(tmp_path / "a.zarr")


def test_everything_is_on_the_disk_before_it_gets_its_name(tmp_path, monkeypatch):
    flushed, replace = [], os.replace
    monkeypatch.setattr(os, "fsync", lambda file: flushed.append(os.fstat(file).st_ino))

    def checked(source, target):
        if Path(target).parent != tmp_path:  # Zarr's own
            return replace(source, target)
        written = [source] if source.is_file() else [p for p in source.rglob("*") if p.is_file()]
        assert len(written) == (9 if target.suffix == ".zarr" else 1)
        assert {p.stat().st_ino for p in written} == set(flushed)
        flushed.clear()
        return replace(source, target)

    monkeypatch.setattr(writing.os, "replace", checked)
    write(tmp_path / "a.zarr", noise(5 * SHARD_FRAMES), [5 * SHARD_FRAMES])
    with publish(tmp_path / "a.json") as temporary:
        temporary.write_text("{}")
    assert (tmp_path / "a.json").exists()


@pytest.mark.parametrize("name", ["frames/c/1/0/0/0", "present/c/0"])
def test_a_file_that_was_lost_is_noticed(tmp_path, name):
    path = write(tmp_path / "a.zarr", np.zeros((SHARD_FRAMES + 1, 6, 8, 3), np.uint8), [SHARD_FRAMES + 1])
    (path / name).unlink()
    with pytest.raises(InputError, match=rf"a\.zarr is damaged: {name} is missing\. Run: this"):
        read(path, name.split("/")[0])


def test_any_damage_to_a_shard_is_noticed(tmp_path):
    path = write(tmp_path / "a.zarr", noise(3), [3])
    shard = path / "frames/c/0/0/0/0"
    good = shard.read_bytes()
    for position in range(0, len(good), 211):
        shard.write_bytes(good[:position] + bytes([good[position] ^ 1]) + good[position + 1 :])
        with pytest.raises(InputError, match=r"a\.zarr is damaged at frames .*Run: this"):
            read(path)[:]
    for length in (0, 10, len(good) - 1):
        shard.write_bytes(good[:length])
        with pytest.raises(InputError, match=r"a\.zarr is damaged at frames 0"):
            read(path)[0]


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("zarr.json", "{", "is not a readable Zarr group"),
        ("zarr.json", '{"zarr_format": 3, "node_type": "group", "attributes": {}}', "must be frames version 1, found None version None"),
        (
            "zarr.json",
            '{"zarr_format": 3, "node_type": "group", "attributes": {"kind": "plates", "version": 1}}',
            "must be frames version 1, found plates version 1",
        ),
        (
            "zarr.json",
            '{"zarr_format": 3, "node_type": "group", "attributes": {"kind": "frames", "version": 2}}',
            "must be frames version 1, found frames version 2",
        ),
        ("frames/zarr.json", "{", "has no readable array frames"),
    ],
)
def test_a_damaged_description_is_noticed(tmp_path, file, text, message):
    path = write(tmp_path / "a.zarr", noise(3), [3])
    (path / file).write_text(text)
    with pytest.raises(InputError, match=rf"a\.zarr {message}.*Run: this"):
        read(path)


def test_an_absent_array_is_noticed(tmp_path):
    with pytest.raises(InputError, match="has no readable array mattes"):
        read(write(tmp_path / "a.zarr", noise(3), [3]), "mattes")
    with pytest.raises(InputError, match="is not a readable Zarr group"):
        open_group(tmp_path, ("frames",), "Run: this")


def test_a_small_disk_refuses_before_writing(tmp_path):
    require_free_bytes(tmp_path / "a" / "b.zarr", 1000)
    with pytest.raises(InputError, match=r"b\.zarr needs about 1000000000000 MB, .* MB free: make room"):
        require_free_bytes(tmp_path / "a" / "b.zarr", 10**18)
    assert not (tmp_path / "a").exists()


def test_files_share_what_is_free_on_their_disk(tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 1000})())
    require_room({tmp_path / "a": 500, tmp_path / "no/b": 500})
    with pytest.raises(InputError, match=r"a and 1 more need about 0 MB"):
        require_room({tmp_path / "a": 500, tmp_path / "no/b": 501})


class Runs:
    """Leaves a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_the_older_format_of_zarr_is_not_opened(tmp_path):
    """Its objects may be pickled."""
    path, ran = tmp_path / "x.zarr", tmp_path / "ran"
    (path / "frames").mkdir(parents=True)
    (path / ".zgroup").write_text('{"zarr_format": 2}')
    (path / ".zattrs").write_text('{"kind": "frames", "version": 1, "fps": null, "time_base": null, "pts": null, "size_hw": [1, 1]}')
    array = {"zarr_format": 2, "shape": [1], "chunks": [1], "dtype": "|O", "compressor": None, "fill_value": None, "order": "C"}
    (path / "frames" / ".zarray").write_text(json.dumps({**array, "filters": [{"id": "pickle", "protocol": 4}]}))
    (path / "frames" / "0").write_bytes(pickle.dumps(Runs(ran)))
    for look in (open_frames, peek_zarr, lambda p: peek_zarr(p / "frames")):
        with pytest.raises(InputError, match="is not a readable Zarr group"):
            look(path)
    assert not ran.exists()


def test_what_may_not_be_read_is_not_called_damaged(tmp_path):
    with pytest.raises(PermissionError), readable(tmp_path / "a.csv", "file of labels", "Export it again"):
        raise PermissionError(13, "Permission denied", "a.csv")
