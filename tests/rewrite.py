"""Write the expected files of the cases anew: ``python -m tests.rewrite [CASE ...]``.

Without names, all cases. It says which files changed; whether they ought to is for the reader of the diff. What an API
server would refuse is written as well, and named, and the exit code is then 1. The table of ``tests/cases/README.md`` is
brought up to date, too.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests import case_table, golden, oracle


def main(names: list[str]) -> int:
    """Rewrite, and return the exit code."""
    known = {str(case): case for case in golden.cases()}
    unknown = [name for name in names if name not in known]
    if unknown:
        print(f"no such case: {', '.join(unknown)}; there are: {', '.join(known)}", file=sys.stderr)
        return 2
    problems: list[str] = []
    for case in [known[name] for name in names] or known.values():
        for what, path in golden.rewrite(case):
            print(what, path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
        if oracle.available():
            for name in case.targets():
                found = oracle.problems_of(golden.outcome(case, name).manifests, case.target(name))
                problems += [f"{case} on {name}: {problem}" for problem in found]
    text = case_table.README.read_text(encoding="utf-8")
    case_table.README.write_text(case_table.current(text), encoding="utf-8")
    print("\n".join(problems), end="\n" if problems else "", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
