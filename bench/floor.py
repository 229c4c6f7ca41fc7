"""The least that a build could cost: as many frozen pydantic models of the same size, and as many JSON files.

``python floor.py SERVICES TEMPLATE OUT``: the template is a JSON list of the objects of one service, as a build made
them. It imports nothing of meshdsl.
"""

import json
import sys
from pathlib import Path

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Service(Frozen):
    name: str
    namespace: str
    port: int
    versions: tuple[str, ...]
    replicas: int


class Header(Frozen):
    name: str
    value: str


class Canary(Frozen):
    subject: Service
    stable: str
    canary: str
    percent: float
    when: Header


class Timeout(Frozen):
    subject: Service
    request: str


class Retry(Frozen):
    subject: Service
    attempts: int
    per_try_timeout: str
    retry_on: tuple[str, ...]


class Breaker(Frozen):
    subject: Service
    max_connections: int
    max_requests: int
    consecutive_5xx: int
    interval: str
    base_ejection_time: str


class Allow(Frozen):
    subject: Service
    callers: tuple[Service, ...]
    methods: tuple[str, ...]


def main(services: int, template: Path, out: Path) -> None:
    objects = json.loads(template.read_text())
    kept: list[Frozen] = []
    caller = Service(name="gateway", namespace="team0", port=80, versions=(), replicas=1)
    for i in range(services):
        s = Service(name=f"s{i}", namespace=f"team{i % 20}", port=8080, versions=("v1", "v2"), replicas=6)
        kept += [
            s,
            Canary(subject=s, stable="v1", canary="v2", percent=10, when=Header(name="x-canary", value="true")),
            Timeout(subject=s, request="5s"),
            Retry(subject=s, attempts=3, per_try_timeout="2s", retry_on=("5xx", "reset", "connect-failure")),
            Breaker(
                subject=s,
                max_connections=100,
                max_requests=1000,
                consecutive_5xx=5,
                interval="30s",
                base_ejection_time="30s",
            ),
            Allow(subject=s, callers=(caller,), methods=("GET", "POST")),
        ]
        caller = s
        folder = out / s.namespace
        folder.mkdir(parents=True, exist_ok=True)
        for body in objects:
            body["metadata"]["name"] = s.name
        (folder / f"{s.name}.json").write_text("\n".join(json.dumps(body) for body in objects))


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]))
