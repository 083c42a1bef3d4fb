"""The truth as lines of JSON, one row each: how it travels from the simulation to whoever compares."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from cogento.local.stripe.truth import SubscriptionTruth, Truth, UserTruth

if TYPE_CHECKING:
    from collections.abc import Iterable


class _Line(msgspec.Struct):
    table: str
    row: msgspec.Raw


def write_truth(truth: Truth) -> bytes:
    """Every row as `{"table": …, "row": {…}}`, a line each."""
    rows: Iterable[tuple[str, Any]] = (
        *(("users", row) for row in truth.users),
        *(("subscriptions", row) for row in truth.subscriptions),
    )
    return b"".join(msgspec.json.encode({"table": table, "row": row}) + b"\n" for table, row in rows)


def read_truth(lines: bytes) -> Truth:
    """Read what `write_truth` wrote; raises msgspec.MsgspecError for anything else."""
    parsed = [msgspec.json.decode(line, type=_Line) for line in lines.splitlines()]
    return Truth(
        users=tuple(msgspec.json.decode(one.row, type=UserTruth) for one in parsed if one.table == "users"),
        subscriptions=tuple(
            msgspec.json.decode(one.row, type=SubscriptionTruth)
            for one in parsed
            if one.table == "subscriptions"
        ),
    )
