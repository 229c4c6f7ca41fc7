"""What is emitted, the real server takes; and it agrees with the offline oracle on what it does not take.

Objects that are wholly ours are created with ``dryRun=All`` and ``fieldValidation=Strict``; of the others, our fields are
applied in a dry run to an object that somebody else made. Each goes to a server with the channel of the Gateway API that
its target counts on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tests.live import emitted
from tests.live.api import Answer, at_once
from tests.live.emitted import Build
from tests.live.server import Server
from tests.oracle import check, crds, defaulted, samples
from tests.test_oracle import EXPERIMENTAL, INVALID

# What the oracle refuses and this server takes, each with the reason.
STRICTER: Mapping[str, str] = {
    "status": "the server drops the status of a new object without a word; we have no business writing one",
    "service port without a target": "the server adds it; it must be written, so that nothing is left to defaults",
    "retry with no attempt": "Gateway API 1.6 refuses it, the installed 1.5 does not",
    "retry on a status twice": "Gateway API 1.6 refuses it, the installed 1.5 does not",
    "no namespace": "the server takes it from the URL, which a client has to choose; `kubectl apply` would choose its own",
    "duration not of Go": "the server takes words as well for `format: duration`; we write Go's form alone",
    "service name that starts with a digit": "this version takes it (RelaxedServiceNameValidation), earlier ones do not",
}
NAMESPACE: Mapping[str, Any] = {"apiVersion": "v1", "kind": "Namespace"}


def of_channel(channel: str) -> list[Build]:
    return [build for build in emitted.builds() if build.bundle.target.gateway_api_channel == channel]


def dry_run(server: Server, body: dict[str, Any]) -> Answer:
    return server.api.create(body, dryRun="All", fieldValidation="Strict")


@pytest.fixture(params=crds.GATEWAY_API)
def of(request: pytest.FixtureRequest) -> Server:
    """The server of each channel."""
    found: Server = request.getfixturevalue({"experimental": "server", "standard": "standard"}[request.param])
    return found


@pytest.fixture
def answers(of: Server) -> list[tuple[Build, dict[str, Any], Answer]]:
    """What the server says to every object that is wholly ours."""
    builds = of_channel(of.channel)
    names = sorted({name for build in builds for name in build.namespaces})
    at_once(of.api.create, [{**NAMESPACE, "metadata": {"name": name}} for name in names])
    bodies = [(build, body) for build in builds for body in build.bodies(partial=False)]
    said = at_once(lambda one: dry_run(of, one[1]), bodies)
    return [(build, body, answer) for (build, body), answer in zip(bodies, said, strict=True)]


def test_the_server_takes_every_object_that_is_emitted(
    of: Server, answers: list[tuple[Build, dict[str, Any], Answer]]
) -> None:
    assert len(answers) > 25
    wrong = [f"{build}: {answer}" for build, _, answer in answers if not answer.accepted]
    assert not wrong, "\n".join(wrong)
    for build, body, answer in answers:
        problems = check(body, gateway_api_channel=of.channel)
        assert not problems, f"{build}: the oracle refuses what the server takes: {problems}"
        assert not answer.body["metadata"].get("resourceVersion"), "it was no dry run"


def test_the_server_takes_our_fields_of_objects_that_others_made(of: Server) -> None:
    builds = [build.moved("shared") for build in of_channel(of.channel)]
    patches = [(build, body) for build in builds for body in build.bodies(partial=True)]
    assert patches
    # Cases name the same objects. One of each name is enough, as nothing is written to it.
    emitted.prepare(of.api, builds)
    answers = at_once(lambda one: of.api.apply(one[1], dryRun="All"), patches)
    wrong = [f"{build}: {answer}" for (build, _), answer in zip(patches, answers, strict=True) if not answer.accepted]
    assert not wrong, "\n".join(wrong)
    for build, body in patches:
        assert not check(body, gateway_api_channel=of.channel, partial=True), f"{build}: the oracle refuses it"


def test_nothing_is_left_to_the_defaults_of_the_server(
    of: Server, answers: list[tuple[Build, dict[str, Any], Answer]]
) -> None:
    """What the oracle calls complete comes back as it was, but for what the server alone can know."""
    for build, body, answer in answers:
        assert defaulted(body, gateway_api_channel=of.channel) == body
        assigned = {"clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"} if body["kind"] == "Service" else set()
        spec = {name: value for name, value in answer.body.get("spec", {}).items() if name not in assigned}
        assert spec == body.get("spec", {}), f"{build}: {body['kind']} {body['metadata']['name']}"


@pytest.mark.parametrize("name", samples.VALID)
def test_the_server_takes_what_the_oracle_takes(server: Server, name: str) -> None:
    server.api.create({**NAMESPACE, "metadata": {"name": "prod"}})
    answer = dry_run(server, samples.VALID[name])
    assert answer.accepted, str(answer)


@pytest.mark.parametrize("name", [*INVALID, *EXPERIMENTAL])
def test_the_server_refuses_what_the_oracle_refuses(server: Server, standard: Server, name: str) -> None:
    body, _ = (INVALID | EXPERIMENTAL)[name]
    of = standard if name in INVALID else server
    of.api.create({**NAMESPACE, "metadata": {"name": "prod"}})
    answer = dry_run(of, body)
    assert answer.accepted == (name in STRICTER), f"{answer}; known: {STRICTER.get(name, 'no difference')}"
