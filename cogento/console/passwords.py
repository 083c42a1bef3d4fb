"""The console's passwords as hashes that say how they were made: `argon2id:v=19:m=65536,t=3,p=4:salt:digest`.

Argon2id by argon2-cffi, with that library's default costs, those of RFC 9106 for little memory. Colons stand where
Argon2 writes `$`, because a `$` in an .env file is read as a variable by Docker Compose. Hashes of earlier releases,
`scrypt:17:8:1:salt:digest`, are still recognised.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import urlsafe_b64decode
from dataclasses import dataclass

from argon2 import PasswordHasher, Type, extract_parameters
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError

MIN_PASSWORD_LENGTH = 15
ARGON2 = PasswordHasher()
MIN_MEMORY_KIB, MIN_PASSES, MIN_SALT_BYTES, MIN_DIGEST_BYTES = 19_456, 2, 16, 32  # OWASP's least for Argon2id
SCRYPT_COSTS = (17, 8, 1)
SCRYPT_DIGEST_BYTES = 32


@dataclass(frozen=True, slots=True)
class PasswordHash:
    """A hashed password; `text` is the value of the setting."""

    text: str

    def matches(self, password: str) -> bool:
        """Compare in constant time; takes about a tenth of a second of every core on purpose, and 64 MB."""
        if self.text.startswith("scrypt:"):
            return _matches_scrypt(self.text, password)
        try:
            return ARGON2.verify(_as_argon2_writes_it(self.text), password)
        except VerifyMismatchError:
            return False

    @property
    def fingerprint(self) -> str:
        """A short name of this hash that reveals nothing of it."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:16]

    def __str__(self) -> str:
        return self.text


def hash_password(password: str, *, hasher: PasswordHasher = ARGON2) -> PasswordHash:
    """Make the hash of a new password. Raises ValueError when it is too short.

    `read_hash` refuses a hash from a much cheaper hasher.
    """
    if len(password) < MIN_PASSWORD_LENGTH:
        raise ValueError(f"use {MIN_PASSWORD_LENGTH} characters or more")
    return PasswordHash(hasher.hash(password).removeprefix("$").replace("$", ":"))


def read_hash(text: str) -> PasswordHash:
    """Read what `cogento password` printed, now or in earlier releases. Raises ValueError for anything else or weaker."""
    found = PasswordHash(text)
    try:
        is_usable = _is_strong_scrypt(text) if text.startswith("scrypt:") else _is_strong_argon2(text)
        found.matches("")  # proves that the hash can be compared, and that there is memory for that
    except (ValueError, VerificationError):
        is_usable = False
    if not is_usable:
        raise ValueError("it is not what `cogento password` prints")
    return found


def _as_argon2_writes_it(text: str) -> str:
    return "$" + text.replace(":", "$")


def _is_strong_argon2(text: str) -> bool:
    try:
        given = extract_parameters(_as_argon2_writes_it(text))
    except InvalidHashError:
        return False
    return (
        given.type is Type.ID
        and given.memory_cost >= MIN_MEMORY_KIB
        and given.time_cost >= MIN_PASSES
        and given.salt_len >= MIN_SALT_BYTES
        and given.hash_len >= MIN_DIGEST_BYTES
    )


def _is_strong_scrypt(text: str) -> bool:
    _, *costs, _salt, digest = text.split(":")
    return tuple(map(int, costs)) == SCRYPT_COSTS and len(_decoded(digest)) == SCRYPT_DIGEST_BYTES


def _matches_scrypt(text: str, password: str) -> bool:
    log2_cost, block_size, parallelism = SCRYPT_COSTS
    *_, salt, digest = text.split(":")
    made = hashlib.scrypt(
        password.encode(),
        salt=_decoded(salt),
        n=1 << log2_cost,
        r=block_size,
        p=parallelism,
        maxmem=(256 << log2_cost) * block_size,
        dklen=SCRYPT_DIGEST_BYTES,
    )
    return hmac.compare_digest(_decoded(digest), made)


def _decoded(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
