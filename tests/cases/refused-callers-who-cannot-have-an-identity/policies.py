"""Plain text callers under strict mTLS, callers that are kept out of the mesh, and denied callers who only need to leave it."""

from meshdsl import Allow, Anyone, Deny, MutualTls, Namespace, Proxy, Service

prod, out = Namespace("prod"), Namespace("out")
job = Service("job", out, port=80)
api = Service("api", prod, port=8080)
old = Service("old", out, port=8080)
open_ = Service("open", Namespace("lab"), port=8080)

policies = [
    MutualTls(prod, mode="strict"),
    Proxy(out, enrolled=False),
    Allow(api, callers=Anyone.at_all()),
    Allow(api, callers=(job,), ports=(8080,)),
    Allow(old, callers=(api,)),
    Deny(open_, callers=(api,), only=("istio", "ambient")),
]
