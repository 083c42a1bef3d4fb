"""The figures and pictures of docs/compared.md, of README's short form of it and of docs/benchmarks.md.

    .venv/bin/python -m bench.compared.page   # write them again from docs/benchmarks/compared.json

Words are written by hand; text between marks is made here (bench/filling.py). A test compares the pages with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench import report
from bench.charts import stacks
from bench.compared.engines import STRIPE, SUPABASE
from bench.compared.results import FOLDER, NEW, OLD, OURS, Results, kept, ratios
from bench.filling import filled

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

ROOT = FOLDER.parents[1]
PAGE, README = ROOT / "docs" / "compared.md", ROOT / "README.md"
PARTS = ("cases", "life", "speed", "growth", "indexed")
NAMES = {
    OURS: "this project",
    OLD: f"`{SUPABASE.package}`",
    NEW: f"`{STRIPE.package}`",
}
SHORT = {OURS: "this project", OLD: "Supabase's", NEW: "Stripe's"}
DEFAULT, ASKING = "default", "asking"
SETTINGS = {DEFAULT: "by default", ASKING: "asking Stripe"}
HEAD = ("", *NAMES.values())


def main() -> None:
    write(kept())


def write(results: Results) -> None:
    """Write pages and pictures, once every part was measured."""
    if not results.keys() >= set(PARTS):
        return
    for page in (PAGE, README):
        page.write_text(filled(page.read_text(encoding="utf-8"), blocks(results)), encoding="utf-8")
    for name, picture in pictures(results):
        (FOLDER / name).write_text(picture, encoding="utf-8")
    report.write(report.kept())


def blocks(results: Results) -> Iterator[tuple[str, str]]:
    """Everything that is made, by its mark."""
    yield "versions", versions()
    yield "measured", measured(results)
    yield "cases", cases(results["cases"]["found"])
    yield "life", life(results["life"]["found"])
    yield "speed", speed(results["speed"], results["growth"], results["indexed"])
    yield "memory", memory(results["speed"]["found"])
    yield "compared", in_short(results)
    yield "numbers", numbers(results)


def pictures(results: Results) -> Iterator[tuple[str, str]]:
    """Every picture's file and SVG."""
    wrong = {
        SHORT[name]: {"wrong": 100 * one["wrong"] / one["rows"]}
        for name in NAMES
        for one in [_lived(results["life"]["found"][name][DEFAULT])]
    }
    yield "compared-wrong.svg", stacks("Wrong rows after a simulated life, by default", "%", wrong)
    full = f"{results['growth']['settings']['existing']:,} before"
    rates = {
        f"{SHORT[name]}{there}": {part: results[measured]["found"][name]["applied_per_s"]}
        for measured, part, there in (("speed", "empty tables", ""), ("growth", full, ", full"))
        for name in NAMES
    }
    yield "compared-speed.svg", stacks("Events applied a second", "events/s", rates)


def versions() -> str:
    """What is compared."""
    return "\n".join(f"- {NAMES[name]} {engine.version}" for name, engine in ((OLD, SUPABASE), (NEW, STRIPE)))


def measured(results: Results) -> str:
    """Say when, on which machine and with which sizes it was measured."""
    days = sorted({results[part]["measured"][:10] for part in PARTS})
    where, full = results["speed"]["machine"], results["growth"]["settings"]
    speeds, load = results["speed"]["settings"], max(results[part]["load"] for part in ("speed", "growth"))
    return (
        f"Measured on {' and '.join(days)}: {where['cpu']}, {where['system']}, Python {where['python']}, with other programs' load of {load:g}.\n"
        f"Rates are medians of {speeds['rounds']} rounds of {speeds['events']:,} events, those with full tables of {full['rounds']} rounds of "
        f"{full['events']:,}."
    )


def cases(found: Mapping[str, Any]) -> str:
    """Write each history with those whose rows it leaves wrong by default, and how many are wrong when Stripe is asked."""
    lines = [_row(HEAD), _rule(HEAD)]
    by_case = {name: found[name][DEFAULT]["by_case"] for name in NAMES}
    for number, one in enumerate(by_case[OURS]):
        ends = ("**wrong**" if by_case[name][number]["wrong"] else "right" for name in NAMES)
        lines.append(_row((one["says"], *ends)))
    for setting, says in SETTINGS.items():
        told = (f"{found[name][setting]['wrong']} of {found[name][setting]['cases']}" for name in NAMES)
        lines.append(_row((f"**wrong, {says}**", *told)))
    asked = (f"{found[name][ASKING]['requests']}" for name in NAMES)
    lines.append(_row(("requests to Stripe, asking", *asked)))
    return "\n".join(lines)


