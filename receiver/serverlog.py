"""Log lines of libraries that use the logging module, the server above all, as JSON lines like all others."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime


class JsonLines(logging.Formatter):
    """One JSON object a line; control characters are escaped, exceptions are named and not quoted."""

    def format(self, record: logging.LogRecord) -> str:
        """Write a record as one line."""
        fields = {
            "event": "library_logged",
            "logger": record.name,
            "message": record.getMessage(),
            "level": record.levelname.lower(),
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "process": "receiver",
        }
        if record.exc_info and record.exc_info[0]:
            fields["error"] = record.exc_info[0].__name__
        return json.dumps(fields)
