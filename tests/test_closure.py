"""The closure of a door's imports and its listing, on a small house of its own."""

import subprocess
from pathlib import Path

import pytest

from pipeline import closure
from pipeline.imports import closure as closure_of
from pipeline.imports import imports

HOUSE = {
    "pipeline/__init__.py": "",
    "pipeline/errors.py": "class InputError(Exception): ...\n",
    "pipeline/picture/geometry.py": "import numpy\nfrom pipeline.errors import InputError\n",
    "pipeline/unused.py": "VALUE = 1\n",
    "pipeline/matting/__init__.py": "",
    "pipeline/matting/segment.py": "def load(name):\n    from pipeline.matting.backends import plain\n"
    "    from pipeline.matting.backends.fine import load\n",
    "pipeline/matting/backends/__init__.py": "",
    "pipeline/matting/backends/plain/__init__.py": "from pipeline.picture.geometry import x\n",
    "pipeline/matting/backends/fine/__init__.py": "import pipeline.matting.backends.fine.decoder\n",
    "pipeline/matting/backends/fine/decoder.py": "",
    "stages/__init__.py": "",
    "stages/segment.py": "from pipeline.matting import segment\n",
    "stages/plain.py": "import pipeline.errors as errors\n",
}
@pytest.fixture
def house(tmp_path) -> Path:
    for name, text in HOUSE.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def test_an_import_is_found_wherever_it_stands(house):
    assert imports(house / "pipeline/matting/segment.py", house) >= {
        "pipeline/matting/backends/plain/__init__.py",
        "pipeline/matting/backends/fine/__init__.py",
    }
    assert imports(house / "stages/plain.py", house) == {"pipeline/errors.py"}


def test_the_closure_follows_imports_to_their_end(house):
    reached = closure_of("stages/segment.py", house)
    assert {"stages/segment.py", "pipeline/matting/segment.py", "pipeline/picture/geometry.py", "pipeline/errors.py"} <= reached
    assert "pipeline/unused.py" not in reached


def test_interchangeable_packages_are_left_to_dvc_yaml(house):
    assert closure.code_of("segment", house) == [
        "pipeline/errors.py",
        "pipeline/matting/segment.py",
        "pipeline/picture/geometry.py",
        "stages/segment.py",
    ]
    (house / "pipeline/matting/backends/__init__.py").write_text("# what chooses\n")
    assert "pipeline/matting/backends/__init__.py" in closure.code_of("segment", house)


def test_a_listing_is_what_sha256sum_reads(house):
    texts = closure.listings(house)
    assert set(texts) == {"segment", "plain"}
    sums = subprocess.run(["sha256sum", "--strict", "-c"], input=texts["segment"], cwd=house, capture_output=True, text=True, check=True)
    assert sums.stdout.splitlines() == [f"{file}: OK" for file in closure.code_of("segment", house)]
    assert closure.listed(texts["segment"]) == closure.code_of("segment", house)


def test_an_edit_changes_the_listings_that_it_reaches_and_no_other(house):
    before = closure.listings(house)
    (house / "pipeline/picture/geometry.py").write_text("import numpy\n")
    after = closure.listings(house)
    assert [door for door in before if before[door] != after[door]] == ["segment"]
    assert closure.stale(before["segment"], house) == ["pipeline/picture/geometry.py"]
    assert closure.stale(before["plain"], house) == closure.stale(after["segment"], house) == []
    (house / "pipeline/picture/geometry.py").unlink()
    assert closure.stale(after["segment"], house) == ["pipeline/picture/geometry.py"]


def test_a_planted_import_is_noticed(house):
    before = closure.listings(house)
    (house / "pipeline/errors.py").write_text("def late():\n    import pipeline.unused\n")
    assert "pipeline/unused.py" in closure.listed(closure.listings(house)["plain"])
    assert closure.stale(before["plain"], house) == ["pipeline/errors.py"]


def test_code_that_no_door_imports_is_nobodys(house):
    before = closure.listings(house)
    (house / "pipeline/unused.py").write_text("VALUE = 2\n")
    (house / "pipeline/matting/backends/fine/decoder.py").write_text("VALUE = 2\n")
    assert closure.listings(house) == before
