"""How gunicorn serves the receiver: `gunicorn --config receiver/gunicorn_conf.py receiver.wsgi:app`.

The worker is gevent's: a slow client holds a greenlet and nothing else. The parser is gunicorn's own, in
Python, which refuses ambiguous lengths (B12, B13 and B21 of the bad inputs).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile

from settings import ReceiverSettings, load

_settings = load(ReceiverSettings)

bind = f"0.0.0.0:{_settings.port}"
workers = _settings.web_concurrency
worker_class = "receiver.server.Worker"
http_parser = "python"
http_protocols = "h1"
worker_connections = 500

# A request's head must arrive within `keepalive`, its body within reading.READ_SECONDS.
keepalive = 5
limit_request_line = 4094
limit_request_fields = 50
limit_request_field_size = 8190

# No header of a client may change what an address, a scheme or a caller is.
forwarded_allow_ips = ""
forwarder_headers = ""
secure_scheme_headers: dict[str, str] = {}
header_map = "drop"

# Stop: listeners close, requests in flight end, idle connections after `keepalive`; under 10 s in all.
graceful_timeout = 8
timeout = 30
control_socket_disable = True

logconfig_dict = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": "receiver.serverlog.JsonLines"}},
    "handlers": {
        "stdout": {"class": "logging.StreamHandler", "formatter": "json", "stream": "ext://sys.stdout"}
    },
    "root": {"handlers": ["stdout"], "level": "WARNING"},
    "loggers": {"gunicorn.error": {"handlers": ["stdout"], "level": "INFO", "propagate": False}},
}

# Read by prometheus_client when it is imported: one scrape then sees every process.
if workers > 1:
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = tempfile.mkdtemp(prefix="cogento-metrics-")


def on_starting(_server: object) -> None:
    """Refuse to start when the mailbox is not what we promise.

    In a process of its own: importing Redis's client here, before the workers are patched for gevent,
    would leave them with locks that stop every greenlet.
    """
    checked = subprocess.run([sys.executable, "-m", "receiver"], check=False)
    if checked.returncode:
        raise SystemExit(checked.returncode)


def on_exit(_server: object) -> None:
    """Remove the metrics of this run."""
    if workers > 1:
        shutil.rmtree(os.environ["PROMETHEUS_MULTIPROC_DIR"], ignore_errors=True)