def life(found: Mapping[str, Any]) -> str:
    """Wrong rows and requests, by setting."""
    figures = {
        "events": "events",
        "never accepted": "never_accepted",
        "rows": "rows",
        "wrong": "wrong",
        "of them, the row says so": "wrong_and_says_so",
        "requests to Stripe": "requests",
    }
    lines = [_row(("", *figures)), _rule(("", *figures))]
    for name, title in NAMES.items():
        for setting, says in SETTINGS.items():
            one = _lived(found[name][setting])
            lines.append(_row((f"{title}, {says}", *(f"{one[figure]:,}" for figure in figures.values()))))
    return "\n".join(lines)


def speed(empty: Mapping[str, Any], full: Mapping[str, Any], indexed: Mapping[str, Any]) -> str:
    """Rates with empty tables, with full ones, and with an index that the engines lack."""
    lines = [_row(HEAD), _rule(HEAD)]
    there = f"{full['settings']['existing']:,} subscriptions there before"
    for part, tables in ((empty, "empty tables"), (full, there)):
        found = part["found"]
        for figure in ("accepted", "applied"):
            rates = (f"{found[name][f'{figure}_per_s']:,.0f}" for name in NAMES)
            lines.append(_row((f"{figure} events/s, {tables}", *rates)))
    with_index = (
        f"{indexed['found'][name]['applied_per_s']:,.0f}" if name in indexed["found"] else ""
        for name in NAMES
    )
    lines.append(_row(("the same, and an index on `subscription_items (subscription)`", *with_index)))
    kept_of = (full["found"][name]["applied_per_s"] / empty["found"][name]["applied_per_s"] for name in NAMES)
    lines.append(_row(("applied with full tables, over empty ones", *(f"{share:.2f}" for share in kept_of))))
    wrong = (str(max(part["found"][name]["wrong_rows"] for part in (empty, full))) for name in NAMES)
    lines.append(_row(("rows that did not show the last change", *wrong)))
    again = (str(sum(part["found"][name]["begun_again"] for part in (empty, full))) for name in NAMES)
    lines.append(_row(("runs begun again because a webhook was refused", *again)))
    return "\n".join(lines)


def memory(found: Mapping[str, Any]) -> str:
    """MB of each process."""
    head = ("process", "resident memory")
    lines = [_row(head), _rule(head)]
    for name, title in NAMES.items():
        processes = found[name]["mb"]
        lines += [_row((f"{title}: {process}", f"{mb:,.0f} MB")) for process, mb in processes.items()]
        needed = sum(mb for process, mb in processes.items() if "optional" not in process)
        lines.append(_row((f"**{title}, what is needed**", f"**{needed:,.0f} MB**")))
    return "\n".join(lines)


def in_short(results: Results) -> str:
    """README's table."""
    told, lives, rates = results["cases"]["found"], results["life"]["found"], results["speed"]["found"]
    full = results["growth"]["found"]
    head = (
        "measured here",
        "this project",
        f"{NAMES[OLD]} {SUPABASE.version}",
        f"{NAMES[NEW]} {STRIPE.version}",
    )
    life_of = {name: {setting: _lived(lives[name][setting]) for setting in SETTINGS} for name in NAMES}
    rows = (
        (
            f"wrong of {told[OURS][DEFAULT]['cases']} short histories, by default; asking Stripe",
            *(f"{told[name][DEFAULT]['wrong']}; {told[name][ASKING]['wrong']}" for name in NAMES),
        ),
        (
            f"wrong of {life_of[OURS][DEFAULT]['rows']} rows after a simulated life, by default; asking Stripe",
            *(f"{life_of[name][DEFAULT]['wrong']}; {life_of[name][ASKING]['wrong']}" for name in NAMES),
        ),
        (
            "requests for that life, asking Stripe",
            *(f"{life_of[name][ASKING]['requests']:,}" for name in NAMES),
        ),
        ("applied events/s, empty tables", *(f"{rates[name]['applied_per_s']:,.0f}" for name in NAMES)),
        (
            f"the same with {results['growth']['settings']['existing']:,} subscriptions there",
            *(f"{full[name]['applied_per_s']:,.0f}" for name in NAMES),
        ),
        ("needs beside Postgres", "Redis", "nothing", "nothing"),
    )
    return "\n".join((_row(head), _rule(head), *map(_row, rows)))


def numbers(results: Results) -> str:
    """README's sentence."""
    over = ratios(results)
    return (
        f"On one machine with the same stream, it accepts {over[f'accepted_over_{OLD}']:.3g} times and applies "
        f"{over[f'applied_over_{OLD}']:.3g} times the events a second of {NAMES[OLD]}."
    )


def _lived(lives: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Several lives as one."""
    return {
        name: sum(life[name] for life in lives) for name, value in lives[0].items() if isinstance(value, int)
    }


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _rule(cells: Sequence[str]) -> str:
    return _row(["---", *["---:"] * (len(cells) - 1)])


if __name__ == "__main__":
    main()
