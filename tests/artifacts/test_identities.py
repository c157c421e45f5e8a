import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.artifacts.identities import LENGTH, Described, Identities, read_identities, write_identities
from pipeline.errors import InputError


def test_faces_come_back_each_with_its_own(tmp_path):
    values = np.random.default_rng(0).normal(size=(5, LENGTH)).astype(np.float32)
    made = Identities(Described(np.array([3, 9]), values[:2]), Described(np.array([0, 1, 7]), values[2:]))
    write_identities(tmp_path / "i.parquet", made)
    found = read_identities(tmp_path / "i.parquet")
    for one, other in ((found.result, made.result), (found.target, made.target)):
        np.testing.assert_array_equal(one.frames, other.frames)
        np.testing.assert_array_equal(one.descriptors, other.descriptors)
    content = (tmp_path / "i.parquet").read_bytes()
    write_identities(tmp_path / "i.parquet", found)
    assert (tmp_path / "i.parquet").read_bytes() == content


def test_nobody_is_a_table_too(tmp_path):
    write_identities(tmp_path / "i.parquet", Identities(Described.nothing(), Described.nothing()))
    found = read_identities(tmp_path / "i.parquet")
    assert len(found.result) == len(found.target) == 0
    assert found.target.descriptors.shape == (0, LENGTH)


def test_what_is_no_number_is_refused(tmp_path):
    path = tmp_path / "i.parquet"
    write_identities(path, Identities(Described.nothing(), Described(np.array([1]), np.full((1, LENGTH), np.nan))))
    with pytest.raises(InputError, match=r"i\.parquet must hold finite descriptors"):
        read_identities(path)
    pq.write_table(pa.table({"x": [1]}), path)
    with pytest.raises(InputError, match=r"i\.parquet is not a readable table of identities.*dvc repro remeasure_faces"):
        read_identities(path)
