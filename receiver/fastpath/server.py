"""The server under gunicorn: its own answers, and the connections that it closes, are counted with the application's."""

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

# The parser knows the registered methods; of another one it says only that it is unknown.
_OTHER_METHOD = re.compile(
    rb"[!#$%&'*+.^`|~\w-]{1,20} "
    + re.escape(WEBHOOK_PATH.encode())
    + rb"(/[a-z0-9_]+)?(\?\S*)? HTTP/1\.[01]\r\n"
)


class WebhookConnection(Connection):
    """A connection to the receiver."""

    def count_answer(self, code: str) -> None:
        """Count a request that the server itself refused; its time is not measured, but it counts against the error budget all the same."""
        metrics.time_answer(code, 0.0)

    def count_crowding(self, stage: Stage) -> None:
        """Count a connection that was closed to make room."""
        metrics.count_crowding(stage)

    def methods_for(self, data: bytes) -> bytes | None:
        """Return the method allowed at the webhook's URL."""
        return METHOD.encode() if _OTHER_METHOD.match(data) else None


class ReceiverWorker(ServingWorker):
    """A worker process of gunicorn's; see gunicorn_conf.py."""

    connection = WebhookConnection
