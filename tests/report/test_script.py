"""The scripts that apply: run with a kubectl that writes down what it was asked, whatever strings are in them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meshdsl import Allow, DefaultDeny, Environment, Namespace, PolicySet, Service, build
from meshdsl.cli.diff_sides import Compared
from meshdsl.cli.project import Job
from meshdsl.cli.script import script_of_diff
from meshdsl.compare.kinds import NAMESPACE
from meshdsl.compare.live import Scope, Unknown
from meshdsl.compare.report import Action, DiffReport, ObjectChange
from meshdsl.compiler import Bundle
from meshdsl.diagnostics import Diagnostic
from meshdsl.manifest import Manifest, ObjectRef, Phase
from meshdsl.report.diff_script import Side, diff_script
from meshdsl.report.script import Place, build_script
from tests.compare.live import MESHES, bundle, changed, cluster, every_definition, fields, snapshot
from tests.compare.test_claims import space
from tests.compare.test_delegation import replayed, rollout, weigh

FAKE = """#!{python}
import json, os, sys
call = {{"arguments": sys.argv[1:], "text": sys.stdin.read() if "-" in sys.argv else ""}}
with open(os.environ["CALLS"], "a") as stream:
    stream.write(json.dumps(call) + "\\n")
if "get" in sys.argv and os.environ.get("NOTHING"):
    sys.exit(os.environ["NOTHING"] == "fails")
