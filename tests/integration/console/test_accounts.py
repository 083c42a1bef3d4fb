"""The console and the commands of a deployment with several accounts: each page and each command is about one of them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import psycopg
import pytest
from click.testing import CliRunner
from werkzeug.test import Client

from cogento import runtime
from cogento.cli.main import main
from cogento.console.web.access import LocalAccess
from cogento.console.web.accounts import mounted
from cogento.console.web.composition import Exposure, compose
from cogento.database_schema import with_schema
from cogento.settings import ConsoleSettings
from cogento.store.store import Store
from tests.support.accounts import SCHEMAS, Accounts
from tests.support.builders import SECRET
from tests.support.listeners import Webhook, listening
from tests.support.store_letters import letter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from click.testing import Result

    from cogento.console.web.composition import AccountConsole

    Run = Callable[..., Result]
    OpenConsole = Callable[[tuple[str, ...]], Client]

NAMES = ("default", "eu", "us")
LOCAL = {"Host": "localhost"}


@pytest.fixture
def accounts(redis_url: str, accounts_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Accounts]:
    made = Accounts(redis_url, accounts_url, NAMES)
    environment = {
        "REDIS_URL": redis_url,
        "DATABASE_URL": accounts_url,
        "STRIPE_ACCOUNTS": ",".join(NAMES),
        "COGENTO_ACCOUNT": "",
        "STRIPE_WEBHOOK_SECRET": SECRET,
        "STRIPE_WEBHOOK_SECRET__EU": f"whsec_{'e' * 32}",
        "STRIPE_WEBHOOK_SECRET__US": f"whsec_{'u' * 32}",
    }
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    yield made
    made.close()


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    def run_for(*arguments: str) -> Result:
        monkeypatch.setenv("COGENTO_ACCOUNT", "")
        return CliRunner().invoke(main, arguments, prog_name="cogento")

    return run_for


@pytest.fixture
def open_console(accounts: Accounts) -> Iterator[OpenConsole]:
    """Open the pages of some of the accounts, after one poll of each."""
    opened: list[AccountConsole] = []

    def open_of(names: tuple[str, ...]) -> Client:
        consoles = compose(_settings(accounts, names), Exposure(8001, LocalAccess()))
        opened.extend(consoles)
        for one in consoles:
            one.poller.poll()
        return Client(mounted({one.settings.account: one.app for one in consoles}))

    yield open_of
    for one in opened:
        runtime.run(one.close())


@pytest.fixture
def console(open_console: OpenConsole) -> Client:
    return open_console(NAMES)


def _settings(accounts: Accounts, names: tuple[str, ...]) -> list[ConsoleSettings]:
    return [
        ConsoleSettings.model_validate(
            {
                "redis_url": accounts.redis_url,
                "database_url": accounts.database_url,
                "stripe_accounts": ",".join(names),
                "cogento_account": name,
                "database_schema": SCHEMAS[name],
            }
        )
        for name in names
    ]


def bury(accounts: Accounts, name: str) -> None:
    """Make one dead letter in an account's tables."""
    store = runtime.run(
        Store.open(with_schema(accounts.database_url, SCHEMAS[name]), pool_size=1, application_name="test")
    )
    runtime.run(store.insert_dead_letters([letter()]))
    runtime.run(store.close())


def test_each_page_says_whose_it_is_and_leads_to_the_others(console: Client) -> None:
    page = console.get("/accounts/eu/console/letters", headers=LOCAL).text
    assert "<title>Dead letters · Cogento · eu</title>" in page
    assert "Account <b>eu</b>" in page
    assert '<a href="/accounts/eu/console/letters" aria-current="true">eu</a>' in page
    assert '<a href="/accounts/us/console/letters">us</a>' in page
    assert '<a href="/console/letters">default</a>' in page


def test_links_of_an_accounts_pages_stay_with_it(console: Client) -> None:
    page = console.get("/accounts/eu/console", headers=LOCAL).text
    navigation = page.partition('<nav class="nav"')[2].partition("</nav>")[0]
    assert navigation.count('href="/accounts/eu/console') == navigation.count("href=") == 5


def test_pages_show_what_their_own_account_has_and_no_other(accounts: Accounts, console: Client) -> None:
    accounts.put("eu", "cus_eu")
    bury(accounts, "us")
    seen = {
        prefix: console.get(f"{prefix}/console/customers/cus_eu", headers=LOCAL).status_code
        for prefix in ("", "/accounts/eu", "/accounts/us")
    }
    letters = {
        prefix: console.get(f"{prefix}/console/letters/1", headers=LOCAL).status_code
        for prefix in ("", "/accounts/eu", "/accounts/us")
    }
    assert seen == {"": 404, "/accounts/eu": 200, "/accounts/us": 404}
    assert letters == {"": 404, "/accounts/eu": 404, "/accounts/us": 200}


@pytest.mark.parametrize("path", ["/accounts/asia/console", "/accounts/default/console"])
def test_nothing_is_at_an_address_of_no_account(console: Client, path: str) -> None:
    assert console.get(path, headers=LOCAL).status_code == 404


def test_without_an_account_called_default_the_first_ones_pages_are_shown(open_console: OpenConsole) -> None:
    console = open_console(("eu", "us"))
    answer = console.get("/", headers=LOCAL)
    assert (answer.status_code, answer.location) == (302, "/accounts/eu/console")
    assert console.get("/healthz", headers=LOCAL).status_code == 200


