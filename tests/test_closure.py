"""The closure of a door's imports, on a small house of its own."""

from pathlib import Path

import pytest
from ruamel.yaml import YAML

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
DVC = """stages:
  segment:
    cmd: python -m stages.segment --out x
    deps: [
      # code (python -m pipeline.closure --write)
      pipeline/gone.py,
      # data
      "x.yaml",
    ]
  plain:
    cmd: python -m stages.plain
    deps: [
      # code (python -m pipeline.closure --write)
      # data
    ]
"""


@pytest.fixture
def house(tmp_path, monkeypatch) -> Path:
    for name, text in HOUSE.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.setattr(closure, "ROOT", tmp_path)
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


def test_interchangeable_packages_give_way_to_the_chosen_one(house):
    assert closure.code_dependencies("segment", "stages/segment.py") == [
        "pipeline/errors.py",
        "pipeline/matting/backends/${item.matte}",
        "pipeline/matting/segment.py",
        "pipeline/picture/geometry.py",
        "stages/segment.py",
    ]


def test_a_stage_may_choose_by_a_value_of_its_own():
    lines = closure.code_dependencies("redetect_poses", "stages/estimate_poses.py")
    assert {"pipeline/pose/backends/${item.redetect}", "pipeline/pose/refiners/none"} <= set(lines)
    assert not [line for line in lines if "item.pose}" in line or "blazepose/__init__" in line]


def test_the_lists_are_rewritten_and_the_rest_kept(house):
    fresh = closure.rewritten(DVC)
    read = YAML(typ="safe").load(fresh)["stages"]
    assert read["segment"]["deps"] == [*closure.code_dependencies("segment", "stages/segment.py"), "x.yaml"]
    assert '      # data\n      "x.yaml",\n    ]\n' in fresh
    assert closure.rewritten(fresh) == fresh
    assert read["plain"]["deps"] == ["pipeline/errors.py", "stages/plain.py"]
    assert max(map(len, fresh.splitlines())) <= closure.WIDTH


def test_a_planted_import_is_noticed(house):
    fresh = closure.rewritten(DVC)
    (house / "pipeline/errors.py").write_text("def late():\n    import pipeline.unused\n")
    assert closure.rewritten(fresh) != fresh
    assert "pipeline/unused.py," in closure.rewritten(fresh)


def test_the_command_says_and_sets_what_is_wrong(house, monkeypatch):
    (house / "dvc.yaml").write_text(DVC)
    monkeypatch.setattr("sys.argv", ["closure"])
    with pytest.raises(SystemExit, match=r"does not list all the code .* Run: python -m pipeline\.closure --write"):
        closure.main()
    monkeypatch.setattr("sys.argv", ["closure", "--write"])
    closure.main()
    monkeypatch.setattr("sys.argv", ["closure"])
    closure.main()
    assert (house / "dvc.yaml").read_text() == closure.rewritten(DVC)
