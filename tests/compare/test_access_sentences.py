"""What is said of a difference, word by word."""

from __future__ import annotations

from typing import Any

import pytest

import meshdsl
from meshdsl import (
    Allow,
    Anyone,
    DefaultDeny,
    Deny,
    Header,
    MutualTls,
    Namespace,
    Port,
    Probe,
    Regex,
    Service,
    compiler,
)
from meshdsl.compare import access
from meshdsl.compare.report import AccessChange

prod, test = Namespace("prod"), Namespace("test")
web, admin, job = Service("web", prod, port=80), Service("admin", prod, port=80), Service("job", test, port=80)
api = Service("api", prod, ports=(Port(80, name="http"), Port(81, name="b", protocol="http2")))
pay = Service("payments", prod, port=80)
INVENTORY = (prod, test, web, admin, job, api, pay)


def model(*policies: Any, inventory: tuple[Any, ...] = INVENTORY) -> access.AccessModel:
    """The access of some policies."""
    return access.of_plan(compiler.meaning(meshdsl.PolicySet((*inventory, *policies)), "test"))


def sentences(before: Any, after: Any) -> list[str]:
    """What changes from some policies to others."""
    return [change.sentence for change in access.changes(model(*before), model(*after))]


def let(*methods: Any, callers: Any = (web,), **more: Any) -> Allow:
    """Web may make some requests of the API."""
    return Allow(api, callers=callers, methods=methods, **more)


