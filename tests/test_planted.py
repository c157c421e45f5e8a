"""The list of planted faults stays true: each is one that can be planted, and its tests are there. mutants.py runs them."""

import ast
import shlex

import pytest
from mutants import ROOT, noticed_by, plant
from planted import FAULTS, Fault


def test_there_are_many_and_each_has_a_name():
    assert len(FAULTS) >= 60
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)


def test_what_is_replaced_occurs_once_and_the_tests_are_there():
    for fault in FAULTS:
        assert (ROOT / fault.file).read_text().count(fault.old) == 1, fault
        assert fault.new != fault.old
        paths = [word for word in shlex.split(fault.tests) if word.startswith("tests/")]
        assert paths, fault
        assert all((ROOT / path).exists() for path in paths), fault


def test_a_faulty_source_still_compiles():
    """A fault that is a syntax error is noticed by any test."""
    for fault in (fault for fault in FAULTS if fault.file.endswith(".py")):
        ast.parse((ROOT / fault.file).read_text().replace(fault.old, fault.new))


def test_text_that_is_no_longer_there_is_an_error(tmp_path):
    fault = Fault("gone", "a.py", "x = 1", "x = 2", "tests")
    (tmp_path / "a.py").write_text("y = 1\n")
    with pytest.raises(ValueError, match=r"gone: 'x = 1' must occur once in a\.py, found 0 times"):
        plant(fault, tmp_path)
    (tmp_path / "a.py").write_text("x = 1\n")
    plant(fault, tmp_path)
    assert (tmp_path / "a.py").read_text() == "x = 2\n"


def test_the_test_that_noticed_is_named():
    assert noticed_by("..F\nFAILED tests/a.py::test_b - assert 1 == 2\n1 failed") == "tests/a.py::test_b"
