from __future__ import annotations

import pytest

from cogento.console.passwords import hash_password, read_hash

PASSWORD = "correct horse battery"


@pytest.fixture(scope="module")
def printed() -> str:
    return str(hash_password(PASSWORD))


def test_hash_knows_its_password(printed: str) -> None:
    assert read_hash(printed).matches(PASSWORD)


def test_hash_refuses_another_password(printed: str) -> None:
    assert not read_hash(printed).matches("correct horse batterY")


def test_hash_survives_an_env_file_of_docker_compose(printed: str) -> None:
    assert not set(printed) & set("$#'\"\\ ")


def test_short_password_is_refused() -> None:
    with pytest.raises(ValueError, match="15 characters"):
        hash_password("fourteen chars")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "password",
        "scrypt:17:8:1:c2FsdA",
        "scrypt:1:8:1:c2FsdHNhbHRzYWx0c2FsdA:" + "A" * 43,
        "argon2:17:8:1:c2FsdHNhbHRzYWx0c2FsdA:" + "A" * 43,
        "scrypt:17:8:1:c2FsdHNhbHRzYWx0c2FsdA:AAAA",
        "scrypt:x:8:1:c2FsdHNhbHRzYWx0c2FsdA:" + "A" * 43,
    ],
)
def test_anything_else_or_weaker_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="cogento password"):
        read_hash(text)
