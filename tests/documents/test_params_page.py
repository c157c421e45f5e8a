"""The page of parameters: up to date, every value with its bounds, every comment with its key."""

from typing import Annotated, Literal

import pytest
from pydantic import Field

from docs.params_page import PAGE, PLAIN, ROOT, Entry, entries, in_words, legal_values, page
from pipeline.params import Section

TEXT = (ROOT / "params.yaml").read_text(encoding="utf-8")


class Every(Section):
    """One field of each kind that params have."""

    closed: int = Field(ge=1, le=16)
    half: float = Field(ge=0, lt=1)
    above: float = Field(gt=0)
    step: int = Field(ge=32, le=1024, multiple_of=32)
    large: float = Field(le=1e6)
    low: float = Field(ge=-6, le=2.5)
    free: float | None
    chosen: Literal["a", "b"]
    number_or_word: float | Literal["1 - alpha"]
    switch: bool
    five: list[float] = Field(min_length=5, max_length=5)
    some: list[Annotated[int, Field(ge=1, le=5)]] = Field(min_length=2)
    few: list[int] = Field(max_length=8)
    word: str = Field(min_length=1, max_length=80, pattern="^x+$")
    one: Literal["only"]
    named: dict[str, str]


WORDS = {
    "closed": "whole number, 1 to 16",
    "half": "number, 0 or more, below 1",
    "above": "number, above 0",
    "step": "whole number, 32 to 1024, a multiple of 32",
    "large": "number, 1000000 or less",
    "low": "number, -6 to 2.5",
    "free": "number or `null`",
    "chosen": "`a` or `b`",
    "number_or_word": "number or `1 - alpha`",
    "switch": "`true` or `false`",
    "five": "list of 5 values, each: number",
    "some": "list of 2 or more values, each: whole number, 1 to 5",
    "few": "list of 0 to 8 values, each: whole number",
    "word": "text, 1 to 80 characters matching `^x+$`",
    "one": "`only`",
    "named": "mapping",
}


@pytest.mark.parametrize("name", Every.model_fields)
def test_bounds_are_put_into_words(name):
    schema = Every.model_json_schema()
    assert in_words(schema["properties"][name], schema) == WORDS[name]


COMMENTED = """\
# ------
# Not of a section
# ------

# What the section is,
# in two lines.
first:      # and more
  a: 1      # goes on
            # below
  # Before its key,
  # in two lines.
  b: {x: 1, y: [2, 3]}
  inner:    # a group
    c: "d e"
    list: [1,
      2]    # of two
second:
  e: null # last
          # and done

"""


def test_comments_find_their_keys():
    assert entries(COMMENTED) == [
        Entry("first", "", ["What the section is,", "in two lines.", "and more"]),
        Entry("first.a", "1", ["goes on", "below"]),
        Entry("first.b", "{x: 1, y: [2, 3]}", ["Before its key,", "in two lines."]),
        Entry("first.inner", "", ["a group"]),
        Entry("first.inner.c", '"d e"', []),
        Entry("first.inner.list", "[1, 2]", ["of two"]),
        Entry("second", "", []),
        Entry("second.e", "null", ["last", "and done"]),
    ]


def test_a_line_that_is_no_yaml_of_ours_is_refused():
    with pytest.raises(ValueError, match="neither comment nor key: '  - item'"):
        entries("first:\n  - item\n")


def test_the_page_is_up_to_date():
    assert PAGE.read_text(encoding="utf-8") == page(), "Run: python -m docs.params_page --write"


def test_every_value_has_its_bounds_and_every_bound_its_value():
    legal = legal_values()
    values = {entry.path: entry for entry in entries(TEXT) if not entry.group and entry.path.split(".")[0] not in PLAIN}
    assert len(values) > 200
    assert not {key for key in legal if ".<name>." not in key} - set(values)
    assert set(values) - set(legal) == {"reference.enabled"}  # read by itself: true or false
    assert values["reference.enabled"].value in ("true", "false")
    assert "| `reference.enabled` | `true` | `true` or `false` |" in PAGE.read_text(encoding="utf-8")


def test_every_value_is_explained():
    assert not {e.path for e in entries(TEXT) if not e.group and not e.meaning and e.path.split(".")[0] not in PLAIN}
