from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cogento.release import VARIABLES, find_commit, version_of

if TYPE_CHECKING:
    from pathlib import Path

COMMIT = "1a2b3c4d5e6f7081920a1b2c3d4e5f6071829304"
OTHER = "f" * 40


@pytest.fixture
def package(tmp_path: Path) -> Path:
    folder = tmp_path / "cogento"
    folder.mkdir()
    return folder


@pytest.mark.parametrize("variable", VARIABLES)
def test_platforms_and_images_tell_the_commit(package: Path, variable: str) -> None:
    assert version_of("0.1.0", environment={variable: COMMIT.upper()}, package=package) == "0.1.0+g1a2b3c4d5"


@pytest.mark.parametrize("value", ["", "main", "v1.0", "1a2b3c; rm", "1a2b"])
def test_what_is_no_commit_is_not_shown(package: Path, value: str) -> None:
    assert version_of("0.1.0", environment={"SOURCE_VERSION": value}, package=package) == "0.1.0"


def test_a_wheel_and_a_slug_bring_it_in_a_file(package: Path) -> None:
    (package / "COMMIT").write_text(f"{COMMIT}\n")

    assert find_commit({}, package) == COMMIT


def test_a_checkout_tells_the_branch_s_commit(package: Path) -> None:
    git = package.parent / ".git"
    (git / "refs/heads").mkdir(parents=True)
    (git / "HEAD").write_text("ref: refs/heads/main\n")
    (git / "refs/heads/main").write_text(f"{COMMIT}\n")

    assert find_commit({}, package) == COMMIT


def test_branches_may_be_packed(package: Path) -> None:
    git = package.parent / ".git"
    git.mkdir()
    (git / "HEAD").write_text("ref: refs/heads/main\n")
    (git / "packed-refs").write_text(f"# pack-refs\n{OTHER} refs/heads/main2\n{COMMIT} refs/heads/main\n")

    assert find_commit({}, package) == COMMIT


def test_a_detached_head_is_the_commit(package: Path) -> None:
    git = package.parent / ".git"
    git.mkdir()
    (git / "HEAD").write_text(f"{COMMIT}\n")

    assert find_commit({}, package) == COMMIT


def test_the_platform_counts_before_the_file(package: Path) -> None:
    (package / "COMMIT").write_text(OTHER)

    assert find_commit({"HEROKU_BUILD_COMMIT": COMMIT}, package) == COMMIT
