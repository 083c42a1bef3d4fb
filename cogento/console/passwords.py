"""The console's password as a hash that says how it was made: `scrypt:17:8:1:salt:digest`.

Colons and base64url only, because a `$` in an .env file is read as a variable by Docker Compose.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass

MIN_PASSWORD_LENGTH = 15
LOG2_COST, BLOCK_SIZE, PARALLELISM = 17, 8, 1  # OWASP's first choice for scrypt: 128 MB a try
SALT_BYTES, DIGEST_BYTES = 16, 32


@dataclass(frozen=True, slots=True)
class PasswordHash:
    """A password that can be recognised and not read."""

    log2_cost: int
    block_size: int
    parallelism: int
    salt: bytes
    digest: bytes

    def matches(self, password: str) -> bool:
        """Compare in constant time; takes about half a second of one core on purpose."""
        digest = _scrypt(password, self.salt, self.log2_cost, self.block_size, self.parallelism)
        return hmac.compare_digest(self.digest, digest)

    @property
    def fingerprint(self) -> str:
        """Names this hash where it need not be known."""
        return hashlib.sha256(str(self).encode()).hexdigest()[:16]

    def __str__(self) -> str:
        """The hash as CONSOLE_PASSWORD_HASH holds it."""
        numbers = (str(self.log2_cost), str(self.block_size), str(self.parallelism))
        return ":".join(("scrypt", *numbers, _encoded(self.salt), _encoded(self.digest)))


def hash_password(password: str, *, log2_cost: int = LOG2_COST) -> PasswordHash:
    """Make the hash of a new password, with a salt of its own. Raises ValueError when it is too short.

    `read_hash` refuses any other cost than the default.
    """
    if len(password) < MIN_PASSWORD_LENGTH:
        raise ValueError(f"use {MIN_PASSWORD_LENGTH} characters or more")
    salt = os.urandom(SALT_BYTES)
    digest = _scrypt(password, salt, log2_cost, BLOCK_SIZE, PARALLELISM)
    return PasswordHash(log2_cost, BLOCK_SIZE, PARALLELISM, salt, digest)


def read_hash(text: str) -> PasswordHash:
    """Read what `cogento password` printed. Raises ValueError for anything else or anything weaker."""
    try:
        scheme, cost, block, parallel, salt, digest = text.split(":")
        found = PasswordHash(int(cost), int(block), int(parallel), _decoded(salt), _decoded(digest))
    except ValueError as error:
        raise ValueError("it is not what `cogento password` prints") from error
    costs = (found.log2_cost, found.block_size, found.parallelism)
    is_strong = costs == (LOG2_COST, BLOCK_SIZE, PARALLELISM) and len(found.digest) == DIGEST_BYTES
    if scheme != "scrypt" or not is_strong:
        raise ValueError("it is not what `cogento password` prints")
    return found


def _scrypt(password: str, salt: bytes, log2_cost: int, block_size: int, parallelism: int) -> bytes:
    cost = 1 << log2_cost
    return hashlib.scrypt(
        password.encode(),
        salt=salt,
        n=cost,
        r=block_size,
        p=parallelism,
        maxmem=256 * cost * block_size,
        dklen=DIGEST_BYTES,
    )


def _encoded(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode().rstrip("=")


def _decoded(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
