"""Params: what is legal is read, what is not is named with its full path."""

import math
from pathlib import Path
from typing import Literal

import pytest
from pydantic import Field, ValidationError

from pipeline.errors import InputError
from pipeline.frames.extract import FramesParams
from pipeline.params import Section, read_as, read_entries, read_section, read_value


class Inner(Section):
    rate: float = Field(gt=0, le=1)
    names: list[str]


class Outer(Section):
    mode: Literal["fixed", "follow"]
    size_px: int = Field(ge=16, multiple_of=16)
    margin: float
    enabled: bool
    threshold: float | None = Field(ge=0)
    beta: float | Literal["1 - alpha"]
    joint_map: dict[str, str | None]
    inner: Inner


GOOD = """
crop:
  mode: fixed
  size_px: 128
  margin: 1.25
  enabled: true
  threshold: null
  beta: 1 - alpha
  joint_map: {}
  inner:
    rate: 2e-4
    names: [a, b]
"""


def write(folder: Path, text: str = GOOD) -> Path:
    path = folder / "params.yaml"
    path.write_text(text)
    return path


def read(folder: Path, old: str = "", new: str = "", override: str | None = None) -> Outer:
    assert old in GOOD
    return read_section(write(folder, GOOD.replace(old, new) if old else GOOD + new), "crop", Outer, override)


def test_a_legal_section_is_read(tmp_path):
    params = read(tmp_path)
    assert (params.mode, params.size_px, params.margin, params.enabled, params.threshold) == ("fixed", 128, 1.25, True, None)
    assert params.inner.names == ["a", "b"]


def test_an_exponent_without_a_point_is_a_number(tmp_path):
    assert read(tmp_path).inner.rate == pytest.approx(0.0002)


def test_a_whole_number_serves_as_a_float(tmp_path):
    assert read(tmp_path, "margin: 1.25", "margin: 2").margin == 2


def test_a_section_cannot_be_changed(tmp_path):
    with pytest.raises(ValidationError, match="frozen"):
        read(tmp_path).margin = 3.0  # type: ignore[misc]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("  margin:", "  margn:", r"params\.yaml: crop\.margn is not a known key; legal here: mode, size_px, margin, .*inner\."),
        ("  margin: 1.25", "", r"params\.yaml: crop\.margin is missing; needed here: mode, size_px, margin, .*inner\."),
        ("  margin: 1.25", "  margin: 1.25\n  sise_px: 3", r"crop\.sise_px is not a known key; legal here: mode, size_px, .*inner\."),
        ("    rate: 2e-4", "    rate: 2e-4\n    rat: 1", r"crop\.inner\.rat is not a known key; legal here: rate, names\."),
        ("    names: [a, b]", "", r"crop\.inner\.names is missing; needed here: rate, names\."),
        ("mode: fixed", "mode: fxed", r"crop\.mode is 'fxed': .*'fixed' or 'follow'"),
        ("size_px: 128", "size_px: 128.5", r"crop\.size_px is 128\.5: .*valid integer"),
        ("size_px: 128", 'size_px: "128"', r"crop\.size_px is '128': .*valid integer"),
        ("size_px: 128", "size_px: 0", r"crop\.size_px is 0: .*greater than or equal to 16"),
        ("size_px: 128", "size_px: 100", r"crop\.size_px is 100: .*multiple of 16"),
        ("margin: 1.25", "margin: wide", r"crop\.margin is 'wide': .*valid number"),
        ("margin: 1.25", "margin: .nan", r"crop\.margin is nan: .*finite number"),
        ("margin: 1.25", "margin: .inf", r"crop\.margin is inf: .*finite number"),
        ("margin: 1.25", "margin: true", r"crop\.margin is True: .*valid number"),
        ("margin: 1.25", "margin:", r"crop\.margin is None: .*valid number"),
        ("enabled: true", "enabled: 1", r"crop\.enabled is 1: .*valid boolean"),
        ("enabled: true", "enabled: yes", r"crop\.enabled is 'yes': .*valid boolean"),
        ("threshold: null", "threshold: -1", r"crop\.threshold is -1: .*greater than or equal to 0"),
        ("threshold: null", "threshold: high", r"crop\.threshold is 'high': .*valid number"),
        ("beta: 1 - alpha", "beta: 2 - alpha", r"crop\.beta is '2 - alpha': .*"),
        ("joint_map: {}", "joint_map: {snout: 3}", r"crop\.joint_map\.snout is 3: .*valid string"),
        ("names: [a, b]", "names: [a, 3]", r"crop\.inner\.names\.1 is 3: .*valid string"),
        ("rate: 2e-4", "rate: 1.5", r"crop\.inner\.rate is 1\.5: .*less than or equal to 1"),
        ("  inner:\n    rate: 2e-4\n    names: [a, b]", "  inner: 3", r"crop\.inner is 3: "),
    ],
)
def test_a_wrong_key_or_value_is_named_with_its_path(tmp_path, old, new, message):
    with pytest.raises(InputError, match=message) as caught:
        read(tmp_path, old, new)
    assert "\n" not in str(caught.value)


