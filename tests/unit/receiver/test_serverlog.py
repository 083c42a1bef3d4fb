from __future__ import annotations

import json
import logging

from receiver.serverlog import JsonLines


def record(message: str, *, error: Exception | None = None) -> logging.LogRecord:
    exc_info = (type(error), error, None) if error else None
    return logging.LogRecord("gunicorn.error", logging.WARNING, "x.py", 1, message, None, exc_info)


def test_a_line_is_one_line_whatever_is_in_it() -> None:
    line = JsonLines().format(record("a\nb\x1b[31m\u2028"))
    assert line.isprintable()
    assert json.loads(line)["message"] == "a\nb\x1b[31m\u2028"


def test_an_exception_is_named_and_not_quoted() -> None:
    line = JsonLines().format(record("it failed", error=ValueError("ada@example.com")))
    assert json.loads(line)["error"] == "ValueError"
    assert "ada@example.com" not in line
