"""The programs that the live tests need: etcd, kube-apiserver and kubectl; built once, if they are nowhere.

``KUBEBUILDER_ASSETS`` names a folder that has them, as controller-runtime's envtest takes it. Else they are built from
the modules that ``tools/*/go.mod`` pins (``tests/live/building.py``). etcd has a module of its own, because its
dependencies clash with those of Kubernetes.

``python -m tests.live.assets`` makes sure that they are there; ``--check`` only says whether they are, or can be built.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from tests.live.building import MissingError, Program, Programs

__all__ = ["ALL", "MissingError", "folder"]

_TOOLS = Path(__file__).parent / "tools"
_ETCD, _KUBERNETES = _TOOLS / "etcd", _TOOLS / "kubernetes"
_VERSION = "k8s.io/component-base/version"


def _flags() -> tuple[str, ...]:
    """What ``go build`` is given: without a version, kubectl could not parse what the server says of itself."""
    text = (_KUBERNETES / "go.mod").read_text(encoding="utf-8")
    version = re.search(r"k8s\.io/kubernetes (v(\d+)\.(\d+)\.\d+)", text)
    assert version, "tools/kubernetes/go.mod names no version of k8s.io/kubernetes"
    parts = zip(("gitVersion", "gitMajor", "gitMinor"), version.groups(), strict=True)
    return ("-ldflags", " ".join(f"-X {_VERSION}.{name}={value}" for name, value in parts))


ALL = Programs(
    (
        Program("etcd", _ETCD, "go.etcd.io/etcd/server/v3", 1.5),
        Program("kube-apiserver", _KUBERNETES, "k8s.io/kubernetes/cmd/kube-apiserver", 5, _flags()),
        Program("kubectl", _KUBERNETES, "k8s.io/kubernetes/cmd/kubectl", 1, _flags()),
    ),
    purpose="the live tests",
    variable="KUBEBUILDER_ASSETS",
    command="tests.live.assets",
)


def folder() -> Path:
    """Where the programs are.

    Raises:
        MissingError: they are not there; ``python -m tests.live.assets`` builds them.
    """
    return ALL.folder()


if __name__ == "__main__":
    sys.exit(ALL.main(sys.argv[1:]))