def test_an_override_is_merged_deeply(tmp_path):
    params = read(tmp_path, new="targets: {man: {crop: {margin: 2.0, inner: {rate: 0.5}}}}\n", override="targets.man.crop")
    assert (params.margin, params.inner.rate) == (2.0, 0.5)
    assert (params.size_px, params.inner.names) == (128, ["a", "b"])


def test_an_empty_override_changes_nothing(tmp_path):
    assert read(tmp_path, new="targets: {man: {crop: {}}}\n", override="targets.man.crop") == read(tmp_path)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("{man: {crop: {margn: 2}}}", r"targets\.man\.crop\.margn is not a known key; legal here: mode"),
        ("{man: {crop: {inner: {rate: 7}}}}", r"targets\.man\.crop\.inner\.rate is 7"),
        ("{man: {crop: 3}}", r"targets\.man\.crop must be a mapping"),
        ("{man: {}}", r"targets\.man\.crop is missing; targets\.man has: "),
        ("{woman: {crop: {}}}", r"targets\.man is missing; targets has: woman"),
    ],
)
def test_a_wrong_override_is_named_by_its_own_path(tmp_path, override, message):
    with pytest.raises(InputError, match=message):
        read(tmp_path, new=f"targets: {override}\n", override="targets.man.crop")


def test_a_wrong_value_beside_the_overridden_one_is_named_by_the_section(tmp_path):
    text = GOOD.replace("names: [a, b]", "names: 3") + "targets: {man: {crop: {inner: {rate: 0.5}}}}\n"
    with pytest.raises(InputError, match=r"yaml: crop\.inner\.names is 3"):
        read_section(write(tmp_path, text), "crop", Outer, "targets.man.crop")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("crop: [", r"params\.yaml is not valid YAML: .*line"),
        ("crop: {}\ncrop: {}\n", r"is not valid YAML: .*duplicate key"),
        ("", r"crop is missing; the file has: nothing\."),
        ("crop: 3\n", r"crop must be a mapping of keys to values"),
        ("crap: {}\n", r"crop is missing; the file has: crap\."),
    ],
)
def test_a_broken_file_is_one_line(tmp_path, text, message):
    with pytest.raises(InputError, match=message) as caught:
        read_section(write(tmp_path, text), "crop", Outer)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_text_is_one_line(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_bytes(b"\xff\xfe\x00crop")
    with pytest.raises(InputError, match=r"params\.yaml is not valid YAML"):
        read_section(path, "crop", Outer)


def test_a_missing_file_says_where_to_run(tmp_path):
    with pytest.raises(InputError, match=r"absent\.yaml does not exist: run from the project's root, or .*--params"):
        read_value(tmp_path / "absent.yaml", "crop")


def test_a_plain_value_is_read_by_its_path(tmp_path):
    path = write(tmp_path)
    assert read_value(path, "crop.inner.names") == ["a", "b"]
    assert read_value(path, "crop.inner") == {"rate": pytest.approx(2e-4), "names": ["a", "b"]}
    with pytest.raises(InputError, match=r"crop\.mode\.deeper is missing; crop\.mode has: nothing"):
        read_value(path, "crop.mode.deeper")


def test_the_shipped_params_are_valid_yaml_with_the_legal_split():
    from pipeline.timeline.split import SplitParams

    shipped = Path(__file__).resolve().parent.parent / "params.yaml"
    assert 0 <= read_section(shipped, "split", SplitParams).hold_out_fraction <= 0.9


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("pairs:", r"pairs must be a mapping of names to entries, \{\} for none, found None"),
        ("pairs: [a]", r"pairs must be a mapping"),
        ("pairs: {x: }", r"pairs\.x\.driver must be text, found None; needed here: driver, target"),
        ("pairs: {x: {driver: [a], target: b}}", r"pairs\.x\.driver must be text, found \['a'\]"),
        ("pairs: {x: {driver: a}}", r"pairs\.x\.target must be text, found None"),
        ("other: 1", r"pairs is missing"),
    ],
)
def test_entries_of_another_shape_are_named(text, message, tmp_path):
    (tmp_path / "p.yaml").write_text(text)
    with pytest.raises(InputError, match=message):
        read_entries(tmp_path / "p.yaml", "pairs", ("driver", "target"))
    (tmp_path / "p.yaml").write_text("pairs: {x: {driver: a, target: b, motion: {}}}")
    assert read_entries(tmp_path / "p.yaml", "pairs", ("driver", "target")) == {"x": {"driver": "a", "target": "b"}}


