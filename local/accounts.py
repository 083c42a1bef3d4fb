"""Whose account servers run under: initdb and postgres refuse root, so root hands them to `nobody`."""

from __future__ import annotations

import hashlib
import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path

from local.errors import LocalError

STATE_OF_ROOT = Path("/var/lib/cogento")


@dataclass(frozen=True, slots=True)
class Account:
    """A user and group id that a server is started with."""

    uid: int
    gid: int

    def can_enter(self, folder: Path) -> bool:
        """Say whether this account may pass through `folder` and everything above it."""
        return self.run(["test", "-x", str(folder)]).returncode == 0

    def run(self, argv: list[str]) -> subprocess.CompletedProcess[str]:
        """Run a short command as this account, from `/` because it may not enter our own folder."""
        return subprocess.run(
            argv,
            user=self.uid,
            group=self.gid,
            extra_groups=[],
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )


def server_account(folder: Path) -> Account | None:
    """Return the account a server of `folder` must run as, or None for our own.

    Root keeps to the owner of a folder that an ordinary user made, so both can start the same data.
    """
    if os.geteuid() != 0:
        return None
    owner = folder.stat() if folder.exists() else None
    if owner and owner.st_uid != 0:
        return Account(owner.st_uid, owner.st_gid)
    nobody = pwd.getpwnam("nobody")
    return Account(nobody.pw_uid, nobody.pw_gid)


def make_home(folder: Path) -> Account | None:
    """Make `folder` for a server and return the account to run it as.

    Where that account can't reach the place (a project under /root), the folder becomes a link into
    /var/lib/cogento.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    account = server_account(folder)
    if account is None:
        folder.mkdir(mode=0o700, exist_ok=True)
        return None
    if not folder.exists() and not folder.is_symlink() and not account.can_enter(folder.parent):
        folder.symlink_to(_reachable_twin(folder))
    folder.resolve().mkdir(mode=0o700, exist_ok=True)
    os.chown(folder, account.uid, account.gid)
    if not account.can_enter(folder.resolve()):
        raise LocalError(
            f"user id {account.uid} can't enter {folder}: move it, or choose another with --data"
        )
    return account


def _reachable_twin(folder: Path) -> Path:
    where = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:12]
    twin = STATE_OF_ROOT / where
    twin.mkdir(parents=True, mode=0o711, exist_ok=True)
    return twin / folder.name


def write_private(path: Path, text: str, account: Account | None = None) -> Path:
    """Write a file that only its account, ours by default, may read."""
    path.touch(mode=0o600)
    path.write_text(text)
    if account:
        os.chown(path, account.uid, account.gid)
    return path
