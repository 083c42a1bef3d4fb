from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from cogento.cli.event_files import SignableEvent, UnreadableFileError, read_events
from tests.support.builders import body, customer, deleted_customer, event, subscription
from tests.support.stripe_files import FOLDER, NAMES

if TYPE_CHECKING:
    from pathlib import Path

CHANGED = 1_770_000_000

EVENT = event("customer.updated", customer("cus_1"))
OTHER = event("customer.updated", customer("cus_2"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def _file(folder: Path, content: Any, name: str = "one.json") -> Path:
    file = folder / name
    file.write_bytes(content if isinstance(content, bytes) else body(content))
    os.utime(file, (CHANGED, CHANGED))
    return file


def _only(folder: Path, content: Any) -> tuple[SignableEvent, dict[str, Any]]:
    (letter,) = read_events([_file(folder, content)])
    return letter, json.loads(letter.body)


def test_a_whole_event_keeps_its_bytes(folder: Path) -> None:
    raw = b'{ "object":"event",\n "id": "evt_1", "type":"customer.updated","created": 1 }\n'
    letter, _ = _only(folder, raw)
    assert (letter.event_id, letter.type, letter.body) == ("evt_1", "customer.updated", raw)


@pytest.mark.parametrize(
    ("bare", "kind"),
    [
        (customer(), "customer.updated"),
        (subscription(), "customer.subscription.updated"),
        (deleted_customer(), "customer.deleted"),
        ({"id": "in_1", "object": "invoice"}, "invoice.updated"),
    ],
)
def test_a_bare_object_becomes_an_event_of_its_kind(folder: Path, bare: dict[str, Any], kind: str) -> None:
    _, sent = _only(folder, bare)
    assert (sent["object"], sent["type"], sent["data"]) == ("event", kind, {"object": bare})


def test_a_bare_data_hash_becomes_an_event_with_its_previous_attributes(folder: Path) -> None:
    data = {"object": customer(), "previous_attributes": {"name": "Grace"}}
    _, sent = _only(folder, data)
    assert (sent["type"], sent["data"]) == ("customer.updated", data)


def test_a_wrapped_object_is_of_the_second_in_which_its_file_was_changed(folder: Path) -> None:
    _, sent = _only(folder, customer())
    assert sent["created"] == CHANGED


def test_the_same_object_in_the_same_file_is_the_same_event_each_time(folder: Path) -> None:
    file = _file(folder, customer())
    assert read_events([file]) == read_events([file])


def test_another_object_is_another_event(folder: Path) -> None:
    files = [_file(folder, customer("cus_1"), "1.json"), _file(folder, customer("cus_2"), "2.json")]
    first, second = read_events(files)
    assert first.event_id != second.event_id


def test_lines_are_events_of_their_own_and_keep_their_bytes(folder: Path) -> None:
    lines = [json.dumps(EVENT).encode(), b"", json.dumps({**OTHER, "id": "evt_other"}).encode()]
    file = _file(folder, b"\n".join(lines), "many.ndjson")
    letters = read_events([file])
    assert [(one.source, one.body) for one in letters] == [(f"{file}:1", lines[0]), (f"{file}:3", lines[2])]


@pytest.mark.parametrize("listing", [[EVENT, customer()], {"object": "list", "data": [EVENT, customer()]}])
def test_a_list_is_sent_member_by_member(folder: Path, listing: Any) -> None:
    letters = read_events([_file(folder, json.dumps(listing).encode())])
    assert [one.type for one in letters] == ["customer.updated", "customer.updated"]


def test_a_folder_is_read_by_name_and_only_its_json(folder: Path) -> None:
    _file(folder, {**EVENT, "id": "evt_b"}, "b.json")
    _file(folder, {**EVENT, "id": "evt_a"}, "a.jsonl")
    _file(folder, b"# notes", "README.md")
    assert [one.event_id for one in read_events([folder])] == ["evt_a", "evt_b"]


def test_of_two_events_with_one_id_the_second_gets_an_id_of_its_own(folder: Path) -> None:
    files = [_file(folder, EVENT, "1.json"), _file(folder, {**OTHER, "id": EVENT["id"]}, "2.json")]
    first, second = read_events(files)
    assert (first.event_id, first.replaced_id) == (EVENT["id"], None)
    assert (second.replaced_id, json.loads(second.body)) == (EVENT["id"], {**OTHER, "id": second.event_id})


def test_one_event_twice_stays_one_event_twice(folder: Path) -> None:
    files = [_file(folder, EVENT, "1.json"), _file(folder, EVENT, "2.json")]
    assert [one.event_id for one in read_events(files)] == [EVENT["id"]] * 2


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b'{"id": "evt_1",}', "one.json: not JSON: "),
        (b'{"object": "event"}\n{"object": }', "one.json:2: not JSON: "),
        (b"\xff\xfe\x00", "not JSON"),
        (b"", "not JSON"),
        (b"17", "neither an event nor a Stripe object"),
        (b'{"id": "cus_1"}', "neither an event nor a Stripe object"),
        (b"[" * 100_000, "not JSON"),
    ],
)
def test_a_file_that_holds_no_event_is_named_with_its_fault(
    folder: Path, content: bytes, complaint: str
) -> None:
    with pytest.raises(UnreadableFileError, match=r"one\.json") as refused:
        read_events([_file(folder, content)])
    assert complaint in str(refused.value)


def test_a_missing_file_is_named(folder: Path) -> None:
    with pytest.raises(UnreadableFileError, match=r"none\.json: No such file"):
        read_events([folder / "none.json"])


def test_a_folder_without_events_is_named(folder: Path) -> None:
    with pytest.raises(UnreadableFileError, match=r"no \.json, \.jsonl, \.ndjson file in this folder"):
        read_events([folder])


def test_the_recorded_payloads_can_all_go_out_in_one_call() -> None:
    letters = read_events([FOLDER])
    assert len({one.event_id for one in letters}) == len(letters) == len(NAMES)
    assert {one.type for one in letters if one.source.endswith("_subscription.json")} == {
        "customer.subscription.updated"
    }
