"""`cogento send` against a receiver that answers as it is told."""

from __future__ import annotations

import json
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result
from stripe import WebhookSignature

from cogento.cli.main import main
from tests.support.builders import SECRET, body, customer, event

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

QUEUED = (200, {"status": "queued", "event": "evt_1"})
SHOP2_SECRET = f"whsec_{'s' * 32}"
REFUSED = (400, {"error": {"code": "malformed", "message": "Not an \x1b[31mevent."}})


class Receiver(ThreadingHTTPServer):
    """Takes everything and answers `answers` in turn, the last one for ever."""

    def __init__(self, *answers: tuple[int, Any]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers = list(answers)
        self.received: list[tuple[bytes, str]] = []
        self.paths: list[str] = []

    @property
    def url(self) -> str:
        """Where it takes webhooks."""
        return f"http://127.0.0.1:{self.server_port}/webhooks/stripe"


class _Handler(BaseHTTPRequestHandler):
    server: Receiver
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.received.append((content, self.headers["Stripe-Signature"]))
        self.server.paths.append(self.path)
        status, answer = self.server.answers[min(len(self.server.received), len(self.server.answers)) - 1]
        written = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(written)))
        self.end_headers()
        self.wfile.write(written)

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def receiving(*answers: tuple[int, Any]) -> Iterator[Receiver]:
    with Receiver(*answers) as receiver:
        thread = Thread(target=receiver.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield receiver
        finally:
            receiver.shutdown()
            thread.join()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    found = tmp_path / "event.json"
    found.write_bytes(body(event("customer.updated", customer())))
    return found


@pytest.fixture(autouse=True)
def _nothing_running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("STRIPE_WEBHOOK_SECRET", raising=False)
    monkeypatch.setenv("COGENTO_ACCOUNT", "")  # --account sets it


def _send(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["send", *map(str, arguments)])


def _write_run(folder: Path, receiver: Receiver) -> None:
    data = folder / ".data"
    data.mkdir()
    (data / "run.json").write_text(json.dumps({"receiver_url": receiver.url, "webhook_secret": SECRET}))


def test_an_event_arrives_as_it_is_with_a_signature_that_stripe_s_sdk_verifies(file: Path) -> None:
    with receiving(QUEUED) as receiver:
        result = _send(file, "--url", receiver.url, "--secret", SECRET)
    ((content, signature),) = receiver.received
    assert result.exit_code == 0
    assert content == file.read_bytes()
    assert WebhookSignature.verify_header(content, signature, SECRET, tolerance=60)


def test_the_receiver_of_a_running_cogento_is_the_default(file: Path, tmp_path: Path) -> None:
    with receiving(QUEUED) as receiver:
        _write_run(tmp_path, receiver)
        result = _send(file)
    ((content, signature),) = receiver.received
    assert result.exit_code == 0
    assert WebhookSignature.verify_header(content, signature, SECRET, tolerance=60)


def _write_run_of_two(folder: Path, receiver: Receiver) -> None:
    shop2 = {"receiver_url": f"{receiver.url}/shop2", "webhook_secret": SHOP2_SECRET}
    default = {"receiver_url": receiver.url, "webhook_secret": SECRET}
    (folder / ".data").mkdir()
    (folder / ".data" / "run.json").write_text(
        json.dumps({**default, "accounts": {"default": default, "shop2": shop2}})
    )


def test_account_of_a_run_is_sent_to_at_its_own_address_and_with_its_own_secret(
    file: Path, tmp_path: Path
) -> None:
    with receiving(QUEUED) as receiver:
        _write_run_of_two(tmp_path, receiver)
        result = _send(file, "--account", "shop2")
    ((content, signature),) = receiver.received
    assert result.exit_code == 0
    assert receiver.paths == ["/webhooks/stripe/shop2"]
    assert WebhookSignature.verify_header(content, signature, SHOP2_SECRET, tolerance=60)


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ((), "no account is chosen: give --account NAME, or set COGENTO_ACCOUNT. The run has default, shop2"),
        (
            ("--account", "shop3"),
            "COGENTO_ACCOUNT is not usable: it is not the name of an account: the run has default, shop2",
        ),
    ],
)
def test_nothing_is_sent_to_a_run_of_several_accounts_without_the_name_of_one(
    file: Path, tmp_path: Path, chosen: tuple[str, ...], said: str
) -> None:
    with receiving(QUEUED) as receiver:
        _write_run_of_two(tmp_path, receiver)
        result = _send(file, *chosen)
    assert (result.exit_code, result.stderr) == (78, f"cogento: {said}\n")
    assert receiver.received == []


