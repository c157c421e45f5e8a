"""Which code each stage depends on: the import closure of its door, written into dvc.yaml and checked by a test.

DVC does not follow imports; a module missing from `deps` would leave results silently stale.
`python -m pipeline.closure` says whether dvc.yaml is right, `--write` sets it right.
"""

import argparse
import re
import sys

from pipeline.imports import ROOT, closure

WIDTH = 140
CODE, DATA = "# code (python -m pipeline.closure --write)", "# data"

# Which params value chooses among interchangeable packages; only the chosen one is a dependency.
CHOSEN = {
    "pipeline/pose/backends": "${item.pose}",
    "pipeline/pose/refiners": "${item.refiner}",
    "pipeline/matting/backends": "${item.matte}",
    "pipeline/background/backends": "${background.fill}",
}
CHOSEN_IN_STAGE = {
    ("redetect_poses", "pipeline/pose/backends"): "${item.redetect}",
    ("redetect_poses", "pipeline/pose/refiners"): "none",
}


def code_dependencies(stage: str, door: str) -> list[str]:
    """The `deps` lines of a stage for its code: interchangeable packages are replaced by the one that params choose."""
    lines: set[str] = set()
    for file in closure(door, ROOT):
        family = next((folder for folder in CHOSEN if file.startswith(folder + "/") and file != f"{folder}/__init__.py"), None)
        if family:
            lines.add(f"{family}/{CHOSEN_IN_STAGE.get((stage, family), CHOSEN[family])}")
        elif (ROOT / file).stat().st_size:  # an empty __init__.py says nothing
            lines.add(file)
    return sorted(lines)


def _packed(names: list[str], indent: str) -> list[str]:
    """Entries of a flow list, as many to a line as fit; what params choose is quoted."""
    lines = [indent]
    for name in (f'"{name}",' if "{" in name else f"{name}," for name in names):
        if len(lines[-1]) + len(name) + 1 > WIDTH:
            lines.append(indent)
        lines[-1] += name if lines[-1] == indent else f" {name}"
    return lines


def rewritten(text: str) -> str:
    """dvc.yaml's text with every stage's code dependencies brought up to date."""
    out: list[str] = []
    stage = door = ""
    skipping = False
    for line in text.splitlines():
        if match := re.match(r"^  (\w+):\s*$", line):
            stage = match[1]
        if match := re.search(r"python -m stages\.(\w+)", line):
            door = f"stages/{match[1]}.py"
        if line.strip() == DATA:
            skipping = False
        if not skipping:
            out.append(line)
        if line.strip() == CODE:
            skipping = True
            indent = line[: len(line) - len(line.lstrip())]
            out += _packed(code_dependencies(stage, door), indent)
    return "\n".join(out) + "\n"


def main() -> None:
    """Check dvc.yaml, or rewrite it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="bring dvc.yaml up to date")
    path = ROOT / "dvc.yaml"
    text = path.read_text(encoding="utf-8")
    fresh = rewritten(text)
    if parser.parse_args().write:
        path.write_text(fresh, encoding="utf-8")
    elif fresh != text:
        sys.exit("dvc.yaml does not list all the code its stages import. Run: python -m pipeline.closure --write")


if __name__ == "__main__":
    main()
