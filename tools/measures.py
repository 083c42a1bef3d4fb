"""How hard the project is to take over, in numbers: `make measures`, or `python tools/measures.py FOLDER` for another checkout.

Files that git tracks count. Tests, benchmarks and `local` (what only `make run` needs) are left out, as are generated files. A
class name has two meanings when two modules define it, `local` included. A private function is called once when its name occurs
in one other place of its module, and in no other module.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

LEFT_OUT = ("tests/", "bench/", "tools/", "docs/", "local/", "cogento/local/")
LANGUAGES = (".py", ".sql", ".lua", ".html", ".css", ".js")
SHORT = 60
Function = (ast.FunctionDef, ast.AsyncFunctionDef)


def main() -> None:
    """Print the table."""
    root = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=root, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    ours = [root / name for name in tracked if not name.startswith(LEFT_OUT) and name.endswith(LANGUAGES)]
    modules = [path for path in ours if path.suffix == ".py"]
    trees = {path: ast.parse(path.read_text()) for path in modules}
    classes = [node for tree in trees.values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    beside = [ast.parse(path.read_text()) for path in (root / "cogento" / "local").rglob("*.py")]
    names = Counter(
        node.name
        for tree in [*trees.values(), *beside]
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    )
    functions = [node for tree in trees.values() for node in ast.walk(tree) if isinstance(node, Function)]
    once = sum(len(list(called_once(tree))) for tree in trees.values())
    rows = {
        "Python modules": len(modules),
        f"of them under {SHORT} lines": sum(len(path.read_text().splitlines()) < SHORT for path in modules),
        "own lines": sum(len(path.read_text().splitlines()) for path in ours),
        "class names with two meanings": sum(count > 1 for count in names.values()),
        "protocols": sum(any("Protocol" in ast.unparse(base) for base in node.bases) for node in classes),
        "private functions called once": f"{once / len(functions):.0%}",
        "entries at the top": len({name.partition("/")[0] for name in tracked}),
    }
    for what, figure in rows.items():
        print(f"{what:32} {figure:>8}")


def called_once(tree: ast.Module) -> Iterator[str]:
    """Yield the private functions and methods of a module that one place of it uses."""
    used = Counter(
        node.id if isinstance(node, ast.Name) else node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Name | ast.Attribute)
    )
    for node in ast.walk(tree):
        if isinstance(node, Function) and node.name.startswith("_") and used[node.name] == 1:
            yield node.name


if __name__ == "__main__":
    main()
