"""The codes of resolving and checking."""

from __future__ import annotations

from meshdsl.codes.page import Page

PAGES: tuple[Page, ...] = (
    Page(
        "MESH301",
        "a service is declared twice",
        "Two Service objects have the same namespace and name. Policies attached to the one would not hold for the"
        " other, although a cluster has only one. Keep one object and import it where it is needed, or refer to it as"
        ' "namespace/service".',
    ),
    Page(
        "MESH302",
        "two routes of one name",
        "A service has two routes of one name. Give them different names: errors, explanations and objects name a"
        " route by it.",
    ),
    Page(
        "MESH303",
        "an unknown service",
        'A reference such as "prod/api" names a service that no policy file declares. Declare it, or mend the name;'
        " the error shows the nearest one.",
    ),
    Page(
        "MESH304",
        "an unknown version",
        "The service has no such version. Requests sent to it would fail, because no pod carries its label. Declare"
        ' versions with Service(…, versions=("v1", "v2")); pods carry them as the label version.',
    ),
    Page(
        "MESH310",
        "two policies of one kind on one subject",
        "For each kind of policy, one decides for a subject. With two of them, the order of files or the age of"
        " objects would choose. Keep one; or attach one to a route, which is nearer; or limit them to different"
        " targets with only=(…).",
    ),
    Page(
        "MESH312",
        "a policy beside a redirect",
        "A redirected request never reaches the service, so timeouts, retries, splits and edits beside the redirect"
        " would have no effect. Attach the Redirect to a route of its own, or leave the other policy out.",
    ),
    Page(
        "MESH320",
        "a policy about requests on a service without HTTP",
        "On a port whose protocol is tcp or tls a mesh sees bytes. Timeouts, retries, canaries and the like are about"
        ' requests and would have no effect. If the service speaks HTTP, say so: protocol="http", "http2" or "grpc".',
    ),
    Page(
        "MESH321",
        "a split of a service that has a port without HTTP",
        "The split would hold for the HTTP ports only, and connections to the other port would go to any version. Say"
        ' that this is meant by attaching the policy to a route of the HTTP port: api.route("http", port=8080).',
    ),
    Page(
        "MESH322",
        "a retry of gRPC calls that retries nothing",
        "Every gRPC call is a POST request, and a Retry leaves POST alone unless it names it, because a repeated call"
        ' may do its work twice. If these calls may be repeated, write methods=("POST",).',
    ),
    Page(
        "MESH323",
        "a route of a port that is not there",
        "A route names a port of the Kubernetes Service. This service has no such port. Ports of pods are target"
        " ports, and are not named here.",
    ),
    Page(
        "MESH324",
        "the port of a mirror is not clear",
        "Copies go to the port with the same number, or to the only one. The other service has neither, or not the"
        " port that the policy names. Say port=…",
    ),
    Page(
        "MESH325",
        "a service is mirrored to itself",
        "Without a version, the copies of all requests would reach the same pods as the requests. Name a version, or"
        " another service.",
    ),
    Page(
        "MESH330",
        "conditions that contradict each other",
        "Two conditions on one header or query parameter must hold at once, a when asks for what its own route"
        " excludes, or it comes to more alternatives than a route table should have. Meshes take one condition for each"
        " name. Say it with one regular expression, or with two routes.",
    ),
    Page(
        "MESH331",
        "two routes overlap and neither is more specific",
        "A request could match both routes, and they do different things. Meshes would choose by the age of objects"
        " or by rules that differ. Add a condition to one of the routes, or a third route for the requests that both"
        " match. The order of specificity is in docs/semantics.md, section 2.",
    ),
    Page(
        "MESH332",
        "two regular expressions may overlap",
        "Whether two regular expressions, or one and a prefix, match the same path cannot be told from their text,"
        " and meshes order them differently. Let each start with a literal that tells them apart, or separate the"
        " routes by method or header.",
    ),
    Page(
        "MESH335",
        "routes overlap in too many ways",
        "Each intersection of overlapping routes becomes a rule, so that every mesh decides alike. Here there are"
        " more than an HTTPRoute can hold. Make routes disjoint: exact paths, or prefixes that do not contain each"
        " other.",
    ),
    Page(
        "MESH336",
        "rewriting a path that is matched by a regular expression",
        "A rewrite replaces what the route's path matched. Of a regular expression that is the whole path or a part,"
        " and meshes differ. Give the route an exact path or a prefix.",
    ),
    Page(
        "MESH340",
        "named callers beside anyone",
        "Anyone.in_mesh() and Anyone.at_all() include every named caller. Naming some beside them reads as if only"
        " these were meant. Keep one of the two.",
    ),
    Page(
        "MESH341",
        "a rule and its route say the same thing twice",
        "An Allow or Deny that is attached to a route takes methods, path and port from it. If it names them too they"
        " could contradict each other. A route that is chosen by query parameters cannot carry access rules: no mesh"
        " decides access by the query.",
    ),
    Page(
        "MESH342",
        "a rule for a port that is not there",
        "Rules name ports of the Kubernetes Service. This service has no such port.",
    ),
    Page(
        "MESH343",
        "ports of a whole namespace",
        "A rule for a namespace or the mesh holds for services with different ports; the same number means something"
        " else on each. Attach it to the services, or leave ports out.",
    ),
    Page(
        "MESH344",
        "a rule about requests on a port without HTTP",
        "On a port that is not HTTP the mesh sees no methods, paths or headers. There Istio drops such an Allow (and"
        " refuses everyone) and widens such a Deny to every request. Name the HTTP ports with ports=(…).",
    ),
    Page(
        "MESH391",
        "two policies lead to one object",
        "The names of two services, versions or routes come to the same object name, such as version v1 of api and a"
        " service api-v1. Applying one would undo the other. Rename one.",
    ),
    Page(
        "MESH401",
        "a caller that is kept out of the mesh",
        "The rule names a caller that another policy keeps out of the mesh. It has no identity, so the rule could"
        " never match it. Enrol it, or let plain text in with Anyone.at_all().",
    ),
    Page(
        "MESH402",
        "a shared service account",
        "A mesh knows callers by their service account. Services that share one are one caller, so the rule holds for"
        " all of them. Give each service an account of its own, or accept it on the policy if this is meant.",
    ),
    Page(
        "MESH403",
        "anyone at all under strict mTLS",
        "Strict mTLS refuses callers without an identity before access rules are looked at, so Anyone.at_all() would"
        " promise what is not kept. Write Anyone.in_mesh(), or make the service permissive.",
    ),
    Page(
        "MESH404",
        "a denied caller could come without mTLS",
        "The service takes plain text and is open to it. A caller that is denied by its identity only has to call"
        " without one. Make mTLS strict there, or accept it on the policy.",
    ),
    Page(
        "MESH405",
        "access rules on what is kept out of the mesh",
        "Access is enforced by the proxy before a service's pods. A policy keeps this service, or its namespace, out of"
        " the mesh, so there is none, and everyone would reach it. Enrol it, or take its access rules back.",
    ),
    Page(
        "MESH406",
        "an access rule looks at what is changed on the way",
        "A Rewrite changes the path, or Headers a header, that an Allow or Deny of the same service looks at. A sidecar"
        " decides after the caller's proxy has made the change, a waypoint decides before it, and a caller without a"
        " proxy changes nothing: the rule would let in different requests on each mesh. Let the rule look at something"
        " else, or leave what it looks at unchanged.",
    ),
    Page(
        "MESH407",
        "a rule for some of the ports, which may be one port of the pods",
        "A proxy before the pods sees their ports, not those of the Service. If one target port is given as a number"
        " and another by name, both may be the same port, and a rule for one would hold for the other as well. Give"
        " all target ports as numbers, or all as names.",
    ),
    Page(
        "MESH410",
        "a breaker that can never eject",
        "A proxy takes out at most max_ejection_percent of the pods, and rounds down (Envoy's outlier detection; its"
        " field always_eject_one_host is off in Istio). With that few replicas this is less than one pod, so the"
        " breaker would do nothing, without a word. Raise the percentage.",
    ),
    Page(
        "MESH411",
        "a try that is longer than the request",
        "The request's timeout ends it during its first try, so it would never be tried again. Make per_try_timeout"
        " shorter than the timeout, or the timeout longer.",
    ),
    Page(
        "MESH412",
        "a redirect to itself",
        "The Redirect answers some request with the URL that it asked for: path, host, scheme and port stay what they"
        " were. The caller would ask for the same again, without end; Linkerd would not redirect it at all. It happens"
        " where a prefix is redirected to a path of its own (/moved/* to /moved), where a service is redirected to one"
        " of its own ports or names, and where a form is to be left by a 303 to its own path. Redirect elsewhere, or"
        " give that path, or the other port, a route of its own: the most specific route takes a request.",
    ),
    Page(
        "MESH413",
        "strict mTLS on what is kept out of the mesh",
        "That only mTLS is taken is enforced by the proxy before the pods that are called. A policy keeps this service,"
        " or this namespace, out of the mesh, so there is none, and plain text would be taken without a word. Enrol it,"
        " or say with a MutualTls of its own that it is permissive.",
    ),
    Page(
        "MESH414",
        "an edit of a header that is a connection's",
        "connection, keep-alive, proxy-connection, te, trailer, transfer-encoding and upgrade are about one connection,"
        " and content-length says where a message ends. Each proxy on the way removes what it received of them and"
        " writes its own, and HTTP/2, which proxies of a mesh speak among themselves, has none of them. A real Envoy"
        " dropped such an edit, or answered 503 where the service speaks HTTP/2; a content-length that was set cut"
        " answers off, or let the service wait for a body that never came; Linkerd's proxy strips them. Leave the edit"
        " out. What is to reach the other side needs a header of its own, such as x-upgrade.",
    ),
    Page(
        "MESH415",
        "requests that are tried again although a route says never",
        "A request belongs to one route, the most specific that matches it. `Retry.never` is attached to a route, and"
        " some of the requests that this route describes belong to another one that is more specific: a Timeout for"
        " `/a/*`, say, beside `Retry.never` for every POST. That other route has no Retry of its own, so the Retry of"
        " the service, namespace or mesh holds in it, and its POSTs are tried again. It is a warning, and goes away"
        " once the other route says what is meant: `Retry.never` for it as well, or a Retry.",
    ),
)
