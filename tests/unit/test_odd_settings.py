"""Whatever a setting's value: it is accepted, and every client reads it in the same way, or it is refused in one line that quotes nothing."""

from __future__ import annotations

import contextlib
import io
import string
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

import pytest
import sentry_sdk.utils
from asyncpg.connect_utils import _parse_connect_dsn_and_args
from hypothesis import HealthCheck, assume, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from kombu.utils.url import parse_url as read_as_celery
from psycopg.conninfo import conninfo_to_dict
from redis.connection import parse_url

from cogento.settings import (
    EX_CONFIG,
    ConsoleSettings,
    DatabaseSettings,
    MailboxSettings,
    ReceiverSettings,
    ReconcileSettings,
    WorkerSettings,
    load,
)
from cogento.urls import UnusableUrlError, http_url, postgres_url, redis_url
from tests.support.builders import SECRET

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic_settings import BaseSettings

CANARY = "Xpw7canary"
KINDS = (
    MailboxSettings,
    DatabaseSettings,
    ReceiverSettings,
    WorkerSettings,
    ReconcileSettings,
    ConsoleSettings,
)
USUAL = {
    "redis_url": "redis://127.0.0.1:1/0",
    "database_url": "postgresql://u@127.0.0.1:1/x",
    "stripe_webhook_secret": SECRET,
}
FIELDS = {field: kind for kind in KINDS for field in kind.model_fields}

characters = st.characters() | st.sampled_from("/@:?#%[]&=;,\\ \n\t\0\x7f\u2028é🙂\udc80\ud800'\"<>`{}|^+$")
pieces = st.text(characters, max_size=12)
odd_numbers = st.sampled_from(
    [
        "0",
        "-1",
        "65536",
        "1e3",
        "0x1f",
        " 1",
        "1 ",
        "+1",
        "NaN",
        "inf",
        "\u0661",
        "1_0",
        "9" * 30,
        "9" * 5000,
        "true",
        "",
    ]
)
hosts = st.sampled_from(
    [
        "h",
        "",
        "::1",
        "[::1]",
        "[::1",
        "[h]",
        "[fe80::1%25eth0]",
        "h,h2",
        "h:",
        ".",
        "a" * 300,
        "é",
        "%2Ftmp",
        "h h",
    ]
) | st.text(string.ascii_letters + ".-_%[]:", max_size=10)
ports = st.sampled_from(["", ":", ":0", ":65536", ":-1", ":x", ":6379", ":5432", ":" + "9" * 20, ":6379:1"])
schemes = st.sampled_from(
    ["redis", "rediss", "unix", "postgres", "postgresql", "http", "https", "", "mysql", "REDIS"]
)
queries = st.sampled_from(
    [
        "",
        "?",
        "?db=1",
        "?schema=public",
        "?pgbouncer=true",
        "?sslmode=require",
        "?sslmode=never",
        "?sslrootcert=system",
        "?sslrootcert=/nowhere",
        "?sslrootcert=/",
        "?sslmode=verify-full",
        "?connection_limit=5",
        "?application_name=mine",
        "?options=-csearch_path%3Dx",
        "?connect_timeout=soon",
        "?timezone=nowhere",
        "?ssl_cert_reqs=perhaps",
        "?ssl_cert_reqs=none",
        "?socket_timeout=x",
        "?host=/tmp",
        "?host=a,b&port=1,2",
        "?port=x",
        "?a",
        "?=b",
        "?a=%zz",
    ]
)


@st.composite
def good_urls(draw: st.DrawFn, scheme: str, path: str) -> str:
    """A URL that is right, with anything for a password, escaped."""
    password = draw(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12))
    host = draw(st.sampled_from(["h", "[::1]", "a-b.example.com", "127.0.0.1"]))
    port = draw(st.sampled_from(["", ":1", ":65535", ":6379"]))
    return f"{scheme}://u:{quote(password, safe='')}{CANARY}@{host}{port}{path}"


@st.composite
def urls(draw: st.DrawFn) -> str:
    """A URL with the canary in its password, as people write them and as they do not."""
    login = draw(pieces) + ":" + draw(pieces) + CANARY + draw(pieces)
    login = draw(st.sampled_from([login, quote(login.encode(errors="replace"), safe=":")]))
    path = draw(
        st.sampled_from(["", "/", "/0", "/16", "/x", "/a/b", "/-1", "/1.5"]) | pieces.map("/{}".format)
    )
    return f"{draw(schemes)}://{login}@{draw(hosts)}{draw(ports)}{path}{draw(queries)}"


odd_values = odd_numbers | urls() | st.tuples(pieces, pieces).map(f"{CANARY}".join) | st.just("x" * 100_000)


