"""Claims whose answer never came, so that they can be given back.

A server that did one, or is stuck and will do it later, holds its customers for nobody until their leases
end; and then that counts as a crash, of which four bury an innocent event. Knows no Redis.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cogento.events.names import LeaseToken

MOST_REMEMBERED = 100


@dataclass(frozen=True, slots=True)
class _LostClaim:
    token: LeaseToken
    expires_ms: int


class LostClaims:
    """The tokens to give back before every claim, until the server can no longer come to them late."""

    def __init__(self) -> None:
        self._claims: deque[_LostClaim] = deque(maxlen=MOST_REMEMBERED)
        self._changing = threading.Lock()

    def add(self, token: LeaseToken, *, expires_ms: int) -> None:
        """Remember one."""
        with self._changing:
            self._claims.append(_LostClaim(token, expires_ms))

    def tokens(self) -> list[LeaseToken]:
        """Return all that are remembered."""
        with self._changing:
            return [claim.token for claim in self._claims]

    def forget_expired(self, now_ms: int) -> None:
        """Forget those whose leases are over; call it when the server has answered."""
        with self._changing:
            kept = [claim for claim in self._claims if claim.expires_ms >= now_ms]
            self._claims = deque(kept, maxlen=MOST_REMEMBERED)
