"""The life of kubectl: how it starts, what it says, and that nothing of it is ever left."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from meshdsl.cluster import ClusterError, KubectlCluster
from meshdsl.cluster import proxy as proxy_module
from meshdsl.cluster.proxy import Settings, private_folder, start
from meshdsl.compare.kinds import KINDS
from meshdsl.compare.live import Scope
from tests.cluster.api import FakeClock

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


class Fake:
    """A fake kubectl with its own folder for temporary files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.notes = folder / "notes"
        self.temporary = folder / "t"
        self.temporary.mkdir()
        self.program = folder / "kubectl"
        self.program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{HERE / "fake_kubectl.py"}" "$@"\n')
        self.program.chmod(0o755)

    def started(self) -> list[tuple[int, str]]:
        lines = self.notes.read_text().splitlines() if self.notes.exists() else []
        return [(int(pid), rest) for pid, _, rest in (line.partition(" ") for line in lines)]

    def left(self) -> list[str]:
        """Processes and folders that are still there; zombies that nobody waits for do not count."""
        return [f"process {pid}" for pid, _ in self.started() if is_alive(pid)] + [
            str(path) for path in self.temporary.iterdir()
        ]


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


def eventually(condition: Callable[[], bool], seconds: float = 10) -> bool:
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(0.01)
    return True


@pytest.fixture
def fake(short_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fake]:
    made = Fake(short_path)
    monkeypatch.setenv("NOTES", str(made.notes))
    monkeypatch.setenv("TMPDIR", str(made.temporary))
    monkeypatch.setattr(tempfile, "tempdir", None)
    yield made
    for pid, _ in made.started():
        if is_alive(pid):
            os.kill(pid, signal.SIGKILL)


def open_cluster(fake: Fake, **options: object) -> KubectlCluster:
    return KubectlCluster(kubectl=str(fake.program), **options)  # type: ignore[arg-type]


def test_kubectl_is_started_so_that_it_refuses_to_write(fake: Fake) -> None:
    with open_cluster(fake, context="prod", kubeconfig="/k"):
        pass
    [(_, arguments)] = fake.started()
    assert " --reject-methods=POST,PUT,PATCH,DELETE " in arguments
    assert "secrets" in arguments.split("--reject-paths=")[1].split()[0]
    assert arguments.endswith("--context=prod --kubeconfig=/k")


def test_only_a_dry_run_may_patch(fake: Fake) -> None:
    with open_cluster(fake, server_side=True):
        pass
    assert " --reject-methods=POST,PUT,DELETE " in fake.started()[0][1]


def test_the_socket_is_in_a_folder_of_the_users_own(fake: Fake) -> None:
    proxy = start(Settings(str(fake.program)), 10)
    folder = Path(proxy.socket).parent
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert folder.parent == fake.temporary
    proxy.close()
    assert not folder.exists()
    proxy.close()


def test_nothing_is_left_after_closing(fake: Fake) -> None:
    with open_cluster(fake):
        assert len(fake.left()) == 2
    assert fake.left() == []


