"""A server's folder: made, locked, owned by the server's account, and named so that the server finds it."""

from __future__ import annotations

import contextlib
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cogento.local import folderlock, private
from cogento.local.accounts import Account, server_account
from cogento.local.errors import LocalError
from cogento.local.ports import require_free

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

LOCK = "lock"
PATIENCE_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Home:
    """A folder that one server at a time lives in.

    `inside` is its path as the server must say it. Root's project may lie where `nobody` can't go; the
    server then inherits the open folder and names it over /proc, which asks for no right on the way.
    `inherited` holds that descriptor and the lock: they belong to the server once it is started.
    """

    path: Path
    inside: Path
    account: Account | None
    inherited: Sequence[int]


@contextlib.contextmanager
def entered(path: Path, *, what: str, port: int) -> Iterator[Home]:
    """Make the folder if need be and take its lock, waiting for the last of an earlier server to end.

    Then the port must be free. What is held is the caller's to hand over, or given up if the body fails.
    """
    home = _enter(path, what)
    try:
        require_free(port)
        yield home
    except BaseException:
        for descriptor in home.inherited:
            os.close(descriptor)
        raise


def _enter(path: Path, what: str) -> Home:
    _make(path)
    door = private.open_folder(path)
    account = server_account(door)
    if account:
        os.fchown(door, account.uid, account.gid)
    lock = folderlock.hold(path / LOCK, what=f"{what} data in {path}", wait_seconds=PATIENCE_SECONDS)
    if account and sys.platform == "linux":
        return Home(path, Path(f"/proc/self/fd/{door}"), account, (lock, door))
    os.close(door)
    return Home(path, path.resolve(), account, (lock,))


def _make(path: Path) -> None:
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        next(path.iterdir(), None)  # fails here rather than in the server when it is another user's
    except PermissionError as error:
        raise LocalError(f"{path} belongs to another user: choose another folder with --data") from error
