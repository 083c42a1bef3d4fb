"""Each command for one of several accounts: it does its work there, and no other account's rows, events or progress change."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg
import pytest
import redis
from click.testing import CliRunner

from cogento import runtime
from cogento.cli.main import COMMANDS, OF_ALL_ACCOUNTS, main
from cogento.console import check
from cogento.console.findings import good
from cogento.database_schema import internal_schema, with_schema
from cogento.events.names import CustomerId
from cogento.local.stripe.api import of_several_accounts
from cogento.local.stripe.http_server import serving
from cogento.queue.claims import Settlement
from cogento.reconcile import verify, verify_customer
from cogento.store.migrate import migrate
from cogento.store.store import Store
from tests.support import builders
from tests.support.accounts import SCHEMAS, Accounts
from tests.support.builders import NOW, SECRET
from tests.support.listeners import Webhook, listening
from tests.support.mailbox_builders import claim
from tests.support.policies import change
from tests.support.simulated_stripe import SimulatedStripe
from tests.support.store_deliveries import delivery
from tests.support.store_letters import letter
from tests.support.stripe_histories import lived

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from click.testing import Result

    from cogento.local.valkey import Valkey
    from cogento.store.dead_letters import DeadLetter
    from tests.support.databases import Administration
    from tests.support.servers import RunningServer

    Run = Callable[..., Result]

NAMES = ("default", "eu", "us")
KEYS = {name: f"rk_test_{name}" for name in NAMES}
EU, OTHERS = "eu", ("default", "us")
TABLES = """
SELECT oid::regclass::text FROM pg_class
WHERE relnamespace::regnamespace::text = ANY (%s) AND relkind = 'r'
ORDER BY 1
"""
OF_ALL = {*OF_ALL_ACCOUNTS, "migrate", "check", "roles-sql", "send"}
"""What is about all accounts where none is chosen; `send` says itself what it does then (test_send.py)."""


pytestmark = pytest.mark.filterwarnings(
    "ignore:Use 'content=:DeprecationWarning"
)  # of Stripe's SDK, in a POST


@dataclass(frozen=True)
class World:
    """Three accounts that have everything under the same ids, and the account at Stripe that each one's key leads to."""

    accounts: Accounts
    stripes: Mapping[str, SimulatedStripe]
    stripe_url: str

    def of(self, account: str) -> dict[str, object]:
        """Return everything that is kept for an account, by table and by key, and how often Stripe was asked for it."""
        prefix = "{cogento:" if account == "default" else f"{{cogento:{account}:"
        return {
            **_rows(self.accounts.database_url, SCHEMAS[account]),
            **_keys(self.accounts.redis_url, prefix),
            "asked": self.stripes[account].requests,
        }


def _rows(database_url: str, schema: str) -> dict[str, object]:
    with psycopg.connect(database_url) as connection:
        tables = connection.execute(TABLES, [[schema, internal_schema(schema)]]).fetchall()
        return {
            table: connection.execute(
                f"SELECT array_agg(t::text ORDER BY t::text) FROM {table} t".encode()
            ).fetchone()
            for (table,) in tables
        }


def _keys(redis_url: str, prefix: str) -> dict[str, object]:
    """What is kept below a prefix; of the account without a name what begins with a number."""
    with redis.Redis.from_url(redis_url) as client:
        names = sorted(client.scan_iter(f"{prefix}[0-9]*"))
        return {name.decode(): client.dump(name) for name in names}


@pytest.fixture(scope="module")
def world(
    valkey_server: RunningServer[Valkey], administration: Administration, accounts_template: str
) -> Iterator[World]:
    with redis.Redis.from_url(valkey_server.url) as client:
        client.flushall()
    for url in administration.lend(template=accounts_template):
        accounts = Accounts(valkey_server.url, url, NAMES)
        stripes = {
            name: SimulatedStripe(lived(steps=20, seed=seed, population=5), api_key=KEYS[name])
            for seed, name in enumerate(NAMES)
        }
        one_address = serving(of_several_accounts([one.api for one in stripes.values()]))
        stripe_url = runtime.run(one_address.__aenter__())
        for name in NAMES:
            migrate(with_schema(url, SCHEMAS[name]), changes=True)
            _fill(accounts, name)
        yield World(accounts, stripes, stripe_url)
        runtime.run(one_address.__aexit__(None, None, None))
        for one in stripes.values():
            one.close()
        accounts.close()