def test_metrics_are_those_of_all_accounts_by_their_names(accounts: Accounts, console: Client) -> None:
    text = console.get("/metrics", headers=LOCAL, environ_base={"REMOTE_ADDR": "127.0.0.1"}).text
    assert text.count("# TYPE cogento_up gauge") == 1
    assert [f'cogento_up{{account="{name}",dependency="postgres"}} 1.0' in text for name in NAMES] == [
        True,
        True,
        True,
    ]


def test_command_is_about_the_account_that_is_named(accounts: Accounts, run: Run) -> None:
    accounts.put("eu", "cus_eu")
    said = {name: json.loads(run("status", "--account", name, "--json").stdout) for name in NAMES}
    assert {name: one["waiting"] for name, one in said.items()} == {"default": 0, "eu": 1, "us": 0}


def test_command_about_one_of_several_accounts_needs_its_name(accounts: Accounts, run: Run) -> None:
    result = run("letters", "list")
    assert result.exit_code == 78
    assert "STRIPE_ACCOUNTS names default, eu, us" in result.stderr


def test_letter_of_one_account_cannot_be_retried_in_another(accounts: Accounts, run: Run) -> None:
    bury(accounts, "us")
    refused = run("letters", "retry", "--account", "eu", "1")
    assert refused.exit_code != 0
    assert [accounts.mailboxes[name].status().waiting for name in NAMES] == [0, 0, 0]
    assert run("letters", "retry", "--account", "us", "1").exit_code == 0
    assert [accounts.mailboxes[name].status().waiting for name in NAMES] == [0, 0, 1]


def test_pause_of_an_account_holds_no_other(accounts: Accounts, run: Run) -> None:
    assert run("pause", "--all", "--account", "eu").exit_code == 0
    assert [accounts.mailboxes[name].pause_of_everything() is not None for name in NAMES] == [
        False,
        True,
        False,
    ]


def test_migrate_brings_the_tables_of_all_accounts_up_to_date(accounts: Accounts, run: Run) -> None:
    with psycopg.connect(accounts.database_url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA stripe_eu, stripe_eu_internal CASCADE")
    result = run("migrate")
    assert result.exit_code == 0
    assert [line.partition(":")[0] for line in result.stdout.splitlines()] == list(NAMES)
    assert "eu: The tables went from revision none" in result.stdout
    assert accounts.emails("eu") == set()


def test_account_without_tables_says_so_and_the_others_are_well(
    accounts: Accounts, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    with psycopg.connect(accounts.database_url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA stripe_eu, stripe_eu_internal CASCADE")
    with listening(Webhook()) as webhook:
        monkeypatch.setenv("ALERT_WEBHOOK_URL", webhook.url)
        checked = {name: run("status", "--check", "--account", name).exit_code for name in NAMES}
    asked = {name: run("status", "--account", name) for name in NAMES}
    assert checked == {"default": 0, "eu": 2, "us": 0}
    assert {name: result.exit_code for name, result in asked.items()} == {"default": 0, "eu": 1, "us": 0}
    assert "Run `cogento migrate`" in asked["eu"].output
    assert [(one["deployment"], one["alert"]) for one in webhook.messages] == [
        ("Cogento eu test", "PostgreSQL")
    ]


def test_check_looks_at_each_account_and_says_whose_a_finding_is(accounts: Accounts, run: Run) -> None:
    with psycopg.connect(accounts.database_url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA stripe_eu, stripe_eu_internal CASCADE")
    said = json.loads(run("check", "--json", "--release").stdout)["accounts"]
    grades = {name: {one["subject"]: one["grade"] for one in found} for name, found in said.items()}
    assert list(grades) == list(NAMES)
    assert [grades[name].get("migrations") for name in ("default", "us")] == ["good", "good"]
    assert grades["eu"].get("migrations") != "good"


def test_readers_of_one_account_see_no_table_of_another(accounts: Accounts, run: Run) -> None:
    accounts.put("us")
    statements = run("roles-sql", "--worker", "w_all", "--console", "c_all").stdout
    try:
        with psycopg.connect(accounts.database_url, autocommit=True) as connection:
            connection.execute(statements.encode())
            may = {
                (role, schema): connection.execute(
                    "SELECT has_table_privilege(%s, %s, 'SELECT')", (role, f"{schema}.users")
                ).fetchall()[0][0]
                for role in ("w_all", "c_all", "cogento_reader_eu", "cogento_reader_us")
                for schema in ("public", "stripe_eu", "stripe_us")
            }
    finally:
        with psycopg.connect(accounts.database_url, autocommit=True) as connection:
            roles = "w_all, c_all, cogento_reader, cogento_reader_eu, cogento_reader_us"
            connection.execute(f"DROP OWNED BY {roles}".encode())
            connection.execute("DROP ROLE w_all, c_all, cogento_reader_eu, cogento_reader_us")
    assert [allowed for (role, _), allowed in may.items() if role in {"w_all", "c_all"}] == [True] * 6
    assert [allowed for (role, _), allowed in may.items() if role == "cogento_reader_eu"] == [
        False,
        True,
        False,
    ]
    assert [allowed for (role, _), allowed in may.items() if role == "cogento_reader_us"] == [
        False,
        False,
        True,
    ]
