"""What every receiver answers to bad inputs and recorded payloads: the fast path, the Flask view under other servers, and its blueprint in an application of somebody else's.

A row's id stands in the test's id, by its number in docs/bad-inputs.md. What a server answers by itself, before the
intake sees a request, is named here and is its own. What the worker makes of the rows that are queued is tested elsewhere.
"""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
import redis

from cogento.accounts import WEBHOOK_PATH
from receiver.reading import MAX_BODY_BYTES
from tests.support.bad_inputs import (
    BEFORE,
    GOOD,
    HTTP_ROWS,
    JSON_ROWS,
    OLD_SECRET,
    QUEUED_ROWS,
    SIGNATURE_ROWS,
)
from tests.support.builders import NOT_OURS_TYPE, customer, event_body
from tests.support.forked_process import start_from_nothing
from tests.support.largest import Writing, largest_event
from tests.support.running_receiver import RunningReceiver
from tests.support.stripe_files import NAMES, NOT_OURS, answer_to, posted
from tests.support.wire import CHUNKED, LAST_CHUNK, UNSIGNED, Request, chunk, chunked, event_request

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cogento.local.valkey import Valkey
    from tests.support.servers import RunningServer
    from tests.support.wire import HttpAnswer

ROWS = [*HTTP_ROWS, *SIGNATURE_ROWS, *JSON_ROWS]
OF_THE_SERVER = ("B12-", "B13", "B18-", "B19-", "B20-", "B21-", "B31-1000")
"""Refused by the server under the view: what is no HTTP, says two lengths, or is too long in its head."""
JOINED = ("B24-two", "B24-two-that-make-one")
"""WSGI joins headers of one name, so that two signatures are one list: it holds what Stripe signed, or it does not."""
OF_AN_APPLICATION = ("B2-",)
"""Unknown URLs, which the application around a blueprint answers in its own words."""
TWO_SLASHES = ("B2-two-slashes",)
"""Flask's own server makes one slash of two before the view sees them."""
SCRIPT_NAME = "SCRIPT_NAME: /webhooks"
"""gunicorn trusts headers of a client on its own machine, which may be a proxy, about where the application is mounted."""


def rows(*prefixes: str, but: tuple[str, ...] = ()) -> list[Any]:
    """The rows whose numbers begin so, but for some."""
    return [row for row in ROWS if row.id.startswith(prefixes) and row.id not in but]


def all_but(*prefixes: str) -> list[Any]:
    """All rows but those whose numbers begin so."""
    return [row for row in ROWS if not row.id.startswith(prefixes)]


def quickest(receiver: RunningReceiver, request: Request | bytes) -> tuple[HttpAnswer, float]:
    """Ask until it takes less than a second, ten times at most; return the first answer and the least seconds.

    A busy machine holds up some of them. What is slow by itself is slow each time.
    """
    answers: list[HttpAnswer] = []
    seconds: list[float] = []
    while len(answers) < 10 and not any(one < 1 for one in seconds):
        begun = time.monotonic()
        answers.append(receiver.ask(request))
        seconds.append(time.monotonic() - begun)
    return answers[0], min(seconds)