UNDECIDED = "(whether Regex('/[a-z]1') and Regex('/v[0-9]') overlap cannot be decided)"
CASES: list[tuple[str, list[Any], list[Any], list[str]]] = [
    (
        "a method more",
        [let("GET", paths=("/v1/*",))],
        [let("GET", "DELETE", paths=("/v1/*",))],
        ["prod/web may now also DELETE /v1/* of prod/api"],
    ),
    (
        "a closed service",
        [Allow(pay, callers=(web,)), DefaultDeny(prod)],
        [DefaultDeny(prod)],
        ["nobody may call prod/payments any more"],
    ),
    ("the first allow", [], [Allow(pay, callers=(web,))], ["nobody except prod/web may now call prod/payments"]),
    ("the last allow goes", [Allow(pay, callers=(web,))], [], ["everyone may now call prod/payments"]),
    (
        "one of two callers goes",
        [let("GET"), let(callers=(admin,))],
        [let("GET")],
        ["prod/admin may no longer call prod/api"],
    ),
    (
        "from an account to its namespace",
        [let("GET")],
        [let("GET", callers=(prod,))],
        ["every other account of prod may now GET any path of prod/api"],
    ),
    (
        "from a namespace to anyone",
        [let("GET", callers=(prod,))],
        [let("GET", callers=(Anyone.at_all(),))],
        ["everyone else may now GET any path of prod/api"],
    ),
    ("the same in other words", [let("GET"), let("POST")], [let("GET", "POST")], []),
    ("callers that a namespace covers", [let(callers=(prod,))], [let(callers=(prod,)), let(callers=(web,))], []),
    ("a path within a prefix", [let(paths=("/v1/*",))], [let(paths=("/v1/*", "/v1/a", "/v1/b/*"))], []),
    (
        "a deny below a prefix",
        [let(paths=("/v1/*",))],
        [let(paths=("/v1/*",)), Deny(api, callers=(web,), paths=("/v1/admin/*",), methods=("DELETE",))],
        ["prod/web may no longer DELETE /v1/admin/* of prod/api"],
    ),
    (
        "a deny that is narrower",
        [let(), Deny(api, callers=(web,), paths=("/a/*",))],
        [let(), Deny(api, callers=(web,), paths=("/a/b",))],
        ["prod/web may now also call /a/* except /a/b of prod/api, which a deny refused before"],
    ),
    (
        "a deny that goes",
        [let(callers=(prod,)), Deny(api, callers=(web,))],
        [let(callers=(prod,))],
        ["prod/web may now call prod/api, which a deny refused before"],
    ),
    (
        "a deny that goes beside an allow that comes",
        [let("GET"), Deny(api, callers=(web,), paths=("/a",))],
        [let("GET", "PUT")],
        [
            "prod/web may now also GET /a of prod/api, which a deny refused before",
            "prod/web may now also PUT any path of prod/api",
        ],
    ),
    (
        "a port that was closed",
        [let(ports=(80,))],
        [let(ports=(80,)), let(ports=(81,))],
        ["prod/web may now also call prod/api on port 81"],
    ),
    (
        "plain text beside the mesh",
        [let(callers=(Anyone.in_mesh(),))],
        [let(callers=(Anyone.at_all(),))],
        ["callers outside the mesh may now call prod/api"],
    ),
    (
        "every path but those that were open",
        [let(paths=("/v1/*",))],
        [let("GET"), let(paths=("/v1/*",))],
        ["prod/web may now also GET every path except /v1/* of prod/api"],
    ),
    (
        "every path but some is gone",
        [let("GET")],
        [let("GET", paths=("/healthz",))],
        ["prod/web may no longer GET any path except /healthz of prod/api"],
    ),
    (
        "a port more",
        [let(ports=(80,)), let(callers=(admin,))],
        [let(ports=(80,)), let("GET", ports=(81,)), let(callers=(admin,))],
        ["prod/web may now also GET any path of prod/api on port 81"],
    ),
    (
        "a header",
        [let("GET")],
        [let("GET"), let("POST", headers=(Header("x-debug", "1"),))],
        ["prod/web may now also POST any path of prod/api, with x-debug: 1"],
    ),
    (
        "a header that must be there",
        [let("GET")],
        [let("GET", headers=(Header("x-debug"),))],
        ["prod/web may no longer GET any path of prod/api, without x-debug"],
    ),
    (
        "two headers that must be there",
        [let("GET")],
        [let("GET", headers=(Header("x-a", "1"), Header("x-b")))],
        ["prod/web may no longer GET any path of prod/api, unless with x-a: 1 and with x-b"],
    ),
    (
        "one of two headers, in two rules",
        [],
        [let(headers=(Header("x-a", "1"),)), let(headers=(Header("x-b", "1"),))],
        [
            "nobody except prod/web may now call prod/api",
            "prod/web may no longer call prod/api, unless x-a: 1 and unless x-b: 1",
        ],
    ),
    (
        "a header that carries a credential",
        [let("GET")],
        [let("GET"), let("POST", headers=(Header("authorization", "x1"),))],
        ["prod/web may now also POST any path of prod/api, with authorization: …"],
    ),
    (
        "a regular expression that says no more than a prefix",
        [let(paths=("/v1/*",))],
        [let(paths=(Regex("/v1(/.*)?"),))],
        [],
    ),
    (
        "a regular expression more",
        [let("GET", paths=("/v1/*",))],
        [let("GET", paths=("/v1/*", Regex("/items/[0-9]+")))],
        ["prod/web may now also GET Regex('/items/[0-9]+') of prod/api"],
    ),
    (
        "another regular expression",
        [let("GET", paths=(Regex("/v[0-9]"), "/v1"))],
        [let("GET", paths=(Regex("/[a-z]1"),))],
        [
            f"prod/web may now also GET paths matching Regex('/[a-z]1') and not Regex('/v[0-9]') of prod/api {UNDECIDED}",
            f"prod/web may no longer GET paths matching Regex('/v[0-9]') and not Regex('/[a-z]1') of prod/api {UNDECIDED}",
        ],
    ),
    (
        "rows of the same requests are one",
        [let("GET", paths=("/a",))],
        [let("GET", paths=("/a",)), let("GET", callers=(web, admin), paths=("/c/*", "/b"))],
        ["prod/admin and prod/web may now GET /b and /c/* of prod/api"],
    ),
]


