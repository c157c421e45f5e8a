"""Label files that are text, as editors and spreadsheets of any system save them."""

import csv
import io
import re
from pathlib import Path

from pipeline.errors import InputError, require_plain

MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))  # Excel and PowerShell write them
SEPARATORS = ",;\t"  # Excel writes ; where the comma is the decimal sign
DIRECTIVE = re.compile(r"\s*sep=.\s*\n")  # a first line that tells Excel the separator


def read_text(path: Path) -> str:
    """Return a file's text: UTF-8, or as its byte order mark says. InputError when it is none."""
    require_plain(path)
    content = path.read_bytes()
    try:
        return content.decode(next((name for mark, name in MARKS if content.startswith(mark)), "utf-8"))
    except UnicodeDecodeError as error:
        raise InputError(f"{path} must be text in UTF-8, found other bytes ({error}); save it as UTF-8, or export it again") from error


def read_cells(path: Path) -> tuple[list[list[str]], bool]:
    """Return a table's rows of cells without spaces around them, empty rows left out, and whether its numbers have a decimal comma.

    Cells are separated by what the first line has most of: commas, semicolons or tabs. InputError when it is no text table.
    """
    content = read_text(path)
    content = content[directive.end() :] if (directive := DIRECTIVE.match(content)) else content
    head = content.lstrip().split("\n", 1)[0]
    separator = max(SEPARATORS, key=head.count)
    try:
        rows = [[cell.strip() for cell in line] for line in csv.reader(io.StringIO(content, newline=None), delimiter=separator)]
        return [row for row in rows if any(row)], separator != ","
    except csv.Error as error:
        raise InputError(f"{path} must be a DeepLabCut csv, found no text table ({error}); export it again") from error
