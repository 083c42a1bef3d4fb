"""The environment as one account's settings see it, and the settings that every process reads.

Where STRIPE_ACCOUNTS names accounts, a variable in OWN belongs to the account named by its suffix: STRIPE_API_KEY__EU to `eu`.
Without a suffix it belongs to the account `default`. Every other variable is the whole deployment's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, EnvSettingsSource, NoDecode, SettingsConfigDict

from cogento.accounts import DEFAULT_ACCOUNT, default_schema, in_words, own_variable, read_names
from cogento.settings.values import SentryDsn

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo
    from pydantic_settings import InitSettingsSource, PydanticBaseSettingsSource

OWN = frozenset(
    {
        "stripe_webhook_secret",
        "stripe_thin_webhook_secret",
        "stripe_api_key",
        "stripe_account",
        "stripe_livemode",
        "database_schema",
    }
)
"""The fields that each account has of its own."""
FOR_ALL = frozenset({"stripe_livemode"})
"""Of OWN, the fields whose variable without a suffix also holds for every account that has no variable of its own."""


OF_ACCOUNTS = frozenset({"stripe_accounts", "cogento_account"})
"""The fields that say which accounts there are, and which one is meant."""
CHOOSE = "choose_account"
"""The type of the complaint that none of several accounts is chosen."""


def variable_of(field: str, account: str | None) -> str:
    """Name the environment variable that holds an account's value of a field."""
    variable = field.upper()
    return own_variable(variable, account) if field in OWN else variable


class _AccountSource(EnvSettingsSource):
    """The environment as one named account sees it."""

    def __init__(self, settings_cls: type[BaseSettings], account: str) -> None:
        super().__init__(settings_cls)
        self._account = account

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Find the account's own value, in the variable with its suffix."""
        shared = super().get_field_value(field, field_name)
        if field_name not in OWN:
            return shared
        _, key, is_complex = shared
        own = self.env_vars.get(variable_of(field_name, self._account).lower())
        if own is None and field_name == "database_schema":
            own = default_schema(self._account)
        if own is None and field_name in FOR_ALL:
            return shared
        return own, key, is_complex


class AccountNames(BaseSettings):
    """The names of the deployment's accounts."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="ignore",
        env_ignore_empty=True,
        hide_input_in_errors=True,
        defer_build=True,  # a process loads all of these kinds and uses one
    )

    stripe_accounts: Annotated[
        tuple[str, ...],
        NoDecode,
        BeforeValidator(lambda value: read_names(value) if isinstance(value, str) else value),
    ] = Field((), description="The names of several Stripe accounts in this deployment; none: there is one.")


class Environment(AccountNames):
    """The settings that every process reads."""

    cogento_account: str | None = Field(
        None,
        validate_default=True,
        description="Which of STRIPE_ACCOUNTS a command is about, where no --account says it.",
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

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: InitSettingsSource,  # type: ignore[override] # it always is one, and has what was given
        env_settings: EnvSettingsSource,  # type: ignore[override]
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic's signature
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read the environment as one account sees it: the account given, or else the one that COGENTO_ACCOUNT names."""
        account = init_settings.init_kwargs.get(
            "cogento_account", env_settings.env_vars.get("cogento_account")
        )
        if account in {None, DEFAULT_ACCOUNT}:
            return init_settings, env_settings
        return init_settings, _AccountSource(settings_cls, str(account))

    @field_validator("cogento_account")
    @classmethod
    def _require_a_named_one(cls, account: str | None, info: ValidationInfo) -> str | None:
        """Require that one of several accounts is chosen, and exists."""
        names = info.data.get("stripe_accounts")  # absent when it was refused itself
        if names is None:
            return account
        if account is None and names:
            raise PydanticCustomError(CHOOSE, "choose", {"names": in_words(names)})
        if account is not None and account not in (names or (DEFAULT_ACCOUNT,)):
            known = f"STRIPE_ACCOUNTS names {in_words(names)}" if names else "STRIPE_ACCOUNTS names none"
            raise ValueError(f"it is not the name of an account: {known}")
        return account

    @property
    def account(self) -> str:
        """The name of the account whose settings these are."""
        return self.cogento_account or DEFAULT_ACCOUNT

    @property
    def account_label(self) -> str | None:
        """The account's name where the deployment names its accounts, for logs, metrics and people; else None."""
        return self.account if self.stripe_accounts else None

    def variable(self, field: str) -> str:
        """Return the environment variable of one of these settings, for messages."""
        return variable_of(field, self.cogento_account)
