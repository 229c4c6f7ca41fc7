"""Retries where nobody listens: a connection that is refused is tried as often as the plan says, by the right proxy.

No application can count that, so the proxy that meets the refusal does: the service's own sidecar, or where the service
is kept out of the mesh that of the caller. For each try that reaches it, the service's own connects up to three times:
Istio gives its way to the application two retries of what cannot have been read (``reset-before-request``).
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from meshdsl import Istio, Namespace, PolicySet, Proxy, Retry, Service, build
from meshdsl.simulate.plan import PlanReading
from meshdsl.simulate.words import Caller, Request, Retries
from tests.live.emitted import Build
from tests.mesh.cases import Stage, sent
from tests.mesh.client import Got
from tests.mesh.conftest import Meshes
from tests.mesh.expectation import Asked
from tests.mesh.inventory import Furnished
from tests.mesh.istiod import Settings
from tests.mesh.pods import Pod
from tests.mesh.world import World

LAB, KEPT_OUT = Namespace("refused"), Namespace("kept-out")
WEB = Service("web", LAB, port=80)
IN, OUT = Service("inside", LAB, port=8080), Service("outside", KEPT_OUT, port=8080)
CALLER = ("refused", "web")
POLICIES = (
    Proxy(KEPT_OUT, enrolled=False),
    *(Retry(one, attempts=3, retry_on=("connect-failure", "gateway-error"), backoff="10ms") for one in (IN, OUT)),
    *(Retry.never(one.route("once", path="/once")) for one in (IN, OUT)),
    *(
        Retry(one.route("some", path="/some"), attempts=1, retry_on=("connect-failure",), statuses=(503,))
        for one in (IN, OUT)
    ),
)
_CONNECTIONS = 3
"""Of a sidecar to its application, for one try."""


class Deaf:
    """Two services behind which nobody listens."""

    def __init__(self, world: World, furnished: Furnished) -> None:
        self._world, self._furnished = world, furnished

    def pod(self, service: Service) -> Pod:
        return self._furnished.behind(str(service))[0]

    def ask(self, service: Service, path: str, method: str = "GET") -> tuple[Got, int]:
        """What the caller gets, and how many tries met a refusal."""
        caller = self._furnished.callers[CALLER]
        meets, cluster = (self.pod(IN), "inbound|8080||") if service is IN else (caller, f"outbound|8080||{OUT.name}.")
        before = _refused(meets, cluster)
        got = self._world.client(caller).send(
            sent(self._world, self._furnished, Asked(CALLER, str(service), 8080, method, path))
        )
        met, rest = divmod(_refused(meets, cluster) - before, _CONNECTIONS if service is IN else 1)
        assert not rest
        return got, met

    def meant(self, service: Service, path: str, method: str = "GET") -> int:
        """How often the plan says that it is tried."""
        answer = PlanReading(self._furnished.plan).answer(Request(Caller(*CALLER), str(service), 8080, method, path))
        assert answer.traffic is not None
        retry = answer.traffic.retry
        return 1 + retry.attempts if isinstance(retry, Retries) else 1


def _refused(pod: Pod, cluster: str) -> int:
    lines = [line for line in pod.admin("/clusters").splitlines() if line.startswith(cluster)]
    return sum(int(line.rpartition("::")[2]) for line in lines if "::cx_connect_fail::" in line)


@pytest.fixture(scope="module")
def deaf(meshes: Meshes) -> Iterator[Deaf]:
    world, inventory = meshes.with_settings(Settings())
    policies = PolicySet((WEB, IN, OUT, *POLICIES), name="refused")
    stage = Stage(world, inventory)
    made = Deaf(world, stage.set(Build("refused", build(policies, Istio()), policies), [CALLER]))
    for one in (IN, OUT):
        made.pod(one).refuse(world.echo, 8080)
    yield made
    stage.clear()


@pytest.mark.parametrize(
    ("path", "method", "tries"), [("/", "GET", 4), ("/some", "GET", 2), ("/once", "GET", 1), ("/", "POST", 1)]
)
@pytest.mark.parametrize("service", [IN, OUT], ids=str)
def test_a_refused_connection_is_tried_as_often_as_the_plan_says(
    deaf: Deaf, service: Service, path: str, method: str, tries: int
) -> None:
    got, refused = deaf.ask(service, path, method)
    assert (got.status, got.tries) == (503, ())
    assert (refused, deaf.meant(service, path, method)) == (tries, tries), got
