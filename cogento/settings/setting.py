"""What settings are made of: a class for each kind of process, with one attribute for each environment variable it reads.

Each process, each command and each test reads its settings once and keeps them, so this costs next to nothing
(docs/decisions/0069-settings-without-a-library.md). How a single value is parsed and checked is in values.py.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, overload

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

T = TypeVar("T")
D = TypeVar("D")
C = TypeVar("C", bound="Callable[..., Any]")

_REQUIRED: Any = object()


class UnsetError(ValueError):
    """A setting without a default is not set."""


class UnusableSettingsError(Exception):
    """Settings that no process can work with: `problems` has what is wrong, by the name of the field; no value is quoted."""

    def __init__(self, problems: Mapping[str, ValueError]) -> None:
        super().__init__(", ".join(problems))
        self.problems = problems


class SecretStr:
    """A string that is shown only by `get_secret_value`, and never by repr or a log."""

    __slots__ = ("_secret",)

    def __init__(self, secret: str) -> None:
        self._secret = secret

    def get_secret_value(self) -> str:
        """Return the secret."""
        return self._secret

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SecretStr) and other._secret == self._secret

    def __hash__(self) -> int:
        return hash(self._secret)

    def __repr__(self) -> str:
        return "SecretStr('**********')"


class Setting(Generic[T]):
    """One setting: how its string is parsed, its default, and what it is for."""

    def __init__(self, read: Callable[[str], Any], default: Any, description: str) -> None:
        self.default = default
        self.description = description
        self._name = ""
        self._read = read
        self._check: Callable[[Any, Mapping[str, Any]], Any] = _accept

    @property
    def is_required(self) -> bool:
        """Say whether something must be set."""
        return self.default is _REQUIRED

    def checked(self, check: C) -> C:
        """Have `check` validate the value, also where it is the default.

        It is called with the value and with the values of earlier fields, without those that were refused themselves. It returns
        the value to use; a ValueError says what is wrong, without quoting the value.
        """
        self._check = check
        return check

    def value_of(self, raw: object, others: Mapping[str, Any]) -> object:
        """Parse and check the value that was found, None if none was. A value that is not a str is used as it is; raises ValueError."""
        if isinstance(raw, SecretStr):
            raw = raw.get_secret_value()
        if isinstance(raw, str):
            if any("\ud800" <= character <= "\udfff" for character in raw):
                raise ValueError("it is not UTF-8")
            raw = self._read(raw)
        return self._check(raw, others)

    def __set_name__(self, owner: type[Settings], name: str) -> None:
        self._name = name

    @overload
    def __get__(self, settings: None, owner: type[Settings]) -> Self: ...
    @overload
    def __get__(self, settings: Settings, owner: type[Settings]) -> T: ...
    def __get__(self, settings: Settings | None, owner: type[Settings]) -> Self | T:
        if settings is None:
            return self
        value: T = settings.values[self._name]
        return value

    def __set__(self, settings: Settings, value: object) -> None:
        raise AttributeError(f"{self._name} is read once, and does not change")


def _accept(value: Any, _others: Mapping[str, Any]) -> Any:
    return value


@overload
def setting(read: Callable[[str], T], *, description: str) -> Setting[T]: ...
@overload
def setting(read: Callable[[str], T], default: D, *, description: str) -> Setting[T | D]: ...
def setting(read: Callable[[str], Any], default: Any = _REQUIRED, *, description: str) -> Setting[Any]:
    """Declare a setting; `read` parses its string, or raises ValueError. Without a default it must be set."""
    return Setting(read, default, description)


class Settings:
    """What one kind of process reads. A field's environment variable is its name in capitals; an empty one counts as unset."""

    def __init__(self, **given: Any) -> None:
        """Read the environment; `given` values take precedence. Raises UnusableSettingsError with all problems."""
        self.values: dict[str, Any] = {}
        problems: dict[str, ValueError] = {}
        for name, one in self.fields().items():
            raw = given[name] if name in given else self._find(name, given)
            try:
                if raw is None and name not in given:
                    if one.is_required:
                        raise UnsetError
                    raw = one.default
                self.values[name] = one.value_of(raw, self.values)
            except ValueError as problem:
                problems[name] = problem
        if problems:
            raise UnusableSettingsError(problems)

    @classmethod
    def fields(cls) -> Mapping[str, Setting[Any]]:
        """Return each field by its name, those of the classes that it is made of first."""
        return {
            name: one
            for kind in reversed(cls.__mro__)
            for name, one in vars(kind).items()
            if isinstance(one, Setting)
        }

    def _find(self, name: str, _given: Mapping[str, Any]) -> str | None:
        """Return what the environment says of a field."""
        return os.environ.get(name.upper()) or None
