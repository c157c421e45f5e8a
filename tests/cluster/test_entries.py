"""Entries of dvc.lock: what is written is read back, what others wrote stays, and DVC reads it."""

import json
from concurrent.futures import ThreadPoolExecutor

from dvc.schema import COMPILED_LOCKFILE_SCHEMA
from dvc.utils.serialize import load_yaml

from pipeline.cluster.entries import read_entries, read_files, write_entries, write_files

ENTRY = {
    "cmd": "python -m stages.x --rate 2e-4",
    "deps": [{"path": "data/é.zarr", "hash": "md5", "md5": "1e5.dir", "size": 3, "nfiles": 1}],
    "params": {"params.yaml": {"appearance": {"rate": 0.0002, "least": 1e-05, "name": "on", "none": None, "layers": [1.0, 2]}}},
    "outs": [{"path": "data/y.json", "hash": "md5", "md5": "0123456789abcdef0123456789abcdef", "size": 12}],
}


def test_entries_come_back_as_they_were(tmp_path):
    assert read_entries(tmp_path) == {}
    write_entries(tmp_path, {"x@é": ENTRY})
    assert read_entries(tmp_path) == {"x@é": ENTRY}
    lock = load_yaml(str(tmp_path / "dvc.lock"))
    assert COMPILED_LOCKFILE_SCHEMA(lock)["stages"]["x@é"] == ENTRY


def test_an_entry_takes_its_own_place_only(tmp_path):
    write_entries(tmp_path, {"a": ENTRY, "b": ENTRY})
    write_entries(tmp_path, {"b": {**ENTRY, "cmd": "other"}})
    assert read_entries(tmp_path) == {"a": ENTRY, "b": {**ENTRY, "cmd": "other"}}
    write_entries(tmp_path, {"c": ENTRY}, keep=False)
    assert read_entries(tmp_path) == {"c": ENTRY}


def test_two_writers_keep_each_others_entries(tmp_path):
    def write(who: str) -> None:
        for i in range(40):
            write_entries(tmp_path, {f"{who}@{i}": ENTRY})

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, "abcd"))
    assert len(read_entries(tmp_path)) == 160


def test_small_files_travel_as_text(tmp_path):
    text = json.dumps({"psnr": 30.5}) + "\n"
    write_files(tmp_path / "there", {"data/metrics/é.json": text})
    assert read_files(tmp_path / "there", ["data/metrics/é.json", "data/metrics/none.json"]) == {"data/metrics/é.json": text}


def test_what_dvc_wrote_stays_as_it_stands(tmp_path):
    """Only the entry's own lines are written; a file of another form is read whole."""
    theirs = "schema: '2.0'\nstages:\n  a@é:\n    cmd: one\n      two\n    deps:\n    - path: x\n      md5: '1'\n  b:\n    cmd: old\n"
    (tmp_path / "dvc.lock").write_text(theirs)
    write_entries(tmp_path, {"b": {"cmd": "new"}, "c": {"cmd": "more"}})
    assert (tmp_path / "dvc.lock").read_text() == theirs.replace("old", "new") + "  c:\n    cmd: more\n"
    for other in ("{schema: '2.0', stages: {a: {cmd: one}}}\n", "stages:\n    a:\n        cmd: one\nschema: '2.0'\n", "schema: '2.0'\n"):
        (tmp_path / "dvc.lock").write_text(other)
        write_entries(tmp_path, {"b": {"cmd": "new"}})
        assert read_entries(tmp_path)["b"] == {"cmd": "new"}
        assert read_entries(tmp_path).get("a", {"cmd": "one"}) == {"cmd": "one"}
        assert ("a" in read_entries(tmp_path)) == ("one" in other)
