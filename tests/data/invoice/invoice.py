"""Invoices: what a customer owes, and whether it was paid."""

from __future__ import annotations

from cogento.events import fields, reductions
from cogento.events.fields import Json
from cogento.events.kinds.customer import owner_of
from cogento.events.kinds.kind import Kind, Metadata, Number, OwnedColumns, Projection, Text, Time


class InvoiceColumns(OwnedColumns, frozen=True):
    """An invoice as `invoices` shows it; amounts in the smallest unit of the currency, times in Unix seconds."""

    number: Text | None
    status: Text
    currency: Text | None
    amount_due: Number | None
    amount_paid: Number | None
    due_at: Time | None
    metadata: Metadata
    stripe_created_at: Time | None


def read_invoice(obj: Json) -> InvoiceColumns:
    """Read an invoice; raises PermanentError when it has no customer or no status, or an impossible value."""
    status = fields.text(obj, "status")
    if not status:
        fields.malformed("the invoice has no status")
    return InvoiceColumns(
        customer_id=owner_of(obj, "invoice"),
        number=fields.text(obj, "number"),
        status=status,
        currency=fields.text(obj, "currency"),
        amount_due=fields.number(obj, "amount_due"),
        amount_paid=fields.number(obj, "amount_paid"),
        due_at=fields.time(obj, "due_date"),
        metadata=fields.nested_text(obj, "metadata") or "{}",
        stripe_created_at=fields.time(obj, "created"),
    )


def project_invoice(invoice: Json) -> Projection:
    """Reduce an invoice to the values that distinguish its states."""
    get = invoice.get
    return [
        get("created"),
        reductions.id_of(get("customer")),
        get("number"),
        get("status"),
        get("currency"),
        get("amount_due"),
        get("amount_paid"),
        get("due_date"),
        reductions.pruned(get("metadata")),
        get("attempt_count"),
    ]


def invoice_growth(invoice: Json, _projection: Projection) -> tuple[int, ...]:
    """R7: the number of attempts to collect it only grows."""
    attempts = invoice.get("attempt_count")
    return (attempts,) if type(attempts) is int else ()


INVOICE = Kind(
    name="invoice",
    id_prefix="in_",
    family="invoice",
    events=(  # without `upcoming`, whose invoice has no id
        "created", "updated", "deleted", "finalized", "finalization_failed", "sent", "paid", "payment_succeeded",
        "payment_failed", "payment_action_required", "marked_uncollectible", "voided", "overdue", "will_be_due",
    ),
    columns=InvoiceColumns,
    read=read_invoice,
    project=project_invoice,
    projected=frozenset({
        "customer", "number", "status", "currency", "amount_due", "amount_paid", "due_date", "metadata",
        "attempt_count",
    }),
    growth=invoice_growth,
    ended_by="status",
    ended_values=("paid", "void"),
    table="invoices",
    shown={"Status": "status", "Number": "number", "Due": "due_at"},
    path="/v1/invoices",
)  # fmt: skip
