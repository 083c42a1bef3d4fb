"""Whose account servers run under: initdb and postgres refuse root, so root hands them to `nobody`."""

from __future__ import annotations

import os
import pwd
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Account:
    """A user and group id that a server is started with."""

    uid: int
    gid: int

    def can_enter(self, folder: Path) -> bool:
        """Say whether this account may pass through `folder` and everything above it."""
        return run(["test", "-x", str(folder)], account=self).returncode == 0


def server_account(folder: int | None) -> Account | None:
    """Return the account a server of an open folder, or a new one, must run as, or None for our own.

    Root keeps to the owner of a folder that an ordinary user made, so both can start the same data.
    """
    if os.geteuid() != 0:
        return None
    owner = None if folder is None else os.fstat(folder)
    if owner and owner.st_uid != 0:
        return Account(owner.st_uid, owner.st_gid)
    nobody = pwd.getpwnam("nobody")
    return Account(nobody.pw_uid, nobody.pw_gid)


def run(
    argv: Sequence[str], *, account: Account | None = None, inherited: Sequence[int] = ()
) -> subprocess.CompletedProcess[str]:
    """Run a short command to its end, as `account` or ourselves."""
    return subprocess.run(
        argv,
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
        cwd="/",  # the account may not enter our own folder
        pass_fds=inherited,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
