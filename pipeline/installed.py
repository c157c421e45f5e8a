"""A stage that another Python than the project's runs, as where dvc is called by its path and no environment is active: one line."""

import importlib.util
import os
import sys

NEEDED = ("ruamel", "psutil", "pydantic", "numpy")  # of what every environment of this project has, what doors import first


def require() -> None:
    """End with exit code 1 where a package that every stage needs is not installed; nothing of it is imported."""
    lacking = next((name for name in NEEDED if importlib.util.find_spec(name) is None), None)
    if lacking is not None:
        remedy = "activate the project's environment (. .venv/bin/activate), or install into this one: pip install -e . -c constraints.txt"
        os.write(2, f"error: {sys.executable} has not the packages of this project, {lacking} is missing: {remedy}\n".encode())
        os._exit(1)
