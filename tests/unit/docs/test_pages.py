"""What README and the pages in docs/ name exists, and what exists is named."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from cogento.cli.main import COMMANDS, main
from cogento.events.kinds import kind_of
from cogento.reconcile.sweep import TYPES
from cogento.stripe.account import LISTS
from tools.generate_docs import commands_page, decisions_page

ROOT = Path(__file__).parents[3]
PAGES = {
    str(path.relative_to(ROOT)): path.read_text()
    for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("docs/decisions/*.md"))
}
TEXT = "\n".join(PAGES.values())
MAKEFILE = (ROOT / "Makefile").read_text()

TARGETS = set(re.findall(r"^([a-z-]+):", MAKEFILE, flags=re.MULTILINE))
NAMED_TARGETS = sorted(set(re.findall(r"(?:^|`)make ([a-z][a-z-]*)", TEXT, flags=re.MULTILINE)))
NAMED_FILES = sorted(
    (page, name)
    for page, text in PAGES.items()
    for name in re.findall(r"`((?:bench|cogento|receiver|schema|tests|tools|worker)/[\w./-]+\.\w+)`", text)
    if "invoice" not in name  # docs/adding-an-object.md makes it
)
NAMED_COMMANDS = sorted(set(re.findall(r"(?:`|bin/|-m )cogento ([a-z][a-z-]*)", TEXT)))
LINKS = sorted(
    {
        (page, target)
        for page, text in PAGES.items()
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", text)
    }
)
ANCHORED_LINKS = sorted(
    {
        (page, target, anchor)
        for page, text in PAGES.items()
        for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)#([^)]+)\)", text)
    }
)
INDEXED_PAGES = sorted(path.name for path in ROOT.glob("docs/*.md") if path.name != "README.md")

CODE = {
    page: [
        *re.findall(r"`([^`\n]+)`", text),
        *(
            line
            for block in re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
            for line in block.splitlines()
        ),
    ]
    for page, text in PAGES.items()
    if "decisions" not in page and page != "CHANGELOG.md"
}
CALLS = sorted(
    {
        call.strip()
        for code in CODE.values()
        for words in code
        for call in re.findall(r"(?:^|[/(;] ?|-m |run |worker |-- )cogento ([a-z][^|;#&)>]*)", words)
    }
)
"""What follows the word `cogento` wherever a page has a command, up to a pipe or a comment."""

PRINTED = (ROOT / "cogento" / "local" / "terminal.py").read_text()
LISTENING = re.findall(r"stripe listen (?:[^`#\\\n]|\\\n)*", f"{TEXT}\n{PRINTED}")
WHOLE_COMMANDS = [line for line in LISTENING if "…" not in line]

ALWAYS = {"--data", "--help"}
"""What every command takes."""

every_command = pytest.mark.parametrize("name", COMMANDS)


def anchors(page: Path) -> set[str]:
    """What can stand behind the # of a link to this page: its headings as GitHub spells them, and marks of its own."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    spelled = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    return spelled | set(re.findall(r'<a id="([^"]+)"', text))


def command(name: str) -> click.Command:
    found = main.get_command(click.Context(main), name)
    assert found is not None
    return found


@pytest.mark.parametrize("target", NAMED_TARGETS)
def test_make_target_that_a_page_names_exists(target: str) -> None:
    assert target in TARGETS


@pytest.mark.parametrize(("page", "name"), NAMED_FILES)
def test_file_that_a_page_names_exists(page: str, name: str) -> None:
    assert (ROOT / name).is_file(), page


@pytest.mark.parametrize("name", NAMED_COMMANDS)
def test_command_that_a_page_names_exists(name: str) -> None:
    assert name in COMMANDS


@pytest.mark.parametrize("call", CALLS)
def test_command_line_that_a_page_shows_is_understood(call: str) -> None:
    name, *words = call.split()
    called = command(name)
    if isinstance(called, click.Group) and words:
        called = called.commands[words.pop(0)]
    known = {option for parameter in called.params for option in (*parameter.opts, *parameter.secondary_opts)}

    assert [word for word in words if word.startswith("--") and word not in known | ALWAYS] == []


def test_pages_show_command_lines_with_options() -> None:
    assert len([call for call in CALLS if "--" in call]) > 30


@every_command
def test_every_command_is_in_the_readme(name: str) -> None:
    assert f"`cogento {name}" in PAGES["README.md"]


@every_command
def test_command_is_where_the_root_says_under_its_own_name(name: str) -> None:
    assert command(name).name == name


@every_command
def test_line_in_the_help_is_the_command_s_own(name: str) -> None:
    help_ = command(name).help or ""
    first = help_.splitlines()[0]
    assert COMMANDS[name].summary == first, "`summary` in COMMANDS is the whole first line of the docstring"


@pytest.mark.parametrize(("page", "target"), LINKS)
def test_link_leads_somewhere(page: str, target: str) -> None:
    assert (ROOT / page).parent.joinpath(target).exists()


@pytest.mark.parametrize(("page", "target", "anchor"), ANCHORED_LINKS)
def test_link_leads_to_a_place_on_its_page(page: str, target: str, anchor: str) -> None:
    there = (ROOT / page).parent / target if target else ROOT / page
    assert anchor in anchors(there)


@pytest.mark.parametrize("name", INDEXED_PAGES)
def test_page_is_in_the_index_of_pages(name: str) -> None:
    assert f"]({name})" in PAGES["docs/README.md"]


def test_the_page_of_commands_is_what_the_commands_say() -> None:
    assert PAGES["docs/cli.md"] == commands_page(), "`make docs` writes it again"


def test_the_index_of_decisions_has_every_title() -> None:
    assert PAGES["docs/decisions/README.md"] == decisions_page(), "`make docs` writes it again"


def test_readme_prints_the_promise() -> None:
    assert (
        "Once we answered 2xx, the event is applied, discarded for a recorded reason, waiting"
        in PAGES["README.md"]
    )


def test_readme_shows_the_application_that_tests_run_with_the_blueprint_in_it() -> None:
    (shown,) = re.findall(r"```python\n(.*?create_blueprint.*?)```", PAGES["README.md"], flags=re.DOTALL)
    assert shown in (ROOT / "tests" / "support" / "shop.py").read_text()


def test_the_page_on_asking_stripe_names_what_a_key_must_read() -> None:
    what = re.search(r"with \*Read\* for (.+?), and \*None\* for", PAGES["docs/asking-stripe.md"], re.DOTALL)
    assert what is not None
    assert re.findall(r"\*\*(.+?)\*\*", what[1]) == [*LISTS.values()], "docs/asking-stripe.md, The key"


@pytest.mark.parametrize("line", LISTENING)
def test_t13_stripe_listen_is_told_its_events_by_flags_that_its_old_and_new_releases_take(line: str) -> None:
    """Bare `--forward-to` is refused since stripe/stripe-cli #2006, `--all-snapshot` is unknown before #1765."""
    flags = set(re.findall(r"--[a-z-]+", line))
    assert {"--events", "--forward-to"} <= flags <= {"--events", "--forward-to"}


def test_a_page_shows_how_to_listen() -> None:
    assert WHOLE_COMMANDS


@pytest.mark.parametrize("line", WHOLE_COMMANDS)
def test_t13_stripe_listen_names_every_type_that_has_a_table_and_nothing_else(line: str) -> None:
    """`--events '*'` means thin events too since stripe/stripe-cli #1763, which one address may not get beside snapshots."""
    words = shlex.split(line.replace("\\\n", ""))
    types = words[words.index("--events") + 1].split(",")
    assert sorted(types) == sorted(TYPES)
    assert all(map(kind_of, types))
