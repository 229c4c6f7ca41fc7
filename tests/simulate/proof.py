"""``make proof``: what is promised, and how often it was looked at. ``python -m tests.simulate.proof [PAIRS]``.

1. The plan and the manifests are asked the same requests about policies that somebody could write: a million pairs of a
   policy set and a request for each mesh (or so many as are given).
2. The plan and the policies themselves are asked the same, a tenth as often.
3. Each fault of ``mutations`` is made in the lowering, and must be found.

The exit code is 1 if anything disagrees or a fault is missed.
"""

from __future__ import annotations

import sys
import time

from tests.simulate.differential import MESHES, meshes_agree, third_agrees, until
from tests.simulate.mutations import every, outcome

MILLION = 1_000_000


def main(pairs: int = MILLION) -> int:
    sound = True
    for title, check, goal in (
        ("the manifests mean what the plan means", lambda bundle, _, tally: meshes_agree(bundle, tally), pairs),
        ("the plan means what the policies say", third_agrees, pairs // 10),
    ):
        print(title)
        for mesh in MESHES:
            started = time.perf_counter()
            try:
                tally = until(goal, mesh, check, seed=1)
            except AssertionError as error:
                sound = False
                print(f"  {mesh:8} DISAGREEMENT\n{error}", flush=True)
                continue
            seconds = time.perf_counter() - started
            print(
                f"  {mesh:8} {tally.pairs:>9,} pairs of {tally.sets - tally.refused:>6,} policy sets"
                f" ({tally.refused:,} refused), 0 disagreements, {seconds:.0f} s",
                flush=True,
            )
    return 0 if faults() and sound else 1


def faults() -> bool:
    """Print what became of each fault, and the score; whether every one that can be found was."""
    print("deliberate faults in the lowering")
    found = equivalent = 0
    wrong: list[str] = []
    for fault in every():
        result = outcome(fault)
        found += result.found
        equivalent += not result.found and bool(fault.equivalent)
        if result.found == bool(fault.equivalent):
            wrong.append(str(fault))
        verdict = "found" if result.found else f"equivalent: {fault.equivalent}" if fault.equivalent else "MISSED"
        print(f"  {fault}: {verdict}{f': {result.by[:140]}' if result.found else ''}")
    total = len(every())
    print(f"{found} of {total - equivalent} faults found, {equivalent} of {total} equivalent", flush=True)
    return not wrong


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
