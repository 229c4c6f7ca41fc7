"""The examples, run as a user would run them: each builds in its folder, and its README tells the truth about the output."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
CLUSTERS = {
    "seed": ("istio", "ambient", "linkerd"),
    "bookinfo": ("istio", "ambient", "linkerd"),
    "boutique": ("staging", "prod-istio", "prod-ambient", "prod-linkerd"),
    "migration": ("before", "after"),
}


class Built:
    """What an example was built to: the objects of each file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def clusters(self) -> set[str]:
        return {folder.name for folder in self._folder.iterdir()}

    def text(self, file: str) -> str:
        return (self._folder / file).read_text(encoding="utf-8")

    def objects(self, file: str) -> list[dict[str, Any]]:
        return list(yaml.safe_load_all(self.text(file)))

    def kinds(self, file: str) -> set[str]:
        return {found["kind"] for found in self.objects(file)}

    def one(self, file: str, kind: str, name: str = "") -> dict[str, Any]:
        (found,) = (o for o in self.objects(file) if o["kind"] == kind and name in ("", o["metadata"]["name"]))
        return found


def run(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", "NO_COLOR": "1"}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Built]:
    done: dict[str, Built] = {}

    def build_once(example: str) -> Built:
        if example not in done:
            out = tmp_path_factory.mktemp(example)
            ran = run("-m", "meshdsl", "build", "--out", str(out), folder=EXAMPLES / example)
            assert ran.returncode == 0, ran.stderr
            done[example] = Built(out)
        return done[example]

    return build_once


def weights(http_route: dict[str, Any]) -> list[dict[str, int]]:
    return [{b["name"]: b["weight"] for b in rule["backendRefs"]} for rule in http_route["spec"]["rules"]]


def subsets(virtual_service: dict[str, Any]) -> list[dict[str, int]]:
    return [
        {to["destination"].get("subset", ""): to.get("weight", 100) for to in rule["route"]}
        for rule in virtual_service["spec"]["http"]
    ]


# -------------------------------------------------------------------------------------------------------- all of them


@pytest.mark.parametrize("example", sorted(CLUSTERS))
def test_an_example_builds_for_each_of_its_clusters(example: str, build: Callable[[str], Built]) -> None:
    assert build(example).clusters() == set(CLUSTERS[example])


def test_every_example_is_here_and_has_a_readme() -> None:
    folders = {folder.name for folder in EXAMPLES.iterdir() if folder.is_dir()}
    assert folders == {*CLUSTERS, "library"}
    for folder in folders:
        commands = [line for line in (EXAMPLES / folder / "README.md").read_text().splitlines() if line[:4] == "    "]
        assert commands, f"{folder}/README.md shows no command"


def test_every_file_that_a_readme_names_is_there(build: Callable[[str], Built]) -> None:
    for example in CLUSTERS:
        for word in (EXAMPLES / example / "README.md").read_text().split("`"):
            if word.startswith("out/") and word.endswith(".yaml"):
                assert build(example).text(word.removeprefix("out/")), word
            elif word.startswith("policies/"):
                assert (EXAMPLES / example / word).is_file(), word


def test_example_code_passes_mypy_strict_and_ruff() -> None:
    checked = run("-m", "mypy", "--strict", "--explicit-package-bases", "examples", "policies", folder=ROOT)
    assert checked.returncode == 0, checked.stdout
    for command in (("check",), ("format", "--check")):
        linted = run("-m", "ruff", *command, "examples", "policies", folder=ROOT)
        assert linted.returncode == 0, linted.stdout


# --------------------------------------------------------------------------------------------------------------- seed


def test_the_seed_uses_the_whole_vocabulary() -> None:
    import meshdsl
    from meshdsl.model.base import Policy

    text = (EXAMPLES / "seed/policies/shop.py").read_text()
    kinds = {name for name in meshdsl.__all__ if issubclass_of(getattr(meshdsl, name), Policy)}
    assert len(kinds) > 15
    assert {kind for kind in kinds if f"{kind}(" not in text and f"{kind}." not in text} == {"Policy"}


def issubclass_of(value: object, kind: type) -> bool:
    return isinstance(value, type) and issubclass(value, kind)


def test_the_seed_gives_each_cluster_its_share(build: Callable[[str], Built]) -> None:
    seed = build("seed")
    assert subsets(seed.one("istio/shop/api.yaml", "VirtualService"))[-1] == {"v1": 75, "v2": 25}
    assert weights(seed.one("ambient/shop/api.yaml", "HTTPRoute"))[-1] == {"api-v1": 95, "api-v2": 5}


def test_what_a_mesh_cannot_do_is_only_where_the_seed_says(build: Callable[[str], Built]) -> None:
    seed = build("seed")
    assert "fault:" in seed.text("istio/shop/search.yaml")
    assert "fault" not in seed.text("ambient/shop/search.yaml") + seed.text("linkerd/shop/search.yaml")
    assert "RequestMirror" in seed.text("ambient/shop/search.yaml")
    assert "RequestMirror" not in seed.text("linkerd/shop/search.yaml")
    assert "DENY" in seed.text("istio/shop/api.yaml")


# ----------------------------------------------------------------------------------------------------------- bookinfo


def test_one_user_gets_the_new_reviews_before_requests_are_shared_out(build: Callable[[str], Built]) -> None:
    bookinfo = build("bookinfo")
    rules = bookinfo.one("istio/bookinfo/reviews.yaml", "VirtualService")["spec"]["http"]
    assert [m["headers"]["end-user"] for m in rules[0]["match"]] == [{"exact": "jason"}]
    shares = subsets(bookinfo.one("istio/bookinfo/reviews.yaml", "VirtualService"))
    assert list(shares[0]) == ["v2"]
    assert shares[-1] == {"v1": 90, "v2": 10}
    for mesh in ("ambient", "linkerd"):
        route = next(
            o
            for o in bookinfo.objects(f"{mesh}/bookinfo/reviews.yaml")
            if o["kind"] == "HTTPRoute" and o["spec"]["parentRefs"][0]["kind"] == "Service"
        )
        assert {"reviews-v2": 1} in weights(route)
        assert weights(route)[-1] == {"reviews-v1": 90, "reviews-v2": 10}
        assert "reviews-v3" not in bookinfo.text(f"{mesh}/bookinfo/reviews.yaml")
    assert all("v3" not in share for share in shares)


def test_the_fault_is_felt_by_one_user_and_on_istio_only(build: Callable[[str], Built]) -> None:
    rules = build("bookinfo").one("istio/bookinfo/ratings.yaml", "VirtualService")["spec"]["http"]
    assert rules[0]["fault"]["delay"]["fixedDelay"] == "7s"
    assert rules[0]["match"][0]["headers"] == {"end-user": {"exact": "jason"}}
    assert all("fault" not in rule for rule in rules[1:])
    for mesh in ("ambient", "linkerd"):
        routes = [o for o in build("bookinfo").objects(f"{mesh}/bookinfo/ratings.yaml") if o["kind"] == "HTTPRoute"]
        assert all(route["spec"]["parentRefs"][0]["kind"] != "Service" for route in routes)


def test_ratings_is_open_to_reviews_alone(build: Callable[[str], Built]) -> None:
    (rule,) = build("bookinfo").one("istio/bookinfo/ratings.yaml", "AuthorizationPolicy")["spec"]["rules"]
    assert rule["from"] == [{"source": {"principals": ["cluster.local/ns/bookinfo/sa/bookinfo-reviews"]}}]
    assert rule["to"][0]["operation"]["methods"] == ["GET"]


# ----------------------------------------------------------------------------------------------------------- boutique


def test_stages_differ_in_their_percentages(build: Callable[[str], Built]) -> None:
    boutique = build("boutique")
    file = "window/productcatalogservice.yaml"
    assert subsets(boutique.one(f"staging/{file}", "VirtualService"))[-1] == {"v1": 50, "v2": 50}
    assert subsets(boutique.one(f"prod-istio/{file}", "VirtualService"))[-1] == {"v1": 95, "v2": 5}
    assert weights(boutique.one(f"prod-ambient/{file}", "HTTPRoute"))[-1] == {
        "productcatalogservice-v1": 95,
        "productcatalogservice-v2": 5,
    }
    assert "loadgenerator" in boutique.text("staging/window/frontend.yaml")
    assert "loadgenerator" not in boutique.text("prod-istio/window/frontend.yaml")


def test_a_namespace_gives_its_timeout_to_services_without_one(build: Callable[[str], Built]) -> None:
    boutique = build("boutique")

    def timeout(service: str) -> str:
        (rule,) = boutique.one(f"prod-istio/{service}.yaml", "VirtualService")["spec"]["http"]
        return str(rule["timeout"])

    assert timeout("window/currencyservice") == "2s"
    assert timeout("ordering/cartservice") == "5s"
    assert timeout("ordering/checkoutservice") == "10s"


@pytest.mark.parametrize("cluster", ["prod-istio", "prod-ambient"])
def test_the_store_of_the_cart_is_open_to_the_cart_alone(cluster: str, build: Callable[[str], Built]) -> None:
    file = f"{cluster}/ordering/redis-cart.yaml"
    assert not build("boutique").kinds(file) & {"VirtualService", "HTTPRoute", "Gateway"}
    (rule,) = build("boutique").one(file, "AuthorizationPolicy")["spec"]["rules"]
    assert rule["from"] == [{"source": {"principals": ["cluster.local/ns/ordering/sa/boutique-cart"]}}]


def test_eleven_services_are_built_for_every_cluster(build: Callable[[str], Built]) -> None:
    boutique = build("boutique")
    for cluster in CLUSTERS["boutique"]:
        folder = boutique._folder / cluster
        assert sum(not file.name.startswith("_") for file in folder.rglob("*.yaml")) == 11


# ---------------------------------------------------------------------------------------------------------- migration


def test_the_same_policies_become_other_objects_after_the_migration(build: Callable[[str], Built]) -> None:
    migration = build("migration")
    before, after = (migration.kinds(f"{cluster}/payments/api.yaml") for cluster in ("before", "after"))
    assert "VirtualService" in before - after
    assert {"HTTPRoute", "Service"} <= after - before
    fence = migration.one("after/payments/api.yaml", "AuthorizationPolicy", "api.fence")
    assert fence["spec"]["rules"][0]["from"] == [{"source": {"principals": ["cluster.local/ns/payments/sa/waypoint"]}}]
    assert migration.objects("after/payments/api.yaml")[-1]["metadata"]["labels"]["istio.io/use-waypoint"] == "waypoint"


# ------------------------------------------------------------------------------------------------------------ library


def test_the_fleet_is_built_from_its_table(tmp_path: Path) -> None:
    first = run("fleet.py", "fleet.csv", str(tmp_path), folder=EXAMPLES / "library")
    assert (first.returncode, first.stderr) == (0, "")
    assert [line.split(":")[0] for line in first.stdout.splitlines()] == ["eu-1", "eu-2", "us-1", "ap-1"]
    fleet = Built(tmp_path)
    assert fleet.clusters() == {"eu-1", "eu-2", "us-1", "ap-1"}
    assert subsets(fleet.one("eu-1/shop/api.yaml", "VirtualService"))[-1] == {"v1": 75, "v2": 25}
    assert "us-team" in fleet.text("us-1/shop/api.yaml")
    again = run("fleet.py", "fleet.csv", str(tmp_path), folder=EXAMPLES / "library")
    assert again.stdout.count(" 0 files written") == 4


def test_the_fleet_reports_what_a_cluster_cannot_have_and_builds_the_others(tmp_path: Path) -> None:
    ran = run("fleet.py", "broken.csv", str(tmp_path), folder=EXAMPLES / "library")
    assert ran.returncode == 1
    assert "Traceback" not in ran.stderr
    assert Built(tmp_path).clusters() == {"eu-1"}
    found = {line.split(":")[0]: line for line in ran.stdout.splitlines()}
    assert "1.27" in found["us-1"]
    assert "MESH643" in found["edge-1"]
    assert "api.py:" in found["edge-1"]


# ---------------------------------------------------------------------------------------------- this repository's mesh


def test_the_mesh_of_this_repository_means_what_its_words_say(tmp_path: Path) -> None:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copytree(ROOT / "policies", tmp_path / "policies", ignore=shutil.ignore_patterns("__pycache__"))
    ran = run("-m", "meshdsl", "build", folder=tmp_path)
    assert ran.returncode == 0, ran.stderr
    mesh = Built(tmp_path / "out")
    assert mesh.clusters() == {"istio", "ambient", "linkerd", "linkerd-smi"}

    rules = mesh.one("istio/prod/api.yaml", "VirtualService")["spec"]["http"]
    assert {rule["timeout"] for rule in rules} == {"5s"}
    tried = {rule["match"][0].get("method", {}).get("exact") if "match" in rule else None: rule for rule in rules}
    assert tried["POST"]["retries"] == {"attempts": 0}
    assert tried["POST"]["match"][0]["uri"] == {"exact": "/checkout"}
    assert rules[-1]["retries"]["attempts"] == 3
    assert rules[-1]["retries"]["perTryTimeout"] == "2s"
    assert set(rules[-1]["retries"]["retryOn"].split(",")) == {"5xx", "reset", "connect-failure"}
    assert subsets(mesh.one("istio/prod/api.yaml", "VirtualService"))[-1] == {"v1": 90, "v2": 10}
    breaker = mesh.one("istio/prod/api.yaml", "DestinationRule")["spec"]["trafficPolicy"]
    assert breaker["connectionPool"]["tcp"]["maxConnections"] == 100
    assert breaker["connectionPool"]["http"]["http2MaxRequests"] == 1000
    assert breaker["connectionPool"]["http"]["maxRequestsPerConnection"] == 10
    assert breaker["outlierDetection"]["consecutive5xxErrors"] == 5

    split = mesh.one("linkerd-smi/prod/api.yaml", "TrafficSplit")
    assert {b["service"]: b["weight"] for b in split["spec"]["backends"]} == {"api-v1": 90, "api-v2": 10}
    assert "TrafficSplit" not in mesh.kinds("linkerd/prod/api.yaml")
    for cluster in mesh.clusters():
        assert mesh.text(f"{cluster}/prod/_namespace.yaml")


# ------------------------------------------------------------------------------------------------------- their own tests


@pytest.mark.parametrize("example", sorted(path.parent.name for path in EXAMPLES.glob("*/tests")))
def test_the_tests_of_an_example_pass_as_its_reader_would_run_them(example: str) -> None:
    done = run("-m", "pytest", "-p", "no:cacheprovider", "--rootdir=.", "-q", folder=EXAMPLES / example)
    assert done.returncode == 0, done.stdout
