"""Whatever the arguments of a command: no traceback, no secret, and a documented exit code."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from cogento.cli.main import COMMANDS, main
from tests.support.builders import SECRET

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.integration.console.conftest import Run

CANARY = "Xpw7canary"
DOCUMENTED = {0, 1, 2, 3, 4, 78}
SERVE = {"run", "console"}  # these go on until they are stopped: only what they cannot be told is tried
AWAY = {
    "DATABASE_URL": f"postgresql://u:{CANARY}@127.0.0.1:1/x",
    "REDIS_URL": f"redis://:{CANARY}@127.0.0.1:1/0",
    "STRIPE_API_KEY": f"rk_test_{CANARY}",
    "STRIPE_API_BASE": "http://127.0.0.1:1",
    "STRIPE_WEBHOOK_SECRET": f"{SECRET}{CANARY}",
}

# What a shell can hand over: no NUL, and of surrogates only those that stand for bytes that are no text.
characters = st.characters(exclude_characters="\0", exclude_categories=["Cs"]) | st.sampled_from(
    "/@:?#%[]&=-.*\\ \n\t\x7f\u2028\u202e🙂\udc80\udcff'\"<>`{}|^+$"
)
odd_values = st.text(characters, max_size=20) | st.sampled_from(
    [
        "",
        "-",
        "--",
        "-1",
        "0",
        "65536",
        "9" * 30,
        "9" * 5000,
        "nan",
        "inf",
        "1e400",
        "true",
        "x" * 100000,
        "cus_1",
        "sub_1",
        "evt_1",
        "a@example.com",
        "/",
        "/dev/null",
        "/proc/self/mem",
        "�",
        "%00",
        "../..",
        "http://[::1",
        "http://h:x/",
        "http://h:0/",
        "http://u:typed@127.0.0.1:1/",
        "http://127.0.0.1:1/�",
    ]
)


def leaves(
    command: click.Command, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command under this one that does something itself."""
    if not isinstance(command, click.Group):
        yield path, command
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        found = command.get_command(context, name)
        assert found is not None
        yield from leaves(found, (*path, name))


LEAVES = {" ".join(path): command for path, command in leaves(main) if path[0] not in SERVE}


@st.composite
def arguments(draw: st.DrawFn, command: click.Command) -> list[str]:
    """Arguments and options of a command, each with an odd value, and sometimes one too many or too few."""
    line: list[str] = []
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            given_ = draw(st.booleans())
            values = [] if parameter.is_flag or not given_ else [draw(odd_values)]
            line += [draw(st.sampled_from(parameter.opts)), *values] if given_ else []
        else:
            line += draw(st.lists(odd_values, max_size=2))
    return line


def invoke(*line: str) -> Result:
    return CliRunner(env=AWAY).invoke(main, line, prog_name="cogento", input="\n")


def assert_told(result: Result) -> None:
    assert result.exception is None or isinstance(result.exception, SystemExit), repr(result.exception)
    assert result.exit_code in DOCUMENTED
    assert "Traceback" not in result.output