def _fill(accounts: Accounts, name: str) -> None:
    """Fill an account with rows, changes, a ledger, dead letters and waiting events, under the same ids as the others."""
    store = runtime.run(
        Store.open(with_schema(accounts.database_url, SCHEMAS[name]), pool_size=1, application_name="test")
    )
    for number in (1, 2):
        known = builders.customer(f"cus_{number}", name=f"Ada of {name}", email=f"{number}@{name}.example")
        applied = delivery("customer.created", known, id_=f"evt_a{number}", created=NOW)
        runtime.run(store.apply([applied]))
    runtime.run(store.insert_dead_letters([_letter(f"d{number}") for number in (1, 2, 3)]))
    runtime.run(store.sweeps.advance(NOW))
    runtime.run(store.close())
    mailboxes = accounts.mailboxes[name]
    accounts.put(name, "cus_3", id_="evt_w3")
    claimed = claim(mailboxes)
    later = mailboxes.now_ms() + 3600_000
    mailboxes.settle(claimed, [Settlement(CustomerId("cus_3"), postponed_until_ms=later)])
    for number in (1, 2):
        accounts.put(name, f"cus_{number}", id_=f"evt_w{number}")


def _letter(event: str) -> DeadLetter:
    body = builders.event_body("customer.updated", builders.customer("cus_1"), id_=f"evt_{event}")
    return letter(event, raw_body=body)


@pytest.fixture
def run(world: World, monkeypatch: pytest.MonkeyPatch) -> Run:
    environment = {
        "REDIS_URL": world.accounts.redis_url,
        "DATABASE_URL": world.accounts.database_url,
        "STRIPE_ACCOUNTS": ",".join(NAMES),
        "STRIPE_API_BASE": world.stripe_url,
        "STRIPE_API_KEY": KEYS["default"],
        "STRIPE_API_KEY__EU": KEYS["eu"],
        "STRIPE_API_KEY__US": KEYS["us"],
        "STRIPE_WEBHOOK_SECRET": SECRET,
        "STRIPE_WEBHOOK_SECRET__EU": f"whsec_{'e' * 32}",
        "STRIPE_WEBHOOK_SECRET__US": f"whsec_{'u' * 32}",
        "STRIPE_REQUESTS_PER_SECOND": "1000",
        "COGENTO_ACCOUNT": "",
    }
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    for module in (verify, verify_customer):
        change(monkeypatch, module, "VERIFY", settle_seconds=0.0)

    def run_for(*arguments: str) -> Result:
        monkeypatch.setenv("COGENTO_ACCOUNT", "")
        return CliRunner().invoke(main, arguments, prog_name="cogento")

    return run_for


LOOKING = {
    "status": "waiting",
    "explain cus_1": "Ada of eu",
    "waiting": "cus_3",
    "letters list": "customer.updated",
    "letters show evt_d3": "evt_d3",
    "letters export --format csv -": "evt_d3",
    "letters operations": "",
    "changes": "cus_1",
    "roles list": "",
}
"""Commands that change nothing, and what each says among other things."""
DOING = {
    "letters retry 1": "Requeued 1 of 1",
    "letters discard 2 --why gone, letters reopen 2 --why again": "Reopened 1 of 1",
    "pause cus_1, resume cus_1, pause cus_1": "Paused cus_1",
    "try-now cus_3": "are tried now",
    "roles grant 1@eu.example admin, roles revoke 1@eu.example admin": "admin",
    "endpoint create https://example.com, endpoint show": "/webhooks/stripe/eu",
    "forget cus_2 --yes": "Erased of cus_2",
    "backfill": "customers",
    "verify": "compared",
    "verify cus_1 --repair": "cus_1",
    "sweep": "listed",
}
"""Commands that change something, one after the other, and what the last says among other things."""


@pytest.mark.parametrize("line", LOOKING)
def test_command_that_looks_shows_its_own_account_and_changes_nothing(
    world: World, run: Run, line: str
) -> None:
    before = {name: world.of(name) for name in OTHERS}
    result = run(*line.split(), "--account", EU)
    assert (result.exit_code, LOOKING[line] in result.output) == (0, True), result.output
    assert {name: world.of(name) for name in OTHERS} == before


