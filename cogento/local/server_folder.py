"""The data folder of an embedded server: made, locked, owned by the user that the server runs as, and named by a path that this user can reach.

initdb and postgres refuse root, so root hands them to `nobody`.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cogento.local import safe_files
from cogento.local.errors import LocalError
from cogento.local.ports import require_free

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

LOCK = "lock"
LOCK_WAIT_SECONDS = 10


@dataclass(frozen=True, slots=True)
class ServerUser:
    """The user and group id that a server is started with."""

    uid: int
    gid: int

    def can_enter(self, folder: Path) -> bool:
        """Say whether this user may pass through `folder` and everything above it."""
        return run_as(self, ["test", "-x", str(folder)]).returncode == 0


def run_as(
    user: ServerUser | None, argv: Sequence[str], *, inherited: Sequence[int] = ()
) -> subprocess.CompletedProcess[str]:
    """Run a short command to its end, as `user` or ourselves."""
    return subprocess.run(
        argv,
        user=user.uid if user else None,
        group=user.gid if user else None,
        extra_groups=[] if user else None,
        cwd="/",  # the user may not enter our own folder
        pass_fds=inherited,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


@dataclass(frozen=True, slots=True)
class ServerFolder:
    """A folder that one server at a time uses.

    `inside` is the path by which the server reaches it. Root's project may lie where `nobody` can't go; the server then inherits
    the open folder and reaches it through /proc, which needs no rights on the folders above. `inherited` holds that descriptor
    and the lock: they belong to the server once it is started.
    """

    path: Path
    inside: Path
    user: ServerUser | None
    inherited: Sequence[int]


@contextlib.contextmanager
def locked_folder(path: Path, *, what: str, port: int) -> Iterator[ServerFolder]:
    """Make the folder if need be and take its lock, waiting for the last of an earlier server to end.

    Then the port must be free. The caller passes lock and folder on to the server; if the body fails, they are released.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        next(path.iterdir(), None)  # fails here rather than in the server when it is another user's
    except PermissionError as error:
        raise LocalError(f"{path} belongs to another user: choose another folder with --data") from error

    opened = safe_files.open_folder(path)
    user = server_user(opened)
    if user:
        os.fchown(opened, user.uid, user.gid)
    lock = safe_files.lock(path / LOCK, what=f"{what} data in {path}", wait_seconds=LOCK_WAIT_SECONDS)
    if user and sys.platform == "linux":
        folder = ServerFolder(path, Path(f"/proc/self/fd/{opened}"), user, (lock, opened))
    else:
        os.close(opened)
        folder = ServerFolder(path, path.resolve(), user, (lock,))

    try:
        require_free(port)
        yield folder
    except BaseException:
        for descriptor in folder.inherited:
            os.close(descriptor)
        raise


def server_user(folder: int | None) -> ServerUser | None:
    """Return the user that the server of an open folder, or a new one, must run as, or None for our own.

    Root keeps to the owner of a folder that an ordinary user made, so both can start the same data.
    """
    if os.geteuid() != 0:
        return None
    owner = None if folder is None else os.fstat(folder)
    if owner and owner.st_uid != 0:
        return ServerUser(owner.st_uid, owner.st_gid)
    nobody = pwd.getpwnam("nobody")
    return ServerUser(nobody.pw_uid, nobody.pw_gid)
