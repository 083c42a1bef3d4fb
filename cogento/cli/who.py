"""Who does something at this machine: what a record of it names."""

from __future__ import annotations

import getpass
import os


def current_user() -> str:
    """The system's name of the user, or its number where it has none, as in a bare container."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return f"uid {os.getuid()}"
