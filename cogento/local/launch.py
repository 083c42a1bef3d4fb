"""A tiny launcher: becomes the program it is given, and makes it end with its parent.

Run as a script that loads next to nothing, so that it starts in about 15 ms (argparse alone would take 10 more); a
`preexec_fn` would run Python between fork and exec, which is unsafe in a process with threads. The order matters:
changing the user clears the death signal, so the signal is set afterwards; the parent may have died before that, so the parent
is checked last.
"""

from __future__ import annotations

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Drop to the asked user (UID:GID, or an empty word), arrange for the death signal, and become the program."""
    parent, death_signal, user, *argv = sys.argv[1:]
    if user:
        become(*(int(part) for part in user.split(":")))
    end_with(int(parent), int(death_signal))
    os.execvp(argv[0], argv)  # noqa: S606 - no shell is wanted


def become(uid: int, gid: int) -> None:
    """Give up root for good."""
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)


def end_with(parent: int, death_signal: int) -> None:
    """Have the kernel send us `death_signal` when our parent ends; other systems than Linux can't."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, death_signal)
    if os.getppid() != parent:
        sys.exit("launch: the parent ended before its child began")


if __name__ == "__main__":
    main()
