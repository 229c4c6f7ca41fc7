"""``meshdsl access`` and ``meshdsl graph`` as a user runs them."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.running import meshdsl
from tests.cli.test_startup import HEAVY

CONFIG = """name = "shop"

[clusters.one]
target = "istio"

[clusters.two]
target = "linkerd"
"""

POLICIES = """from meshdsl import Allow, Canary, DefaultDeny, Header, MutualTls, Namespace, Probe, Service, ServiceAccount

prod = Namespace("prod")
web = Service("web", prod, port=80, probes=())
api = Service("api", prod, port=8080, versions=("v1", "v2"), probes=(Probe("/healthz", port=8080),))
fence = DefaultDeny(prod)
strict = MutualTls(prod, mode="strict")
reads = Allow(api, callers=(web,), methods=("GET",))
front = Allow(web, callers=(ServiceAccount("ingress", "gateway"),))
canary = Canary(api, stable="v1", canary="v2", percent=10, when=Header("x-canary", "true"))
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    (folder / "policies").mkdir(parents=True)
    (folder / "meshdsl.toml").write_text(CONFIG)
    (folder / "policies" / "shop.py").write_text(POLICIES)
    return folder


def test_who_can_call_a_service_with_the_line_that_decides(shop: Path) -> None:
    done = meshdsl("access", "--to", "prod/api", cwd=shop)
    assert (done.returncode, done.stderr) == (0, "")
    found = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert found[0] == "Who can call prod/api (on one, two, as the policies mean it):"
    assert "prod/web GET policies/shop.py:8 Allow" in found
    assert "everyone else nothing more policies/shop.py:7 MutualTls, policies/shop.py:6 DefaultDeny" in found
    assert "GET /healthz on workload port 8080 is let in for the kubelet, as the mesh provides" in found


def test_what_a_caller_can_call(shop: Path) -> None:
    done = meshdsl("access", "--from", "prod/web", cwd=shop)
    assert "prod/api GET policies/shop.py:8 Allow" in " ".join(done.stdout.split())
    outside = meshdsl("access", "--from", "outside", cwd=shop)
    assert outside.returncode == 0
    assert " nothing\n" in outside.stdout


def test_of_the_accounts_of_a_namespace_the_callers_are_named(shop: Path) -> None:
    """Not every account of prod may call api, but web."""
    found = [" ".join(line.split()) for line in meshdsl("access", "--from", "prod/*", cwd=shop).stdout.splitlines()]
    assert found[0].startswith("What every account of prod can call (")
    assert "prod/api by prod/web GET policies/shop.py:8 Allow" in found


def test_in_a_matrix_everyone_is_who_differs_from_nobody(shop: Path) -> None:
    found = [" ".join(line.split()) for line in meshdsl("access", "--matrix", cwd=shop).stdout.splitlines()]
    index = found.index("1 anything else in prod")
    assert found[index + 1].startswith("none everyone policies/shop.py:6 DefaultDeny")
    index = found.index("2 prod/api")
    assert found[index + 2].startswith("none everyone else ")


def test_a_service_outside_the_mesh_is_set_off_by_commas(shop: Path) -> None:
    file = shop / "policies" / "shop.py"
    more = 'old = Service("old", Namespace("legacy"), port=80)\nout = Proxy(Namespace("legacy"), enrolled=False)\n'
    file.write_text(POLICIES.replace("Allow,", "Allow, Proxy,") + more)
    done = meshdsl("access", "--from", "legacy/old", cwd=shop)
    assert "What legacy/old, which is kept out of the mesh, can call (" in done.stdout, done.stderr


def test_what_was_probably_meant_stands_before_what_else_there_is(shop: Path) -> None:
    done = meshdsl("access", "--from", "prod/wev", cwd=shop)
    assert "did you mean 'prod/web'? a service account is account:NAMESPACE/NAME" in done.stderr


