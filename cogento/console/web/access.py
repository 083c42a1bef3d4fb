"""Who gets in without a password of the console's: whoever sits at this machine."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cogento.console.web.login import Role, User, admit

if TYPE_CHECKING:
    from flask import Flask

LOCAL_USER = User("local", Role.OPERATOR)


@dataclass(frozen=True, slots=True)
class LocalAccess:
    """Everybody who reaches the console is one user: it listens to this machine alone."""

    user: User = LOCAL_USER

    def install(self, app: Flask) -> None:
        """Let every request in; the token in the forms lives as long as the process."""
        token = secrets.token_urlsafe(32)
        app.before_request(lambda: admit(self.user, token))
