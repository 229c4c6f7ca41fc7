"""What an API server answers to dry-run applies, and which folder is meant for a cluster."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from meshdsl import Istio, Namespace, Proxy, Service, Timeout, Workload, build
from meshdsl.cli.diff_sides import OfflineSide, answered, who_says, with_refusals
from meshdsl.cli.project import Job
from meshdsl.compare.diff import diff
from meshdsl.compare.kinds import OF_TARGET
from meshdsl.compare.live import Applied, Keep, LiveObject, Scope, Snapshot, Unknown
from meshdsl.compare.normalise import mapping_of
from meshdsl.compare.offline import ReadError, read
from meshdsl.compare.report import DiffReport
from meshdsl.compiler import Bundle
from meshdsl.model.environment import Environment

PROD = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "prod"}}


def bundle() -> Bundle:
    prod = Namespace("prod")
    api = Service("api", prod, port=80, workload=Workload("Deployment", "api"))
    return build([api, Timeout(api, "5s"), Proxy(prod)], Istio())


class FakeCluster:
    """Answers by adding what a server and a webhook add; refuses kinds."""

    name = "fake"

    def __init__(self, *refused: str) -> None:
        self.refused = refused
        self.threads: set[int] = set()
        self.asked: list[str] = []
        self.barrier = threading.Barrier(2)

    def snapshot(self, scopes: Iterable[Scope], keep: Keep | None = None) -> Snapshot:
        raise NotImplementedError

    def stream(self, scope: Scope) -> Iterator[LiveObject]:
        raise NotImplementedError

    def apply_dry_run(self, body: Mapping[str, Any]) -> Applied:
        self.asked.append(body["kind"])
        self.barrier.wait(10)
        if body["kind"] in self.refused:
            return Applied(None, "admission webhook denied the request")
        metadata = {**body["metadata"], "resourceVersion": "7", "uid": "u", "managedFields": [{}]}
        return Applied({**body, "metadata": metadata, "spec": {**body.get("spec", {}), "added": True}, "status": {}})


def test_each_object_becomes_what_the_server_answers_asked_concurrently() -> None:
    given, cluster = bundle(), FakeCluster()
    assert len(given.manifests) == 2
    asked, refused = answered(cluster, given, Snapshot((PROD,)))
    assert refused == ()
    # Both wait for each other: one after the other would never end.
    assert sorted(cluster.asked) == sorted(manifest.ref.kind for manifest in given.manifests)
    for manifest in asked.manifests:
        added = mapping_of(manifest.body.get("spec")).get("added")
        assert added is (None if manifest.partial else True)  # what is beside our fields is not ours
        assert not {"resourceVersion", "uid", "managedFields"} & set(manifest.body["metadata"])  # type: ignore[arg-type]
        assert "status" not in manifest.body
    assert [manifest.ref for manifest in asked.manifests] == [manifest.ref for manifest in given.manifests]


def test_what_goes_from_an_object_that_is_ours_in_part_goes_whatever_the_server_keeps() -> None:
    """A dry-run apply keeps what a patch has set; a script takes it off."""
    prod = Namespace("prod")
    given = build([Service("api", prod, port=80), Proxy(prod)], Istio(revision="canary"))
    own = {"manager": "meshdsl/meshdsl", "operation": "Update", "fieldsV1": {"f:metadata": {"f:labels": {".": {}, "f:istio-injection": {}}}}}  # fmt: skip
    metadata = {"name": "prod", "labels": {"istio-injection": "enabled"}, "managedFields": [own]}
    there = {**PROD, "metadata": metadata}

    class Merging(FakeCluster):
        def apply_dry_run(self, body: Mapping[str, Any]) -> Applied:
            return Applied({**there, "metadata": {**metadata, "labels": {**metadata["labels"], **body["metadata"]["labels"]}}})  # type: ignore[dict-item] # fmt: skip

    snapshot = Snapshot((there,), frozenset(map(Scope, OF_TARGET["istio"])))
    asked, _ = answered(Merging(), given, snapshot)
    found, plain = (diff(one, snapshot).objects for one in (asked, given))
    assert [one.fields for one in found] == [one.fields for one in plain]
    assert [str(one.path[-1]) for one in found[0].fields] == ["istio.io/rev", "istio-injection"]


@pytest.mark.parametrize(
    ("refused", "said"),
    [
        ((), ", as its API server answers"),
        (("VirtualService",), ", as its API server answers for 1 of 2 objects"),
        (("VirtualService", "Namespace"), ", as written: its API server answered for no object"),
    ],
)
def test_a_title_claims_no_answer_that_the_server_did_not_give(refused: tuple[str, ...], said: str) -> None:
    given = bundle()
    answers, _ = answered(FakeCluster(*refused), given, Snapshot((PROD,)))
    assert who_says(given, answers) == said


def test_a_refusal_is_said_at_the_line_that_asks_for_the_object() -> None:
    given = bundle()
    asked, (refused,) = answered(FakeCluster("VirtualService"), given, Snapshot((PROD,)))
    assert (refused.code, refused.reason) == ("MESH877", "admission webhook denied the request")
    assert refused.origin is not None
    assert Path(refused.origin.file).name == Path(__file__).name
    (kept,) = [m for m in asked.manifests if m.ref.kind == "VirtualService"]
    assert kept in given.manifests


def test_no_view_promises_anything_of_what_the_server_would_refuse() -> None:
    given = bundle()
    report = DiffReport("prod", "context prod", policy_note="something else")
    _, refused = answered(FakeCluster("VirtualService"), given, Snapshot((PROD,)))
    found = with_refusals(report, refused)
    said = "the API server would refuse an object (MESH877): what is said here of it would not come about"
    assert (found.policy_note, found.access_note) == (f"something else; {said}", said)
    _, refused = answered(FakeCluster("VirtualService", "Namespace"), given, Snapshot((PROD,)))
    assert "2 objects (MESH877): what is said here of them" in with_refusals(report, refused).access_note
    assert with_refusals(report, ()) is report


def test_a_permission_that_is_missing_is_named_once_and_is_no_refusal() -> None:
    said = 'forbidden: virtualservices.networking.istio.io "api" is forbidden: User "ci" cannot patch resource "virtualservices" in API group "networking.istio.io" in the namespace "prod" (a dry run needs get, patch)'  # fmt: skip

    class Forbidding(FakeCluster):
        def apply_dry_run(self, body: Mapping[str, Any]) -> Applied:
            return Applied(None, said)

    given = bundle()
    asked, (lacking,) = answered(Forbidding(), given, Snapshot((PROD,)))
    assert lacking.code == "MESH878"
    assert lacking.message.startswith(
        "the permission to patch virtualservices.networking.istio.io in prod is missing: "
    )
    assert lacking.message.endswith(" and 1 more")
    assert "refuse" not in lacking.message
    assert (lacking.reason, "--show-rbac --server-side" in lacking.help) == (said, True)
    assert asked.manifests == given.manifests


@pytest.mark.parametrize(
    "said", ['forbidden: pods "x" is forbidden: violates PodSecurity', "forbidden: exceeded quota"]
)
def test_what_admission_forbids_is_a_refusal(said: str) -> None:
    class Forbidding(FakeCluster):
        def apply_dry_run(self, body: Mapping[str, Any]) -> Applied:
            return Applied(None, said)

    _, found = answered(Forbidding(), bundle(), Snapshot((PROD,)))
    assert {one.code for one in found} == {"MESH877"}


def test_an_object_of_a_namespace_that_comes_with_it_is_no_refusal() -> None:
    _, refused = answered(FakeCluster("VirtualService"), bundle(), Snapshot(()))
    assert refused == ()


def test_the_folder_of_a_cluster_is_found_and_one_of_a_namespace_is_not_taken_for_it(tmp_path: Path) -> None:
    for path in ("out/prod/prod/api.yaml", "out/prod/_mesh.yaml", "out/dev/shop/api.yaml", "flat/api.yaml"):
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("")

    def paths(path: str, *names: str) -> dict[str, str]:
        found = OfflineSide.of(str(tmp_path / path), names, adopt=False, show_foreign=False).paths
        return {name: str(Path(one).relative_to(tmp_path)) if one else "" for name, one in found.items()}

    assert paths("out", "prod") == {"prod": "out/prod"}
    assert paths("out", "prod", "dev", "new") == {"prod": "out/prod", "dev": "out/dev", "new": ""}
    assert paths("out/prod", "prod") == {"prod": "out/prod"}
    assert paths("flat", "prod") == {"prod": "flat"}
    with pytest.raises(Exception, match="choose one with --cluster"):
        paths("flat", "prod", "dev")


def test_a_kind_that_a_dump_does_not_have_is_unknown_and_a_folder_is_whole(tmp_path: Path) -> None:
    given = bundle()
    (route,) = [m for m in given.manifests if m.ref.kind == "VirtualService"]
    body = json.loads(json.dumps(route.body, default=dict))
    (tmp_path / "dump.json").write_text(json.dumps(body))

    def report(path: Path) -> DiffReport:
        job = Job("one", given.target, Environment())
        found = OfflineSide.of(str(path), ["one"], adopt=False, show_foreign=False).compare(job, given).report
        assert found is not None
        return found

    found = report(tmp_path / "dump.json")
    reasons = [one.reason for one in found.unknown]
    assert "the dump has no AuthorizationPolicy: it is not known whether there are any" in reasons
    assert not found.objects
    assert "not compared" in found.policy_note
    assert "not compared" in found.access_note
    assert {one.code for one in found.unknown} == {"not-in-dump"}
    assert not report(tmp_path).unknown
    (tmp_path / "written.yaml").write_text("---\n".join(given.files().values()))
    assert not report(tmp_path / "written.yaml").unknown
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=(json.dumps(body),))
    writer.start()
    assert report(pipe).unknown
    writer.join()


def test_a_kind_that_these_policies_neither_make_nor_patch_may_be_missing_in_a_dump(tmp_path: Path) -> None:
    given = bundle()
    bodies = [json.loads(json.dumps(one.body, default=dict)) for one in given.manifests]
    others = [
        {"apiVersion": "security.istio.io/v1", "kind": kind, "metadata": {"name": "x", "namespace": "elsewhere"}}
        for kind in ("AuthorizationPolicy", "PeerAuthentication")
    ]
    dump = {"apiVersion": "v1", "kind": "List", "items": [*bodies, *others]}
    (tmp_path / "dump.json").write_text(json.dumps(dump))
    side = OfflineSide.of(str(tmp_path / "dump.json"), ["one"], adopt=False, show_foreign=False)
    found = side.compare(Job("one", given.target, Environment()), given).report
    assert found is not None
    assert not found.unknown
    assert found.is_empty
    assert found.policy_note == (
        "the dump has no DestinationRule: whether there is one of ours that is made no more is not known"
    )


def test_a_kind_that_the_cluster_does_not_have_is_not_asked_for_by_a_dry_run() -> None:
    given, cluster = bundle(), FakeCluster()
    cluster.barrier = threading.Barrier(1)
    route = next(kind for kind in OF_TARGET["istio"] if kind.kind == "VirtualService")
    unknown = Unknown(Scope(route, "prod"), "the cluster does not have this kind", "not-installed")
    answer, refused = answered(cluster, given, Snapshot((PROD,), unknown=(unknown,)))
    assert cluster.asked == ["Namespace"]
    assert not refused
    assert [one.ref for one in answer.manifests] == [one.ref for one in given.manifests]


def test_an_empty_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "empty.yaml").write_text("\n")
    with pytest.raises(ReadError, match="nothing was read") as caught:
        read(tmp_path / "empty.yaml")
    assert caught.value.exit_code == 3
