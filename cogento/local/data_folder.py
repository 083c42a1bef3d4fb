"""The folder of one `cogento run`: data, logs, secrets, and run.json, which says how to reach its servers.

One run at a time: a second one on the same folder is refused.
"""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Self

from cogento.accounts import DEFAULT_ACCOUNT
from cogento.local import safe_files
from cogento.local.errors import InUseError, LocalError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

LOCK = "run.lock"
RUN_FILE = "run.json"
WEBHOOK_SECRET = "webhook_secret"  # noqa: S105 - the name of a file
THIN_WEBHOOK_SECRET = "thin_webhook_secret"  # noqa: S105 - likewise


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountInfo:
    """What run.json holds of one account; `stripe_…` is the simulated Stripe."""

    receiver_url: str
    console_url: str
    database_schema: str
    webhook_secret: str
    thin_webhook_secret: str
    stripe_api_key: str | None
    stripe_control_url: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunInfo(AccountInfo):
    """What run.json holds: where everything is, and the process ids; `pid` is `cogento run` itself.

    With several accounts `accounts` has each one's facts by name, and the fields of AccountInfo are the first one's; with one
    account it is empty. `broker_url` and `mailbox_shards` are None with a single Redis.
    """

    database_url: str
    redis_url: str
    ack_durability: str
    broker_url: str | None
    mailbox_shards: str | None
    stripe_api_url: str | None
    accounts: Mapping[str, AccountInfo]
    pid: int
    pids: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class DataFolder:
    """A data folder, locked as long as this process lives."""

    path: Path

    @classmethod
    def open(cls, path: Path) -> Self:
        """Make the folder if need be and lock it; InUseError names the process that has it."""
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            _lock(path)
        except OSError as error:
            raise LocalError(f"{path} can't be used: {error.strerror}. Choose another with --data") from error
        folder = cls(path.resolve())
        folder.remove_run_file()
        return folder

    @property
    def run_file(self) -> Path:
        """The path of run.json."""
        return self.path / RUN_FILE

    def log(self, name: str) -> Path:
        """Return where a process's output goes."""
        return self.path / "logs" / f"{name}.log"

    def webhook_secret(self, account: str = DEFAULT_ACCOUNT) -> str:
        """Return the secret that signs an account's events in this folder, made on first use."""
        return self._secret(WEBHOOK_SECRET, account)

    def thin_webhook_secret(self, account: str = DEFAULT_ACCOUNT) -> str:
        """Return the secret that signs an account's thin events in this folder, made on first use."""
        return self._secret(THIN_WEBHOOK_SECRET, account)

    def _secret(self, name: str, account: str) -> str:
        kept = self.path / (name if account == DEFAULT_ACCOUNT else f"{name}_{account}")
        if safe_files.read(kept) is None:
            safe_files.write(kept, f"whsec_{secrets.token_urlsafe(32)}")
        return (safe_files.read(kept) or "").strip()

    def write_run_file(self, info: RunInfo) -> None:
        """Write run.json atomically, and readable by nobody else, since it holds secrets."""
        safe_files.write(self.run_file, json.dumps(asdict(info), indent=2) + "\n")

    def remove_run_file(self) -> None:
        """Remove run.json: nothing runs here."""
        self.run_file.unlink(missing_ok=True)


def _lock(path: Path) -> None:
    lock = path / LOCK
    try:
        descriptor = safe_files.lock(lock, what=f"the data folder {path}")
    except InUseError as error:
        holder = (safe_files.read(lock) or "").strip() or "unknown"
        raise InUseError(f"{error} ({holder}): stop that one, or choose another with --data") from None
    os.ftruncate(descriptor, 0)
    os.write(descriptor, f"process {os.getpid()}\n".encode())
