"""Files in folders that another user controls: root neither follows a link there nor blocks on a pipe.

The embedded servers' folders belong to their user, and a run as root may lie in a person's folder. Whoever owns a
folder can plant a link, a pipe or another folder in it at any moment. So a folder is opened once, and its files are opened
relative to that descriptor; a file is written as a new one that replaces the old one; and only a regular file with one name is
read. For ordinary users links to folders are followed.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
import stat
import time
from typing import TYPE_CHECKING

from cogento.local.errors import InUseError, LocalError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cogento.local.server_folder import ServerUser

NO_FILE = frozenset({errno.ELOOP, errno.EISDIR, errno.ENXIO})
"""The errors of opening a link, a folder, a pipe or a socket in this way."""

MAX_BYTES = 65_536
"""No file of ours is longer, so a longer one is not ours."""

LOCK_POLL_SECONDS = 0.05


def open_folder(path: Path) -> int:
    """Open a folder, as root only one that is not itself a link; LocalError says what is in the way."""
    nofollow = os.O_NOFOLLOW if os.geteuid() == 0 else 0
    try:
        return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | nofollow)
    except NotADirectoryError as error:
        raise LocalError(f"{path} is a link or no folder: as root none is followed there") from error


@contextlib.contextmanager
def folder_of(path: Path) -> Iterator[int]:
    """Open the folder that a file is in, for the length of a block."""
    folder = open_folder(path.parent)
    try:
        yield folder
    finally:
        os.close(folder)


def write(path: Path, text: str, user: ServerUser | None = None) -> Path:
    """Write atomically a file that only `user`, by default our own, may read, replacing whatever was there."""
    with folder_of(path) as folder:
        unfinished = f".{path.name}.{secrets.token_hex(8)}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(unfinished, flags, 0o600, dir_fd=folder), "w", encoding="utf-8") as file:
            if user:
                os.fchown(file.fileno(), user.uid, user.gid)
            file.write(text)
        try:
            os.rename(unfinished, path.name, src_dir_fd=folder, dst_dir_fd=folder)
        except OSError as error:
            os.unlink(unfinished, dir_fd=folder)
            raise LocalError(f"{path} can't be written: {error.strerror}") from error
    return path


def read(path: Path) -> str | None:
    """Read such a file, None where there is none; LocalError for anything but a regular file with one name."""
    with folder_of(path) as folder:
        return read_in(folder, path)


def read_in(folder: int, path: Path) -> str | None:
    """Read the file of that name in an open folder."""
    try:
        descriptor = _opened_plain(folder, path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        return file.read(MAX_BYTES).decode(errors="replace")


def open_log(path: Path) -> int:
    """Open a file to be appended to, making it if need be, or a pipe of our own; LocalError for a link."""
    with folder_of(path) as folder:
        descriptor = _opened_plain(folder, path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, or_pipe=True)
    os.set_blocking(descriptor, True)
    return descriptor


def lock(path: Path, *, what: str, wait_seconds: float = 0) -> int:
    """Lock a file, making it if need be, and return the descriptor that holds the lock.

    The lock lasts exactly as long as the processes that inherit the descriptor. The kernel drops a `flock` when its
    last holder is gone, also by kill -9 and also while that holder is an unreaped zombie; a file with a process id in
    it can say neither. InUseError names `what` is in use, LocalError a link.
    """
    with folder_of(path) as folder:
        descriptor = _opened_plain(folder, path, os.O_RDWR | os.O_CREAT)
    deadline = time.monotonic() + wait_seconds
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                os.close(descriptor)
                raise InUseError(f"{what} is already in use by another process") from None
            time.sleep(LOCK_POLL_SECONDS)
        else:
            return descriptor


def _opened_plain(folder: int, path: Path, flags: int, *, or_pipe: bool = False) -> int:
    flags |= os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(path.name, flags, 0o600, dir_fd=folder)
    except OSError as error:
        if error.errno not in NO_FILE:
            raise
        raise LocalError(f"{path} is no plain file of its own") from error
    # A second name of the same file may belong to somebody's file elsewhere; a pipe that we own was made by us.
    facts = os.fstat(descriptor)
    is_own_pipe = or_pipe and stat.S_ISFIFO(facts.st_mode) and facts.st_uid == os.geteuid()
    if not (stat.S_ISREG(facts.st_mode) or is_own_pipe) or facts.st_nlink > 1:
        os.close(descriptor)
        raise LocalError(f"{path} is no plain file of its own")
    return descriptor
