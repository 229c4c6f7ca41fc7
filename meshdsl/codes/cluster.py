"""The codes of asking a cluster."""

from __future__ import annotations

from meshdsl.codes.page import Page

PAGES: tuple[Page, ...] = (
    Page(
        "MESH801",
        "No kubectl",
        "meshdsl asks a cluster through your own kubectl, so that contexts, plugins and logins work as they do for "
        "you and meshdsl holds no credential. There is no program of that name on PATH. Install kubectl, or compare "
        "with something that needs no cluster: a folder, a dump of `kubectl get -o yaml`, or a git revision "
        "(`--against`).",
    ),
    Page(
        "MESH802",
        "kubectl does not start",
        "`kubectl proxy` ended before it served anything; the message has its own words. Most often the context that "
        "the configuration names is not in your kubeconfig, or the kubeconfig cannot be read. "
        "`kubectl config get-contexts` lists what there is; `--context`, or `context` in the configuration, "
        "chooses one.",
    ),
    Page(
        "MESH803",
        "Not logged in",
        "The API server does not know who asks, or the plugin that gets credentials failed; the message has its own "
        "words. A token that expires on the way is renewed once, by starting kubectl anew. Log in as you do for "
        "kubectl: when `kubectl get namespaces` works with that context, this works.",
    ),
    Page(
        "MESH804",
        "The API server cannot be reached",
        "kubectl is there, but no connection to the API server comes about, or it fails each time it is asked, after "
        "several tries. Look at the address in the message: is it the right context, is a VPN or a proxy needed, is "
        "the cluster up? `kubectl cluster-info` should work with that context.",
    ),
    Page(
        "MESH805",
        "The cluster is too slow",
        "There was no whole answer within the time limit. Waiting that the server asked for (`Retry-After`) counts. "
        "`--timeout` sets another limit; it is for everything that one comparison asks of one cluster.",
    ),
    Page(
        "MESH806",
        "The server's certificate is not trusted",
        "kubectl does not trust the certificate that the API server shows: it is signed by somebody else, expired, or "
        "made out to another name. The kubeconfig has the authority that is trusted (`certificate-authority`). "
        "meshdsl has no switch to go on without; an address that answers with another certificate may not be your "
        "cluster.",
    ),
    Page(
        "MESH807",
        "Not the answer of an API server",
        "What answers at the server's address is not Kubernetes: a login page, a gateway's error page, a redirect, or "
        "something that breaks off. It is never taken for an empty list. Is the address in the kubeconfig right, and "
        "does something between you and it (a proxy, a portal) want you to log in first?",
    ),
    Page(
        "MESH808",
        "A dry run that is not promised",
        "`--server-side` asks the API server what it would make of each object, with `dryRun=All`. A server that does "
        "not know that parameter would write. So it is used only where the server's OpenAPI document lists it for the "
        "resource, and this one does not, or may not be read. Compare without `--server-side`.",
    ),
    Page(
        "MESH809",
        "A dry run that may have written",
        "The answer to a dry-run apply has a new resourceVersion, and the object in the cluster is exactly the "
        "answer: as if it had been written. Nothing more was sent. Some server between you and the cluster does not "
        "keep to `dryRun=All`. Look at the object that the message names, and compare without `--server-side`.",
    ),
    Page(
        "MESH810",
        "No place for a socket",
        "kubectl is asked over a unix socket in a folder that only you can enter, in the folder for temporary files "
        "(`TMPDIR`, else `/tmp`). It cannot be made there, or its path is longer than the 100 bytes that a socket's "
        "path may have, or the process cannot be started at all. Set `TMPDIR` to a short path that you can write.",
    ),
    Page(
        "MESH811",
        "Another cluster",
        "The configuration says which cluster is meant by its `uid`, the uid of the namespace `kube-system`, and the "
        "context leads to one with another uid, or to one that does not let you read it. A context is a name on your "
        "machine: the same name may lead elsewhere on another one. Nothing was compared. `kubectl get namespace "
        "kube-system -o jsonpath={.metadata.uid}` prints the uid; a cluster that was made anew has a new one.",
    ),
)
