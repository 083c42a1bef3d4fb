"""Which commit runs, from the platform, the image or wheel, or the checkout. It is appended to the version.

So two deployments of one version can be distinguished, in `cogento --version`, `cogento status`, dead letters, metrics and error
reports.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

VARIABLES = (
    "COGENTO_COMMIT",  # our image
    "HEROKU_BUILD_COMMIT",
    "HEROKU_SLUG_COMMIT",
    "RENDER_GIT_COMMIT",
    "RAILWAY_GIT_COMMIT_SHA",
    "SOURCE_VERSION",  # the commit being built, on Heroku and others
)
COMMIT_FILE = "COMMIT"
"""A file beside this module, written when a wheel or a Heroku slug is built: neither has a checkout."""
SHOWN_DIGITS = 9

_COMMIT = re.compile(r"[0-9a-f]{7,64}")


def version_of(release: str, *, environment: Mapping[str, str], package: Path) -> str:
    """Return a release and the commit that runs, `0.1.0+g1a2b3c4d5` (PEP 440); the release alone where the commit is unknown."""
    commit = find_commit(environment, package)
    return f"{release}+g{commit[:SHOWN_DIGITS]}" if commit else release


def find_commit(environment: Mapping[str, str], package: Path) -> str | None:
    """Find the commit of a program whose package lies there; never raises."""
    named = (environment.get(variable, "").strip().lower() for variable in VARIABLES)
    commit = next(filter(_COMMIT.fullmatch, named), None)
    return commit or _read(package / COMMIT_FILE) or _commit_of_checkout(package.parent / ".git")


def _commit_of_checkout(git: Path) -> str | None:
    """Read what is checked out, without git: HEAD names a commit, or a branch that a file or `packed-refs` has."""
    head = _text(git / "HEAD")
    if not head.startswith("ref: "):
        return head if _COMMIT.fullmatch(head) else None
    name = head.removeprefix("ref: ")
    packed = re.search(rf"^({_COMMIT.pattern}) {re.escape(name)}$", _text(git / "packed-refs"), re.MULTILINE)
    return _read(git / name) or (packed[1] if packed else None)


def _read(file: Path) -> str | None:
    text = _text(file)
    return text if _COMMIT.fullmatch(text) else None


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return ""
