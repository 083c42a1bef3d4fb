"""Compiles the small libraries that tests preload into processes, to see or change what the system tells them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent


def require_compiler() -> None:
    """Skip the test on a laptop that is no Linux or has no C compiler; CI must have both."""
    if (sys.platform == "linux" and shutil.which("cc")) or os.environ.get("CI") == "true":
        return
    pytest.skip("nothing can be preloaded here: it takes Linux and a C compiler (gcc)")


def compile_library(name: str, folder: Path) -> Path:
    """Compile `name`.c into a library in `folder`, unless it is there; any account may read it."""
    library = folder / f"{name}.so"
    if not library.exists():
        source = FOLDER / f"{name}.c"
        subprocess.run(
            ["cc", "-shared", "-fPIC", "-O1", "-o", str(library), str(source), "-ldl"],
            check=True,
            stdin=subprocess.DEVNULL,
        )
        library.chmod(0o755)
    return library
