"""What a kind of Stripe's objects is: one frozen description, from which everything that is done with such objects follows.

docs/adding-an-object.md adds an invoice. Knows no kind by name.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_type_hints

import msgspec

from cogento.events.fields import Json

if TYPE_CHECKING:
    from collections.abc import Callable

FETCHED = "fetched"
"""The end of event types that we make ourselves, for objects that Stripe was asked for (cogento/events/fetched.py)."""

Projection = list[Any]


class ColumnType(Enum):
    """What Postgres keeps in a column; the SQL of each is in cogento/store/kind_queries.py."""

    TEXT = auto()
    NUMBER = auto()
    BOOLEAN = auto()
    TIME = auto()  # Unix seconds here, TIMESTAMPTZ there
    JSON = auto()  # canonical JSON as str here, JSONB there
    METADATA = (
        auto()
    )  # like JSON and never NULL; written only when it changes, so that its index gains no entry
    CLOSED_JSON = auto()  # like JSON, in a form of our own that has no place for personal data


Text = Annotated[str, ColumnType.TEXT]
Number = Annotated[int, ColumnType.NUMBER]
Boolean = Annotated[bool, ColumnType.BOOLEAN]
Time = Annotated[int, ColumnType.TIME]
JsonText = Annotated[str, ColumnType.JSON]
Metadata = Annotated[str, ColumnType.METADATA]
ClosedJson = Annotated[str, ColumnType.CLOSED_JSON]


class Columns(msgspec.Struct, frozen=True):
    """What a row shows of its object, under the names of its table's columns.

    A subclass names every column with its type; each has `stripe_created_at: Time | None`. Rows remember values by position: a
    column that is added later comes last and has the default None, the value for rows that an earlier release wrote.
    """


class OwnedColumns(Columns, frozen=True):
    """What a row shows of an object that belongs to a customer, whom its table shows as the user."""

    customer_id: str


@dataclass(frozen=True, slots=True)
class Parts:
    """A list in an object of which Stripe gives only the first elements, and where to get the others.

    `{id}` in `path` stands for the object's id; `parameter` is the one that names it, where the path does not.
    """

    field: str
    path: str
    parameter: str | None = None


def never_grows(_obj: Json, _projection: Projection) -> tuple[int, ...]:
    """Return no growing values: the default of Kind.growth."""
    return ()


@dataclass(frozen=True, kw_only=True, eq=False)
class Kind:
    """One kind of object; the same description is the same kind.

    **Names.** `name` is what Stripe's `object` says, `id_prefix` how ids begin. `family` is how the types of its events
    begin, `events` how they end: `created` makes an object and `deleted` ends it. With `takes_new_events` every type of the
    family is taken, also ones that Stripe adds later.

    **Reading.** `read` makes `columns` of an object, or raises PermanentError. `read_deleted` does so for a deleted object, of
    which Stripe keeps nothing else. In the columns `not_in_every_shape` None means that this API version does not carry the
    value, so that it never overwrites a known one.

    **Order.** `project` reduces an object to the values that distinguish its states, and `projected` names every field that it
    reads and an update can change. `growth` finds values that mostly grow. An object has ended, for good, once its field and
    column `ended_by` has one of `ended_values`. `ends_with_customer` says that Stripe ends it when it deletes the customer.

    **Table.** Rows are in `table`, whose fixed columns docs/adding-an-object.md shows. `shown` names the columns that
    `cogento explain` shows, each under its heading.

    **Stripe's API.** Objects are listed at `path` with `list_parameters`, each is at `path/id`.
    """

    name: str
    id_prefix: str
    family: str
    events: tuple[str, ...]
    takes_new_events: bool = False

    columns: type[Columns]
    read: Callable[[Json], Columns]
    read_deleted: Callable[[Json], Columns] | None = None
    not_in_every_shape: tuple[str, ...] = ("stripe_created_at",)

    project: Callable[[Json], Projection]
    projected: frozenset[str]
    growth: Callable[[Json, Projection], tuple[int, ...]] = never_grows
    ended_by: str
    ended_values: tuple[str | bool, ...]
    ends_with_customer: bool = False

    table: str
    shown: dict[str, str] = field(default_factory=dict)

    path: str
    list_parameters: dict[str, str] = field(default_factory=dict)
    parts: Parts | None = None

    def __post_init__(self) -> None:
        if not self.ended_values:
            raise ValueError(
                f"{self.name}: ended_values names no value, and queries compare ended_by with them"
            )

    def __str__(self) -> str:
        return self.name

    @cached_property
    def plural(self) -> str:
        """What Stripe calls several of them, in its API and in the addresses of its dashboard: `customers`."""
        return self.path.rpartition("/")[2]

    @cached_property
    def types(self) -> tuple[str, ...]:
        """The types of its events, as far as they are known."""
        return tuple(f"{self.family}.{event}" for event in self.events)

    @cached_property
    def creation(self) -> str:
        """The type of the event that makes an object."""
        return f"{self.family}.created"

    @cached_property
    def deletion(self) -> str:
        """The type of the event that ends an object, whatever it shows."""
        return f"{self.family}.deleted"

    @cached_property
    def fetched(self) -> str:
        """The type of the event that we make of an object which Stripe was asked for."""
        return f"{self.family}.{FETCHED}"

    @cached_property
    def row_id_column(self) -> str:
        """The column of our own id."""
        return f"{self.name.replace('.', '_')}_id"

    @cached_property
    def stripe_id_column(self) -> str:
        """The column of Stripe's id."""
        return f"stripe_{self.row_id_column}"

    def shows_end(self, columns: Columns) -> bool:
        """Tell whether a row with these columns shows an object that has ended."""
        return getattr(columns, self.ended_by) in self.ended_values

    def has_ended(self, obj: Json) -> bool:
        """Tell whether an object says that it has ended; the object may be malformed."""
        value = obj.get(self.ended_by)
        return isinstance(value, str | bool) and value in self.ended_values

    def has_all_parts(self, obj: Json) -> bool:
        """Tell whether an object carries all of its list."""
        listed = obj.get(self.parts.field) if self.parts else None
        return not (isinstance(listed, dict) and listed.get("has_more") is True)

    def column_types(self) -> dict[str, ColumnType]:
        """Return the columns that only this kind's table has, in their order, with the type of each."""
        hints = get_type_hints(self.columns, include_extras=True)
        return {name: _column_type(hint) for name, hint in hints.items() if name != "customer_id"}

    @cached_property
    def personal_columns(self) -> dict[str, str | None]:
        """The columns that may hold personal data (free JSON, with whatever people put there), and the value of each without it."""
        blank = {ColumnType.JSON: None, ColumnType.METADATA: "{}"}
        return {name: blank[type_] for name, type_ in self.column_types().items() if type_ in blank}

    def without_personal_data(self, columns: Columns) -> Columns:
        """Return the columns with the personal ones blanked."""
        return msgspec.structs.replace(columns, **self.personal_columns)


def _column_type(hint: Any) -> ColumnType:
    """Find a column's type in its annotation, `Text` or `Text | None`."""
    named = (one for part in (hint, *get_args(hint)) for one in getattr(part, "__metadata__", ()))
    return next(one for one in named if isinstance(one, ColumnType))