def test_a_cluster_answers_from_its_manifests(shop: Path) -> None:
    istio = meshdsl("access", "--to", "prod/api", "--cluster", "one", cwd=shop)
    assert istio.returncode == 0
    assert "AuthorizationPolicy prod/api spec.rules[0]" in istio.stdout
    linkerd = meshdsl("access", "--to", "prod/api", "--cluster", "two", cwd=shop)
    assert linkerd.returncode == 0
    assert "AuthorizationPolicy prod/api" in linkerd.stdout
    target = meshdsl("access", "policies", "--from", "prod/web", "--target", "istio", cwd=shop)
    assert target.returncode == 0
    assert "AuthorizationPolicy prod/api spec.rules[0]" in target.stdout


def test_clusters_of_one_kind_are_told_apart_where_they_differ(shop: Path) -> None:
    file = shop / "policies" / "shop.py"
    file.write_text(POLICIES + 'only = Allow(api, callers=(web,), methods=("PUT",), only=("istio",))\n')
    done = meshdsl("access", "--to", "prod/api", cwd=shop)
    assert "(on one, as the policies mean it)" in done.stdout
    assert "(on two, as the policies mean it)" in done.stdout


def test_one_cluster_is_named_in_every_format_as_several_are(shop: Path) -> None:
    asked = ("access", "--to", "prod/api", "--cluster", "one", "--format")
    assert "(on one, the manifests for Istio" in meshdsl(*asked, "text", cwd=shop).stdout
    assert json.loads(meshdsl(*asked, "json", cwd=shop).stdout)["answers"][0]["clusters"] == ["one"]
    (line,) = csv.DictReader(io.StringIO(meshdsl(*asked, "csv", cwd=shop).stdout))
    assert line["clusters"] == "one"


def test_for_which_clusters_the_policies_do_not_compile_is_said_beside_what_they_mean(shop: Path) -> None:
    file = shop / "policies" / "shop.py"
    file.write_text(POLICIES.replace("Allow,", "Allow, Breaker,") + "b = Breaker(api, max_connections=10)\n")
    done = meshdsl("access", "--to", "prod/api", cwd=shop)
    assert done.returncode == 0
    (line,) = done.stderr.splitlines()
    assert line.startswith("The policies do not compile for two (1 finding): ")
    assert meshdsl("access", "--to", "prod/api", "--cluster", "one", cwd=shop).stderr == ""


def test_an_account_that_one_cluster_names_is_one_of_the_others(shop: Path) -> None:
    file = shop / "policies" / "shop.py"
    robot = 'robot = Allow(api, callers=(ServiceAccount("ci", "robot"),), only=("istio",))\n'
    file.write_text(POLICIES + robot)
    done = meshdsl("access", "--from", "ci/robot", cwd=shop)
    assert (done.returncode, done.stderr) == (0, "")
    assert "What service account ci/robot can call (on one," in done.stdout
    assert "What service account ci/robot can call (on two," in done.stdout


def test_a_cluster_without_the_service_is_left_out_and_that_is_said(shop: Path) -> None:
    (shop / "meshdsl.toml").write_text(
        CONFIG.replace('target = "linkerd"', 'target = "linkerd"\nenvironment = { cron = true }')
    )
    file = shop / "policies" / "shop.py"
    head, _, rest = POLICIES.partition("\n\n")
    lines = rest.rstrip().splitlines()
    body = "".join(f"    {line}\n" for line in lines)
    cron = '    if env.get("cron"):\n        cron = Service("cron", prod, port=80, probes=())\n'
    file.write_text(f"{head}\n\n\ndef policies(env):\n{body}{cron}    return list(locals().values())[1:]\n")
    done = meshdsl("access", "--from", "prod/cron", cwd=shop)
    assert "left out: one: there is no caller 'prod/cron'" in done.stderr, done.stderr
    assert "(on two," in done.stdout