@pytest.mark.parametrize(
    ("kind", "right", "wrong"), [(bool, "true", "1"), (bool, "false", "'no'"), (int, "3", "true"), (int, "3", "3.0"), (str, "a", "")]
)
def test_a_value_is_of_its_kind(kind, right, wrong, tmp_path):
    (tmp_path / "p.yaml").write_text(f"right: {right}\nwrong: {wrong}")
    assert type(read_as(tmp_path / "p.yaml", "right", kind)) is kind
    with pytest.raises(InputError, match=r"wrong must be (true or false|a whole number|text), found"):
        read_as(tmp_path / "p.yaml", "wrong", kind)


@pytest.mark.parametrize(
    "text", ["a: [", "a: 2020-13-45", "\0", "a: &x [", "[" * 400, "a: !!python/object:os.system x", "\ta: 1", "a: 1\na: 2"]
)
def test_what_is_no_yaml_is_refused(text, tmp_path):
    (tmp_path / "p.yaml").write_text(text)
    with pytest.raises(InputError, match=r"p\.yaml is not valid YAML: "):
        read_value(tmp_path / "p.yaml", "a")


BOMB = "b0: &b0 [x]\n" + "".join(f"b{i}: &b{i} [{', '.join([f'*b{i - 1}'] * 10)}]\n" for i in range(1, 12))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (BOMB, r"an alias \(\*\) makes more than 1,000,000 values: write out what is meant\."),
        ("a: &a {b: *a}", r"an alias \(\*\) leads into itself: write out what is meant\."),
        ("a:\n\tb: 1", r"in line 2, column 1, which is a tab: indent by spaces\."),
        ("a: 1\nb: 2\na: 3", r'found duplicate key "a" with value "3" \(original value: "1"\) in line 3, column 1: correct it there\.'),
        ("a: 1\n<<<<<<< HEAD\nb: 2", r"could not find expected ':' in line 3, column 1: correct it there\."),
    ],
)
def test_the_line_says_what_is_wrong_where(text, message, tmp_path):
    (tmp_path / "p.yaml").write_text(text)
    with pytest.raises(InputError, match=rf"p\.yaml is not valid YAML: .*{message}$"):
        read_value(tmp_path / "p.yaml", "a")


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_other_text_than_utf_8_is_to_be_saved_anew(encoding, tmp_path):
    (tmp_path / "p.yaml").write_bytes("a: é".encode(encoding))
    with pytest.raises(InputError, match=r"p\.yaml is not valid YAML: it must be text in UTF-8, .*: save it as UTF-8\.$"):
        read_value(tmp_path / "p.yaml", "a")


def test_aliases_that_are_meant_are_read(tmp_path):
    (tmp_path / "p.yaml").write_text("a: &a {x: [1, 2]}\nb: [*a, *a]\nc: {<<: *a, y: 1}")
    assert read_value(tmp_path / "p.yaml", "b") == [{"x": [1, 2]}] * 2
    assert read_value(tmp_path / "p.yaml", "c") == {"x": [1, 2], "y": 1}


@pytest.mark.parametrize(("written", "means"), [(30, "30"), (25.0, "25"), (29.97, "2997/100"), ("30000/1001", "30000/1001"), (None, None)])
def test_a_rate_may_be_a_number(written, means):
    assert FramesParams(max_height_px=None, images_fps=written, bits=None, layout="video").images_fps == means


@pytest.mark.parametrize("written", [0, -5, 0.0, True, math.nan, math.inf, "0", "0/0", "30/0", "fast", [30]])
def test_a_rate_is_above_0(written):
    with pytest.raises(ValidationError, match=r'images_fps\n.*must be frames/s from 0\.01 to 1,000,000, 30 or "30000/1001", or null'):
        FramesParams(max_height_px=None, images_fps=written, bits=None, layout="video")