@pytest.mark.parametrize("mode", ["stubborn", "wrapper", "noisy"])
def test_nothing_is_left_of_a_kubectl_that_does_not_behave(
    fake: Fake, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    monkeypatch.setenv("MODE", mode)
    with open_cluster(fake):
        pass
    assert eventually(lambda: not fake.left()), fake.left()
    assert len(fake.started()) == (2 if mode == "wrapper" else 1)


def test_a_kubectl_that_dies_on_the_way_leaves_what_was_asked_for_unknown(
    fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODE", "dies")
    with open_cluster(fake, clock=FakeClock()) as live:
        found = live.snapshot([Scope(KINDS["v1", "Service"], "a")])
    assert {unknown.code for unknown in found.unknown} == {"unreachable"}
    assert fake.left() == []


def test_an_interrupt_ends_everything_at_once(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODE", "stalls")

    def interrupted() -> None:
        with open_cluster(fake) as live:
            signal.setitimer(signal.ITIMER_REAL, 0.2)
            live.snapshot([Scope(KINDS["v1", "Service"], f"n{n}") for n in range(20)])

    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    began = time.monotonic()
    try:
        with pytest.raises(KeyboardInterrupt):
            interrupted()
    finally:
        signal.signal(signal.SIGALRM, before)
    assert time.monotonic() - began < 5
    assert fake.left() == []


@pytest.mark.parametrize("mode", ["", "stalls", "hangs", "exits", "stubborn"])
@pytest.mark.parametrize("delay", [0.0, 0.05, 0.3])
def test_nothing_is_left_of_a_kubectl_that_was_begun_and_never_used(
    fake: Fake, monkeypatch: pytest.MonkeyPatch, mode: str, delay: float
) -> None:
    monkeypatch.setenv("MODE", mode)
    live = open_cluster(fake)
    began = time.monotonic()
    live.begin([Scope(KINDS["v1", "Service"])])
    time.sleep(delay)
    live.close()
    assert eventually(lambda: not fake.left()), fake.left()
    assert time.monotonic() - began < 5


def test_a_kubectl_that_was_begun_is_used(fake: Fake) -> None:
    live = open_cluster(fake)
    live.begin()
    with live:
        assert len(fake.started()) == 1
        assert live.cluster_id().version == "v1.36.1"
    assert eventually(lambda: not fake.left()), fake.left()


def test_the_current_context_is_named(fake: Fake) -> None:
    with open_cluster(fake) as live:
        assert live.name == "the current context (kind-dev)"
        assert live.snapshot([]).name == live.name
    assert live.name == "the current context (kind-dev)"
    with open_cluster(fake, context="prod") as live:
        assert live.name == "prod"


def test_a_context_that_kubectl_does_not_name_is_said_to_be_nameless(
    fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODE", "nameless")
    with open_cluster(fake) as live:
        assert live.name == "the current context (kubectl gives it no name)"


def test_a_kubectl_that_never_names_its_context_is_not_waited_for(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODE", "thinks")
    began = time.monotonic()
    with open_cluster(fake) as live:
        assert "kubectl gives it no name" in live.name
    with open_cluster(fake):
        pass
    assert time.monotonic() - began < 8
    assert eventually(lambda: not fake.left()), fake.left()


def test_a_kubectl_that_is_missing_is_told_on_entering() -> None:
    live = KubectlCluster(kubectl="kubectl-not-there")
    live.begin()
    with pytest.raises(ClusterError, match="there is no program 'kubectl-not-there'"), live:
        pass


def test_names_are_arguments_and_never_commands(fake: Fake) -> None:
    canary = fake.folder / "canary"
    context = f"$(touch {canary}); touch {canary} --kubeconfig=/other"
    with open_cluster(fake, context=context):
        pass
    assert f"--context={context}" in fake.started()[0][1]
    assert not canary.exists()


KILLED = """
import sys, time
from meshdsl.cluster import KubectlCluster
cluster = KubectlCluster(kubectl=sys.argv[1])
cluster.__enter__()
print("open", flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("mode", ["", "stubborn", "wrapper"])
def test_nothing_is_left_when_we_are_killed(fake: Fake, monkeypatch: pytest.MonkeyPatch, mode: str) -> None:
    monkeypatch.setenv("MODE", mode)
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, str(fake.program)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        assert len(fake.left()) >= 2
        process.kill()
        assert eventually(lambda: not fake.left()), fake.left()


@pytest.mark.parametrize("delay", [0.0, 0.01, 0.03, 0.06, 0.1, 0.2])
def test_nothing_is_left_when_we_are_killed_at_any_moment(fake: Fake, delay: float) -> None:
    code = KILLED.replace("cluster = ", 'print("start", flush=True)\ncluster = ')
    with subprocess.Popen(
        [sys.executable, "-c", code, str(fake.program)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "start\n"
        time.sleep(delay)
        process.kill()
        process.wait()
        time.sleep(0.15)  # what was being started has written its note by now
        assert eventually(lambda: not [line for line in fake.left() if line.startswith("process")]), fake.left()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process of its parent's death")
def test_kubectl_ends_when_we_and_its_supervisor_are_killed_at_once_and_the_next_run_removes_the_folder(
    fake: Fake,
) -> None:
    code = KILLED.replace('print("open"', "print(cluster._open[0]._endpoints[0]._process.pid")
    with subprocess.Popen(
        [sys.executable, "-c", code, str(fake.program)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        assert process.stdout is not None
        supervisor = int(process.stdout.readline())
        os.kill(process.pid, signal.SIGSTOP)  # so that neither can clean up after the other
        os.kill(supervisor, signal.SIGKILL)
        os.kill(process.pid, signal.SIGKILL)
    [(running, _)] = fake.started()
    assert eventually(lambda: not is_alive(running), 1), fake.left()
    (left,) = fake.temporary.iterdir()
    with open_cluster(fake):
        assert not left.exists()
    assert fake.left() == []


def test_a_folder_that_is_not_known_to_be_a_dead_runs_stays(fake: Fake) -> None:
    """What has no lock of ours, what a run still holds, what holds anything else, and what a link leads to."""
    with open_cluster(fake) as live:
        assert live._open is not None
        held = Path(live._open[0]._endpoints[0].socket).parent
        others = [fake.temporary / f"meshdsl-{name}" for name in ("empty", "theirs", "open", "linked")]
        for folder in others[:3]:
            folder.mkdir(mode=0o700)
        (others[1] / "lock").touch()
        (others[1] / "work.txt").write_text("work")
        (others[2] / "lock").touch()
        others[2].chmod(0o755)
        elsewhere = fake.folder / "elsewhere"
        elsewhere.mkdir(mode=0o700)
        (elsewhere / "lock").touch()
        others[3].symlink_to(elsewhere)
        with open_cluster(fake):
            assert held.exists()
        assert live.cluster_id().version == "v1.36.1"
    assert [folder.exists() for folder in others] == [True] * 4
    assert (elsewhere / "lock").exists()
    assert not held.exists()


def test_kubectl_ends_with_its_supervisor(fake: Fake) -> None:
    proxy = start(Settings(str(fake.program)), 10)
    proxy._process.kill()
    proxy.close()
    assert eventually(lambda: not fake.left()), fake.left()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_the_supervisor_alone_changes_nothing(fake: Fake, number: signal.Signals) -> None:
    proxy = start(Settings(str(fake.program)), 10)
    os.kill(proxy._process.pid, number)
    time.sleep(0.1)
    assert proxy._answers()
    proxy.close()
    assert fake.left() == []


def code_of(error: ClusterError) -> str:
    [diagnostic] = error.diagnostics
    return diagnostic.code


def test_there_is_no_kubectl() -> None:
    with pytest.raises(ClusterError, match="there is no program 'kubectl-not-there'") as raised:
        start(Settings("kubectl-not-there"), 1)
    assert code_of(raised.value) == "MESH801"


def test_kubectls_own_words_are_passed_on(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODE", "exits")
    with pytest.raises(ClusterError, match='kubectl ended at once: error: context "nope" does not exist') as raised:
        start(Settings(str(fake.program)), 10)
    assert code_of(raised.value) == "MESH802"
    assert fake.left() == []


def test_a_kubectl_that_says_nothing_and_ends(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODE", "silent")
    with pytest.raises(ClusterError, match="it said nothing"):
        start(Settings(str(fake.program)), 10)


def test_a_program_that_cannot_be_run(fake: Fake) -> None:
    fake.program.write_text("#!/not/there\n")
    with pytest.raises(ClusterError, match="kubectl ended at once: error: ") as raised:
        start(Settings(str(fake.program)), 10)
    assert code_of(raised.value) == "MESH802"


def test_a_kubectl_that_never_gets_ready(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODE", "hangs")
    with pytest.raises(ClusterError, match=r"was not ready after .* s: open https://login") as raised:
        start(Settings(str(fake.program)), 0.5)
    assert code_of(raised.value) == "MESH805"
    assert fake.left() == []


def test_its_log_comes_to_us_without_credentials_and_blocks_nobody(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODE", "noisy")
    lines: list[str] = []
    with open_cluster(fake, log=lines.append) as live:
        assert live.cluster_id().version == "v1.36.1"
    assert "the last words" in lines
    assert len(lines) > 20_000
    assert not any("canary-7" in line for line in lines)
    assert max(map(len, lines)) <= 8192


def test_a_path_that_is_too_long_for_a_socket_is_avoided(short_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = short_path / ("x" * 90)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    folder = private_folder()
    try:
        assert len(str(folder)) < proxy_module.MAX_SOCKET_PATH
        assert list(long.iterdir()) == []
    finally:
        folder.rmdir()


def test_standard_input_is_not_for_kubectl(fake: Fake) -> None:
    with open_cluster(fake):
        pid = fake.started()[0][0]
        assert Path(f"/proc/{pid}/fd/0").readlink() == Path("/dev/null")


kubectl = pytest.mark.skipif(shutil.which("kubectl") is None, reason="there is no kubectl")

KUBECONFIG = """
apiVersion: v1
kind: Config
current-context: dead
clusters: [{name: dead, cluster: {server: "https://127.0.0.1:1"}}]
contexts:
- {name: dead, context: {cluster: dead, user: token}}
- {name: plugin, context: {cluster: dead, user: plugin}}
users:
- {name: token, user: {token: canary-token}}
- name: plugin
  user:
    exec:
      apiVersion: client.authentication.k8s.io/v1
      command: sh
      args: ["-c", "echo please log in with example-login >&2; exit 1"]
      interactiveMode: Never
"""


@kubectl
@pytest.mark.parametrize(
    ("context", "code", "said"),
    [
        ("dead", "MESH804", "connection refused"),
        ("nope", "MESH802", 'context "nope" does not exist'),
        ("plugin", "MESH803", "getting credentials: exec"),
    ],
)
def test_a_real_kubectl_says_why_it_cannot(short_path: Path, context: str, code: str, said: str) -> None:
    config = short_path / "config"
    config.write_text(KUBECONFIG)
    lines: list[str] = []
    with pytest.raises(ClusterError) as raised, KubectlCluster(context, config, timeout=20, log=lines.append):
        pass
    [diagnostic] = raised.value.diagnostics
    assert diagnostic.code == code
    assert said in diagnostic.message
    if context == "plugin":
        assert "please log in with example-login" in diagnostic.reason
    assert "canary-token" not in "".join([*lines, str(diagnostic)])


@kubectl
def test_a_real_kubectl_refuses_to_write_and_to_read_secrets(short_path: Path) -> None:
    from meshdsl.cluster.clock import Clock, Deadline
    from meshdsl.cluster.wire import exchange

    config = short_path / "config"
    config.write_text(KUBECONFIG)
    for server_side in (False, True):
        proxy = start(Settings(kubeconfig=config, server_side=server_side), 20)
        try:

            def answer(method: str, path: str, socket: str = proxy.socket) -> tuple[int, str]:
                found = exchange(socket, method, path, Deadline.after(10, Clock()), body=b"{}")
                return found.status, found.text.strip()

            for method in ("POST", "PUT", "DELETE", *(() if server_side else ("PATCH",))):
                assert answer(method, "/api/v1/services") == (403, "Forbidden")
            for path in ("secrets", "namespaces/a/secrets", "namespaces/a/secrets/b"):
                assert answer("GET", f"/api/v1/{path}") == (403, "Forbidden")
            # These go on to the server, which is not there.
            for path in ("services", "namespaces/secrets/services", "namespaces/a/services/secrets"):
                assert answer("GET", f"/api/v1/{path}")[0] == 500
            if server_side:
                assert answer("PATCH", "/api/v1/services")[0] == 500
        finally:
            proxy.close()