print("namespaces/prod")
"""
PLACE = Place("prod-eu", "kind-dev")


class Run:
    """What a script did."""

    def __init__(self, script: str, folder: Path, **environment: str) -> None:
        kubectl, calls = folder / "kubectl", folder / "calls"
        kubectl.write_text(FAKE.format(python=sys.executable))
        kubectl.chmod(0o755)
        calls.write_text("")
        variables = {"PATH": f"{folder}:{os.environ['PATH']}", "CALLS": str(calls), "PYTHONUTF8": "1", **environment}
        command = ["sh", "-s"]
        done = subprocess.run(
            command, input=script.encode("utf-8", "backslashreplace"), env=variables, capture_output=True, check=False
        )
        self.code, self.said = done.returncode, done.stderr.decode()
        self.calls = [json.loads(line) for line in calls.read_text().splitlines()]

    def verbs(self) -> list[str]:
        """Each verb with what it is about, without the reading ones."""
        found = []
        for call in self.calls:
            _, verb, *rest = call["arguments"]
            if verb in ("apply", "create"):
                found += [f"{verb} {one['kind']} {one['metadata']['name']}" for one in yaml.safe_load_all(call["text"])]
            elif verb == "patch":
                found.append(f"patch {rest[0]}")
            elif verb == "delete":
                name = next(one for one in rest if "metadata.name" in one)
                found.append(f"delete {rest[0]} {name.rpartition('=')[2]}")
        return found

    def patch(self, resource: str) -> Any:
        """What a resource was patched with."""
        (found,) = [call["arguments"] for call in self.calls if call["arguments"][1:3] == ["patch", resource]]
        return json.loads(found[-1].removeprefix("--patch="))


def of(made: Bundle, live: Any, *, adopt: bool = False, **options: Any) -> str:
    report = fields(made, live, adopt=adopt, **options)
    return diff_script([Side(report, made, PLACE)], adopt=adopt)


# ------------------------------------------------------------------------------------------------------------ everything


@pytest.mark.parametrize("mesh", MESHES)
def test_a_build_is_applied_in_its_order_and_what_is_not_ours_is_patched(mesh: str, tmp_path: Path) -> None:
    made = bundle(mesh)
    run = Run(build_script(made, PLACE), tmp_path)
    assert (run.code, run.said) == (0, "")
    assert all(call["arguments"][0] == "--context=kind-dev" for call in run.calls)
    names = [f"{'patch' if one.partial else 'apply'} {one.ref.kind} {one.ref.name}".lower() for one in made.manifests]
    done = [verb.replace("s.apps/", " ").replace("s/", " ").lower() for verb in run.verbs()]
    assert done == names
    for call in run.calls:
        if "apply" in call["arguments"]:
            assert {"--server-side", "--field-manager=meshdsl"} <= set(call["arguments"])
        if "patch" in call["arguments"]:
            assert {"--type=merge", "--field-manager=meshdsl/shop"} <= set(call["arguments"])
    given_bodies = [one for call in run.calls if call["text"] for one in yaml.safe_load_all(call["text"])]
    whole = [json.loads(json.dumps(one.body)) for one in made.manifests if not one.partial]
    assert given_bodies == whole


def test_nothing_is_changed_where_an_object_that_we_only_add_to_is_missing(tmp_path: Path) -> None:
    run = Run(build_script(bundle("istio"), PLACE), tmp_path, NOTHING="fails")
    assert run.code != 0
    assert run.verbs() == []


def test_a_namespace_that_is_not_there_is_created(tmp_path: Path) -> None:
    body = space(istio_injection="enabled")
    del body["metadata"]["managedFields"], body["metadata"]["uid"], body["metadata"]["resourceVersion"]
    ref = ObjectRef("v1", "Namespace", "", "prod")
    made = replace(bundle("istio"), manifests=(Manifest(ref, Phase.NAMESPACE, body, partial=True),))
    assert Run(build_script(made, PLACE), tmp_path).verbs() == ["patch namespaces/prod"]
    assert Run(build_script(made, PLACE), tmp_path, NOTHING="1").verbs() == ["create Namespace prod"]
    assert Run(of(made, snapshot([])), tmp_path).verbs() == ["create Namespace prod"]
    assert Run(of(made, snapshot([{**body, "metadata": {"name": "prod", "uid": "u"}}])), tmp_path).verbs() == ["patch namespaces/prod"]  # fmt: skip


def test_the_cluster_that_is_meant_is_made_sure_of(tmp_path: Path) -> None:
    right = Run(build_script(bundle("istio"), replace(PLACE, uid="namespaces/prod")), tmp_path)
    assert (right.code, bool(right.verbs())) == (0, True)
    wrong = Run(build_script(bundle("istio"), replace(PLACE, uid="9f1")), tmp_path)
    assert (wrong.code, wrong.verbs()) == (1, [])
    assert "leads to another cluster" in wrong.said


# ------------------------------------------------------------------------------------------------------------ differences


@pytest.mark.parametrize("mesh", MESHES)
def test_nothing_is_to_be_done_where_nothing_differs(mesh: str) -> None:
    assert of(bundle(mesh), cluster(bundle(mesh))) == ""


@pytest.mark.parametrize("mesh", MESHES)
def test_only_what_differs_is_applied(mesh: str, tmp_path: Path) -> None:
    run = Run(of(bundle(mesh, percent=25), cluster(bundle(mesh))), tmp_path)
    assert {verb.partition(" ")[0] for verb in run.verbs()} == {"apply"}
    assert {verb.split()[1] for verb in run.verbs()} <= {"VirtualService", "HTTPRoute"}


@pytest.mark.parametrize("mesh", ["istio", "linkerd"])
def test_what_policies_no_longer_set_is_taken_off_and_nothing_else(mesh: str, tmp_path: Path) -> None:
    run = Run(of(bundle(mesh, proxy=False), cluster(bundle(mesh))), tmp_path)
    patch = run.patch("deployments.apps/api")
    values = patch["spec"]["template"]["metadata"]["annotations"]
    assert values
    assert set(values.values()) == {None}


@pytest.mark.parametrize("mesh", ["istio", "linkerd"])
def test_a_patch_is_explained_once(mesh: str) -> None:
    script = of(bundle(mesh, proxy=False), cluster(bundle(mesh)))
    (before, _) = script.split("kubectl --context=kind-dev patch deployments.apps/api")
    assert before.split("\n\n")[-1].splitlines() == [
        "# Deployment prod/api: these policies set nothing of it any more",
        "# Deployment prod/api: only these fields are ours.",
    ]
    assert "\n\n\n" not in script


def test_what_is_no_longer_made_is_deleted_last_if_it_is_still_ours(tmp_path: Path) -> None:
    prod = Namespace("prod")
    api = Service("api", prod, port=80)
    empty = build(PolicySet((api,), "shop"), bundle("istio").target)
    run = Run(of(empty, cluster(bundle("istio"))), tmp_path)
    deleted = [verb.split()[1].partition(".")[0] for verb in run.verbs() if verb.startswith("delete")]
    assert deleted == ["peerauthentications", "virtualservices", "authorizationpolicies", "destinationrules"]
    for call in run.calls:
        if "delete" in call["arguments"]:
            assert "--selector=app.kubernetes.io/managed-by=meshdsl,meshdsl.dev/set=shop" in call["arguments"]
    assert run.verbs()[-len(deleted) :] == [verb for verb in run.verbs() if verb.startswith("delete")]


def test_what_closes_goes_before_what_opens_it(tmp_path: Path) -> None:
    for mesh, fence in (("istio", "api-deny"), ("linkerd", "servers")):
        prod = Namespace("prod")
        web, api = Service("web", prod, port=80), Service("api", prod, port=80)
        closed = PolicySet((web, api, Allow(api, callers=(web,)), DefaultDeny(prod)), "shop")
        made = build(closed, bundle(mesh).target)
        run = Run(of(build(PolicySet((web, api), "shop"), made.target), cluster(made)), tmp_path)
        kinds = [verb.split()[1].partition(".")[0] for verb in run.verbs() if verb.startswith("delete")]
        names = [verb.split()[2] for verb in run.verbs() if verb.startswith("delete")]
        if mesh == "linkerd":
            last = max(number for number, kind in enumerate(kinds) if kind == fence)
            assert last < kinds.index("authorizationpolicies") < kinds.index("meshtlsauthentications")
        else:
            assert names[-1] == "api", fence


def test_a_subset_goes_after_the_routes_to_it(tmp_path: Path) -> None:
    def more(live: dict[str, Any]) -> None:
        live["spec"]["subsets"].append({"name": "v0", "labels": {"version": "v0"}})

    script = of(bundle("istio"), changed(bundle("istio"), "DestinationRule", "api", more))
    run = Run(script, tmp_path)
    assert run.verbs() == ["apply DestinationRule api"] * 2
    first, second = (yaml.safe_load(call["text"])["spec"]["subsets"] for call in run.calls)
    assert [one["name"] for one in first] == ["v1", "v2", "v0"]
    assert [one["name"] for one in second] == ["v1", "v2"]


def test_what_is_in_the_way_is_a_comment_and_taken_over_on_demand(tmp_path: Path) -> None:
    def foreign(live: dict[str, Any]) -> None:
        live["metadata"]["labels"] = {"app.kubernetes.io/managed-by": "helm\n rm -rf /"}

    live = changed(bundle("istio"), "VirtualService", "api", foreign)
    script = of(bundle("istio"), live)
    said = "# VirtualService prod/api is left alone: it is not ours but of helm\\n rm -rf /; --adopt takes it over\n"
    assert said in script
    assert Run(script, tmp_path).verbs() == []
    adopting = Run(of(bundle("istio"), live, adopt=True), tmp_path)
    assert adopting.verbs() == ["apply VirtualService api"]
    assert "--force-conflicts" in adopting.calls[-1]["arguments"]


def test_weights_of_a_rollout_stay_and_only_if_they_are_still_the_same(tmp_path: Path) -> None:
    def edit(body: dict[str, Any]) -> None:
        weigh("istio", 60)(body)
        body["spec"]["http"][0]["timeout"] = "7s"

    run = Run(of(bundle("istio"), replayed("istio", edit, rollout("istio"))), tmp_path)
    (call,) = [one for one in run.calls if "apply" in one["arguments"]]
    written = yaml.safe_load(call["text"])
    assert [target["weight"] for target in written["spec"]["http"][0]["route"]] == [40, 60]
    assert (written["metadata"]["resourceVersion"], "--force-conflicts" in call["arguments"]) == ("1412", True)


def test_nothing_is_changed_where_something_is_not_known_or_would_be_refused(tmp_path: Path) -> None:
    why = Unknown(Scope(NAMESPACE), "forbidden: user ci may not; $(touch /x) `id`", "forbidden")
    run = Run(of(bundle("istio", percent=25), replace(cluster(bundle("istio")), unknown=(why,))), tmp_path)
    assert (run.code, run.verbs()) == (1, [])
    assert "MESH870: Namespace: forbidden: user ci may not; $(touch /x) `id`" in run.said

    def driven(body: dict[str, Any]) -> None:
        body["spec"]["http"][0]["timeout"] = "7s"
        body["spec"]["http"].insert(0, {"name": "header-route", "route": []})

    run = Run(of(bundle("istio"), replayed("istio", driven, rollout("istio"))), tmp_path)
    assert (run.code, run.verbs()) == (1, [])
    assert "Argo Rollouts rollout/api drives VirtualService prod/api" in run.said
    without = [one for one in cluster(bundle("ambient")).objects if one["kind"] != "HTTPRoute"]
    refused = Run(of(bundle("ambient"), snapshot(without, crds=every_definition("standard"))), tmp_path)  # type: ignore[arg-type]
    assert (refused.code, refused.verbs()) == (1, [])
    assert "retry" in refused.said


def test_nothing_is_changed_where_a_dry_run_was_refused_or_not_allowed(tmp_path: Path) -> None:
    made, live = bundle("istio", percent=25), cluster(bundle("istio"))
    job = Job("prod-eu", made.target, Environment(), "kind-dev")
    denied = Diagnostic("MESH877", "the API server would refuse VirtualService prod/api", reason="frozen; $(touch /x)")
    for found in (denied, Diagnostic("MESH878", "the permission to patch services is missing", reason="forbidden")):
        compared = Compared(fields(made, live), (found,), failed=True, context="kind-dev")
        run = Run(script_of_diff([(job, made)], [compared], (), adopt=False), tmp_path)
        assert (run.code, run.verbs()) == (1, [])
        assert f"{found.code}: {found.message}: {found.reason}" in run.said


def test_nothing_is_changed_anywhere_where_one_of_two_clusters_is_not_known(tmp_path: Path) -> None:
    made, live = bundle("istio", percent=25), cluster(bundle("istio"))
    why = Unknown(Scope(NAMESPACE), "forbidden", "forbidden")
    reports = (fields(made, live), fields(made, replace(live, unknown=(why,))))
    run = Run(diff_script([Side(one, made, PLACE) for one in reports]), tmp_path)
    assert (run.code, run.verbs()) == (1, [])


# --------------------------------------------------------------------------------------------------------------- quoting

WORDS = st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\0"), max_size=30) | st.sampled_from(
    [
        "EOF",
        "\nEOF\n",
        "'",
        "$(exit 9)",
        "`exit 9`",
        "\\",
        "-rf",
        "a\r\nb",
        "; exit 9",
        "${HOME}",
        "# x",
        "---",
        "'\\''",
    ]
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(words=st.lists(WORDS, min_size=6, max_size=6))
def test_whatever_a_string_holds_kubectl_gets_it_and_the_shell_does_nothing_with_it(
    words: list[str], tmp_path: Path
) -> None:
    name, namespace, context, key, value, note = words
    ref = ObjectRef("v1", "Service", namespace, name)
    metadata = {"name": name, "namespace": namespace, "labels": {key: value}}
    body: Any = {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {key: [value, {key: value}]}}
    manifests = tuple(Manifest(ref, Phase.ROUTE, body, partial=partial) for partial in (False, True))
    made = replace(bundle("istio"), manifests=manifests)
    place = Place(note, context)
    scripts = [build_script(made, place)]
    for number, action in enumerate((Action.UPDATE, Action.UPDATE, Action.DELETE, Action.CONFLICT)):
        one = replace(made, manifests=manifests[number : number + 1])
        change = ObjectChange(
            ref, action, live=body, partial=number == 1, owner=note if number == 3 else "", notes=(note,)
        )
        scripts.append(diff_script([Side(DiffReport(note, note, (change,)), one, place)]))
    for number, script in enumerate(scripts):
        run = Run(script, tmp_path)
        assert (run.code, run.said) == (0, ""), script
        given_context = [f"--context={context}"] if context else []
        for call in run.calls:
            assert call["arguments"][: len(given_context)] == given_context
            verb, *rest = call["arguments"][len(given_context) :]
            if verb == "apply":
                assert yaml.safe_load(call["text"]) == body
            elif verb == "patch":
                assert rest[0] == f"services/{name}"
                assert json.loads(rest[-1].removeprefix("--patch=")) == {
                    "metadata": {"labels": {key: value}},
                    "spec": body["spec"],
                }
            elif verb == "delete":
                assert f"--field-selector=metadata.name={name}" in rest
        assert len(run.calls) == (3, 1, 1, 1, 0)[number]


def test_nothing_is_done_anywhere_if_a_cluster_could_not_be_compared(tmp_path: Path) -> None:
    run = Run(script_of_diff((), (), ("prod-eu", "$(exit 9)"), adopt=False), tmp_path)
    assert (run.code, run.calls) == (1, [])
    assert "prod-eu, $(exit 9) could not be compared" in run.said
