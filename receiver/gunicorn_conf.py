"""How gunicorn serves the receiver: `gunicorn --config receiver/gunicorn_conf.py receiver.asgi:app`.

gunicorn keeps the processes; each is a server of uvicorn's, in which a slow client holds a connection and
nothing else. What it lets in is in receiver/fastpath/server.py.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import tempfile

from cogento.startup import prepare_to_load

prepare_to_load()  # here, since each process that answers begins as a copy of this one

from cogento.nonblocking_output import make_output_nonblocking
from cogento.serving.listening import everywhere
from cogento.settings import ReceiverSettings, load_each

make_output_nonblocking()  # before gunicorn's logger asks for standard output, and in its first process as well
_settings = load_each(ReceiverSettings)[0]  # of a port and processes there is one number for all accounts

bind = everywhere(_settings.port)
workers = _settings.web_concurrency
worker_class = "receiver.fastpath.server.ReceiverWorker"
# Stop: listeners close, requests in flight end, idle connections are closed; under 10 s in all.
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

    In a copy of this process, for what is imported here stays in memory as long as the receiver runs.
    """
    check = multiprocessing.get_context("fork").Process(target=_check)
    check.start()
    check.join()
    if check.exitcode:
        raise SystemExit(check.exitcode)


def _check() -> None:
    from receiver.__main__ import main  # noqa: PLC0415 - not in this process

    main()


def on_exit(_server: object) -> None:
    """Remove the metrics of this run."""
    if workers > 1:
        shutil.rmtree(os.environ["PROMETHEUS_MULTIPROC_DIR"], ignore_errors=True)