def test_objects_are_read_from_files(shop: Path) -> None:
    assert meshdsl("build", cwd=shop).returncode == 0
    done = meshdsl("access", "--to", "prod/api", "--cluster", "one", "--against", "out", cwd=shop)
    assert (done.returncode, done.stderr) == (0, "")
    assert "out, as Istio" in done.stdout
    dump = shop / "dump.json"
    theirs = {
        "apiVersion": "security.istio.io/v1",
        "kind": "AuthorizationPolicy",
        "metadata": {"name": "theirs", "namespace": "prod", "uid": "1"},
        "spec": {"rules": [{"from": [{"source": {"ipBlocks": ["10.0.0.0/8"]}}]}]},
    }
    dump.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": [theirs]}))
    done = meshdsl("access", "--to", "prod/api", "--cluster", "one", "--against", "dump.json", cwd=shop)
    assert done.returncode == 3
    assert "Not known:" in done.stdout
    assert "ipBlocks cannot be decided" in done.stdout
    assert "the dump has no PeerAuthentication" in done.stdout
    assert "so the exit code is 3" in done.stderr


def test_a_cluster_that_is_out_of_reach_is_no_answer(shop: Path) -> None:
    done = meshdsl("access", "--to", "prod/api", "--cluster", "one", "--live", cwd=shop, PATH="/nowhere")
    assert (done.returncode, done.stdout) == (3, "")
    assert "MESH8" in done.stderr


def test_the_permissions_that_live_needs(shop: Path) -> None:
    done = meshdsl("access", "--show-rbac", "--cluster", "one", cwd=shop)
    assert done.returncode == 0
    assert "authorizationpolicies" in done.stdout
    assert "deployments" in done.stdout
    assert "envoyfilters" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--to", "prod/apy"], "did you mean 'prod/api'?"),
        (["--to", "api"], "did you mean 'prod/api'?"),
        (["--from", "prod/weg"], "did you mean 'prod/web'?"),
        (["--from", "nobody"], "account:NAMESPACE/NAME"),
        ([], "ask one thing"),
        (["--to", "prod/api", "--matrix"], "ask one thing"),
        (["--to", "prod/api", "--by", "service"], "--by goes with --matrix"),
        (["--matrix", "--live", "--against", "out"], "exclude each other"),
        (["--matrix", "--context", "x"], "--context goes with --live"),
    ],
)
def test_what_makes_no_sense_is_said(shop: Path, arguments: list[str], said: str) -> None:
    done = meshdsl("access", *arguments, cwd=shop)
    assert done.returncode == 2
    assert said in done.stderr


def test_the_matrix_in_every_format(shop: Path) -> None:
    text = meshdsl("access", "--matrix", cwd=shop).stdout
    assert "by service" in text
    assert "◐ some requests" in text
    spaces = meshdsl("access", "--matrix", "--by", "namespace", cwd=shop).stdout
    assert "anything else in prod" in spaces
    found = json.loads(meshdsl("access", "--matrix", "--format", "json", cwd=shop).stdout)
    assert (found["version"], found["complete"]) == (1, True)
    (answer,) = found["answers"]
    (column,) = [one for one in answer["services"] if one["service"] == "prod/api"]
    (cell,) = [one for one in column["cells"] if one["access"] == "some"]
    assert cell["callers"] == ["prod/web"]
    assert cell["because"] == [{"what": "Allow", "field": "", "origin": {"file": "policies/shop.py", "line": 8}}]
    assert column["everyone_else"]["access"] == "none"
    rows = list(csv.DictReader(io.StringIO(meshdsl("access", "--matrix", "--format", "csv", cwd=shop).stdout)))
    cells = {(row["caller"], row["service"]): row["access"] for row in rows}
    assert cells["prod/web", "prod/api"] == "some"
    assert cells["service account ingress/gateway", "prod/web"] == "all"
    assert len(cells) == len(answer["callers"]) * len(answer["services"])
    markdown = meshdsl("access", "--matrix", "--format", "markdown", cwd=shop).stdout
    assert "| prod/api | prod/web | some | policies/shop.py:8 Allow |" in markdown
    page = meshdsl("access", "--matrix", "--format", "html", cwd=shop).stdout
    assert page.startswith("<!doctype html>")
    assert "default-src &#39;none&#39;" in page or "default-src 'none'" in page
    assert "<script" not in page
    assert "http" not in page.replace("http-equiv", "")