def test_another_receiver_is_signed_for_with_the_secret_of_the_account_that_is_chosen(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRIPE_WEBHOOK_SECRET", SECRET)
    monkeypatch.setenv("STRIPE_WEBHOOK_SECRET__SHOP2", SHOP2_SECRET)
    with receiving(QUEUED) as receiver:
        _send(file, "--url", receiver.url, "--account", "shop2")
    ((content, signature),) = receiver.received
    assert WebhookSignature.verify_header(content, signature, SHOP2_SECRET, tolerance=60)


def test_secret_that_is_missing_is_called_by_the_accounts_own_variable(file: Path) -> None:
    result = _send(file, "--url", "http://127.0.0.1:1/", "--account", "shop2")
    assert (result.exit_code, "set STRIPE_WEBHOOK_SECRET__SHOP2" in result.stderr) == (2, True)


def test_another_receiver_is_signed_for_with_the_environments_secret(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRIPE_WEBHOOK_SECRET", "whsec_production")
    with receiving(QUEUED) as running, receiving(QUEUED) as other:
        _write_run(tmp_path, running)
        _send(file, "--url", other.url)
    ((content, signature),) = other.received
    assert WebhookSignature.verify_header(content, signature, "whsec_production", tolerance=60)


def test_each_answer_is_printed_and_a_refusal_ends_with_one(file: Path) -> None:
    with receiving(QUEUED, REFUSED) as receiver:
        result = _send(file, file, "--url", receiver.url, "--secret", SECRET)
    first, second, total = result.output.splitlines()
    assert result.exit_code == 1
    assert first.startswith("200 queued")
    assert second.startswith("400 malformed")
    assert total == "2 sent, 1 refused"


def test_what_a_receiver_says_cannot_steer_the_terminal(file: Path) -> None:
    with receiving(REFUSED) as receiver:
        result = _send(file, "--url", receiver.url, "--secret", SECRET)
    assert "\x1b" not in result.output


def test_answers_can_be_read_by_programs(file: Path) -> None:
    with receiving(QUEUED) as receiver:
        result = _send(file, "--url", receiver.url, "--secret", SECRET, "--json")
    answer = json.loads(result.output)
    assert (answer["status"], answer["answer"], answer["source"]) == (200, "queued", str(file))


def test_nothing_is_sent_when_a_file_cannot_be_read(file: Path, tmp_path: Path) -> None:
    with receiving(QUEUED) as receiver:
        result = _send(file, tmp_path / "none.json", "--url", receiver.url, "--secret", SECRET)
    assert (result.exit_code, receiver.received) == (1, [])
    assert "none.json: No such file or directory" in result.output


def test_a_receiver_that_is_not_there_is_one_clear_line(file: Path) -> None:
    with receiving(QUEUED) as receiver:
        url = receiver.url
    result = _send(file, "--url", url, "--secret", SECRET)
    assert result.exit_code == 1
    assert result.output.startswith(f"Error: no answer from {url} (")


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        ((), "give --url"),
        (("--url", "http://127.0.0.1:1/"), "give --secret"),
        (("--url", "127.0.0.1:1", "--secret", SECRET), "must look like http://"),
    ],
)
def test_what_is_missing_is_said(file: Path, arguments: tuple[str, ...], hint: str) -> None:
    result = _send(file, *arguments)
    assert result.exit_code == 2
    assert hint in result.output
