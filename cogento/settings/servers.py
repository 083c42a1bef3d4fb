"""Where Redis and PostgreSQL are, and what the mailboxes may hold."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr, ValidationInfo, field_validator

from cogento import urls
from cogento.database_schema import DEFAULT_SCHEMA, schema_name, with_schema
from cogento.queue.durability import AckDurability
from cogento.settings.environment import Environment
from cogento.settings.values import DatabaseUrl, RedisTlsVerify

MAX_EVENTS = 10**12
"""More than any Redis holds, and less than 2**53, up to which Lua's numbers are exact."""


class MailboxSettings(Environment):
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
        description="The Redis with the wake-ups of workers and the console's logins, beside a cluster; ignored otherwise.",
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
        1, ge=1, le=256, description="How many shards of the mailboxes there are to be."
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
        """Refuse a cluster, which Celery cannot use. Where REDIS_URL is not a cluster, the variable is another application's and ignored."""
        redis_url = info.data.get("redis_url")  # absent when it was refused itself
        if redis_url is None or not urls.is_redis_cluster(redis_url.get_secret_value()):
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
        """The Redis of workers' wake-ups and the console's logins: that of the mailboxes, or beside a cluster another one."""
        return (self.broker_url or self.redis_url).get_secret_value()


class SchemaSettings(Environment):
    """Which schema the tables are in."""

    database_schema: Annotated[str, AfterValidator(schema_name)] = Field(
        DEFAULT_SCHEMA, description="The schema of the tables; made by `cogento migrate` if it is missing."
    )


class DatabaseSettings(SchemaSettings):
    """Where the tables are."""

    database_url: DatabaseUrl = Field(description="The PostgreSQL (14 or newer) with the tables.")

    @field_validator("database_url")
    @classmethod
    def _include_schema(cls, url: SecretStr, info: ValidationInfo) -> SecretStr:
        """Write the schema into the URL, so that every user of the URL knows it."""
        schema = info.data.get("database_schema", DEFAULT_SCHEMA)  # absent when it was refused itself
        return SecretStr(with_schema(url.get_secret_value(), schema))


class ChangesSettings(Environment):
    """Whether changes of the tables are announced."""

    changes: bool | None = Field(
        None,
        description="on: changes of the tables are recorded and announced once `cogento migrate` has run; off: they are not; unset: as before.",
    )


class MigrationSettings(DatabaseSettings, ChangesSettings):
    """What `cogento migrate` needs."""
