"""Callers of another trust domain: certificates for identities that this mesh's own authority would never give.

istiod keeps the key of its authority in a Secret; with that, a certificate is signed here for any identity, as an
authority would that the mesh trusts. Its holder speaks mTLS as a sidecar does, without being one.
"""

from __future__ import annotations

import base64
import ssl
import subprocess
from pathlib import Path

from tests.live.api import Api

_AUTHORITY = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "istio-ca-secret", "namespace": "istio-system"},
}
# The protocols by which a sidecar knows mTLS of the mesh: for requests, and for bytes.
_HTTP, _BYTES = "istio-http/1.1", "istio"


class Identities:
    """Whoever may be asked for, once.

    Args:
        api: of the mesh whose authority signs.
        folder: for keys and certificates.
    """

    def __init__(self, api: Api, folder: Path) -> None:
        self._api, self._folder = api, folder
        self._made: dict[tuple[str, bool], ssl.SSLContext] = {}

    def tls(self, namespace: str, account: str, trust_domain: str, *, http: bool) -> ssl.SSLContext:
        """What an identity speaks with: as HTTP, or as bytes."""
        uri = f"spiffe://{trust_domain}/ns/{namespace}/sa/{account}"
        if (uri, http) not in self._made:
            certificate, key = self._certificate(uri)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # it is the service that looks
            context.load_cert_chain(certificate, key)
            context.set_alpn_protocols([_HTTP if http else _BYTES])
            self._made[uri, http] = context
        return self._made[uri, http]

    def _certificate(self, uri: str) -> tuple[Path, Path]:
        """A certificate and its key."""
        self._folder.mkdir(parents=True, exist_ok=True)
        if not (self._folder / "ca-cert.pem").exists():
            data = self._api.get(_AUTHORITY).body["data"]
            for name in ("ca-cert.pem", "ca-key.pem"):
                (self._folder / name).write_bytes(base64.b64decode(data[name]))
        name = uri.removeprefix("spiffe://").replace("/", "_")
        paths = {end: self._folder / f"{name}.{end}" for end in ("key", "csr", "ext", "pem")}
        paths["ext"].write_text(f"subjectAltName=critical,URI:{uri}\nextendedKeyUsage=clientAuth,serverAuth\n")
        curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        _openssl("req", "-new", *curve, "-subj", "/", "-keyout", str(paths["key"]), "-out", str(paths["csr"]))
        authority = ["-CA", str(self._folder / "ca-cert.pem"), "-CAkey", str(self._folder / "ca-key.pem")]
        signed = ["-in", str(paths["csr"]), "-extfile", str(paths["ext"]), "-out", str(paths["pem"])]
        _openssl("x509", "-req", "-days", "1", "-CAcreateserial", *authority, *signed)
        return paths["pem"], paths["key"]


def _openssl(*arguments: str) -> None:
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
