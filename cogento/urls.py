"""URLs of servers, parsed and checked once, where settings are read.

The clients of one server read an odd URL differently (Celery's and redis-py): a `#` ends it for one and belongs to the
password for another. A URL that they would not all read alike is refused here, and one that is accepted is rewritten in the one
form that they share. A message never quotes the URL: any part of it may belong to a password.
"""

from __future__ import annotations

import ipaddress
import os
import re
import ssl
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

HIGHEST_PORT = 65_535

_NAME = re.compile(r"([A-Za-z0-9_-]{1,63}\.)*[A-Za-z0-9_-]{1,63}\.?")
"""Host names that a resolver accepts."""
_UNREADABLE = (
    "it cannot be read: in a user or password : / ? # @ % and brackets are written %3A %2F %3F %23 %40 %25 %5B %5D, "
    "an IPv6 address stands in brackets, and a port is a number from 1 to 65535"
)
_SYSTEM_ROOTS = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
)


class UnusableUrlError(ValueError):
    """A URL that cannot be used; the message says why and what to do, and quotes nothing of it."""


@dataclass(frozen=True, slots=True)
class Url:
    """A URL's parts, decoded but for `hosts` (as written, ports and all) and the query."""

    scheme: str
    user: str
    password: str | None
    hosts: str
    path: str
    query: str

    def written(self, *, query: Mapping[str, str]) -> str:
        """Write the URL again, with all special characters in its parts escaped."""
        login = quote(self.user, safe="") + (
            "" if self.password is None else f":{quote(self.password, safe='')}"
        )
        asked = "&".join(f"{name}={quote(value, safe='/')}" for name, value in query.items())
        return (
            f"{self.scheme}://{login}{'@' if login else ''}{self.hosts}"
            f"{quote(self.path, safe='/')}{'?' if asked else ''}{asked}"
        )


def postgres_url(text: str) -> str:
    """Return the URL of a PostgreSQL as asyncpg reads it; raises UnusableUrlError."""
    url = _read(text, schemes=("postgresql", "postgres"), example="postgresql://user:password@host:5432/name")
    _require_hosts(url.hosts.split(",") if url.hosts else [], folder_allowed=True)
    asked = _parameters(url.query)
    said = {
        "host": url.hosts,
        "port": url.hosts,
        "user": url.user,
        "password": url.password,
        "dbname": url.path[1:],
    }
    for name, value in asked.items():
        if said.get(name):
            raise UnusableUrlError(
                f"its parameter {name} says again what stands before the ?: remove one of them"
            )
        _judge_postgres_parameter(name, value)
    _settle_tls(asked)
    return url.written(query={name: value for name, value in asked.items() if name not in POSTGRES_FOR_LIBPQ})


def redis_url(text: str, *, verify: str | None) -> str:
    """Return the URL of a Redis as redis-py and Celery both read it; raises UnusableUrlError.

    A cluster and Sentinel have several hosts, and are read by us (cogento/queue/redis_address.py). `verify` is the setting for
    checking the server's certificate, `required` or `none`. It is written into a URL that asks for TLS and does not have the
    parameter itself, because Celery's client checks no certificate unless the URL says so.
    """
    url = _read(text, schemes=tuple(REDIS_PATHS), example="redis://host:6379/0 or rediss://host:6379/0")
    is_one = "+" not in url.scheme
    _require_hosts(([url.hosts] if url.hosts else []) if is_one else url.hosts.split(","))
    path, what_it_is = REDIS_PATHS[url.scheme]
    if not re.fullmatch(path, url.path):
        raise UnusableUrlError(f"what stands after the host is {what_it_is}")
    asked = _parameters(url.query)
    if said := asked.get("ssl_cert_reqs"):
        asked["ssl_cert_reqs"] = said.removeprefix("CERT_").lower()  # as Celery has it: CERT_NONE
    for name, value in asked.items():
        _judge(name, value, REDIS_PARAMETERS if url.scheme.startswith("rediss") else {})
    if url.scheme.startswith("rediss"):
        said = asked.setdefault("ssl_cert_reqs", verify or "required")
        if verify not in (None, said):
            raise UnusableUrlError(
                f"its parameter ssl_cert_reqs says {said}, and REDIS_TLS_VERIFY says {verify}: remove one of them"
            )
        if said == "none" and asked.get("ssl_check_hostname", "").lower() == "true":
            raise UnusableUrlError(
                "its parameter ssl_check_hostname asks for what ssl_cert_reqs=none or REDIS_TLS_VERIFY=none forgoes: "
                "remove one of them"
            )
    return url.written(query=asked)


def is_redis_cluster(url: str) -> bool:
    """Whether a checked URL names a cluster."""
    return urlsplit(url).scheme.endswith("+cluster")


def http_url(text: str, *, login_allowed: bool = False) -> Url:
    """Return the parts of an http or https address; raises UnusableUrlError."""
    url = _read(text, schemes=("http", "https"), example="http://host:port or https://host")
    _require_hosts([url.hosts])
    if not login_allowed and (url.user or url.password is not None):
        raise UnusableUrlError("it has a user or password before the host: remove them")
    return url


