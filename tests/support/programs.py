"""Programs of the distribution that tests use; .ci/run installs them."""

from __future__ import annotations

import os
import shutil

import pytest


def installed(name: str) -> str:
    """Find a program; without it a laptop skips, and CI fails."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if found is None:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{name} is not installed")
        pytest.skip(f"{name} is not installed")
    return found
