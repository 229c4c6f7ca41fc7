"""What only a terminal sees: colours and a progress bar. And what a shell asks for: completion."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.running import meshdsl


def on_a_terminal(*arguments: str, cwd: Path, **environment: str) -> str:
    """What a run writes to standard error, if that is a terminal."""
    terminal, end = pty.openpty()
    variables = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    with subprocess.Popen(
        [sys.executable, "-m", "meshdsl", *arguments],
        cwd=cwd,
        env=variables | {"TERM": "xterm"} | environment,
        stdout=subprocess.DEVNULL,
        stderr=end,
    ) as process:
        os.close(end)
        said = b""
        while True:
            try:
                part = os.read(terminal, 4096)
            except OSError:  # Linux's way to say that the other end is closed
                break
            if not part:
                break
            said += part
        process.wait(60)
    os.close(terminal)
    return said.decode()


@pytest.fixture
def slow(tmp_path: Path) -> Path:
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "slow.py").write_text("import time\ntime.sleep(1.8)\n1 / 0\n")
    return tmp_path


def test_findings_have_colours_on_a_terminal_unless_no_color_says_otherwise(tmp_path: Path) -> None:
    assert "\x1b[31merror MESH001:" in on_a_terminal("build", cwd=tmp_path)
    for environment in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        assert "\x1b" not in on_a_terminal("build", cwd=tmp_path, **environment)
    assert "\x1b" not in meshdsl("build", cwd=tmp_path, TERM="xterm").stderr


def test_what_takes_longer_than_a_second_has_a_progress_bar_that_goes_away(slow: Path) -> None:
    said = on_a_terminal("build", "--target", "istio", cwd=slow)
    assert "0/3 loading policies" in said
    _, _, rest = said.rpartition("loading policies")
    assert rest.startswith("\r\x1b[K")
    assert "MESH" in rest


def test_there_is_no_progress_bar_when_quiet_or_elsewhere_than_on_a_terminal(slow: Path) -> None:
    assert "loading" not in on_a_terminal("build", "-q", "--target", "istio", cwd=slow)
    assert "loading" not in meshdsl("build", "--target", "istio", cwd=slow).stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shells_get_their_completion_scripts(shell: str, tmp_path: Path) -> None:
    done = meshdsl(cwd=tmp_path, _MESHDSL_COMPLETE=f"{shell}_source")
    assert done.returncode == 0
    assert "_MESHDSL_COMPLETE" in done.stdout


def test_clusters_and_commands_are_completed(tmp_path: Path) -> None:
    (tmp_path / "meshdsl.toml").write_text(
        'name = "s"\n[clusters.prod-eu]\ntarget = "istio"\n[clusters.dev]\ntarget = "linkerd"\n'
    )

    def completed(words: str) -> str:
        return meshdsl(
            cwd=tmp_path, _MESHDSL_COMPLETE="bash_complete", COMP_WORDS=words, COMP_CWORD=str(len(words.split(" ")) - 1)
        ).stdout

    assert "plain,build" in completed("meshdsl bu")
    assert completed("meshdsl build --cluster pr").strip() == "plain,prod-eu"
    (tmp_path / "meshdsl.toml").write_text("broken")
    assert completed("meshdsl build --cluster pr").strip() == ""
