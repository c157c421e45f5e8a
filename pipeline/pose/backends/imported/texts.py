"""Label files that are text, as editors and spreadsheets of any system save them."""

import csv
from pathlib import Path

from pipeline.errors import InputError

MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))  # Excel and PowerShell write them
SEPARATORS = ",;\t"  # Excel writes ; where the comma is the decimal sign


def read_text(path: Path) -> str:
    """Return a file's text: UTF-8, or as its byte order mark says. UnicodeDecodeError when it is no text."""
    content = path.read_bytes()
    return content.decode(next((name for mark, name in MARKS if content.startswith(mark)), "utf-8"))


def read_cells(path: Path) -> tuple[list[list[str]], bool]:
    """Return a table's rows of cells, empty rows left out, and whether its numbers have a decimal comma.

    Cells are separated by what the first line has most of: commas, semicolons or tabs. InputError when it is no text table.
    """
    try:
        content = read_text(path)
        head = content.lstrip().split("\n", 1)[0]
        separator = max(SEPARATORS, key=head.count)
        return [line for line in csv.reader(content.splitlines(), delimiter=separator) if line], separator != ","
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} must be a DeepLabCut csv, found no text table ({error}); export it again") from error
