"""A payload as a tree: what a mask lets through, and that it lets nothing else through whatever the body is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from cogento.console.payload import MASK, MAX_NODES, payload_tree
from tests.support import builders

if TYPE_CHECKING:
    from cogento.console.payload import PayloadNode

CANARY = "Ada.Canary"
PERSON = builders.customer(
    "cus_ada",
    email=f"{CANARY}@example.com",
    name=CANARY,
    phone=f"+44 {CANARY}",
    address={"line1": CANARY, "country": CANARY},
    metadata={CANARY: CANARY, "vip": True, "born": 1815},
)


def texts(node: PayloadNode) -> dict[str, str]:
    """Every name below a node with its text; of equal names the last one."""
    found = {node.name: node.text}
    for child in node.children:
        found |= texts(child)
    return found


def everything(node: PayloadNode) -> str:
    return " ".join((node.name, node.text, *map(everything, node.children)))


def tree(value: Any, *, reveal: bool = False) -> PayloadNode:
    return payload_tree(json.dumps(value).encode(), reveal=reveal)


def test_a_masked_payload_says_nothing_of_the_person() -> None:
    masked = everything(payload_tree(builders.event_body("customer.updated", PERSON, id_="evt_1")))
    assert CANARY not in masked
    assert "1815" not in masked


def test_a_masked_payload_shows_ids_types_and_times() -> None:
    body = builders.event_body("customer.updated", {"customer": "cus_ada", "created": 1760000000})
    shown = texts(payload_tree(body))
    assert (shown["customer"], shown["type"], shown["created"]) == (
        "cus_ada",
        "customer.updated",
        "1760000000",
    )


def test_a_revealed_payload_says_all_of_it() -> None:
    shown = texts(tree(PERSON, reveal=True))
    assert (shown["name"], shown[CANARY], shown["born"]) == (f'"{CANARY}"', f'"{CANARY}"', "1815")


@pytest.mark.parametrize(
    ("value", "mask"), [("text", f"{MASK} string"), (12, f"{MASK} number"), (True, "true"), (None, "null")]
)
def test_a_mask_tells_the_type(value: object, mask: str) -> None:
    assert texts(tree({"phone": value}))["phone"] == mask


@pytest.mark.parametrize("value", [CANARY, "+4415551234", "a b", f"cus_{CANARY}"])
@pytest.mark.parametrize("name", ["id", "status", "customer", "api_version", "created", "type"])
def test_what_is_no_id_word_or_time_is_masked_under_any_name(name: str, value: str) -> None:
    assert texts(tree({name: value}))[name] == f"{MASK} string"


def test_a_number_too_long_for_a_time_is_masked() -> None:
    assert texts(tree({"created": 4917600000000000000}))["created"] == f"{MASK} number"


@pytest.mark.parametrize("name", [CANARY, "a b", "ada@example.com", "<b>", "+44"])
def test_a_name_that_stripe_would_not_give_is_masked(name: str) -> None:
    assert list(texts(tree({name: 1}))) == ["", MASK]


def test_an_id_in_metadata_is_masked_too() -> None:
    assert everything(tree({"metadata": {"customer": "cus_1", "deep": {"id": "cus_2"}}})).count("cus_") == 0


def test_repeated_names_are_all_shown() -> None:
    node = payload_tree(b'{"id": "cus_1", "id": "cus_2"}')
    assert [child.text for child in node.children] == ["cus_1", "cus_2"]


def test_elements_of_a_list_are_numbered_and_masked_by_its_name() -> None:
    node = tree({"status": ["active", CANARY]}).children[0]
    assert [(child.name, child.text) for child in node.children] == [
        ("0", "active"),
        ("1", f"{MASK} string"),
    ]


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"[" * 100_000, CANARY.encode()])
def test_bytes_that_are_not_json_are_only_counted(body: bytes) -> None:
    assert payload_tree(body).text == f"{len(body):,} bytes that are not JSON"


def test_bytes_that_are_not_json_can_be_revealed() -> None:
    assert payload_tree(b"name=\xff\x1b[31m", reveal=True).text == "name=\\xff\\x1b[31m"


def test_what_no_page_can_encode_is_escaped() -> None:
    revealed = everything(payload_tree(rb'{"name": "\ud800", "\ud800": 1e999}', reveal=True))
    assert revealed.encode()
    assert "\\ud800" in revealed


def test_a_tree_stops_growing() -> None:
    node = tree({"a": list(range(2 * MAX_NODES))})
    assert len(node.children[0].children) == MAX_NODES
    assert "more than a page can show" in node.children[0].children[-1].text
