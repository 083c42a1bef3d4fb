"""Customers: the root of all other objects. A customer's row is a user, who owns the queue, the address and the roles.

Also how other objects name their customer. A customer may be an account (Accounts v2): Stripe then names the account in
`customer_account`, and still a customer in `customer` (docs.stripe.com/connect/use-accounts-as-customers).
"""

from __future__ import annotations

from cogento.events import fields, reductions
from cogento.events.fields import Json
from cogento.events.kinds.kind import Boolean, Columns, JsonText, Kind, Metadata, Projection, Text, Time
from cogento.events.names import is_object_id, referenced_id

MAX_EMAIL_LENGTH = (
    512  # characters, Stripe's own limit; with four bytes each they still fit into a unique index
)


class CustomerColumns(Columns, frozen=True):
    """A customer as `users` shows it; times in Unix seconds, `address` and `metadata` JSON text."""

    stripe_email: Text | None
    name: Text | None
    phone: Text | None
    address: JsonText | None
    metadata: Metadata
    stripe_created_at: Time | None
    deleted: Boolean


def live_customer(obj: Json) -> CustomerColumns:
    """Read a customer; an empty address is none. Raises PermanentError when a value cannot be stored."""
    return CustomerColumns(
        stripe_email=fields.text(obj, "email", longest=MAX_EMAIL_LENGTH) or None,
        name=fields.text(obj, "name"),
        phone=fields.text(obj, "phone"),
        address=fields.nested_text(obj, "address"),
        metadata=fields.nested_text(obj, "metadata") or "{}",
        stripe_created_at=fields.time(obj, "created"),
        deleted=False,
    )


def deleted_customer(obj: Json) -> CustomerColumns:
    """Return a customer without its data, as Stripe deletes it, whether the event carries all fields or only the id."""
    return CustomerColumns(
        stripe_email=None,
        name=None,
        phone=None,
        address=None,
        metadata="{}",
        stripe_created_at=fields.time(obj, "created"),
        deleted=True,
    )


def project_customer(customer: Json) -> Projection:
    """Reduce a customer to the values that distinguish its states."""
    get = customer.get
    settings = get("invoice_settings")
    return [
        get("created"),
        get("email") or None,
        get("name"),
        get("phone"),
        reductions.pruned(get("address")),
        reductions.pruned(get("metadata")),
        get("description"),
        reductions.id_of(get("default_source")),
        reductions.id_of(settings.get("default_payment_method")) if isinstance(settings, dict) else None,
        get("delinquent") or None,
        get("currency"),
        get("balance") or get("account_balance") or None,  # renamed in 2019-10-17
    ]


def customer_growth(customer: Json, _projection: Projection) -> tuple[int, ...]:
    """R7: the number of the customer's next invoice only grows."""
    number = customer.get("next_invoice_sequence")
    return (number,) if type(number) is int else ()


CUSTOMER = Kind(
    name="customer",
    id_prefix="cus_",
    family="customer",
    events=("created", "updated", "deleted"),
    columns=CustomerColumns,
    read=live_customer,
    read_deleted=deleted_customer,
    project=project_customer,
    projected=frozenset({
        "email", "name", "phone", "address", "metadata", "description", "default_source",
        "invoice_settings", "delinquent", "currency", "balance", "account_balance",
    }),
    growth=customer_growth,
    ended_by="deleted",
    ended_values=(True,),
    table="users",
    path="/v1/customers",
)  # fmt: skip


def owner_of(obj: Json, name: str) -> str:
    """Read the customer that an object belongs to; raises PermanentError when it has none. `name` is the kind's, for the message."""
    customer_id = referenced_id(obj.get("customer"))
    if customer_id is None and names_account(obj):
        fields.malformed(
            f"the {name} has no customer, only an account (`customer_account`), which has no row"
        )
    if customer_id is None or not is_object_id(customer_id):
        fields.malformed(f"the {name} has no customer")
    return customer_id


def names_account(obj: Json) -> bool:
    """Tell whether an object's customer is an account (Accounts v2), which Stripe then names in `customer_account`."""
    return referenced_id(obj.get("customer_account")) is not None
