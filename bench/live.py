"""How fast ``meshdsl diff`` is against a real API server, and how much memory it takes; rows of ``make bench``.

The server is that of the live tests; it has nothing but what is put there. Where its programs are not at hand, or the
CRDs are not, the rows say so and are left out. ``python -m bench.live`` prints these rows alone.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from bench import delay, generate, many
from bench.measure import Subject, interleaved
from meshdsl.cluster.listing import path_of
from meshdsl.compare.kinds import CRD, everywhere
from meshdsl.compare.live import Scope
from meshdsl.compiler import build
from meshdsl.config import find_config, read_config
from meshdsl.loading.load import load
from tests import oracle
from tests.live import assets, emitted
from tests.live.api import accepted, at_once
from tests.live.server import ADMIN, Server

ROOT = Path(__file__).resolve().parents[1]
MESHDSL = str(Path(sys.executable).with_name("meshdsl"))
DELAYS = (0.0, 0.005, 0.020)
"""Seconds that a round trip takes longer."""
MANY = 100_000
Row = Callable[[str, Subject, Subject, float | None], None]


def rows(folder: Path, row: Row, runs: int) -> None:
    """Measure, and print."""
    try:
        programs = assets.folder()
    except assets.MissingError as missing:
        print(f"diff: left out: {missing}", flush=True)
        return
    with _environment(PATH=f"{programs}{os.pathsep}{os.environ['PATH']}"):
        memory(folder)
        if not oracle.available():
            print(f"diff against a server: left out: the CRDs are not at {oracle.FOLDER}", flush=True)
            return
        server = Server(folder / "server", "experimental")
        try:
            server.start()
            of_kubectl(folder, server, row, runs)
            unchanged(folder, server, row, runs)
        finally:
            server.stop()


def unchanged(folder: Path, server: Server, row: Row, runs: int) -> None:
    """1,000 services whose 3,020 objects are there as they are compiled."""
    project = _applied(folder / "diff-1000", 1000, server)
    lists = [
        path_of(scope) + (f"?labelSelector={quote(scope.selector)}" if scope.selector else "")
        for scope in (*everywhere("istio", "bench"), Scope(CRD))
    ]
    kubeconfig = str(server.folder / f"{ADMIN}.kubeconfig")
    floor = Subject([sys.executable, str(ROOT / "bench" / "lists.py"), server.kubectl, kubeconfig, *lists], folder)
    work = Subject([MESHDSL, "diff", "--quiet"], project)
    compiled = Subject(
        [MESHDSL, "build", "--quiet"], project, lambda: shutil.rmtree(project / "out", ignore_errors=True)
    )
    with _environment(KUBECONFIG=kubeconfig):
        interleaved([floor, compiled, work], runs)
    row("diff of 3,020 unchanged objects / LISTs", work, floor, 2.0)
    row("  a build of the same / LISTs", compiled, floor, None)


def of_kubectl(folder: Path, server: Server, row: Row, runs: int) -> None:
    """100 services, beside ``kubectl diff`` of the same files."""
    project = _applied(folder / "diff-100", 100, server)
    work = [MESHDSL, "diff", "--quiet"]
    theirs = [server.kubectl, "diff", "--recursive", "--filename", "out/istio"]
    Subject([MESHDSL, "build", "--quiet"], project).run()
    direct = (server.folder / f"{ADMIN}.kubeconfig").read_text()
    address = json.loads(direct)["clusters"][0]["cluster"]["server"]
    for seconds in DELAYS:
        with delay.delaying(int(address.rpartition(":")[2]), seconds) as port:
            late = folder / f"late-{seconds}.kubeconfig"
            late.write_text(direct.replace(address, f"https://127.0.0.1:{port}"))
            ours, kubectl = Subject(work, project), Subject(theirs, project)
            with _environment(KUBECONFIG=str(late)):
                interleaved([ours, kubectl], min(runs, 3))
        row(f"diff of 320 objects / kubectl diff, {1000 * seconds:g} ms", ours, kubectl, 1 / 20)


def memory(folder: Path) -> None:
    """100 services beside 100,000 objects of others, in the namespaces of these services."""
    project = generate.project(folder / "diff-many", 100, "istio")
    command = [MESHDSL, "diff", "--quiet", "--timeout", "600", "--output", os.devnull]
    with many.serving(folder, MANY) as kubeconfig, _environment(KUBECONFIG=str(kubeconfig)):
        work = Subject(command, project, code=1)
        work.run()
    mark = "" if work.mebibytes <= 500 else "  missed"
    print(f"diff beside {MANY:,} live objects: peak memory {work.mebibytes:.0f} MiB, goal 500{mark}", flush=True)


def _applied(project: Path, services: int, server: Server) -> Path:
    """A repository whose objects are in the cluster, as somebody applied them with our field manager."""
    generate.project(project, services, "istio")
    config = read_config(find_config(project))
    (cluster,) = config.clusters.values()
    policies = load(config.policies, environment=cluster.environment, name=config.name, permit=config.permit)
    made = emitted.Build("bench", build(policies, cluster.target), policies)
    server.api.close()  # the server has closed what was not used for a while
    emitted.prepare(server.api, [made])
    for partial in (True, False):
        accepted(at_once(server.api.apply, made.bodies(partial=partial)))
    return project


@contextmanager
def _environment(**variables: str) -> Iterator[None]:
    """What the programs that are measured see."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def main() -> None:
    """The rows alone."""
    from bench.__main__ import RUNS, heading, row

    with tempfile.TemporaryDirectory(prefix="meshdsl-bench-") as name:
        heading(Path(name))
        rows(Path(name), row, RUNS)


if __name__ == "__main__":
    main()
