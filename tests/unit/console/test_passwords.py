from __future__ import annotations

import pytest
from argon2 import PasswordHasher
from argon2.profiles import CHEAPEST

from cogento.console.passwords import hash_password, read_hash

PASSWORD = "correct horse battery"
OF_AN_EARLIER_RELEASE = "scrypt:17:8:1:BR1Zzxb0402o8ufRUWkULw:2lGh6FAb6dogsZQEcFBCuPcwjlGpX6PrO1kB5k5CN94"
SALT, DIGEST = "c2FsdHNhbHRzYWx0c2FsdA", "A" * 43


@pytest.fixture(scope="module")
def printed() -> str:
    return str(hash_password(PASSWORD))


def test_hash_is_of_argon2id_with_the_library_s_own_costs(printed: str) -> None:
    assert printed.startswith("argon2id:v=19:m=65536,t=3,p=4:")


def test_hash_knows_its_password(printed: str) -> None:
    assert read_hash(printed).matches(PASSWORD)


def test_hash_refuses_another_password(printed: str) -> None:
    assert not read_hash(printed).matches("correct horse batterY")


def test_two_hashes_of_one_password_differ(printed: str) -> None:
    assert str(hash_password(PASSWORD)) != printed


def test_hash_of_an_earlier_release_goes_on_working() -> None:
    found = read_hash(OF_AN_EARLIER_RELEASE)
    assert found.matches(PASSWORD)
    assert not found.matches("correct horse batterY")


def test_hash_survives_an_env_file_of_docker_compose(printed: str) -> None:
    assert not set(printed) & set("$#'\"\\ ")


def test_short_password_is_refused() -> None:
    with pytest.raises(ValueError, match="15 characters"):
        hash_password("fourteen chars")


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":",
        "password",
        "scrypt:17:8:1:c2FsdA",
        f"scrypt:1:8:1:{SALT}:{DIGEST}",
        f"scrypt:17:8:1:{SALT}:AAAA",
        f"scrypt:x:8:1:{SALT}:{DIGEST}",
        f"argon2:17:8:1:{SALT}:{DIGEST}",
        f"argon2i:v=19:m=65536,t=3,p=4:{SALT}:{DIGEST}",
        f"argon2id:v=19:m=8,t=3,p=4:{SALT}:{DIGEST}",
        f"argon2id:v=19:m=65536,t=1,p=4:{SALT}:{DIGEST}",
        f"argon2id:v=19:m=x,t=3,p=4:{SALT}:{DIGEST}",
        f"argon2id:v=19:m=65536,t=3,p=4:c2FsdA:{DIGEST}",
        f"argon2id:v=19:m=65536,t=3,p=4:{SALT}:AAAA",
        f"argon2id:v=19:m=65536,t=3,p=4:{SALT}:!{DIGEST}",
        pytest.param(
            str(hash_password(PASSWORD, hasher=PasswordHasher.from_parameters(CHEAPEST))),
            id="made-too-cheaply",
        ),
    ],
)
def test_anything_else_or_weaker_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="cogento password"):
        read_hash(text)
