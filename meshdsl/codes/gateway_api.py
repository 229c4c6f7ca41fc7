"""The codes of what the Gateway API objects that Ambient and Linkerd share cannot hold."""

from __future__ import annotations

from meshdsl.codes.page import Page

PAGES: tuple[Page, ...] = (
    Page(
        "MESH671",
        "a version's Service cannot have its name",
        "Ambient and Linkerd know the versions of a service only as Services of their own, named "
        "SERVICE-VERSION. A Service name is a DNS label: at most 63 lower-case letters, digits and dashes, "
        "beginning with a letter. This version's would be longer, or have another character. Shorten the name "
        "of the service or of the version. On Istio with sidecars a version is a subset and needs no name of "
        'its own, so only=("istio",) is a way as well.',
    ),
    Page(
        "MESH672",
        "the name of a version's Service is taken",
        "Ambient and Linkerd know the versions of a service only as Services of their own, named "
        "SERVICE-VERSION. A declared service, or the version of another one, has that name in the same "
        "namespace already. Writing it would replace a Service that other callers use, so it is refused. "
        "Rename the version or one of the services.",
    ),
    Page(
        "MESH673",
        "too many rules for one HTTPRoute",
        "An HTTPRoute holds 16 rules (a limit of the Gateway API CRD), and all rules of one port that share a "
        "retry treatment go into one object, because the order of two objects would be decided by their age. "
        "Neighbouring rules that do the same are written as one rule with several matches before they are "
        "counted. Let fewer routes have a treatment of their own, or split the service into two.",
    ),
    Page(
        "MESH674",
        "too many matches for one HTTPRoute",
        "An HTTPRoute holds 128 matches in all its rules together (a limit of the Gateway API CRD). Each "
        "combination of method, path and header of the routes of a port is one match; a retry that names "
        "methods multiplies them. Name fewer methods, use a path prefix instead of several paths, or split "
        "the service into two.",
    ),
    Page(
        "MESH675",
        "a rule is larger than an HTTPRoute allows",
        "The Gateway API CRD limits the parts of a rule: 16 header conditions, 16 query conditions, one "
        "condition on each header or parameter, 16 backends, 16 header edits of each kind, 1024 characters in "
        "a path or a query value. On a mesh that searches for a regular expression instead of comparing the "
        "whole value, it is written as ^(?:…)$, which is six characters longer. Shorten the part that is "
        "named.",
    ),
    Page(
        "MESH677",
        "a redirect status newer than the CRDs",
        "The standard HTTPRoute before Gateway API 1.5 takes the redirect statuses 301 and 302 alone; 303, 307 "
        "and 308 came later. Use one of the two, or install newer CRDs and say so in the profile (gateway_api).",
    ),
)
