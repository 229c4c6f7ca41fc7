"""``make bench``: each kind of work as a ratio to a floor that is measured beside it, in the same run.

Ratios, because seconds say more about the machine than about the program. Median of several runs, interleaved. The
goals are those that the project set itself; a missed one is marked and changes nothing else: no test is timed.
"""

from __future__ import annotations

import json
import os
import pstats
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

from bench import access, generate, live, simulate
from bench.measure import Subject, interleaved

ROOT = Path(__file__).resolve().parents[1]
PYTHON = sys.executable
MESHDSL = str(Path(sys.executable).with_name("meshdsl"))
TARGETS = ("istio", "ambient", "linkerd")
RUNS = 5


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="meshdsl-bench-") as name:
        folder = Path(name)
        heading(folder)
        start_up(folder)
        for target in TARGETS:
            build(folder, target)
        growth(folder)
        live.rows(folder, row, RUNS)
        access.main()
        simulate.main()
        profile(folder)


def heading(folder: Path) -> None:
    """Prepare the programs that are measured, and name the columns."""
    # Compiled Python is found again from the first run on, as that of an installed program is, whatever this shell
    # says about writing it; and not in the source tree.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["PYTHONPYCACHEPREFIX"] = str(folder / "pycache")
    print(f"{'work':<44}{'seconds':>9}{'floor':>9}{'ratio':>8}{'goal':>7}{'MiB':>7}")


def row(title: str, work: Subject, floor: Subject, goal: float | None) -> None:
    ratio = work.median / floor.median
    mark = "" if goal is None or ratio <= goal else "  missed"
    places = 2 if goal is not None and goal < 1 else 1
    shown = "" if goal is None else f"{goal:.{places}f}"
    figures = f"{work.median:>9.3f}{floor.median:>9.3f}{ratio:>8.{max(2, places + 1)}f}{shown:>7}{work.mebibytes:>7.0f}"
    print(f"{title:<44}{figures}{mark}", flush=True)


def start_up(folder: Path) -> None:
    click = Subject([PYTHON, "-c", "import click"], ROOT)
    version = Subject([MESHDSL, "--version"], ROOT)
    help_ = Subject([MESHDSL, "--help"], ROOT)
    both = Subject([PYTHON, "-c", "import pydantic, click"], ROOT)
    out = folder / "seed"
    seed = Subject(
        [MESHDSL, "build", "--quiet", "--out", str(out)], ROOT, lambda: shutil.rmtree(out, ignore_errors=True)
    )
    interleaved([click, version, help_, both, seed], runs=4 * RUNS)
    row("meshdsl --version / import click", version, click, 1.5)
    row("meshdsl --help / import click", help_, click, 1.5)
    row("build of the seed / import pydantic, click", seed, both, 1.5)


def _build(project: Path) -> Subject:
    command = [MESHDSL, "build", "--quiet"]
    return Subject(command, project, lambda: shutil.rmtree(project / "out", ignore_errors=True))


def _size(folder: Path) -> tuple[int, int]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return len(files), sum(path.stat().st_size for path in files)


def build(folder: Path, target: str) -> None:
    """1,000 services, from a file with a loop and written out flat in 50 files."""
    loop = generate.project(folder / f"loop-{target}", 1000, target)
    flat = generate.project(folder / f"flat-{target}", 1000, target, files=50)
    work, spread = _build(loop), _build(flat)
    work.run()
    template, out = folder / f"{target}.json", folder / f"floor-{target}"
    example = next((loop / "out" / target).rglob("s1.yaml")).read_text()
    template.write_text(json.dumps(list(yaml.load_all(example, yaml.CSafeLoader))))
    floor = Subject(
        [PYTHON, str(ROOT / "bench" / "floor.py"), "1000", str(template), str(out)],
        folder,
        lambda: shutil.rmtree(out, ignore_errors=True),
    )
    interleaved([floor, work, spread], RUNS)
    row(f"{target}: 1,000 services", work, floor, 2.0)
    row(f"{target}: 1,000 services in 50 files", spread, floor, None)
    written, (files, size) = _size(loop / "out"), _size(out)
    print(f"  {written[0]} files, {written[1] >> 10} KiB; the floor {files} files, {size >> 10} KiB", flush=True)


def growth(folder: Path) -> None:
    """Ten times the services."""
    small = _build(folder / "loop-istio")
    large = _build(generate.project(folder / "loop-10000", 10_000, "istio"))
    interleaved([small, large], 3)
    row("istio: 10,000 services / 1,000", large, small, 11.0)
    print(
        f"  peak memory {large.mebibytes:.0f} MiB, goal 400{'' if large.mebibytes <= 400 else '  missed'}", flush=True
    )


def profile(folder: Path) -> None:
    """Where the time of a build goes."""
    result = folder / "profile"
    shutil.rmtree(folder / "loop-istio" / "out")
    command = [PYTHON, "-m", "cProfile", "-o", str(result), "-m", "meshdsl", "build", "--quiet"]
    subprocess.run(command, cwd=folder / "loop-istio", check=True)
    print("\nistio, 1,000 services: the functions of meshdsl that take the most time, with what they call")
    stats = pstats.Stats(str(result))
    total = stats.total_tt  # type: ignore[attr-defined]
    rows = [
        (cumulative, calls, f"{Path(file).relative_to(ROOT)}:{line} {function}")
        for (file, line, function), (_, calls, _, cumulative, _) in stats.stats.items()  # type: ignore[attr-defined]
        if file.startswith(str(ROOT / "meshdsl"))
    ]
    for cumulative, calls, where in sorted(rows, reverse=True)[:15]:
        print(f"{100 * cumulative / total:>6.1f} %{calls:>9}  {where}")


if __name__ == "__main__":
    main()
