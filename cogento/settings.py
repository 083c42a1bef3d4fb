"""Environment variables, read only where a process is composed; docs/settings.md documents each.

A wrong value ends the process with one line that says what to do and exit code 78 (EX_CONFIG), never
with the value of a secret.
"""

from __future__ import annotations

import re
import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from cogento import failpoints, urls
from cogento.database_schema import DEFAULT_SCHEMA, schema_name, with_schema
from cogento.networks import Network, read_addresses, read_networks
from cogento.queue.durability import AckDurability

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

EX_CONFIG = 78
MINIMUM_SECRET_LENGTH = 32
MAXIMUM_SECRETS = 3
MAX_EVENTS = 10**12
"""More than any Redis holds; numbers of Lua are exact up to 2**53."""
MAX_DAYS = 36_500
"""A century: dates of Python and Postgres reach that far back."""
MAX_POLL_SECONDS = 240
"""Shorter than the five minutes between sweeps, which bring the same."""
ORDINARY_HEADERS = frozenset(
    [
        "accept",
        "authorization",
        "connection",
        "content-length",
        "content-type",
        "cookie",
        "forwarded",
        "from",
        "host",
        "origin",
        "referer",
        "sec-fetch-site",
        "user-agent",
        "via",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
        "x-real-ip",
        "x-request-id",
    ]
)
"""Some of what clients and proxies send for other reasons."""


def _judged_by(judge: Callable[[str], str]) -> AfterValidator:
    """Have a secret judged, and written as its judge returns it."""
    return AfterValidator(lambda value: SecretStr(judge(value.get_secret_value())))


def _read_by(reader: Callable[[str], tuple[Network, ...]]) -> BeforeValidator:
    """Have a text read; what is no text any more is left as it is."""
    return BeforeValidator(lambda value: reader(value) if isinstance(value, str) else value)


def _matching(pattern: str, complaint: str) -> AfterValidator:
    """Have a secret matched as a whole."""

    def judge(value: SecretStr) -> SecretStr:
        if not re.fullmatch(pattern, value.get_secret_value()):
            raise ValueError(complaint)
        return value

    return AfterValidator(judge)


def _webhook_secrets(text: str) -> str:
    secrets = text.split(",")
    if not 1 <= len(secrets) <= MAXIMUM_SECRETS:
        raise ValueError(f"give one to {MAXIMUM_SECRETS} secrets, separated by commas")
    for secret in secrets:
        if not re.fullmatch(r"whsec_[!-+\--~]+", secret):
            raise ValueError(
                "each secret starts with whsec_ and has no space, quote or newline around it: "
                "copy it again from Stripe's endpoint page"
            )
        if len(secret) < MINIMUM_SECRET_LENGTH:
            raise ValueError(f"a secret is shorter than {MINIMUM_SECRET_LENGTH} characters: it was cut")
        if '"' in secret or "'" in secret:
            raise ValueError("a secret has quotes in it: remove them")
    return text


def _stripe_api_base(value: str) -> str:
    if urls.http_url(value).path or "?" in value:
        raise ValueError("nothing stands after the host and port")
    return value


def _webhook_url(value: str) -> str:
    urls.http_url(value)
    return value


ApiKey = Annotated[
    SecretStr,
    _matching(
        r"(rk|sk)_(test|live)_[A-Za-z0-9_]+",
        "it must be a restricted (rk_…) or secret (sk_…) key of Stripe's, and nothing around it",
    ),
]
AlertWebhookUrl = Annotated[SecretStr, _judged_by(_webhook_url)]
DatabaseUrl = Annotated[SecretStr, _judged_by(urls.postgres_url)]
MetricsToken = Annotated[
    SecretStr, _matching("[!-~]+", "it is made of letters, digits and signs of ASCII, without spaces")
]
ProxyAddresses = Annotated[tuple[Network, ...], NoDecode, _read_by(read_addresses)]
ProxyNetworks = Annotated[tuple[Network, ...], NoDecode, _read_by(read_networks)]
SentryDsn = Annotated[SecretStr, _judged_by(urls.sentry_dsn)]
WebhookSecrets = Annotated[SecretStr, NoDecode, _judged_by(_webhook_secrets)]