def test_rows_in_every_format(shop: Path) -> None:
    found = json.loads(meshdsl("access", "--to", "prod/api", "--format", "json", cwd=shop).stdout)
    (row,) = found["answers"][0]["rows"]
    assert (row["callers"], row["methods"], row["all"]) == (["prod/web"], ["GET"], False)
    (line,) = csv.DictReader(io.StringIO(meshdsl("access", "--to", "prod/api", "--format", "csv", cwd=shop).stdout))
    assert (line["callers"], line["methods"]) == ("prod/web", "GET")
    for kind in ("markdown", "html"):
        assert "prod/web" in meshdsl("access", "--to", "prod/api", "--format", kind, cwd=shop).stdout


def test_an_answer_goes_to_a_file_whole(shop: Path) -> None:
    done = meshdsl("access", "--matrix", "--format", "html", "--output", "access.html", cwd=shop)
    assert (done.returncode, done.stdout) == (0, "")
    assert (shop / "access.html").read_text(encoding="utf-8").endswith("</html>\n")
    done = meshdsl("access", "--matrix", "--output", "nowhere/access.txt", cwd=shop)
    assert done.returncode == 3
    assert "MESH876" in done.stderr


# --------------------------------------------------------------------------------------------------------------- graph


def test_the_graph_has_services_versions_and_declared_calls(shop: Path) -> None:
    done = meshdsl("graph", cwd=shop)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "flowchart LR",
        '  subgraph ns0["ingress"]',
        '    n0(["account gateway"])',
        "  end",
        '  subgraph ns1["prod · mTLS strict"]',
        '    n1["api<br/>v1 90 %, v2 10 %<br/>x-canary #61; true: v2"]',
        '    n2["web"]',
        "  end",
        "  n0 --> n2",
        '  n2 -.->|"GET"| n1',
    ]


@pytest.mark.parametrize("format", ["dot", "svg"])
def test_the_graph_in_other_formats_and_in_part(shop: Path, format: str) -> None:
    whole = meshdsl("graph", "--format", format, cwd=shop)
    assert whole.returncode == 0
    assert "ingress" in whole.stdout
    part = meshdsl("graph", "--format", format, "--service", "prod/api", "--output", "-", cwd=shop)
    assert "web" in part.stdout
    assert "ingress" not in part.stdout
    done = meshdsl("graph", "--format", format, "--namespace", "ingress", "--output", "g", cwd=shop)
    assert (done.returncode, done.stdout) == (0, "")
    assert "gateway" in (shop / "g").read_text(encoding="utf-8")
    assert "x-canary" not in (shop / "g").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--service", "prod/apy"], "did you mean 'prod/api'?"),
        (["--namespace", "prot"], "did you mean 'prod'?"),
        (["--namespace", "prod", "--service", "prod/api"], "exclude each other"),
    ],
)
def test_what_makes_no_sense_for_a_graph_is_said(shop: Path, arguments: list[str], said: str) -> None:
    done = meshdsl("graph", *arguments, cwd=shop)
    assert done.returncode == 2
    assert said in done.stderr


def test_clusters_with_different_graphs_must_be_chosen(shop: Path) -> None:
    file = shop / "policies" / "shop.py"
    file.write_text(POLICIES + 'only = Allow(web, callers=(api,), only=("istio",))\n')
    done = meshdsl("graph", cwd=shop)
    assert done.returncode == 2
    assert "choose one: meshdsl graph --cluster one (or two)" in done.stderr
    svg = meshdsl("graph", ".", "--format", "svg", "--output", "a b.svg", cwd=shop)
    assert "choose one: meshdsl graph . --format svg --output 'a b.svg' --cluster one (or two)" in svg.stderr
    assert meshdsl("graph", "--cluster", "two", cwd=shop).returncode == 0


@pytest.mark.parametrize("command", ["access", "graph"])
def test_the_help_imports_nothing_heavy(command: str) -> None:
    code = (
        "import sys; from meshdsl.cli import main; main(sys.argv[1:]);print('MODULES', *sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code, command, "--help"], capture_output=True, text=True, check=True)
    assert not set(done.stderr.rpartition("MODULES ")[2].split()) & HEAVY
