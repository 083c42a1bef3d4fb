"""Events whose correct result is known: every customer is renamed again and again, and the last name counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.builders import NOW, customer
from tests.support.servers import wait_until

if TYPE_CHECKING:
    from tests.support.post import Post

CUSTOMERS = 25
RECOVERY_SECONDS = 60


def put_names(post: Post, *versions: int) -> list[str]:
    """Rename every customer once a version, an hour after the one before, and return the events' ids."""
    return [
        post.put(
            "customer.updated",
            customer(f"cus_{number}", name=f"Name {version}"),
            id_=f"evt_{number}_{version}",
            created=NOW + 3600 * version,
        )
        for version in versions
        for number in range(CUSTOMERS)
    ]


def await_quiet(post: Post) -> None:
    """Wait until nothing waits: within the bound for everything that has recovered."""
    wait_until(lambda: post.mailboxes.status().waiting == 0, what="empty mailboxes", seconds=RECOVERY_SECONDS)


def names(post: Post) -> set[str]:
    """Every name that the rows show."""
    return {row["name"] for row in post.rows("SELECT DISTINCT name FROM users")}


def why_open(post: Post) -> str | None:
    """Return why workers claim no events; None while they do."""
    found = post.mailboxes.open_circuits()
    return found[0].why if found else None
