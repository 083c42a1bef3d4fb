from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from cogento.local import folderlock
from cogento.local.errors import InUseError

if TYPE_CHECKING:
    from pathlib import Path


def test_a_second_holder_is_told_what_is_in_use(tmp_path: Path) -> None:
    held = folderlock.hold(tmp_path / "lock", what="the data")

    with pytest.raises(InUseError, match="the data is already in use"):
        folderlock.hold(tmp_path / "lock", what="the data")

    os.close(held)


def test_the_lock_lasts_as_long_as_a_child_that_inherited_it(tmp_path: Path) -> None:
    held = folderlock.hold(tmp_path / "lock", what="data")
    child = subprocess.Popen(["cat"], stdin=subprocess.PIPE, pass_fds=[held])
    os.close(held)

    with pytest.raises(InUseError):
        folderlock.hold(tmp_path / "lock", what="data")
    child.communicate()

    os.close(folderlock.hold(tmp_path / "lock", what="data"))