@pytest.mark.parametrize("lines", DOING)
def test_command_that_does_something_does_it_in_its_own_account_alone(
    world: World, run: Run, lines: str
) -> None:
    own, before = world.of(EU), {name: world.of(name) for name in OTHERS}
    results = [run(*line.split(), "--account", EU) for line in lines.split(", ")]
    assert DOING[lines] in results[-1].output
    assert {result.exit_code for result in results} <= {0, 3, 4}
    assert {name: world.of(name) for name in OTHERS} == before
    assert world.of(EU) != own


def test_each_command_about_one_account_is_tried() -> None:
    tried = {line.split()[0] for lines in (*LOOKING, *DOING) for line in lines.split(", ")}
    assert tried == COMMANDS.keys() - OF_ALL - {"adopt"}


def test_command_that_names_none_of_several_accounts_lists_them_and_does_nothing(
    world: World, run: Run
) -> None:
    before = {name: world.of(name) for name in NAMES}
    results = {line: run(*line.split()) for lines in (*LOOKING, *DOING) for line in lines.split(", ")}
    assert {(result.exit_code, result.stdout) for result in results.values()} == {(78, "")}
    assert {result.stderr for result in results.values()} == {
        "cogento: no account is chosen: give --account NAME, or set COGENTO_ACCOUNT. STRIPE_ACCOUNTS names default, eu, us\n"
    }
    assert {name: world.of(name) for name in NAMES} == before


def test_monitor_that_names_no_account_learns_that_nothing_is_known(run: Run) -> None:
    result = run("status", "--check")
    assert (result.exit_code, "STRIPE_ACCOUNTS names default, eu, us" in result.stderr) == (3, True)


def test_alert_of_one_account_names_it_and_silences_no_other(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    with listening(Webhook()) as webhook:
        monkeypatch.setenv("ALERT_WEBHOOK_URL", webhook.url)
        codes = [run("status", "--check", "--account", name).exit_code for name in ("eu", "eu", "us")]
    assert codes == [2, 2, 2]
    told = [(one["deployment"], one["alert"]) for one in webhook.messages if one["alert"] == "no worker"]
    assert told == [("Cogento eu test", "no worker"), ("Cogento us test", "no worker")]


@pytest.mark.parametrize("line", ["backfill", "verify", "sweep", "endpoint show"])
def test_account_without_a_key_is_told_which_variable_it_lacks(
    world: World, run: Run, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    monkeypatch.delenv("STRIPE_API_KEY__EU")
    asked = {name: world.stripes[name].requests for name in NAMES}
    result = run(*line.split(), "--account", EU)
    assert (result.exit_code, "set STRIPE_API_KEY__EU" in result.stderr) == (78, True)
    assert {name: world.stripes[name].requests for name in NAMES} == asked


@pytest.mark.parametrize("line", ["backfill", "verify", "sweep"])
def test_account_whose_key_is_refused_ends_with_78_and_the_others_go_on(
    world: World, run: Run, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    with redis.Redis.from_url(world.accounts.redis_url) as client:
        client.delete("{cogento:eu:0}:pace")
    monkeypatch.setenv("STRIPE_API_KEY__EU", "rk_test_revoked")
    refused, again = (run(*line.split(), "--account", EU) for _ in range(2))
    assert (refused.exit_code, "Stripe refuses STRIPE_API_KEY__EU" in refused.stderr) == (78, True)
    assert (again.exit_code, "refused STRIPE_API_KEY__EU less than" in again.stderr) == (78, True)
    asked = world.stripes["us"].requests
    run(*line.split(), "--account", "us")
    assert world.stripes["us"].requests > asked
    told = {name: json.loads(run("status", "--json", "--account", name).stdout) for name in NAMES}
    assert {name: one["key_refused"] for name, one in told.items()} == {
        "default": False,
        "eu": True,
        "us": False,
    }


def test_accounts_that_share_a_schema_are_found_by_check(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "_check_receiver", lambda: good("receiver", "not asked"))
    monkeypatch.setenv("DATABASE_SCHEMA__US", SCHEMAS["eu"])
    found = json.loads(run("check", "--json").stdout)["accounts"]
    wrong = {
        name: [one["text"] for one in said if one["subject"] == "settings" and one["grade"] == "bad"]
        for name, said in found.items()
    }
    assert (wrong["default"], wrong["eu"]) == ([], [])
    assert wrong["us"] == [
        "DATABASE_SCHEMA__US is not usable: DATABASE_SCHEMA__EU has the same, and no two accounts share it (worker, console)"
    ]
