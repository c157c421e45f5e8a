"""What a planted fault is."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """`old` in `file` becomes `new`; `tests` are arguments of pytest: some of its fast tests are to fail."""

    name: str
    file: str
    old: str
    new: str
    tests: str


def of(tests: str, *rows: tuple[str, str, str, str]) -> list[Fault]:
    """Faults (name, file, old, new) that the same tests are to notice."""
    return [Fault(name, file, old, new, tests) for name, file, old, new in rows]
