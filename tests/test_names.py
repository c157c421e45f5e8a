"""Names: which are legal, and what is said of the others."""

import datetime

import pytest

from pipeline.errors import InputError
from pipeline.names import LONGEST_BYTES, name_fault, named, pair_name

LEGAL = ["ana", "ana-2", "ana_2", "A", "7", "001", "no", "Zoë", "Zoe\u0308", "舞者", "नृत्य", "مريم", "a-to-b"]
SIGNS = " .,:;@/\\$&|<>()[]{}'\"`*?!#%~^=+\n\t\0\u200d\u2028\u202e"


@pytest.mark.parametrize("name", LEGAL)
def test_letters_digits_and_two_signs_of_any_script_are_legal(name):
    assert name_fault(name) is None
    assert named("clip")(name) == name


@pytest.mark.parametrize("sign", SIGNS)
def test_every_other_sign_is_refused_and_shown_on_one_line(sign):
    for name in (sign, f"ana{sign}", f"{sign}ana", f"a{sign}b"):
        fault = name_fault(name)
        assert fault is not None
        assert ascii(sign) in fault
        assert fault.isprintable()


@pytest.mark.parametrize("name", ["-x", "_x", "--clip", "\u0308a"])
def test_the_first_sign_is_a_letter_or_digit(name):
    assert f"found {name[0]!a} first" in str(name_fault(name))


def test_nothing_is_no_name():
    assert "is empty" in str(name_fault(""))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *((7, "a number"), (1.5, "a number"), (True, "a truth value")),
        *((None, "null"), (datetime.date(2024, 1, 5), "a date"), (("a",), "a tuple")),
    ],
)
def test_what_yaml_does_not_read_as_text_is_to_be_quoted(name, kind):
    assert name_fault(name) == f"is no text to YAML but {kind}: put it in quotes"


def test_a_name_fits_into_the_names_of_files():
    longest = "é" * (LONGEST_BYTES // 2)
    assert name_fault(longest) is None
    assert f"longer than {LONGEST_BYTES} bytes" in str(name_fault(longest + "a"))
    pair = pair_name(longest, longest)
    assert named("pair")(pair) == pair
    with pytest.raises(InputError, match="longer than"):
        named("clip")(pair)
    assert len(f".{pair}-redetected.parquet.12345678.partial.parquet".encode()) <= 255


def test_an_option_names_its_kind():
    with pytest.raises(InputError, match=r"^target '\.\./x' must be a letter or digit .* found '\.' first\.$"):
        named("target")("../x")