@pytest.mark.parametrize("command", sorted(LEAVES))
@examples(
    max_examples=25,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
    ],
)
@given(data=st.data())
def test_a4_any_command_told_anything_ends_in_words_while_its_servers_are_away(
    command: str, data: st.DataObject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = invoke(*command.split(), *data.draw(arguments(LEAVES[command])))
    assert_told(result)
    assert CANARY not in result.output


@pytest.mark.parametrize(
    "line",
    [
        ("run", "--port", "0"),
        ("run", "--port", "x"),
        ("run", "--rate", "nan"),
        ("run", "--rate", "-1"),
        ("run", "--rate", "inf"),
        ("run", "--customers", "0"),
        ("run", "--seed", "1.5"),
        ("run", "--payloads", "\udcff"),
        ("console", "--port", "65536"),
        ("console", "--port", "-1"),
        ("nothing",),
        ("--nothing",),
        ("letters", "nothing"),
    ],
)
def test_a4_what_goes_on_is_not_begun_with_what_it_cannot_be_told(line: tuple[str, ...]) -> None:
    result = invoke(*line)
    assert_told(result)
    assert result.exit_code == 2


ODD_IDS = [
    "\udcff",
    "%00",
    "9" * 30,
    "9" * 5000,
    "-1",
    " ",
    "'; --",
    "cus_\udc80",
    "sub_" + "x" * 10_000,
    "evt_🙂",
    "\u202e@example.com",
    "a@\udcff",
    "1e5",
    "\x1b[31m",
]


@pytest.mark.parametrize(
    "command",
    [
        "explain",
        "pause",
        "resume",
        "waiting --customer",
        "letters show",
        "letters retry",
        "letters discard --why x",
        "roles list",
        "letters list --customer",
        "letters list --text",
        "letters list --type",
        "letters list --fingerprint",
    ],
)
def test_a4_an_odd_id_is_answered_in_words_by_servers_that_are_there(run: Run, command: str) -> None:
    results = [run(*command.split(), id_) for id_ in ODD_IDS]
    assert [
        repr(result.exception) for result in results if not isinstance(result.exception, SystemExit | None)
    ] == []
    assert {result.exit_code for result in results} <= DOCUMENTED


FILES = {
    "empty": b"",
    "binary": bytes(range(256)) * 100,
    "truncated": b'{"id": "evt_1", "object": "event", "da',
    "no text": b'{"id": "\xff"}',
    "utf-16": '{"object": "event"}'.encode("utf-16"),
    "giant number": b'{"object": "event", "id": ' + b"9" * 5000 + b"}",
    "deep": b"[" * 100_000,
    "deep event": b'{"object": "event", "data": ' + b"[" * 900 + b"]" * 900 + b"}",
    "no list": b'{"object": "list", "data": 5}',
    "list of numbers": b"[1, 2]",
    "a number": b"5",
    "not a number": b'{"object": "customer", "balance": NaN}',
    "lone surrogate": b'{"object": "customer", "name": "\\ud800"}',
    "no id": b'{"object": "event"}',
    "odd id": b'{"object": "event", "id": {"a": ["b"]}, "type": 5}',
    "odd data": b'{"object": {"object": "customer", "livemode": []}}',
    "twice": b'{"object": "event", "id": "x"}\n{"object": "event", "id": "x", "a": 1}\n',
}


@pytest.mark.parametrize("name", FILES)
def test_a4_an_odd_file_is_sent_or_refused_in_words(name: str, tmp_path: Path) -> None:
    file = tmp_path / "events.json"
    file.write_bytes(FILES[name])
    result = invoke("send", "--url", "http://127.0.0.1:1/webhooks/stripe", str(file))
    assert_told(result)
    assert result.exit_code == 1


@pytest.mark.parametrize(
    "path", ["missing", "folder", "folder/", "\udcff", "events.json/x", "/proc/self/mem", "x" * 5000]
)
def test_a4_a_path_that_cannot_be_read_is_named(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "events.json").write_text("{}")
    result = invoke("send", "--url", "http://127.0.0.1:1/webhooks/stripe", path)
    assert_told(result)
    assert result.exit_code == 1


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff",
        b"[]",
        b"5",
        b"{",
        b"[" * 100000,
        b'{"redis_url": 5}',
        b'{"redis_url": "\\u0000"}',
        b'{"redis_url": "\\ud800", "database_url": {}}',
        b'{"redis_url": "redis://[", "ack_durability": "x"}',
        b'{"redis_url": "redis://[", "accounts": {"eu\\u0000": {}}}',
        b'{"redis_url": "redis://[", "accounts": {"eu": [], "us": {"database_schema": 5}}}',
    ],
)
def test_a4_an_odd_run_json_is_told_in_words(
    content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".data").mkdir()
    (tmp_path / ".data" / "run.json").write_bytes(content)
    result = CliRunner(env=dict.fromkeys(AWAY)).invoke(main, ["status"], prog_name="cogento")
    assert_told(result)
    assert result.exit_code in {1, 78}


@pytest.mark.parametrize(
    "path", ["/nowhere/x.csv", "/", "/dev", ".", "x" * 5000 + ".csv", "\udcff.csv", "/proc/x.csv"]
)
def test_a4_an_export_that_cannot_be_written_is_told_in_words(
    run: Run, path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run("letters", "export", "--format", "csv", path)
    assert_told(result)


@pytest.mark.parametrize(
    "url",
    [
        "",
        " ",
        "x",
        "ftp://127.0.0.1/",
        "http://[::1",
        "http://[x]/",
        "http://127.0.0.1:x/",
        "http://127.0.0.1:0/",
        "http://127.0.0.1:65536/",
        "http://127.0.0.1:-1/",
        "http:///webhooks",
        "http://" + "a" * 300 + "/",
        "http://a..b/",
        "http://127.0.0.1:1/\n",
        "http://127.0.0.1:1/\udcff",
        "http://127.0.0.1:1/é",
        "http://127.0.0.1:1/%zz",
        f"http://u:{CANARY}@127.0.0.1:1/",
        f"http://u:{CANARY}/@127.0.0.1:1/",
    ],
)
def test_a4_an_address_that_nothing_can_be_sent_to_is_told_in_words(url: str, tmp_path: Path) -> None:
    file = tmp_path / "event.json"
    file.write_text('{"object": "event", "id": "evt_1"}')
    result = invoke("send", "--url", url, str(file))
    assert_told(result)
    assert result.exit_code in {1, 2}
    assert CANARY not in result.output


@pytest.mark.parametrize("secret", ["\udcff", "é", " ", "x" * 100_000, "\u202e", "a\nb"])
def test_a4_a_secret_that_nothing_can_be_signed_with_is_told_in_words(secret: str, tmp_path: Path) -> None:
    file = tmp_path / "event.json"
    file.write_text('{"object": "event", "id": "evt_1"}')
    result = invoke("send", "--url", "http://127.0.0.1:1/", "--secret", secret, str(file))
    assert_told(result)
    assert result.exit_code in {1, 2}


def test_every_command_is_tried() -> None:
    assert {path.split()[0] for path in LEAVES} | SERVE == set(COMMANDS)
