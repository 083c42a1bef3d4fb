"""The receiver behind a real nginx, with the configuration that deploy/nginx has."""

from __future__ import annotations

import re
import ssl
from typing import TYPE_CHECKING

import pytest

from cogento.local.ports import LOCALHOST, free_port
from cogento.local.process import Command, Process
from tests.integration.receiver.test_chunked import new_event, pieces
from tests.support.certificates import make_certificate
from tests.support.programs import installed
from tests.support.running_receiver import ROOT
from tests.support.servers import wait_until
from tests.support.wire import LAST_CHUNK, Connection, Request, chunk, chunked, event_request

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.integration.receiver.conftest import Start, Valkeys
    from tests.support.running_receiver import RunningReceiver

SITE = (ROOT / "deploy" / "nginx" / "cogento.conf").read_text()
AROUND = """\
daemon off;
master_process off;
pid {folder}/pid;
error_log {folder}/errors;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
{site}
}}
"""


class Nginx:
    """One on a port of this machine, before a receiver; `streams` has it pass on bodies as they come, chunked."""

    def __init__(self, folder: Path, receiver_port: int, *, streams: bool) -> None:
        self.port = free_port()
        made = make_certificate(folder, name="your-host")
        site = SITE.replace(":8000;", f":{receiver_port};").replace(" 443 ", f" {self.port} ")
        site = site.replace("[::]:443 ", f"[::]:{self.port} ")
        site = re.sub("ssl_certificate .*;", f"ssl_certificate {made.file};", site)
        site = re.sub("ssl_certificate_key .*;", f"ssl_certificate_key {made.key};", site)
        if streams:
            site = site.replace("proxy_http_version", "proxy_request_buffering off; proxy_http_version")
        file = folder / "nginx.conf"
        file.write_text(AROUND.format(folder=folder, site=site))
        argv = (installed("nginx"), "-e", str(folder / "errors"), "-c", str(file))
        self.process = Process(Command(argv=argv, log=folder / "log"))
        wait_until(self._answers, what=f"nginx to answer; its log is {folder}")

    def connect(self) -> Connection:
        connection = Connection(self.port)
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection.socket = context.wrap_socket(connection.socket, server_hostname="your-host")
        return connection

    def _answers(self) -> bool:
        assert self.process.exit_code() is None, self.process.last_log_lines()
        try:
            self.connect().socket.close()
        except OSError:
            return False
        return True


@pytest.fixture(scope="module")
def receiver(own_valkey: Valkeys, start: Start) -> RunningReceiver:
    return start(own_valkey.url)


@pytest.fixture(params=[False, True], ids=["buffers", "streams"])
def nginx(request: pytest.FixtureRequest, receiver: RunningReceiver, tmp_path: Path) -> Iterator[Nginx]:
    started = Nginx(tmp_path, receiver.port, streams=request.param)
    yield started
    started.process.stop(within_seconds=5)


def test_t22_events_come_through_nginx_whole_or_chunked_over_kept_connections(
    receiver: RunningReceiver, nginx: Nginx
) -> None:
    id_, body = new_event()
    with nginx.connect() as connection:
        assert connection.ask(event_request(f"{id_}_whole")).outcome == (200, "queued")
        sent = b"".join(map(chunk, pieces(body, 100))) + LAST_CHUNK
        assert connection.ask(chunked(body, sent)).outcome == (200, "queued")
    assert receiver.stored_body(id_) == body


def test_only_the_webhook_is_open_to_the_internet_behind_nginx(nginx: Nginx) -> None:
    def get(target: str) -> int:
        with nginx.connect() as connection:
            return connection.ask(Request(method="GET", target=target, length=None, signature="")).status

    assert [get(target) for target in ("/metrics", "/readyz?verbose", "/healthz")] == [404, 404, 404]
    assert get("/webhooks/stripe") == 405


def test_t22_nginx_lets_go_of_connections_before_the_receiver_does() -> None:
    (kept,) = re.findall(r"^ +keepalive_timeout (\d+)s;", SITE, flags=re.MULTILINE)
    assert int(kept) < 95
    assert f"server {LOCALHOST}:8000;" in SITE
