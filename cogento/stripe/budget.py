"""How often Stripe may be asked by all processes together: the port; it is kept elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Grant:
    """Leave to send one request after `wait_seconds`; none while the key is known to be refused."""

    wait_seconds: float
    refused_seconds: float = 0.0


class Budget(Protocol):
    """Shared by every process that asks; each call is one step, whoever else calls."""

    async def take(self) -> Grant:
        """Take the next free moment."""

    async def slow_down(self, *, wait_seconds: float) -> None:
        """Halve the rate, which recovers slowly, and send nothing for so long: Stripe said "too many"."""

    async def shut(self, *, seconds: float) -> None:
        """Send nothing at all for so long: Stripe refuses the key."""