class BlueprintContract:
    """Subclasses name the program that serves, and the address at which it takes webhooks."""

    program: ClassVar[tuple[str, ...]]
    address: ClassVar[str] = WEBHOOK_PATH
    times: ClassVar[int] = 1000
    """How often a request is sent where the table says "often"."""
    within_seconds: ClassVar[float] = 1
    """The time within which everything is answered, however long the request is."""

    @pytest.fixture(scope="class")
    @classmethod
    def receiver(
        cls, valkey_server: RunningServer[Valkey], tmp_path_factory: pytest.TempPathFactory
    ) -> Iterator[RunningReceiver]:
        """One receiver for all rows, in whose mailbox one event waits."""
        with redis.Redis.from_url(valkey_server.url) as client:
            client.flushall()
        secrets = f"{BEFORE.secret},{OLD_SECRET}"
        log = tmp_path_factory.mktemp("receiver") / "log"
        running = RunningReceiver(
            valkey_server.url, log, cls.program, start_from_nothing, STRIPE_WEBHOOK_SECRET=secrets
        )
        running.await_answer()
        assert running.ask(cls.at(BEFORE)).outcome == (200, "queued")
        yield running
        running.end()

    @pytest.fixture
    def untouched(self, receiver: RunningReceiver) -> Iterator[None]:
        """Check that nothing of the test is stored, and that the receiver keeps running."""
        before = receiver.stored()
        yield
        assert receiver.stored() == before
        assert receiver.get("/healthz").status == 200

    @classmethod
    def at(cls, request: Request) -> Request:
        """Return a request for the URL at which this receiver takes webhooks."""
        return replace(request, target=request.target.replace(WEBHOOK_PATH, cls.address))

    @pytest.mark.usefixtures("untouched")
    @pytest.mark.parametrize(
        ("request_", "status", "code"), all_but(*OF_THE_SERVER, *JOINED, *OF_AN_APPLICATION)
    )
    def test_it_is_refused_in_time_and_nothing_is_stored(
        self, receiver: RunningReceiver, request_: Request, status: int, code: str
    ) -> None:
        answer, seconds = quickest(receiver, self.at(request_))
        assert answer.error == (status, code)
        assert seconds < self.within_seconds

    @pytest.mark.parametrize(("id_", "body"), QUEUED_ROWS)
    def test_it_is_queued_in_time_byte_for_byte(
        self, receiver: RunningReceiver, id_: str, body: bytes
    ) -> None:
        answer, seconds = quickest(receiver, self.at(Request(body)))
        assert answer.json == {"status": "queued", "event": id_}
        assert seconds < self.within_seconds
        assert receiver.stored_body(id_) == body

    @pytest.mark.parametrize("name", NAMES)
    def test_recorded_payloads_are_answered_as_a_person_reads_them(
        self, receiver: RunningReceiver, name: str
    ) -> None:
        answer = receiver.ask(self.at(Request(posted(name))))
        assert answer.status == answer_to(name)[0], answer.body

    @pytest.mark.parametrize("name", NOT_OURS)
    def test_recorded_payloads_of_others_are_ignored(self, receiver: RunningReceiver, name: str) -> None:
        assert receiver.ask(self.at(Request(posted(name)))).outcome == answer_to(name)

    @pytest.mark.usefixtures("untouched")
    @pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "TRACE", "OPTIONS", "FOO"])
    def test_b1_other_methods_are_told_which_one_is_right(
        self, receiver: RunningReceiver, method: str
    ) -> None:
        answer = receiver.ask(self.at(replace(GOOD, method=method)))
        assert (answer.status, answer.headers["allow"]) == (405, "POST")

    def test_t12_a_chunked_event_is_queued_byte_for_byte(self, receiver: RunningReceiver) -> None:
        body = event_body("customer.updated", customer(), id_="evt_b6")
        sent = chunk(body[:100]) + chunk(body[100:]) + LAST_CHUNK
        assert receiver.ask(self.at(chunked(body, sent))).outcome == (200, "queued")
        assert receiver.stored_body("evt_b6") == body

    @pytest.mark.usefixtures("untouched")
    def test_b7_an_endless_chunked_body_is_refused_and_costs_no_more_than_the_longest_one(
        self, receiver: RunningReceiver
    ) -> None:
        before = receiver.memory_bytes()
        head = self.at(replace(GOOD, body=b"", length=None, headers=(CHUNKED,)))
        with receiver.connect() as connection:
            connection.send(head.wire())
            endless = b"fffffff\r\n" + bytes(4 * MAX_BODY_BYTES)
            sender = threading.Thread(target=connection.send, args=(endless,))
            sender.start()
            answer = connection.read()
            sender.join()
        assert answer
        assert answer.error == (413, "body_too_large")
        assert receiver.memory_bytes() < before + MAX_BODY_BYTES

    def test_b11_the_longest_body_is_queued(self, receiver: RunningReceiver) -> None:
        body = largest_event("evt_b11", Writing.ESCAPED_PAIRS)
        body += b" " * (MAX_BODY_BYTES - len(body))
        assert receiver.ask(self.at(Request(body))).outcome == (200, "queued")
        assert receiver.stored_body("evt_b11") == body

    @pytest.mark.usefixtures("untouched")
    def test_b14_a_body_that_ends_early_is_refused(self, receiver: RunningReceiver) -> None:
        with receiver.connect() as connection:
            connection.send(self.at(replace(GOOD, body=b"{}", length="50")).wire())
            connection.socket.shutdown(1)
            answer = connection.read()
        assert answer
        assert answer.error == (400, "body_incomplete")

    @pytest.mark.parametrize(
        "header",
        [
            pytest.param("X-Forwarded-For: 127.0.0.1", id="B22-for"),
            pytest.param("X-Forwarded-Host: evil.example", id="B22-host"),
            pytest.param("X-Forwarded-Proto: gopher", id="B22-proto"),
            pytest.param("PATH_INFO: /metrics", id="B22-path-info"),
            pytest.param("Forwarded: for=127.0.0.1;host=evil.example", id="B22-forwarded"),
        ],
    )
    def test_b22_forged_headers_change_nothing(self, receiver: RunningReceiver, header: str) -> None:
        answer = receiver.ask(self.at(replace(BEFORE, headers=(header,))))
        assert answer.outcome == (200, "duplicate")
        assert "evil" not in str(answer)

    def test_b22_another_host_changes_nothing(self, receiver: RunningReceiver) -> None:
        answer = receiver.ask(self.at(BEFORE).wire().replace(b"Host: localhost", b"Host: evil.example"))
        assert answer.outcome == (200, "duplicate")
        assert "evil" not in str(answer)

    @pytest.mark.usefixtures("untouched")
    def test_b23_a_flood_of_unsigned_requests_is_refused_and_logged_in_few_lines(
        self, receiver: RunningReceiver
    ) -> None:
        lines = len(receiver.lines("signature_refused"))
        answers = receiver.ask_often(self.at(replace(GOOD, signature=UNSIGNED)), self.times)
        assert {answer.status for answer in answers} == {400}
        assert len(receiver.lines("signature_refused")) - lines <= 2

    @pytest.mark.parametrize("age", [pytest.param(299, id="B33"), pytest.param(-299, id="B34")])
    def test_a_signature_just_inside_the_window_is_accepted(
        self, receiver: RunningReceiver, age: int
    ) -> None:
        assert receiver.ask(self.at(replace(BEFORE, age_seconds=age))).outcome == (200, "duplicate")

    def test_b35_the_old_secret_of_a_rotation_is_accepted(self, receiver: RunningReceiver) -> None:
        assert receiver.ask(self.at(replace(BEFORE, secret=OLD_SECRET))).outcome == (200, "duplicate")

    def test_b38_many_replays_are_one_event(self, receiver: RunningReceiver) -> None:
        waiting = receiver.waiting()
        answers = receiver.ask_often(self.at(event_request("evt_b38")), self.times)
        outcomes = [answer.outcome for answer in answers]
        assert outcomes == [(200, "queued")] + [(200, "duplicate")] * (self.times - 1)
        assert receiver.waiting() == waiting + 1

    @pytest.mark.usefixtures("untouched")
    def test_b50_a_megabyte_of_empty_objects_is_refused_in_time(self, receiver: RunningReceiver) -> None:
        answer, seconds = quickest(receiver, self.at(Request(b"[" + b"{}," * 349_000 + b"{}]")))
        assert answer.error == (400, "malformed")
        assert seconds < self.within_seconds

    @pytest.mark.usefixtures("untouched")
    @pytest.mark.parametrize("type_", [NOT_OURS_TYPE, "customer.source.updated", "no.such.type", "customer"])
    def test_b58_events_of_other_types_are_ignored(self, receiver: RunningReceiver, type_: str) -> None:
        body = event_body(type_, {"id": "ba_1", "object": "balance"}, id_="evt_never")
        assert receiver.ask(self.at(Request(body))).json == {"status": "ignored", "event": "evt_never"}

    @pytest.mark.usefixtures("untouched")
    @pytest.mark.parametrize(
        "fields",
        [
            pytest.param({"livemode": True}, id="B60-live"),
            pytest.param({"livemode": None}, id="B60-missing"),
            pytest.param({"account": "acct_1"}, id="B61"),
        ],
    )
    def test_events_of_others_are_ignored(self, receiver: RunningReceiver, fields: dict[str, Any]) -> None:
        body = event_body("customer.updated", customer(), id_="evt_never", **fields)
        assert receiver.ask(self.at(Request(body))).outcome == (200, "ignored")

    def test_b72_the_same_id_with_another_body_is_a_duplicate(self, receiver: RunningReceiver) -> None:
        first = event_body("customer.updated", customer(name="Ada"), id_="evt_b72")
        second = event_body("customer.updated", customer(name="Eve"), id_="evt_b72")
        assert receiver.ask(self.at(Request(first))).outcome == (200, "queued")
        assert receiver.ask(self.at(Request(second))).outcome == (200, "duplicate")
        assert receiver.stored_body("evt_b72") == first


