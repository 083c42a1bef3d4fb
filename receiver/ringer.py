"""Rings the doorbell beside the requests: an answer never waits for Celery's broker."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from receiver.intake import Bell


class Ringer:
    """Passes rings on from a thread of its own; those asked for while one is under way become one."""

    def __init__(self, bell: Bell) -> None:
        self._bell = bell
        self._wanted = threading.Event()
        threading.Thread(target=self._pass_on, name="ringer", daemon=True).start()

    def ring(self) -> None:
        """Have the doorbell rung soon."""
        self._wanted.set()

    def _pass_on(self) -> None:
        while self._wanted.wait():
            self._wanted.clear()
            self._bell.ring()
