"""A person who is recognised by one word, in everything that the system can hold of somebody; and where that word still occurs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import redis

from cogento import runtime
from cogento.events.envelope import parse_envelope
from cogento.events.names import CustomerId
from cogento.queue import codec
from cogento.store.activity import Action
from cogento.store.letter_records import LetterFilter, LetterStatus
from cogento.store.operations import OperationKind, OperationState
from cogento.store.roles import Role
from tests.support import builders
from tests.support.builders import NOW
from tests.support.store_deliveries import delivery
from tests.support.store_letters import letter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cogento.store.letter_records import Letter
    from cogento.store.store import Store
    from tests.support.looped import LoopedMailboxes

CANARY = "zeisig"
"""A word in everything that names the person."""

PERSON: dict[str, Any] = {
    "email": f"{CANARY}.mail@example.com",
    "name": "Zeisig Émile",
    "phone": "+49 30 zeisig 1",
    "address": {"line1": f"{CANARY} street 1", "city": "Berlin"},
    "metadata": {"nickname": f"{CANARY} of the house"},
    "shipping": {"name": f"{CANARY} at work", "phone": f"{CANARY}-2"},
    "description": f"{CANARY} is a regular",
}
EVERY = LetterFilter(statuses=frozenset(LetterStatus))
EVERYWHERE = {
    "users.name",
    "users.email",
    "users.stripe_email",
    "users.claimed_email",
    "users.phone",
    "users.address",
    "users.metadata",
    "users.evidence",
    "subscriptions.metadata",
    "subscriptions.evidence",
    "dead_letters.raw_body",
    "dead_letters.resolution",
    "dead_letter_actions.why",
    "activity.why",
    "operations.filter",
    "operations.why",
    "notices.raw_body",
    "{cogento:0}:pauses",
    "{cogento:0}:event:evt_w1 unpacked",
    "{cogento:0}:event:evt_w2 unpacked",
}


def person(**fields: Any) -> dict[str, Any]:
    """The person as Stripe has them, cus_1."""
    return builders.customer("cus_1", **(PERSON | fields))


def of_person(id_: str = "sub_1", **fields: Any) -> dict[str, Any]:
    """A subscription of theirs."""
    own: dict[str, Any] = {"customer": "cus_1", "metadata": {"gift from": f"{CANARY} with love"}}
    return builders.subscription(id_, **(own | fields))


def stand_everywhere(store: Store, mailboxes: LoopedMailboxes, database_url: str) -> None:
    """Put the person's data everywhere, beside those of another customer, cus_2."""

    def apply(type_: str, object_: dict[str, Any], *, id_: str, created: int) -> None:
        runtime.run(store.apply([delivery(type_, object_, id_=id_, created=created)]))

    def put(type_: str, object_: dict[str, Any], *, id_: str, created: int) -> None:
        body = builders.event_body(type_, object_, id_=id_, created=created)
        mailboxes.put([parse_envelope(body, now=mailboxes.now_ms() // 1000)])

    apply("customer.created", builders.customer("cus_2", name="Bob"), id_="evt_other", created=NOW)
    apply("customer.created", person(), id_="evt_c1", created=NOW)
    # Two events of one second whose order is undecided: the row's evidence remembers what each of them shows.
    apply("customer.updated", person(name="Zeisig One"), id_="evt_c2", created=NOW + 60)
    apply("customer.updated", person(name="Zeisig Two"), id_="evt_c3", created=NOW + 60)
    apply("customer.subscription.created", of_person(), id_="evt_s1", created=NOW + 5)
    for turn in ("2", "3"):
        subscribed = of_person(metadata={"gift from": f"{CANARY} {turn}"})
        apply("customer.subscription.updated", subscribed, id_=f"evt_s{turn}", created=NOW + 60)
    assert runtime.run(store.roles.grant(PERSON["email"], Role.ADMIN))

    _bury(store)
    put("customer.updated", person(), id_="evt_w1", created=NOW + 200)
    put("customer.subscription.updated", of_person(), id_="evt_w2", created=NOW + 201)
    assert mailboxes.pause(CustomerId("cus_1"), who="ada", why=f"{CANARY} rang")
    assert mailboxes.pause(CustomerId("cus_2"), who="ada", why="a friend of ZEISIG ÉMILE")

    record = store.activity.record
    runtime.run(record(who="ada", action=Action.PAUSE, about="cus_1", why=f"{CANARY} rang"))
    runtime.run(record(who="ada", action=Action.PAUSE, about="cus_2", why="asked by ZEISIG.MAIL@example.com"))
    which = LetterFilter(text=PERSON["email"])
    begun = store.operations.begin(
        OperationKind.RETRY, which, newest_letter=9, total=0, who="ada", why="for zeisig émile"
    )
    runtime.run(store.operations.finish(runtime.run(begun), OperationState.STOPPED))
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO notices (object_id, kind, told_at, ends, noticed_at, waits_since, raw_body)"
            " VALUES ('sub_1', 'subscription', now(), FALSE, now(), now(), %s)",
            (f"{CANARY} told".encode(),),
        )


def _bury(store: Store) -> None:
    """Insert letters of every status, of the customer and of the subscription; a discard's reason names the person."""
    dead = [dead_letter(f"d{n}") for n in range(4)]
    body = builders.event_body("customer.subscription.updated", of_person(), id_="evt_d9")
    dead.append(letter("d9", customer_id="cus_1", object_id="sub_1", raw_body=body))
    other = builders.event_body("customer.updated", builders.customer("cus_2"), id_="evt_o1")
    dead.append(letter("o1", customer_id="cus_2", object_id="cus_2", raw_body=other))
    dead.append(letter("o2", customer_id="cus_2", object_id="cus_2", raw_body=other))
    runtime.run(store.insert_dead_letters(dead))
    ids = {str(one.event_id): one.id for one in kept_letters(store)}
    runtime.run(store.letters.discard([ids["evt_d1"]], who="ada", why=f"{CANARY} does not mind"))
    runtime.run(store.letters.retry([ids["evt_d2"]], who="ada", why=f"{CANARY} pays again"))
    runtime.run(store.letters.discard([ids["evt_o2"]], who="ada", why="as Zeisig Two wanted"))


def dead_letter(event: str) -> Any:
    """A letter of the person, evt_<event>."""
    body = builders.event_body("customer.updated", person(), id_=f"evt_{event}")
    return letter(event, customer_id="cus_1", object_id="cus_1", raw_body=body)


def kept_letters(store: Store) -> list[Letter]:
    """Every letter, of whatever status."""
    return runtime.run(store.letters.page(EVERY))


def cells(database_url: str) -> Iterator[tuple[str, str]]:
    """Yield everything in every table, with its place."""
    with psycopg.connect(database_url) as connection:
        tables = connection.execute(
            "SELECT table_schema, table_name FROM information_schema.tables"
            " WHERE table_type = 'BASE TABLE' AND table_schema NOT IN ('pg_catalog', 'information_schema')"
        ).fetchall()
        for schema, table in tables:
            cursor = connection.execute(f'SELECT * FROM "{schema}"."{table}"')
            names = [column.name for column in cursor.description or ()]
            for row in cursor:
                for name, value in zip(names, row, strict=True):
                    text = value.decode(errors="replace") if isinstance(value, bytes) else str(value)
                    yield f"{table}.{name}", text


def values(redis_url: str) -> Iterator[tuple[str, str]]:
    """Everything in Redis, by its key; events as they are, and unpacked."""
    client = redis.Redis.from_url(redis_url)
    readers: dict[bytes, Any] = {
        b"string": client.get,
        b"hash": client.hgetall,
        b"zset": lambda key: client.zrange(key, 0, -1),
        b"set": client.smembers,
        b"list": lambda key: client.lrange(key, 0, -1),
    }
    for key in sorted(
        set(client.scan_iter())
    ):  # a table that is being resized gives keys twice, in another order
        value = readers[client.type(key)](key)  # type: ignore[index]
        yield key.decode(), repr(value)
        if b":event:" in key:
            yield f"{key.decode()} unpacked", codec.decode(value, now_ms=NOW * 1000).body.decode()  # type: ignore[union-attr]
    client.close()


def places(database_url: str, redis_url: str) -> set[str]:
    """Return every place where the person still occurs."""
    everything = [*cells(database_url), *values(redis_url)]
    return {place for place, text in everything if names_person(text)}


def names_person(text: str) -> bool:
    """Tell whether a text names the person."""
    return CANARY in text.lower() or "mile" in text.lower()
