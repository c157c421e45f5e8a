"""What a source file leads to: the files of this project that it imports, and those that these import, to the end."""

import ast
import functools
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent  # of the checkout that runs


def imports(path: Path, root: Path = ROOT) -> set[str]:
    """Modules of this project that a file imports anywhere in its text, as paths relative to the root."""
    return {file for name in _names(path.read_text(encoding="utf-8")) if (file := _file(name, root))}


@functools.cache
def _names(text: str) -> frozenset[str]:
    """Dotted names that a source may import; most sources are asked for by many stages."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return frozenset(found)


def closure(file: str, root: Path = ROOT) -> set[str]:
    """All project files that a file leads to, as paths relative to the root, itself included."""
    reached, waiting = {file}, [file]
    while waiting:
        path = waiting.pop()
        for other in (imports(root / path, root) | _packages(path, root)) - reached:
            reached.add(other)
            waiting.append(other)
    return reached


def _packages(file: str, root: Path) -> set[str]:
    """The `__init__.py` of all packages that a file lies in: Python runs them first."""
    inits = (folder / "__init__.py" for folder in Path(file).parents[:-1])
    return {path.as_posix() for path in inits if (root / path).is_file()}


def _file(module: str, root: Path) -> str | None:
    path = module.replace(".", "/")
    if path.split("/")[0] not in ("pipeline", "stages"):
        return None
    for candidate in (f"{path}.py", f"{path}/__init__.py"):
        if (root / candidate).is_file():
            return candidate
    return None