def sentry_dsn(text: str) -> str:
    """Return the address where Sentry takes reports; raises UnusableUrlError."""
    url = http_url(text, login_allowed=True)
    if not url.user or not re.search(r"/[0-9]+$", url.path):
        raise UnusableUrlError(
            "it must look like https://key@host/1: copy it again from the project's settings"
        )
    return text


def host_and_port(spec: str) -> tuple[str, int | None]:
    """Split `host`, `host:port` or `[address]:port`; raises UnusableUrlError."""
    found = re.fullmatch(r"(\[[^\[\]]*\]|[^:\[\]]*)(?::([0-9]{1,9})?)?", spec)
    if not found:
        raise UnusableUrlError(_UNREADABLE)
    host, port = found[1].strip("[]"), int(found[2]) if found[2] else None
    if port is not None and not 1 <= port <= HIGHEST_PORT:
        raise UnusableUrlError("its port is not from 1 to 65535")
    return host, port


def _read(text: str, *, schemes: tuple[str, ...], example: str) -> Url:
    if any(not character.isprintable() or character.isspace() for character in text):
        raise UnusableUrlError("it holds a space, a line break or another character that no URL can hold")
    if not text.startswith(tuple(f"{scheme}://" for scheme in schemes)):
        raise UnusableUrlError(f"it must look like {example}")
    if re.search(r"%(?![0-9A-Fa-f]{2})", text):
        raise UnusableUrlError("it holds a % that begins no escape such as %2F: write it %25")
    is_text = False
    with suppress(UnicodeDecodeError):
        is_text = "\0" not in unquote(text, errors="strict")
    if not is_text:
        raise UnusableUrlError("it holds an escape (%…) that is no character of UTF-8")
    try:
        parts = urlsplit(text)
    except ValueError:  # brackets without an address, or characters that normalise to separators
        raise UnusableUrlError(_UNREADABLE) from None
    login, at, hosts = parts.netloc.rpartition("@")
    if "#" in text or "@" in login + parts.path + parts.query or {"[", "]"} & {*login}:
        raise UnusableUrlError(_UNREADABLE)
    user, colon, password = login.partition(":")
    return Url(
        scheme=parts.scheme,
        user=unquote(user),
        password=unquote(password) if at and colon else None,
        hosts=hosts,
        path=unquote(parts.path),
        query=parts.query,
    )


def _require_hosts(specs: list[str], *, folder_allowed: bool = False) -> None:
    for spec in specs:
        host, _ = host_and_port(spec)
        is_folder = folder_allowed and unquote(host).startswith("/")
        if not is_folder and not (_is_address(host) if spec.startswith("[") else _NAME.fullmatch(host)):
            raise UnusableUrlError(_UNREADABLE)


def _is_address(host: str) -> bool:
    try:
        return ipaddress.IPv6Address(host).scope_id is None
    except ValueError:
        return False


def _parameters(query: str) -> dict[str, str]:
    """Return the names and values after the question mark; refuses a name with two values, of which clients take either."""
    pairs = [part.partition("=") for part in query.split("&") if part]
    if not all(name and equals and value for name, equals, value in pairs):
        raise UnusableUrlError("what stands after ? is not written name=value")
    values: dict[str, str] = {}
    for name, _, value in pairs:
        if values.setdefault(unquote(name), unquote(value)) != unquote(value):
            raise UnusableUrlError("what stands after ? gives one parameter two values: remove one of them")
    return values


def _judge_postgres_parameter(name: str, value: str) -> None:
    if name == "host":
        _require_hosts(
            [f"[{host}]" if ":" in host else host for host in value.split(",")], folder_allowed=True
        )
    elif name == "schema":
        raise UnusableUrlError(
            "its parameter schema is another tool's: remove it, and name the schema of the tables in DATABASE_SCHEMA"
        )
    elif value != "system" or name != "sslrootcert":
        _judge(name, value, POSTGRES_PARAMETERS)


def _judge(name: str, value: str, known: Mapping[str, Callable[[str], bool]]) -> None:
    fits = known.get(name)
    if fits is None:
        named = f" {name}" if re.fullmatch(r"[A-Za-z][A-Za-z_.]{0,40}", name) else ""
        raise UnusableUrlError(
            f"its parameter{named} is not one that is taken: remove it; docs/settings.md lists those that are"
        )
    if not fits(value):
        raise UnusableUrlError(f"its parameter {name} has a value that cannot be used")