@pytest.mark.parametrize(("before", "after", "said"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_a_change_is_said_in_words(before: list[Any], after: list[Any], said: list[str]) -> None:
    assert sentences(before, after) == said


def test_rows_carry_what_they_say() -> None:
    before = model(let("GET", paths=("/v1/*",), ports=(80,)))
    after = model(let("GET", "PUT", paths=("/v1/*",), ports=(80,)))
    assert access.changes(before, after) == (
        AccessChange(
            service="prod/api",
            widened=True,
            callers=("prod/web",),
            ports=(80,),
            methods=("PUT",),
            paths=("/v1/*",),
            sentence="prod/web may now also PUT /v1/* of prod/api on port 80",
        ),
    )


def test_a_row_that_depends_on_a_header_carries_it() -> None:
    before, after = model(let("GET")), model(let("GET"), let("POST", headers=(Header("x-debug", "1"),)))
    assert [change.conditions for change in access.changes(before, after)] == [("with x-debug: 1",)]
    assert [change.conditions for change in access.changes(model(let("GET")), model(let("GET", "PUT")))] == [()]


def test_who_is_new_when_mtls_falls_is_outside_the_mesh() -> None:
    strict = [MutualTls(test, mode="strict")]
    said = sentences(strict, [])
    assert said == [
        "callers outside the mesh may now call anything else in test",
        "callers outside the mesh may now call test/job",
    ]


def test_a_port_that_comes_is_named() -> None:
    one = (
        *INVENTORY[:-1],
        Service("payments", prod, ports=(Port(80, name="http"), Port(5432, protocol="tcp", name="db"))),
    )
    said = [change.sentence for change in access.changes(model(), model(inventory=one))]
    assert said == ["everyone may now also call prod/payments on port 5432"]


def test_strict_mtls_shuts_out_who_is_outside_the_mesh() -> None:
    said = sentences([], [MutualTls(test, mode="strict")])
    assert said == [
        "callers outside the mesh may no longer call anything else in test",
        "callers outside the mesh may no longer call test/job",
    ]


def test_a_service_that_comes_or_goes_is_said() -> None:
    without = tuple(one for one in INVENTORY if one is not pay)
    rest, open_, closed = model(inventory=without), model(), model(Allow(pay, callers=(web,)))
    assert [c.sentence for c in access.changes(closed, rest)] == ["prod/payments is gone: nobody may call it"]
    assert [c.sentence for c in access.changes(rest, open_)] == ["prod/payments is new: everyone may call it"]
    assert [c.sentence for c in access.changes(rest, closed)] == ["prod/payments is new: prod/web may call it"]


def test_probes_are_left_to_the_mesh_and_shown_between_plans() -> None:
    probed = Service("api", prod, port=80, target_port=8080, probes=(Probe("/healthz", port=8080),))
    policies = meshdsl.PolicySet((prod, web, probed, Allow(probed, callers=(web,), methods=("GET",), paths=("/v1",))))
    bundle = meshdsl.build(policies, meshdsl.Linkerd())
    meant, objects = access.of_plan(bundle.plan), [one.body for one in bundle.manifests]
    assert access.changes(meant, access.of_objects(objects, bundle.target, bundle.plan)) == ()
    open_ = meshdsl.PolicySet((*policies.objects, Allow(probed, callers=(Anyone.at_all(),), paths=("/healthz",))))
    changed = access.of_plan(compiler.meaning(open_, "test"))
    assert [c.sentence for c in access.changes(meant, changed)] == ["everyone may now call /healthz of prod/api"]


def test_the_order_of_policies_changes_nothing() -> None:
    one = [let("GET", paths=("/a", "/b")), let("POST", callers=(admin,)), Deny(api, callers=(test,))]
    two = [let("GET", paths=("/a",)), let("PUT", callers=(admin, job))]
    assert sentences(one, two) == sentences(one[::-1], two[::-1])
