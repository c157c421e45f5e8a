"""Say whether a video is as it was signed, and who signed it, without the network.

Exit code 0: valid, 1: altered, 2: unsigned, 3: it could not be found out.
"""

import argparse
import contextlib
import sys
from pathlib import Path
from typing import NoReturn

from pipeline.errors import InputError
from pipeline.failures import end_of, flush_output
from pipeline.sign.identity import CHAIN, configuration_folder
from pipeline.sign.verify import verify

CODES = {"valid": 0, "altered": 1, "unsigned": 2}
UNKNOWN = 3


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(UNKNOWN, f"error: {message}\n")


def main(arguments: list[str] | None = None, prog: str = "python -m pipeline.sign") -> int:
    """Verify the file that `arguments` name (sys.argv's if None), print what was found, return the exit code."""
    parser = _Parser(prog=prog, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, metavar="FILE", help="video (mp4)")
    parser.add_argument("--trust", type=Path, metavar="PEM", help="certificates to trust, instead of the one that this user signs with")
    args = parser.parse_args(arguments)
    try:
        verdict = verify(args.file, _trusted(args.trust))
    except Exception as error:  # the last resort, as of every door
        end_of(error)
        return UNKNOWN
    with contextlib.suppress(BrokenPipeError):  # a reader that leaves (`| head`) changes nothing about the verdict
        print(f"{args.file}: {verdict.text()}")
        flush_output()
    return CODES[verdict.state]


def _trusted(given: Path | None) -> bytes | None:
    """Certificates (PEM) to trust: the file given, else the user's own where one was made; nothing is made here."""
    own = configuration_folder() / CHAIN
    if given is None:
        return own.read_bytes() if own.is_file() else None
    if not given.is_file() or b"BEGIN CERTIFICATE" not in given.read_bytes():
        raise InputError(f"{given} must be a file of certificates in PEM. Name one with --trust, or leave --trust away.")
    return given.read_bytes()


if __name__ == "__main__":
    sys.exit(main())
