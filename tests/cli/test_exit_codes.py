"""How a run ends: the exit codes, and never a traceback."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from meshdsl import cli
from tests.cli.running import meshdsl


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["biuld"], "Did you mean 'build'?"),
        (["build", "--chek"], "--check"),
        (["build", "--target", "istoi"], "istio"),
        (["build", "--format", "xml"], "sarif"),
        (["build", "--target", "istio", "--cluster", "a"], "exclude each other"),
        (["build", "--target", "istio", "--out", "-", "--check"], "--out -"),
        (["build", "--cluster"], "--cluster"),
        (["support", "extra"], "extra"),
        (["explain"], "prod/api"),
        (["explain", "MESH999"], "there is no code or kind 'MESH999'"),
        (["build"], "MESH001"),
        (["build", "nowhere"], "nowhere"),
        (["build", "--target", "istio", "nowhere"], "nowhere"),
        ([], "Usage"),
    ],
)
def test_wrong_usage_exits_with_2_and_one_sentence(arguments: list[str], says: str, tmp_path: Path) -> None:
    done = meshdsl(*arguments, cwd=tmp_path)
    assert done.returncode == 2, done
    assert says in done.stderr + done.stdout
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_wrong_usage_is_2_in_every_format(tmp_path: Path) -> None:
    for name in ("text", "json", "sarif", "github"):
        assert meshdsl("build", "--format", name, cwd=tmp_path).returncode == 2


def test_an_internal_error_says_so_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(arguments: list[str]) -> int:
        raise KeyError("a bug")

    monkeypatch.setattr(cli, "_run", broken)
    assert cli.main(["build"]) == 70
    said = capsys.readouterr().err
    assert said.startswith("meshdsl: internal error: KeyError at test_exit_codes.py:")
    assert said.count("\n") == 1
    assert "report" in said
    assert cli.main(["build", "-v"]) == 70
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (KeyboardInterrupt(), 130),
        (cli.Terminated(), 143),
        (PermissionError(13, "Permission denied", "x"), 3),
        (MemoryError(), 3),
    ],
)
def test_what_ends_a_run_from_outside_has_its_own_code(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], error: BaseException, code: int
) -> None:
    def ended(arguments: list[str]) -> int:
        raise error

    monkeypatch.setattr(cli, "_run", ended)
    monkeypatch.setattr(cli, "_abandon_output", lambda: None)
    assert cli.main([]) == code
    assert "Traceback" not in capfd.readouterr().err


def test_the_handler_of_sigterm_is_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(cli, "_run", lambda arguments: 0)
    assert cli.main([]) == 0
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_while_policies_run_ends_it_without_a_traceback(number: int, code: int, tmp_path: Path) -> None:
    policies = tmp_path / "policies"
    policies.mkdir()
    (policies / "slow.py").write_text(
        "import sys, time\nprint('started', file=sys.stderr, flush=True)\ntime.sleep(30)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-m", "meshdsl", "build", "--target", "istio"], cwd=tmp_path, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        assert "started" in process.stderr.readline()
        time.sleep(0.1)
        process.send_signal(number)
        said = process.stderr.read()
        assert process.wait(20) == code, said
    assert "Traceback" not in said
    assert not (tmp_path / "out").exists()


def test_a_reader_that_goes_away_ends_it_with_141(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with subprocess.Popen(
        [sys.executable, "-m", "meshdsl", "support", "--format", "json"],
        cwd=tmp_path,
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        os.close(writer)
        assert process.stderr is not None
        assert process.stderr.read() == ""
        assert process.wait(20) == 141


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_goes_away_in_the_middle_is_never_taken_for_success(unbuffered: str) -> None:
    code = (
        "import sys; from meshdsl import cli; from meshdsl.cli.console import Console;"
        "cli._run = lambda arguments: Console().write('x' * 9_000_000) or 0; sys.exit(cli.main([]))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONUNBUFFERED": unbuffered},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert os.read(process.stdout.fileno(), 1) == b"x"
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(20) == 141


WITHOUT_PRIVILEGES = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search", "--inh-caps", "-all"]
"""Root, but not above permissions."""


@pytest.mark.parametrize("closed", ["policies", "policies/a.py", "pyproject.toml"])
def test_what_may_not_be_read_is_named_and_is_3(closed: str, tmp_path: Path) -> None:
    root = os.geteuid() == 0
    if root and (not shutil.which("setpriv") or subprocess.run([*WITHOUT_PRIVILEGES, "true"], check=False).returncode):
        pytest.skip("root reads everything, and there is no setpriv")
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "a.py").write_text("from meshdsl import Namespace\nprod = Namespace('prod')\n")
    (tmp_path / "pyproject.toml").write_text(
        "[tool.meshdsl]\nname = 's'\n[tool.meshdsl.clusters.a]\ntarget = 'istio'\n"
    )
    (tmp_path / closed).chmod(0)
    try:
        command = [*(WITHOUT_PRIVILEGES if root else []), sys.executable, "-m", "meshdsl", "build"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    finally:
        (tmp_path / closed).chmod(0o755)
    assert done.returncode == 3, done
    assert f"{Path(closed).name}" in done.stderr.splitlines()[0]
    assert "cannot be read: Permission denied" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["build", "--target", "istio", "--out", "-"], 3),
        (["build", "--target", "istio", "--format", "json"], 3),
        (["support"], 3),
        (["build", "--target", "istio"], 0),
    ],
)
def test_what_was_asked_for_and_cannot_be_said_is_3(arguments: list[str], code: int, tmp_path: Path) -> None:
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "a.py").write_text(
        "from meshdsl import *\nx = Timeout(Service('a', Namespace('b'), port=80), '1s')\n"
    )
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" >&-', "sh", sys.executable, "-m", "meshdsl", *arguments],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert done.returncode == code, done
    assert ("standard output is closed" in done.stderr) == (code == 3)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full on this system")
def test_a_full_disk_behind_standard_output_is_3(tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "meshdsl", "support"],
            cwd=tmp_path,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 3
    assert done.stderr == "meshdsl: could not do it: No space left on device\n"
