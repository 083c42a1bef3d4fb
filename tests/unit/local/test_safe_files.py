"""Files where somebody else may have planted a link: nothing behind it is read, written or given away."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from cogento.local import safe_files
from cogento.local.errors import InUseError, LocalError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SECRET = "what is behind the link"
PLANTS = ["link", "dangling link", "second name", "pipe", "folder"]


def plant(kind: str, place: Path, target: Path) -> None:
    """Put something that is no file of ours where we are going to read or write."""
    target.write_text(SECRET)
    _PLANT[kind](place, target)


_PLANT: dict[str, Callable[[Path, Path], object]] = {
    "link": lambda place, target: place.symlink_to(target),
    "dangling link": lambda place, target: place.symlink_to(target.with_name("nothing")),
    "second name": lambda place, target: place.hardlink_to(target),
    "pipe": lambda place, _: os.mkfifo(place),
    "folder": lambda place, _: place.mkdir(),
}


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "elsewhere"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "theirs").mkdir()
    return tmp_path / "theirs" / "password"


def test_what_was_written_is_read_and_is_nobody_elses(place: Path) -> None:
    safe_files.write(place, "one")
    safe_files.write(place, "two")
    assert safe_files.read(place) == "two"
    assert place.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in place.parent.iterdir()] == ["password"]


def test_what_is_not_there_is_none(place: Path) -> None:
    assert safe_files.read(place) is None


@pytest.mark.parametrize("kind", PLANTS)
def test_a11_nothing_planted_is_read(kind: str, place: Path, target: Path) -> None:
    plant(kind, place, target)
    with pytest.raises(LocalError, match="no plain file"):
        safe_files.read(place)


@pytest.mark.parametrize("kind", ["link", "dangling link", "second name", "pipe"])
def test_a11_a_file_takes_the_place_of_what_was_planted(kind: str, place: Path, target: Path) -> None:
    plant(kind, place, target)
    safe_files.write(place, "ours")
    assert (place.read_text(), place.is_symlink()) == ("ours", False)
    assert target.read_text() == SECRET
    assert not target.with_name("nothing").exists()


def test_a11_a_folder_in_a_files_place_is_said_and_left(place: Path, target: Path) -> None:
    plant("folder", place, target)
    with pytest.raises(LocalError, match="can't be written"):
        safe_files.write(place, "ours")
    assert [file.name for file in place.parent.iterdir()] == ["password"]


@pytest.mark.parametrize("kind", PLANTS)
def test_a11_nothing_planted_is_locked(kind: str, place: Path, target: Path) -> None:
    plant(kind, place, target)
    with pytest.raises(LocalError):
        safe_files.lock(place, what="data")
    assert not target.with_name("nothing").exists()


@pytest.mark.parametrize("kind", PLANTS)
def test_a11_nothing_planted_is_appended_to(kind: str, place: Path, target: Path) -> None:
    plant(kind, place, target)
    with pytest.raises(LocalError):
        safe_files.open_log(place)
    assert target.read_text() == SECRET


def test_a_second_holder_is_told_what_is_in_use(tmp_path: Path) -> None:
    held = safe_files.lock(tmp_path / "lock", what="the data")

    with pytest.raises(InUseError, match="the data is already in use"):
        safe_files.lock(tmp_path / "lock", what="the data")

    os.close(held)


def test_the_lock_lasts_as_long_as_a_child_that_inherited_it(tmp_path: Path) -> None:
    held = safe_files.lock(tmp_path / "lock", what="data")
    child = subprocess.Popen(["cat"], stdin=subprocess.PIPE, pass_fds=[held])
    os.close(held)

    with pytest.raises(InUseError):
        safe_files.lock(tmp_path / "lock", what="data")
    child.communicate()

    os.close(safe_files.lock(tmp_path / "lock", what="data"))
