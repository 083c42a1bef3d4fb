"""How gunicorn serves the receiver: `gunicorn --config receiver/gunicorn_conf.py receiver.asgi:app`.

gunicorn supervises the processes; each is a uvicorn server, in which a slow client takes a connection and nothing else. The
server's own rules are in receiver/fastpath/server.py.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import tempfile

from cogento.startup import prepare_to_load

prepare_to_load()  # here, because each worker process begins as a copy of this one

from cogento.nonblocking_output import make_output_nonblocking
from cogento.serving.listening import everywhere
from cogento.settings import ReceiverSettings, load_each

make_output_nonblocking()  # before gunicorn's logger takes standard output, and in the arbiter as well
_settings = load_each(ReceiverSettings)[0]  # port and processes are the same for all accounts

bind = everywhere(_settings.port)
workers = _settings.web_concurrency
worker_class = "receiver.fastpath.server.ReceiverWorker"
# At a stop listeners close, requests in flight end, and idle connections are closed; under 10 s in all.
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
    """Refuse to start when Redis cannot keep what a 2xx promises.

    Checks in a copy of this process, because whatever is imported here stays in memory as long as the receiver runs.
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