def said_of(kind: type[BaseSettings], **given_: str) -> tuple[BaseSettings | int | str | None, str]:
    """Load settings; returns them, or the exit code, and what was said."""
    said = io.StringIO()
    with contextlib.redirect_stderr(said):
        try:
            return load(kind, **{**USUAL, **given_}), said.getvalue()
        except SystemExit as refused:
            return refused.code, said.getvalue()


@pytest.mark.parametrize("field", sorted(FIELDS.keys() - {"stripe_accounts"}))
@examples(max_examples=30)
@given(value=odd_values)
def test_a4_any_value_of_any_setting_is_taken_or_refused_in_a_line_without_it(field: str, value: str) -> None:
    result, said = said_of(FIELDS[field], **{field: value})
    lines = said.splitlines()
    assert result == EX_CONFIG or not lines
    assert all(line.startswith(f"cogento: {field.upper()} is not usable: ") for line in lines)
    assert len(lines) <= 1
    assert CANARY not in said


@examples(max_examples=30)
@given(value=odd_values)
def test_any_value_of_the_accounts_is_taken_or_refused_in_a_line_without_it(value: str) -> None:
    result, said = said_of(MailboxSettings, stripe_accounts=value)
    assert result == EX_CONFIG or not said
    assert len(said.splitlines()) <= 1
    assert CANARY not in said


ASYNCPG = (
    "dsn",
    "host",
    "port",
    "user",
    "password",
    "passfile",
    "database",
    "ssl",
    "service",
    "servicefile",
    "direct_tls",
    "server_settings",
    "target_session_attrs",
    "krbsrvname",
    "gsslib",
)


def as_asyncpg(url: str) -> tuple[Any, Any]:
    """The addresses and the parameters that asyncpg makes of a judged URL."""
    addresses, parameters = _parse_connect_dsn_and_args(**{**dict.fromkeys(ASYNCPG), "dsn": url})
    return addresses, parameters


def read_as_redis_py(url: str) -> dict[str, Any]:
    """The connection's arguments that redis-py makes of a URL."""
    arguments: dict[str, Any] = parse_url(url)  # type: ignore[no-untyped-call]
    return arguments


def judged_by(judge: Callable[[str], str], url: str) -> str:
    """The URL as it is taken, or nothing where it is refused."""
    try:
        return judge(url)
    except UnusableUrlError:
        return ""


@examples(max_examples=100, suppress_health_check=[HealthCheck.filter_too_much])
@given(url=urls() | good_urls("postgresql", "/x"))
def test_t21_a_postgres_url_that_is_taken_means_the_same_to_asyncpg_and_to_libpq_tools(url: str) -> None:
    judged = judged_by(postgres_url, url)
    assume(judged)
    addresses, one = as_asyncpg(judged)
    other = conninfo_to_dict(judged)
    assert (one.user, one.password) == (other.get("user", one.user), other.get("password"))
    assert (one.database or one.user) == (other.get("dbname") or one.user)
    # Where no host is named each driver looks in the usual places of its own.
    assert "host" not in other or len(addresses) == len(str(other["host"]).split(","))


def test_t21_what_libpq_alone_knows_is_taken_and_not_handed_to_asyncpg() -> None:
    judged = postgres_url(
        "postgresql://u@h/x?channel_binding=require&connect_timeout=5&keepalives=1&gssencmode=disable"
    )

    _, parameters = as_asyncpg(judged)

    assert not parameters.server_settings


@examples(max_examples=100, suppress_health_check=[HealthCheck.filter_too_much])
@given(url=urls() | good_urls("redis", "/7") | good_urls("rediss", "/"))
def test_a4_a_redis_url_that_is_taken_means_the_same_to_both_clients(url: str) -> None:
    judged = judged_by(lambda text: redis_url(text, verify="required"), url)
    assume(judged)
    one, other = read_as_redis_py(judged), read_as_celery(judged)
    assert (one.get("username"), one.get("password")) == (other["userid"], other["password"])
    assert (one.get("host"), one.get("port")) == (other["hostname"], other["port"])
    assert one.get("db", 0) == int(other["virtual_host"] or 0)
    assert ";" not in judged  # Celery would take it for two brokers


