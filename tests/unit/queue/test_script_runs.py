"""Several calls of one script are one run where a server lets a script touch several shards."""

from __future__ import annotations

import pytest
from redis.exceptions import ReadOnlyError, ResponseError

from cogento.queue.errors import ShardFailed
from cogento.queue.redis_commands import Call
from cogento.queue.script_runs import MOST_SHARDS, ScriptRun, script_runs


def put(tag: str, *terms: str) -> Call:
    return Call("put", tag, (7, *terms))


def test_puts_into_several_shards_are_one_run_that_says_how_much_is_each_ones() -> None:
    (run,) = script_runs([put("{a}", "x"), put("{b}", "y", "z")], may_join=True)
    assert (run.script, list(run.tags), list(run.arguments)) == (
        "put",
        ["{a}", "{b}"],
        [7, 1, "x", 2, "y", "z"],
    )


def test_where_shards_may_not_share_a_script_each_has_its_own_run() -> None:
    runs = script_runs([put("{a}", "x"), put("{b}", "y")], may_join=False)
    assert [(list(run.tags), list(run.arguments)) for run in runs] == [
        (["{a}"], [7, 1, "x"]),
        (["{b}"], [7, 1, "y"]),
    ]


def test_other_scripts_are_run_for_one_shard_and_in_their_order() -> None:
    claim = Call("claim", "{a}", (7, "x"))
    runs = script_runs([put("{a}"), claim, put("{b}"), put("{c}"), claim], may_join=True)
    assert [(run.script, list(run.tags)) for run in runs] == [
        ("put", ["{a}"]),
        ("claim", ["{a}"]),
        ("put", ["{b}", "{c}"]),
        ("claim", ["{a}"]),
    ]
    assert runs[1].arguments == (7, "x")


def test_more_shards_than_lua_can_pass_are_several_runs() -> None:
    runs = script_runs([put(f"{{{number}}}") for number in range(2 * MOST_SHARDS + 1)], may_join=True)
    assert [len(run.tags) for run in runs] == [MOST_SHARDS, MOST_SHARDS, 1]


def test_a_shard_that_failed_is_told_from_those_that_did_not() -> None:
    first, second = ScriptRun("put", ["{a}", "{b}"], ()).parted([[0, 1], ResponseError("ERR no")])
    assert first == [0, 1]
    assert isinstance(second, ShardFailed)
    assert str(second) == "Redis: ResponseError: ERR no"


def test_what_is_wrong_with_the_server_is_no_shards_failure() -> None:
    with pytest.raises(ReadOnlyError):
        ScriptRun("put", ["{a}", "{b}"], ()).parted([[0, 1], ReadOnlyError("READONLY")])


def test_a_reply_to_no_shard_is_the_reply_to_each() -> None:
    moved = object()
    assert ScriptRun("put", ["{a}", "{b}"], ()).parted(moved) == [moved, moved]