class RedisTlsVerify(StrEnum):
    """Whether a server reached by rediss:// must prove who it is."""

    REQUIRED = "required"
    NONE = "none"


class _Environment(BaseSettings):
    model_config = SettingsConfigDict(
        frozen=True,
        extra="ignore",
        env_ignore_empty=True,
        hide_input_in_errors=True,
        defer_build=True,  # a process loads all of these kinds and uses one
    )

    sentry_dsn: SentryDsn | None = Field(None, description="Where errors are reported; unset: nowhere.")
    sentry_environment: str = Field(
        "production",
        pattern=r"^[^\s/]{1,64}$",  # as Sentry has it
        description="What Sentry calls this deployment.",
    )
    log_level: str = Field(
        "INFO", description="Least severe log lines written.", pattern="^(DEBUG|INFO|WARNING|ERROR)$"
    )


class MailboxSettings(_Environment):
    """Where the mailboxes are and what they may hold."""

    redis_tls_verify: RedisTlsVerify | None = Field(
        None,
        description="Whether a rediss:// server's certificate is checked (required, as when unset) or not (none, for one "
        "that signs its own, as Heroku's does).",
    )
    redis_url: SecretStr = Field(
        description="The Redis (6.2 or newer) or Valkey with the mailboxes and the wake-ups of workers: one, the one that "
        "Sentinel names, or a cluster, which leaves the wake-ups to BROKER_URL."
    )
    broker_url: SecretStr | None = Field(
        None,
        validate_default=True,
        description="The Redis with the wake-ups of workers and the console's logins, beside a cluster; else unread.",
    )
    ack_durability: AckDurability | None = Field(
        None,
        description="What a 2xx must promise: memory, redis (on disk within a second), redis_fsync (on disk) or "
        "redis_replicated (ACK_REPLICAS have it); unset: what the server gives.",
    )
    ack_replicas: int = Field(
        1, ge=1, le=10, description="How many replicas must have an event, with redis_replicated."
    )
    mailbox_shards: int = Field(
        1, ge=1, le=256, description="How many shards of the mailboxes there shall be."
    )
    mailbox_customer_limit: int = Field(
        10_000, ge=1, le=MAX_EVENTS, description="Most events waiting for one customer; beyond: 503."
    )
    mailbox_total_limit: int = Field(
        2_000_000, ge=1, le=MAX_EVENTS, description="Most events waiting in all; beyond: 503."
    )

    @field_validator("redis_url")
    @classmethod
    def _judge_redis_url(cls, url: SecretStr, info: ValidationInfo) -> SecretStr:
        verify = info.data.get("redis_tls_verify")  # absent when it was refused itself
        return SecretStr(urls.redis_url(url.get_secret_value(), verify=verify))

    @field_validator("broker_url")
    @classmethod
    def _judge_broker_url(cls, url: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        """Celery cannot use a cluster. Beside one server the variable is another application's, and nothing of ours."""
        mail = info.data.get("redis_url")  # absent when it was refused itself
        if mail is None or not urls.is_redis_cluster(mail.get_secret_value()):
            return None
        if url is None:
            raise ValueError(
                "REDIS_URL names a cluster, which Celery cannot use: name a Redis beside it here"
            )
        judged = urls.redis_url(url.get_secret_value(), verify=info.data.get("redis_tls_verify"))
        if urls.is_redis_cluster(judged):
            raise ValueError("Celery cannot use a cluster: name one Redis, or redis+sentinel://")
        return SecretStr(judged)

    @property
    def wakeups_url(self) -> str:
        """Where wake-ups of workers lie, and the console's logins: with the mail, or beside a cluster."""
        return (self.broker_url or self.redis_url).get_secret_value()


class SchemaSettings(_Environment):
    """Which schema the tables are in."""

    database_schema: Annotated[str, AfterValidator(schema_name)] = Field(
        DEFAULT_SCHEMA, description="The schema of the tables; made by `cogento migrate` if it is missing."
    )


class DatabaseSettings(SchemaSettings):
    """Where the tables are."""

    database_url: DatabaseUrl = Field(description="The PostgreSQL (14 or newer) with the tables.")

    @field_validator("database_url")
    @classmethod
    def _say_the_schema(cls, url: SecretStr, info: ValidationInfo) -> SecretStr:
        """Let the URL say the schema to whoever is given it."""
        schema = info.data.get("database_schema", DEFAULT_SCHEMA)  # absent when it was refused itself
        return SecretStr(with_schema(url.get_secret_value(), schema))


class ChangesSettings(_Environment):
    """Whether changes of the tables are announced."""

    changes: bool | None = Field(
        None,
        description="on has `cogento migrate` keep and announce what changes in the tables, off no longer; unset: as before.",
    )


class MigrationSettings(DatabaseSettings, ChangesSettings):
    """What `cogento migrate` needs."""


class StripeSettings(_Environment):
    """Whose events are ours, and the key to ask Stripe with."""

    stripe_livemode: bool = Field(
        default=False,
        description="true takes live events, false test events; events of the other mode are ignored and counted.",
    )
    stripe_account: str | None = Field(
        None,
        pattern="^acct_[A-Za-z0-9]+$",
        description="The account that our events name; unset, as for one's own: events that name none.",
    )
    stripe_api_key: ApiKey | None = Field(
        None, description="A restricted read-only key; lets us ask Stripe when in doubt."
    )

    @field_validator("stripe_livemode")
    @classmethod
    def _break_nothing_live(cls, livemode: bool) -> bool:  # noqa: FBT001 - pydantic's signature
        if livemode and failpoints.armed:
            raise ValueError("FAILPOINTS is set, which breaks processes on purpose: unset it for live events")
        return livemode

    @field_validator("stripe_api_key")
    @classmethod
    def _keep_modes_apart(cls, key: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        """A key of the other mode would fill the tables with what webhooks are fenced from."""
        livemode = info.data.get("stripe_livemode")  # absent when it was refused itself
        if key and livemode is not None and ("_live_" in key.get_secret_value()) is not livemode:
            raise ValueError(
                "it is a key of the other mode than STRIPE_LIVEMODE says: a live key goes with STRIPE_LIVEMODE=true, "
                "a test key with false"
            )
        return key


class AskingSettings(StripeSettings):
    """How Stripe is asked."""

    stripe_api_base: Annotated[str, AfterValidator(_stripe_api_base)] = Field(
        "https://api.stripe.com",
        description="Where Stripe's API is; another one only for a simulated Stripe.",
    )
    stripe_requests_per_second: int = Field(
        20, ge=1, le=10_000, description="Most requests to Stripe's API a second, of all processes together."
    )


class ReceiverSettings(MailboxSettings, StripeSettings):
    """What the receiver needs; it has no Postgres credential."""

    stripe_thin_webhook_secret: WebhookSecrets | None = Field(
        None,
        description="The signing secret of the destination that sends thin events; up to three; needs STRIPE_API_KEY.",
    )
    stripe_webhook_secret: WebhookSecrets | None = Field(
        None,
        validate_default=True,
        description="The endpoint's signing secret (whsec_…); up to three, comma-separated, while rotating.",
    )
    port: int = Field(8000, ge=1, le=65535, description="Where the receiver listens.")
    web_concurrency: int = Field(1, ge=1, le=64, description="Receiver processes.")
    metrics_token: MetricsToken | None = Field(
        None, description="Bearer token that /metrics then asks for; unset: it answers this machine only."
    )

    @field_validator("stripe_webhook_secret")
    @classmethod
    def _require_one(cls, secret: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        """Nothing is accepted unsigned, so without any secret there is nothing to do."""
        if secret is None and info.data.get("stripe_thin_webhook_secret") is None:
            raise PydanticCustomError("missing", "Field required")
        return secret

    @property
    def webhook_secrets(self) -> tuple[str, ...]:
        """The secrets that sign snapshot events, in the order given."""
        return _secrets(self.stripe_webhook_secret)

    @property
    def thin_webhook_secrets(self) -> tuple[str, ...]:
        """The secrets that sign thin events, in the order given."""
        return _secrets(self.stripe_thin_webhook_secret)


class MemberSettings(_Environment):
    """Who has the role member."""

    member_statuses: str = Field(
        "",
        pattern="^([a-z_]+(,[a-z_]+)*)?$",
        description="Subscription statuses that make a user a member, comma-separated; empty: roles are left alone.",
    )

    @property
    def statuses_of_members(self) -> frozenset[str]:
        """The statuses; none of them: roles are left alone."""
        return frozenset(filter(None, self.member_statuses.split(",")))


class ObjectSettings(_Environment):
    """What is kept of objects beside their rows."""

    keep_objects: bool = Field(
        default=False, description="true keeps the whole last object beside each row, personal data and all."
    )


class WorkerSettings(MailboxSettings, DatabaseSettings, AskingSettings, MemberSettings, ObjectSettings):
    """What a worker needs."""

    worker_concurrency: int = Field(2, ge=1, le=32, description="Worker loops in one worker process.")
    batch_events: int = Field(500, ge=1, le=5000, description="Most events written in one transaction.")
    lease_seconds: int = Field(
        30, ge=2, le=600, description="How long a claimed customer is a worker's own without renewal."
    )
    ledger_retention_days: int = Field(
        35, ge=35, le=MAX_DAYS, description="Days the ledger is kept; Stripe lists events for 30."
    )
    changes_retention_days: int = Field(
        7, ge=1, le=MAX_DAYS, description="Days that changes are kept for readers that were away."
    )
    stripe_poll_seconds: int | None = Field(
        None,
        ge=1,
        le=MAX_POLL_SECONDS,
        description="How often Stripe's list of events is read where no webhook can come; unset: webhooks bring them.",
    )

    @field_validator("stripe_poll_seconds")
    @classmethod
    def _require_a_key(cls, seconds: int | None, info: ValidationInfo) -> int | None:
        """A key that was refused itself is absent, and told of."""
        if seconds is not None and info.data.get("stripe_api_key", "") is None:
            raise ValueError("Stripe is asked only with a key: set STRIPE_API_KEY as well")
        return seconds


class ReconcileSettings(MailboxSettings, DatabaseSettings, AskingSettings, ObjectSettings):
    """What a command that asks Stripe needs."""


class AlertSettings(StripeSettings):
    """Where alerts go, and what this deployment is called there."""

    alert_webhook_url: AlertWebhookUrl | None = Field(
        None, description="Where alerts that page are sent, as JSON that Slack understands; unset: nowhere."
    )

    @property
    def deployment(self) -> str:
        """Which one it is, for people who have several."""
        return " ".join(
            filter(None, ("Cogento", "live" if self.stripe_livemode else "test", self.stripe_account))
        )


class ConsoleSettings(ReconcileSettings, AlertSettings):
    """What the console needs."""

    console_password_hash: SecretStr | None = Field(
        None, description="Of the operators' password, made by `cogento password`."
    )
    console_read_only_password_hash: SecretStr | None = Field(
        None, description="Of the viewers' password, who may look and not change, made by `cogento password`."
    )
    console_trusted_proxy: ProxyAddresses = Field(
        (),
        description="Addresses of the proxy that logs people in and names them in CONSOLE_TRUSTED_HEADER.",
    )
    console_trusted_header: str | None = Field(
        None,
        validate_default=True,
        description="The header in which CONSOLE_TRUSTED_PROXY names who is logged in, instead of a password.",
    )
    console_operators: str = Field(
        "",
        description="Whom of those named so may change something, comma-separated; the others look. Empty: all may.",
    )
    trusted_proxies: ProxyNetworks = Field(
        (),
        description="Addresses and networks of the proxies before the console, or private; they say whose a request is.",
    )
    console_hosts: str = Field(
        "",
        description="Names by which browsers may reach the console, comma-separated; localhost always may.",
    )
    port: int = Field(8001, ge=1, le=65535, description="Where the console listens.")
    metrics_token: MetricsToken | None = Field(
        None, description="Bearer token that /metrics then asks for; unset: it answers this machine only."
    )

    @property
    def host_names(self) -> frozenset[str]:
        """The names, in lower case as browsers send them."""
        return frozenset(name for name in self.console_hosts.lower().replace(" ", "").split(",") if name)

    @property
    def operators(self) -> frozenset[str]:
        """The names of those whom a proxy names and who may change things; none: everybody may."""
        return frozenset(filter(None, map(str.strip, self.console_operators.split(","))))

    @field_validator("console_operators")
    @classmethod
    def _require_names(cls, operators: str, info: ValidationInfo) -> str:
        """Beside a password the list would keep nobody from anything."""
        if operators.strip(", ") and info.data.get("console_trusted_header", "") is None:
            raise ValueError("it counts only with CONSOLE_TRUSTED_HEADER: set that as well, or remove it")
        return operators

    @field_validator("console_trusted_header")
    @classmethod
    def _require_one_way_in(cls, header: str | None, info: ValidationInfo) -> str | None:
        """A header is safe only from a proxy that is named, and beside a password it is a way around it."""
        proxies = info.data.get("console_trusted_proxy")  # absent when it was refused itself
        if header is None:
            if proxies:
                raise ValueError("name the header of CONSOLE_TRUSTED_PROXY that says who is logged in")
            return None
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9-]{0,63}", header) or header.lower() in ORDINARY_HEADERS:
            raise ValueError(
                "give the name of a header that only the proxy sets, X-Forwarded-User for example"
            )
        if proxies == ():
            raise ValueError("name the proxy that it comes from in CONSOLE_TRUSTED_PROXY")
        if info.data.get("console_password_hash") or info.data.get("console_read_only_password_hash"):
            raise ValueError("a password is set as well: there is one way in, so remove one of the two")
        return header


def _secrets(given: SecretStr | None) -> tuple[str, ...]:
    return tuple(given.get_secret_value().split(",")) if given else ()


S = TypeVar("S", bound=BaseSettings)


def load(kind: type[S], **given: Any) -> S:
    """Read one process's settings, or end the process with one clear line a problem and exit code 78.

    What is `given` counts instead of the environment.
    """
    try:
        return kind(**given)
    except ValidationError as error:
        refuse(*_complaints(error))


def problems_of(kind: type[BaseSettings]) -> tuple[str, ...]:
    """Say what is wrong with one process's settings, in the words in which `load` refuses them; nothing if all is well."""
    try:
        kind()
    except ValidationError as error:
        return tuple(_complaints(error))
    return ()


def _complaints(error: ValidationError) -> Iterator[str]:
    for problem in error.errors():
        variable = ".".join(map(str, problem["loc"])).upper()
        message = problem["msg"].removeprefix("Value error, ")
        yield (
            f"{variable} is not set; docs/settings.md says what it holds"
            if problem["type"] == "missing"
            else f"{variable} is not usable: {message}"
        )


def refuse(*problems: str) -> NoReturn:
    """End the process: it cannot do its work with this configuration."""
    for problem in problems:
        print(f"cogento: {problem}", file=sys.stderr)  # noqa: T201 - before logging is configured
    raise SystemExit(EX_CONFIG)