@pytest.mark.parametrize("character", ["/", "?", "#", "@", "[", "]", "%"])
@pytest.mark.parametrize(
    ("judge", "url"),
    [
        (postgres_url, "postgresql://u:X{}7@h/x"),
        (postgres_url, "postgresql://u:12{}7@h/x"),
        (postgres_url, "postgresql://u{}1:7@h/x"),
        (lambda text: redis_url(text, verify="none"), "redis://:X{}7@h/0"),
        (lambda text: redis_url(text, verify="none"), "redis://:12{}7@h/0"),
        (http_url, "https://k{}y@h/1"),
    ],
)
def test_a4_what_would_cut_a_password_is_refused_and_taken_when_it_is_escaped(
    judge: Any, url: str, character: str
) -> None:
    with pytest.raises(UnusableUrlError):
        judge(url.format(character))
    assert judge is http_url or judge(url.format(quote(character, safe="")))


@pytest.mark.parametrize("password", ["a;b", "a:b", "ü", "a+b", "%25", "a%2Fb", "a%20b", "$x", "a&b=c", "~"])
def test_a_password_reaches_every_client_as_it_was_meant(password: str) -> None:
    meant = unquote(password)
    judged = redis_url(f"redis://:{password}@h/0", verify="none")
    assert {read_as_redis_py(judged)["password"], read_as_celery(judged)["password"]} == {meant}
    judged = postgres_url(f"postgresql://u:{password}@h/x")
    assert conninfo_to_dict(judged)["password"] == meant
    _, one = as_asyncpg(judged)
    assert one.password == meant


@pytest.mark.parametrize(
    ("url", "named"),
    [
        ("postgresql://h/x?schema=public", "DATABASE_SCHEMA"),
        ("postgresql://h/x?pgbouncer=true", "pgbouncer"),
        ("postgresql://h/x?connection_limit=5", "connection_limit"),
        ("postgresql://h/x?pool_timeout=5", "pool_timeout"),
        ("postgresql://h/x?sslmode=no-verify", "sslmode"),
        ("postgresql://h/x?sslrootcert=/nowhere", "sslrootcert"),
        ("postgresql://h/x?sslmode=verify-full", "sslrootcert"),
        ("postgresql://h/x?sslmode=require&sslrootcert=system", "sslrootcert"),
        ("postgresql://h/x?connect_timeout=soon", "connect_timeout"),
        ("postgresql://h/x?statement_timeout=5s", "statement_timeout"),
        ("postgresql://h/x?port=70000", "port"),
        ("postgresql://h/x?sslnegotiation=direct", "sslnegotiation"),
    ],
)
def test_t21_a_parameter_that_cannot_be_used_is_named(
    url: str, named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/nonexistent")
    with pytest.raises(UnusableUrlError, match=rf"\b{named}\b"):
        postgres_url(url)


@pytest.mark.parametrize(
    "query",
    [
        "sslmode=require",
        "sslmode=prefer&connect_timeout=5",
        "channel_binding=require&sslmode=require",
        "application_name=mine",
        "options=-csearch_path%3Dmine",
        "target_session_attrs=read-write",
        "sslrootcert=system",
        "keepalives=1&keepalives_idle=30",
    ],
)
def test_t21_a_parameter_that_both_drivers_can_work_with_is_taken(query: str) -> None:
    judged = postgres_url(f"postgresql://u:p@h/x?{query}")
    assert conninfo_to_dict(judged)["password"] == "p"
    as_asyncpg(judged)


def test_t21_a_folder_of_sockets_is_taken_where_no_host_is_named() -> None:
    addresses, _ = as_asyncpg(postgres_url("postgresql://u@/x?host=/tmp"))
    assert addresses == ["/tmp/.s.PGSQL.5432"]


@pytest.mark.parametrize("query", ["host=other", "port=1", "user=other", "password=other", "dbname=other"])
def test_t21_what_is_said_twice_is_refused_for_one_driver_believes_the_first_and_one_the_last(
    query: str,
) -> None:
    with pytest.raises(UnusableUrlError, match="says again"):
        postgres_url(f"postgresql://u:p@h:5/x?{query}")


def test_t21_the_system_s_certificates_are_a_file_for_both_drivers_and_the_host_is_verified() -> None:
    judged = conninfo_to_dict(postgres_url("postgresql://h/x?sslrootcert=system"))
    assert judged["sslmode"] == "verify-full"
    assert str(judged["sslrootcert"]).startswith("/")


@pytest.mark.parametrize(
    "dsn",
    [
        "x",
        "https://h/1",
        "https://k@h",
        "https://k@h/x",
        "https://k@h:x/1",
        "ftp://k@h/1",
        "https://k@/1",
        "https://k@[h/1",
    ],
)
def test_a4_a_bad_dsn_is_refused_as_its_client_would_refuse_it(dsn: str) -> None:
    with pytest.raises((sentry_sdk.utils.BadDsn, ValueError)):
        sentry_sdk.utils.Dsn(dsn)
    assert said_of(MailboxSettings, sentry_dsn=dsn)[0] == EX_CONFIG