def _settle_tls(asked: dict[str, str]) -> None:
    """Write the path of the system's certificates where they are asked for, and refuse verification without certificates."""
    if asked.get("sslrootcert") == "system":
        if asked.get("sslmode", "verify-full") != "verify-full":  # as libpq has it
            raise UnusableUrlError("sslrootcert=system goes with sslmode=verify-full and no other")
        known = (ssl.get_default_verify_paths().cafile, *_SYSTEM_ROOTS)
        found = next((path for path in known if path and _holds_certificates(path)), None)
        if found is None:
            raise UnusableUrlError("sslrootcert=system finds no certificates on this system: name a file")
        asked |= {"sslmode": "verify-full", "sslrootcert": found}

    # Where libpq and asyncpg look for certificates when none are named.
    usual = os.environ.get("PGSSLROOTCERT") or os.path.expanduser(USUAL_ROOTS)  # noqa: PTH111 - whose home is not known has none
    if (
        asked.get("sslmode", "").startswith("verify-")
        and "sslrootcert" not in asked
        and not _is_readable(usual)
    ):
        raise UnusableUrlError(
            "its parameter sslmode asks to verify the server: name the certificates to do it with, by "
            "sslrootcert=/path/to/root.crt or sslrootcert=system"
        )

    if asked.get("sslnegotiation") == "direct" and asked.get("sslmode") not in STRICT_SSL:
        raise UnusableUrlError("sslnegotiation=direct goes with sslmode=require or a stricter one")


def _one_of(*values: str) -> Callable[[str], bool]:
    return frozenset(values).__contains__


def _matches(pattern: str) -> Callable[[str], bool]:
    return lambda value: re.fullmatch(pattern, value) is not None


def _is_readable(path: str) -> bool:
    return Path(path).is_file() and os.access(path, os.R_OK)


def _holds_certificates(path: str) -> bool:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=path)
    except (OSError, ValueError):
        return False
    return True


_DATABASE = (r"/?[0-9]{0,9}", "the number of a database, /0 for example")
_NO_DATABASE = (r"/?0?", "nothing: a cluster has no numbered databases")
_SENTINEL_MASTER = (
    r"/[A-Za-z0-9._-]{1,100}(/[0-9]{1,9})?",
    "the name that Sentinel has for the master, and the number of a database if it is not 0: /mymaster for example",
)
REDIS_PATHS: Mapping[str, tuple[str, str]] = {
    "redis": _DATABASE,
    "rediss": _DATABASE,
    "redis+sentinel": _SENTINEL_MASTER,
    "redis+cluster": _NO_DATABASE,
    "rediss+cluster": _NO_DATABASE,
}
"""The schemes of a Redis's URL, and what follows the hosts with each."""

USUAL_ROOTS = "~/.postgresql/root.crt"
STRICT_SSL = ("require", "verify-ca", "verify-full")

_ANYTHING = _matches("(?s).+")
_NUMBER = _matches("[0-9]{1,9}")
_YES_OR_NO = _one_of("0", "1")
_TLS = _one_of("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")

POSTGRES_FOR_LIBPQ: Mapping[str, Callable[[str], bool]] = {
    "channel_binding": _one_of("disable", "prefer", "require"),
    "client_encoding": _ANYTHING,
    "connect_timeout": _NUMBER,
    "fallback_application_name": _ANYTHING,
    "gssencmode": _one_of("disable", "prefer"),
    "keepalives": _YES_OR_NO,
    "keepalives_count": _NUMBER,
    "keepalives_idle": _NUMBER,
    "keepalives_interval": _NUMBER,
    "load_balance_hosts": _one_of("disable", "random"),
    "sslcompression": _YES_OR_NO,
    "sslsni": _YES_OR_NO,
    "tcp_user_timeout": _NUMBER,
}
"""Parameters that only libpq has, as in URLs made for it: asyncpg would send them to the server, which would refuse them. They are left out."""

POSTGRES_PARAMETERS: Mapping[str, Callable[[str], bool]] = {
    **POSTGRES_FOR_LIBPQ,
    "application_name": _ANYTHING,
    "dbname": _ANYTHING,
    "options": _ANYTHING,
    "passfile": _is_readable,
    "password": _ANYTHING,
    "port": lambda value: all(_NUMBER(port) and 1 <= int(port) <= HIGHEST_PORT for port in value.split(",")),
    "sslcert": _is_readable,
    "sslcrl": _holds_certificates,
    "sslkey": _is_readable,
    "sslmode": _one_of("disable", "allow", "prefer", *STRICT_SSL),
    "sslnegotiation": _one_of("postgres", "direct"),
    "sslpassword": _ANYTHING,
    "sslrootcert": _holds_certificates,
    "ssl_max_protocol_version": _TLS,
    "ssl_min_protocol_version": _TLS,
    "target_session_attrs": _one_of("any", "primary", "standby", "read-write", "read-only", "prefer-standby"),
    "user": _ANYTHING,
}

REDIS_PARAMETERS: Mapping[str, Callable[[str], bool]] = {
    "ssl_ca_certs": _holds_certificates,
    "ssl_cert_reqs": _one_of("none", "optional", "required"),
    "ssl_certfile": _is_readable,
    "ssl_check_hostname": _one_of("True", "False", "true", "false"),
    "ssl_keyfile": _is_readable,
}
