"""A page for each diagnostic code: what it means, why it is so, and what to do.

Codes are stable and never reused. A module here has the codes of one stage; the codes of features (MESH501 to
MESH562) are the support table's rows and take their pages from it.

====  =======================================
0xx   configuration and command line
1xx   loading policy files
2xx   values of a policy's arguments
3xx   resolving: references, conflicts, order
4xx   checks of reliability and security
5xx   what a mesh cannot do, feature by feature
6xx   what a mesh cannot do in combination
7xx   output
8xx   comparing: clusters, dumps, revisions
9xx   questions about a request
====  =======================================
"""

from __future__ import annotations

from collections.abc import Mapping

from meshdsl.codes import (
    ambient,
    cli,
    cluster,
    compare,
    diff,
    gateway_api,
    istio,
    linkerd,
    load,
    model,
    output,
    resolve,
    trace,
)
from meshdsl.codes.page import Page

PAGES: Mapping[str, Page] = dict(
    sorted(
        {
            page.code: page
            for module in (
                cli,
                load,
                model,
                resolve,
                istio,
                ambient,
                linkerd,
                gateway_api,
                output,
                cluster,
                compare,
                diff,
                trace,
            )
            for page in module.PAGES
        }.items()
    )
)
