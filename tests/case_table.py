"""The table of cases in ``tests/cases/README.md``: which policies each has, and which traps it holds.

Names and policies are computed, and written by ``python -m tests.rewrite``. Traps are written by hand, and kept; a new
case has none until somebody names them.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import meshdsl
from meshdsl.model.base import Policy
from tests import golden

README = golden.FOLDER / "README.md"
HEAD = "| case | policies | traps |\n| --- | --- | --- |\n"
_ROW = re.compile(r"^\| (\S+) \|[^|]*\|([^|]*)\|\n", re.MULTILINE)


def current(text: str) -> str:
    """The README as it ought to be, given what it is."""
    before, head, rest = text.partition(HEAD)
    rows, gap, after = rest.partition("\n\n")
    traps = {name: cell.strip() for name, cell in _ROW.findall(rows + "\n")}
    lines = (f"| {case} | {', '.join(kinds(case))} | {traps.get(str(case), '')} |\n" for case in golden.cases())
    return before + head + "".join(lines) + gap[1:] + after


def kinds(case: golden.Case) -> list[str]:
    """The names of the policies that a case uses, sorted."""
    path = case.policies
    sources: list[Path] = [path] if path.is_file() else sorted(path.rglob("*.py"))
    trees = [ast.parse(source.read_text(encoding="utf-8")) for source in sources]
    names = {node.id for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Name)}
    return sorted(name for name in names & set(meshdsl.__all__) - {"Policy"} if _is_policy(getattr(meshdsl, name)))


def _is_policy(one: object) -> bool:
    return isinstance(one, type) and issubclass(one, Policy)
