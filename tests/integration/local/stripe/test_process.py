"""The simulated Stripe as a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from cogento.local.stripe.truth import read_truth

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[4]
TIMEOUT_SECONDS = 20


class Simulated:
    """A running simulation, spoken to through its control endpoints."""

    def __init__(self, process: subprocess.Popen[str], ready: dict[str, Any]) -> None:
        self.process = process
        self.ready = ready

    def of(self, account: str) -> Simulated:
        """The same as one of its accounts controls it."""
        return Simulated(
            self.process, {**self.ready, "control_url": f"{self.ready['control_url']}/{account}"}
        )

    def customers(self, key: str) -> set[str]:
        """The ids of the customers of the account that a key leads to, the newest ten."""
        asked = Request(f"{self.ready['api_url']}/v1/customers", headers={"Authorization": f"Bearer {key}"})
        with urlopen(asked, timeout=TIMEOUT_SECONDS) as answer:
            return {one["id"] for one in json.load(answer)["data"]}

    def get(self, what: str) -> bytes:
        """Ask for truth, history or counters."""
        with urlopen(f"{self.ready['control_url']}/{what}", timeout=TIMEOUT_SECONDS) as answer:
            content: bytes = answer.read()
            return content

    def post(self, what: str, **body: Any) -> dict[str, Any]:
        """Change something; answers the counters."""
        counters: dict[str, Any] = json.loads(self.ask(what, **body))
        return counters

    def ask(self, what: str, **body: Any) -> bytes:
        """Ask for something about what the body names."""
        request = Request(f"{self.ready['control_url']}/{what}", json.dumps(body).encode(), method="POST")
        with urlopen(request, timeout=TIMEOUT_SECONDS) as answer:
            content: bytes = answer.read()
            return content


@contextmanager
def simulated(*options: str) -> Iterator[Simulated]:
    environment = {name: value for name, value in os.environ.items() if name != "STRIPE_WEBHOOK_SECRET"}
    command = [sys.executable, "-m", "cogento.local.stripe", *options]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield Simulated(process, json.loads(process.stdout.readline()))
        finally:
            process.kill()


def test_it_says_where_it_is_and_ends_cleanly_when_asked(tmp_path: Path) -> None:
    ready_file = tmp_path / "stripe.json"
    with simulated("--rate", "50", "--ready-file", str(ready_file)) as running:
        assert json.loads(ready_file.read_text()) == running.ready
        assert running.ready["pid"] == running.process.pid
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(TIMEOUT_SECONDS) == 0


def test_webhooks_that_are_refused_stay_outstanding() -> None:
    """Another simulation stands in for the receiver: it answers 401."""
    with (
        simulated("--rate", "0") as other,
        simulated(
            *("--webhook", other.ready["api_url"], "--secret", "whsec_x", "--rate", "0", "--window", "0")
        ) as running,
    ):
        counters = running.post("happen", events=20)
        drained = running.post("drain", timeout_seconds=0.2)
    assert counters["events"] >= 20
    assert (drained["drained"], drained["accepted_events"]) == (False, 0)
    assert set(drained["answers"]) == {"401"}


def test_the_truth_can_be_asked_for_while_it_lives() -> None:
    with simulated("--rate", "0") as running:
        counters = running.post("happen", events=200)
        known = read_truth(running.get("truth"))
    assert len([one for one in known.users if not one.deleted]) == counters["customers"]


def test_without_an_endpoint_every_event_is_lost() -> None:
    with simulated("--rate", "0") as running:
        counters = running.post("happen", events=20)
    assert counters["lost_events"] == counters["events"]


def test_an_objects_events_and_the_truth_by_some_of_them_can_be_asked_for() -> None:
    with simulated("--rate", "0") as running:
        running.post("happen", events=200)
        customer_id = json.loads(running.get("lost"))[0]
        events = [json.loads(line) for line in running.ask("events", objects=[customer_id]).splitlines()]
        nothing_told = read_truth(running.ask("truth", told={customer_id: []}))
    objects = [event["data"]["object"] for event in events]
    assert {object_.get("customer", object_["id"]) for object_ in objects} == {customer_id}
    assert events[0]["type"] == "customer.created"
    assert customer_id not in {one.stripe_customer_id for one in nothing_told.users}


def test_customers_can_be_there_from_the_start_without_events() -> None:
    with simulated("--rate", "0", "--existing", "50") as running:
        counters = json.loads(running.get("counters"))
    assert (counters["customers"], counters["events"]) == (50, 0)


def test_its_life_can_be_stopped() -> None:
    with simulated("--rate", "500") as running:
        stopped = running.post("stop")
        later = running.post("rate", events_per_second=1000)
    assert later["events"] == stopped["events"]


def test_faults_can_be_put_in_force_and_lifted() -> None:
    with simulated("--rate", "0") as running:
        url = f"{running.ready['api_url']}/v1/customers"
        asked = Request(url, headers={"Authorization": "Bearer sk_test_simulated"})
        body = json.dumps([{"kind": "unavailable", "times": 1}]).encode()
        with urlopen(Request(f"{running.ready['control_url']}/faults", body)) as answer:
            assert answer.status == 200
        with pytest.raises(HTTPError) as refused:
            urlopen(asked)
        refused.value.close()
        with urlopen(asked) as answer:
            assert json.load(answer)["object"] == "list"
    assert refused.value.code == 503


@pytest.mark.parametrize(
    ("what", "body", "status"),
    [("rate", b'{"speed": 1}', 400), ("rate", b"nonsense", 400), ("dance", b"{}", 404)],
)
def test_a_control_request_that_makes_no_sense_is_refused(what: str, body: bytes, status: int) -> None:
    with simulated("--rate", "0") as running:
        with pytest.raises(HTTPError) as refused:
            urlopen(Request(f"{running.ready['control_url']}/{what}", body))
        refused.value.close()
    assert refused.value.code == status


def test_webhooks_without_a_secret_are_refused_at_the_start() -> None:
    command = [sys.executable, "-m", "cogento.local.stripe", "--webhook", "http://127.0.0.1:9"]
    ended = subprocess.run(command, cwd=ROOT, env={}, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "--secret" in ended.stderr


TWO = ("--accounts", "default,shop2", "--rate", "0")


def test_each_account_has_a_history_of_its_own_behind_its_key() -> None:
    with simulated(*TWO) as running:
        shop2 = running.of("shop2")
        shop2.post("happen", events=50)
        alone = running.customers("sk_test_simulated"), running.customers("sk_test_simulated_shop2")
        running.post("happen", events=50)
        default = running.customers("sk_test_simulated")
        known = read_truth(shop2.get("truth"))
    assert alone[0] == set()
    assert alone[1] <= {one.stripe_customer_id for one in known.users}
    assert (len(default) > 3, len(alone[1]) > 3, default & alone[1]) == (True, True, set())


def test_faults_of_one_account_are_no_others() -> None:
    with simulated(*TWO) as running:
        body = json.dumps([{"kind": "unavailable"}]).encode()
        with urlopen(Request(f"{running.of('shop2').ready['control_url']}/faults", body)) as answer:
            assert answer.status == 200
        assert running.customers("sk_test_simulated") == set()
        with pytest.raises(HTTPError) as refused:
            running.customers("sk_test_simulated_shop2")
        refused.value.close()
    assert refused.value.code == 503


def test_account_that_is_not_simulated_can_not_be_controlled() -> None:
    with simulated(*TWO) as running:
        with pytest.raises(HTTPError) as refused:
            running.of("shop3").get("truth")
        refused.value.close()
    assert refused.value.code == 404


def test_accounts_share_the_rate() -> None:
    with simulated("--accounts", "default,shop2", "--rate", "0.5") as running:
        counters = [json.loads(one.get("counters")) for one in (running, running.of("shop2"))]
    assert [one["events_per_second"] for one in counters] == [0.25, 0.25]


def test_account_without_a_secret_of_its_own_is_refused_at_the_start() -> None:
    command = [sys.executable, "-m", "cogento.local.stripe", "--webhook", "http://127.0.0.1:9", *TWO]
    environment = {"STRIPE_WEBHOOK_SECRET": "whsec_default"}
    ended = subprocess.run(
        command,
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_SECONDS,
    )
    assert ended.returncode == 2
    assert "STRIPE_WEBHOOK_SECRET__SHOP2" in ended.stderr