class ReceiverContract(BlueprintContract):
    """A whole application, of which answers to unknown URLs, logs and metrics are tested, too."""

    @pytest.mark.usefixtures("untouched")
    @pytest.mark.parametrize(("request_", "status", "code"), rows(*OF_AN_APPLICATION, but=TWO_SLASHES))
    def test_what_is_at_no_address_is_refused(
        self, receiver: RunningReceiver, request_: Request, status: int, code: str
    ) -> None:
        assert receiver.ask(request_).error == (status, code)

    def test_b23_what_is_refused_is_counted(self, receiver: RunningReceiver) -> None:
        sample = 'cogento_webhook_requests_total{outcome="signature_invalid"}'
        before = receiver.metric(sample)
        receiver.ask_often(replace(GOOD, signature=UNSIGNED), 3)
        assert receiver.metric(sample) == before + 3

    def test_b35_events_are_counted_by_the_secret_that_signed(self, receiver: RunningReceiver) -> None:
        sample = 'cogento_signature_secret_matches_total{secret_index="1"}'
        before = receiver.metric(sample)
        assert receiver.ask(replace(BEFORE, secret=OLD_SECRET)).outcome == (200, "duplicate")
        assert receiver.metric(sample) == before + 1

    @pytest.mark.parametrize(
        ("fields", "alarm"),
        [
            pytest.param({"livemode": True}, "other_mode_fenced", id="B60"),
            pytest.param({"account": "acct_1"}, "other_account_fenced", id="B61"),
        ],
    )
    def test_events_of_others_are_logged(
        self, receiver: RunningReceiver, fields: dict[str, Any], alarm: str
    ) -> None:
        receiver.ask(Request(event_body("customer.updated", customer(), id_="evt_never", **fields)))
        assert receiver.lines(alarm)

    def test_b72_another_body_of_the_same_id_is_logged_and_counted(self, receiver: RunningReceiver) -> None:
        before = receiver.metric("cogento_webhook_conflicting_duplicates_total")
        changed = event_body("customer.updated", customer(name="Eve"), id_="evt_before")
        assert receiver.ask(Request(changed)).outcome == (200, "duplicate")
        assert receiver.lines("conflicting_duplicate_received")
        assert receiver.metric("cogento_webhook_conflicting_duplicates_total") == before + 1
