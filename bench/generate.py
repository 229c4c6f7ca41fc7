"""Policies to measure with: services with a canary, a breaker, retries, a timeout and an allow rule each."""

from __future__ import annotations

from pathlib import Path

_CONFIG = """\
name = "bench"
policies = "policies"
out = "out"

[clusters.{target}]
target = "{target}"
{profile}
"""
_PROFILES = {
    "istio": "",
    "ambient": """\
gateway_api_channel = "experimental"
default_retries = "off"
accept = ["MESH512", "MESH514", "MESH520"]
""",
    "linkerd": 'accept = ["MESH517", "MESH521"]',
}
_IMPORTS = "from meshdsl import Allow, Breaker, Canary, Header, MutualTls, Namespace, Retry, Service, Timeout\n"
_SERVICE = """\
{s} = Service({name}, {ns}, port=8080, versions=("v1", "v2"), replicas=6, probes=())
{policies} = [
    Canary({s}, stable="v1", canary="v2", percent=10, when=Header("x-canary", "true")),
    Timeout({s}, "5s"),
    Retry({s}, attempts=3, per_try_timeout="2s", retry_on=("5xx", "reset", "connect-failure")),
    Breaker({s}, {pool}consecutive_5xx=5, interval="30s", base_ejection_time="30s"),
    Allow({s}, callers=({caller},), methods=("GET", "POST")),
]
"""
_NAMESPACES = 20


def _service(target: str, **names: str) -> str:
    pool = "" if target == "linkerd" else "max_connections=100, max_requests=1000, "
    return _SERVICE.format(pool=pool, **names)


def project(folder: Path, services: int, target: str, *, files: int = 0) -> Path:
    """An infra repository.

    Args:
        folder: made, and returned.
        services: how many.
        target: its one cluster.
        files: written out flat in so many files; 0 for one file with a loop.
    """
    policies = folder / "policies"
    policies.mkdir(parents=True)
    (folder / "meshdsl.toml").write_text(_CONFIG.format(target=target, profile=_PROFILES[target]))
    if files:
        for part in range(files):
            (policies / f"part{part:03}.py").write_text(_flat(services, target, part, files))
    else:
        (policies / "mesh.py").write_text(_loop(services, target))
    return folder


def _loop(services: int, target: str) -> str:
    body = _service(
        target, s="service", name='f"s{i}"', ns="namespaces[i % len(namespaces)]", policies="these", caller="caller"
    )
    indented = "".join(f"    {line}\n" for line in body.splitlines())
    return (
        f'{_IMPORTS}\nnamespaces = [Namespace(f"team{{i}}") for i in range({_NAMESPACES})]\n'
        'policies = [MutualTls(namespace, mode="strict") for namespace in namespaces]\n'
        'caller = Service("gateway", namespaces[0], port=80)\n'
        f"for i in range({services}):\n{indented}    policies += these\n    caller = service\n"
    )


def _flat(services: int, target: str, part: int, files: int) -> str:
    blocks = [_IMPORTS]
    for i in range(part, services, files):
        names = {"s": f"s{i}", "name": f'"s{i}"', "ns": f'"team{i % _NAMESPACES}"', "policies": f"policies{i}"}
        caller = i + 1 if i + 1 < services else 0
        blocks.append(_service(target, caller=f'"team{caller % _NAMESPACES}/s{caller}"', **names))
    return "\n".join(blocks)
