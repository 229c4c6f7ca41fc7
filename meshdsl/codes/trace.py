"""The codes of questions about a request: `meshdsl trace`, policy tests."""

from __future__ import annotations

from meshdsl.codes.page import Page

PAGES: tuple[Page, ...] = (
    Page(
        "MESH901",
        "No service account",
        "A caller that is no declared service is written as `account:NAMESPACE/NAME`, by its Kubernetes service "
        "account. `anyone` stands for a caller in the mesh whom no policy names, `outside` for one outside the mesh.",
    ),
    Page(
        "MESH902",
        "No method",
        "Methods are those of HTTP, in upper case, and are compared literally: `GET` does not cover `HEAD`.",
    ),
    Page(
        "MESH903",
        "No path",
        "A path begins with a slash and is written as it is sent: characters that cannot stand in a URL are "
        "percent-encoded. What follows a `?` is its query; a fragment (`#…`) is never sent.",
    ),
    Page(
        "MESH904",
        "No such port",
        "The service has no port of that number or name, or several and none was named. Write the port after the "
        "service, as in `prod/api:8080` or `prod/api:http`.",
    ),
    Page(
        "MESH905",
        "No header",
        "A header is written as `name: value`. Its value is text, as is that of a query parameter. The header `host` "
        "cannot be asked about: what a mesh does with it depends on how the caller reached the service.",
    ),
    Page(
        "MESH906",
        "Given twice",
        "Policies take it that a header and a query parameter occur once in a request, and meshes differ in what they "
        "do with a second one. Ask about each value by itself.",
    ),
    Page(
        "MESH907",
        "No requests on that port",
        "A port whose protocol is `tcp` or `tls` carries bytes that the mesh does not look into. Leave method and path "
        "away to ask whether the connection is taken.",
    ),
)
