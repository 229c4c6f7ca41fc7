"""The whole way with the real kubectl, to a scripted API server behind it."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from pathlib import Path

import pytest

from meshdsl.cluster import ClusterError, KubectlCluster
from tests.cluster.api import Api, Reply, Request, serving_tcp, status
from tests.cluster.test_snapshot import SCOPES, names, small

pytestmark = pytest.mark.skipif(shutil.which("kubectl") is None, reason="there is no kubectl")


def config(folder: Path, server: str, authority: Path | None = None) -> Path:
    trusted = f", certificate-authority: {authority}" if authority else ""
    path = folder / "config"
    path.write_text(
        f"""
apiVersion: v1
kind: Config
current-context: one
clusters: [{{name: one, cluster: {{server: "{server}"{trusted}}}}}]
contexts: [{{name: one, context: {{cluster: one, user: one}}}}]
users: [{{name: one, user: {{token: canary-token}}}}]
"""
    )
    return path


def test_a_snapshot_through_a_real_kubectl_is_made_of_gets(short_path: Path) -> None:
    api = small(Api())
    lines: list[str] = []
    with (
        serving_tcp(api) as port,
        KubectlCluster("one", config(short_path, f"http://127.0.0.1:{port}"), log=lines.append) as live,
    ):
        found = live.snapshot(SCOPES)
        assert live.cluster_id().version == "v1.36.1"
    assert names(found.objects) == ["s-a", "s-b", "s-c", "r-a", "r-b", "r-c"]
    assert found.unknown == ()
    assert api.methods == {"GET"}
    assert not any("secrets" in path for path in api.paths())
    assert not any("canary-token" in line for line in lines)


def test_a_token_that_expires_is_renewed_by_starting_kubectl_anew(short_path: Path) -> None:
    api = small(Api())
    path = config(short_path, "")

    def fault(request: Request) -> Reply | None:
        if request.index == 2:
            path.write_text(path.read_text().replace("canary-token", "fresh-token"))
        old = request.headers.get("authorization") != "Bearer fresh-token"
        return status(401, "Unauthorized") if old and request.index >= 2 else None

    api.fault = fault
    with serving_tcp(api, trusted(short_path)) as port:
        path = config(short_path, f"https://127.0.0.1:{port}", short_path / "cert.pem")
        with KubectlCluster(kubeconfig=path) as live:
            found = live.snapshot(SCOPES)
    assert found.unknown == ()
    assert len(found.objects) == 6


def trusted(folder: Path) -> ssl.SSLContext:
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl to make a certificate")
    made = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem"), "-days", "2", "-nodes"]
    names_of_it = ["-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", *made, *names_of_it],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context


def test_a_certificate_that_is_not_trusted_is_an_error_and_nothing_is_sent(short_path: Path) -> None:
    api = small(Api())
    with (
        serving_tcp(api, trusted(short_path)) as port,
        pytest.raises(ClusterError, match="certificate is not trusted") as raised,
        KubectlCluster(kubeconfig=config(short_path, f"https://127.0.0.1:{port}")),
    ):
        pass
    assert raised.value.diagnostics[0].code == "MESH806"
    assert api.requests == []


def test_a_dry_run_through_a_real_kubectl_is_let_through(short_path: Path) -> None:
    api = small(Api())
    body = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s-a", "namespace": "a"}}
    api.documents["/openapi/v3/api/v1"] = {
        "paths": {
            "/api/v1/namespaces/{namespace}/services/{name}": {
                "patch": {"parameters": [{"name": n} for n in ("dryRun", "fieldManager", "fieldValidation", "force")]}
            }
        }
    }
    api.documents["/api/v1/namespaces/a/services/s-a"] = {**body, "kind": "Service"}
    with (
        serving_tcp(api) as port,
        KubectlCluster(kubeconfig=config(short_path, f"http://127.0.0.1:{port}"), server_side=True) as live,
    ):
        assert live.apply_dry_run(body).result == body
    sent = [request for request in api.requests if request.method != "GET"]
    assert [(request.method, request.query["dryRun"]) for request in sent] == [("PATCH", "All")]
    assert sent[0].headers["content-type"] == "application/apply-patch+yaml"
