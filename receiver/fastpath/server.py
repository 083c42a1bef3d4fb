"""The server under gunicorn: its answers and whom it cut are counted with those of the application."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cogento.accounts import WEBHOOK_PATH
from cogento.serving.connection import Connection
from cogento.serving.worker import ServingWorker
from receiver import metrics
from receiver.reading import METHOD

if TYPE_CHECKING:
    from cogento.serving.crowd import Stage

# The parser knows the methods that are registered; of others it says no more than that.
_OTHER_METHOD = re.compile(
    rb"[!#$%&'*+.^`|~\w-]{1,20} " + re.escape(WEBHOOK_PATH.encode()) + rb"(\?\S*)? HTTP/1\.[01]\r\n"
)


class WebhookConnection(Connection):
    """A connection to the receiver."""

    def count_answer(self, code: str) -> None:
        """Count what the server itself refused; it took no time, and counts against what we promise all the same."""
        metrics.time_answer(code, 0.0)

    def count_crowding(self, stage: Stage) -> None:
        """Count a connection that was closed to make room."""
        metrics.count_crowding(stage)

    def methods_for(self, data: bytes) -> bytes | None:
        """Return the method that is right at the webhook's address."""
        return METHOD.encode() if _OTHER_METHOD.match(data) else None


class ReceiverWorker(ServingWorker):
    """One process of gunicorn's; see gunicorn_conf.py."""

    connection = WebhookConnection
