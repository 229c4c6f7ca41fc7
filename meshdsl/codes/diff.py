"""The codes of what `meshdsl diff` reports: risks, what could not be told, and revisions."""

from __future__ import annotations

from meshdsl.codes.page import Page

_RISKS: tuple[Page, ...] = (
    Page(
        "MESH861",
        "Widened access",
        "After this change somebody may make requests that they could not make before. That is often what is wanted, "
        "and it is the first thing that a reviewer should read. The sentence names the callers, the service, the "
        "methods and the paths; `meshdsl diff --view access` shows all rows. Narrow the `Allow`, or keep the `Deny` "
        "or `DefaultDeny` that goes away, if it is not meant. `--fail-on widened-access` makes a run fail on it.",
    ),
    Page(
        "MESH862",
        "Weakened mTLS",
        "Traffic that had to be encrypted and authenticated may now be plain, because mTLS goes from strict to "
        "permissive or off, or the policy goes away, or because a service that asked every caller for an identity "
        "begins to let in everyone. A caller without an identity is then let in wherever no rule asks for one. "
        "`--fail-on weakened-mtls` makes a run fail on it.",
    ),
    Page(
        "MESH863",
        "Moved traffic",
        "A large part of a service's requests goes to another version, all at once: the share of a version changes by "
        "more than 20 percentage points, from 33 % to 70 % for instance, but not from 60 % to 70 %. Move it in "
        "smaller steps, or make sure that the version that receives it has enough replicas. `--fail-on moved-traffic` "
        "makes a run fail on it.",
    ),
    Page(
        "MESH864",
        "Removed breaker",
        "A service had limits, or ejected pods that fail, and would not any more, or later: a limit or counter is "
        "higher, a pod is out for a shorter time, or fewer of them. One slow service can then hold the requests of "
        "all its callers. `--fail-on removed-breaker` makes a run fail on it.",
    ),
    Page(
        "MESH865",
        "Removed timeout",
        "Requests that ended after some time would wait for as long as the service takes, or for the default of the "
        "mesh. `--fail-on removed-timeout` makes a run fail on it.",
    ),
    Page(
        "MESH866",
        "Unsafe retries",
        "Requests that change something (POST, PATCH) would be sent again after a failure, so that one of them may be "
        "done twice. Name the methods that are safe, or `Retry.never` for the route. `--fail-on unsafe-retries` makes "
        "a run fail on it.",
    ),
    Page(
        "MESH867",
        "Removed fence",
        "A policy that refuses requests (a `Deny`, a `DefaultDeny`, or the object that enforces them) would be gone. "
        "What it kept out is let in, unless another policy refuses it too. `--fail-on removed-fence` makes a run fail "
        "on it.",
    ),
    Page(
        "MESH868",
        "An order of apply that breaks for a moment",
        "The objects are right together, but while they are applied one by one there is a moment in which requests "
        "fail or pass that should not: a route to a version whose subset is not there yet, or a fence that goes "
        "before its successor comes. Apply them in the order of the build, or in two steps. `--fail-on "
        "breaking-order` makes a run fail on it.",
    ),
    Page(
        "MESH869",
        "A field that the cluster does not know",
        "The definition of this kind in the cluster has no such field. A server-side apply of the object is refused as "
        "a whole, with everything else that it says, so no view counts on any of it; a client-side apply would leave "
        "the field out without a word. The usual case is a Gateway API of the standard channel, which has no `retry`. "
        "Install the definitions that the profile of the cluster names, or change the profile. `--fail-on "
        "dropped-field` makes a run fail on it.",
    ),
)
"""In the order of :class:`meshdsl.compare.report.Risk`."""

_OTHERS: tuple[Page, ...] = (
    Page(
        "MESH870",
        "Not known",
        "Some kind or namespace could not be read: it is forbidden, its definition is not installed, the API did not "
        "answer, or a dump has no object of that kind and does not say whether there are any; or what differs could "
        "not be read back into policies, so that it is not known whether it is a risk. What was read is shown; what "
        "was not may differ or agree, so the exit code is 3 (for a risk, if `--fail-on` names it). `meshdsl diff "
        "--show-rbac` prints the smallest ClusterRole that a whole diff needs. A dump that is complete goes into a "
        "folder: a folder is taken as whole.",
    ),
    Page(
        "MESH871",
        "No such revision",
        "`--against git:REV` takes anything that git resolves to a commit: a branch, a tag, a hash, `HEAD~1`. This "
        "one does not. In CI the usual cause is a shallow checkout, which has no other branch: fetch it first "
        "(`git fetch origin main`), or check out with full history.",
    ),
    Page(
        "MESH872",
        "No git repository",
        "`--against git:REV` reads the policies of that revision from the git repository that the configuration lies "
        "in, and there is none. Run it in a clone, or compare with a folder or a dump instead: `--against DIR`.",
    ),
    Page(
        "MESH873",
        "Git is not there, or failed",
        "Revisions are read by the `git` program, by two commands that only read: `git ls-tree` and `git cat-file`. "
        "The reason is what git says. Its protection of repositories that another user owns is one of them: see "
        "`safe.directory` in git's documentation.",
    ),
    Page(
        "MESH874",
        "A revision that cannot be written out",
        "The revision has a file name that no checkout would write, such as one with `..` in it, or git does not have "
        "all of its files (a partial clone, a damaged repository). Nothing of it is compared, because an answer from "
        "half of the policies would be wrong.",
    ),
    Page(
        "MESH875",
        "The revision has no configuration",
        "At the place of today's configuration, and in the folders above it, that revision has no `meshdsl.toml` and "
        "no `[tool.meshdsl]`. It is older than the configuration, or the configuration has moved. Compare with a "
        "revision that has one, or choose a mesh with `--target` and the policies with PATH.",
    ),
    Page(
        "MESH876",
        "The report cannot be written",
        "The file of `--output` cannot be made or replaced. It is written beside its place and then renamed, so the "
        "folder must be writable; an existing file stays as it was.",
    ),
    Page(
        "MESH877",
        "The API server would refuse an object",
        "With `--server-side` the API server was asked to apply each object without keeping it, and refused this one. "
        "The reason is its own sentence: the schema and admission webhooks speak there. It would refuse `kubectl "
        "apply` in the same way. The object is shown as it is written, and `--format script` changes nothing.",
    ),
    Page(
        "MESH878",
        "A permission for dry runs is missing",
        "`--server-side` asks the API server what it would make of each object, and that takes the permissions of an "
        "apply although nothing is written: `get`, `patch`, and `create` for what is not there yet. The message names "
        "the one that is missing, and how many objects could not be asked about; they are shown as they are written. "
        "`meshdsl diff --show-rbac --server-side` prints the whole role. Without `--server-side` reading is enough.",
    ),
    Page(
        "MESH879",
        "A cluster that is configured no more",
        "The revision has a cluster that the configuration no longer has. There is nothing to compare it with. The "
        "objects that were applied to it stay in that cluster until somebody deletes them; all of them have the label "
        "`app.kubernetes.io/managed-by: meshdsl`.",
    ),
)

_MORE_RISKS: tuple[Page, ...] = (
    Page(
        "MESH880",
        "An object that an apply would overwrite",
        "An object of a name that the policies make is there, and it is not ours: somebody else made it, or another "
        "set of policies. `meshdsl diff` leaves it alone, and so does its `--format script`. Any other apply does not: "
        "with the field manager `meshdsl` it overwrites what another set of policies has applied with the same "
        "manager, and no conflict stops it; what others have set is a conflict that `--force-conflicts` overwrites, "
        "which Argo CD and Flux ask for by themselves. Choose another name, or, if the object is to be ours, "
        "`--adopt`. `--fail-on overwritten-object` makes a run fail on it.",
    ),
    Page(
        "MESH881",
        "Opened by others",
        "An object that is not of these policies, or a field that somebody else has set on an object of ours, lets "
        "callers in to a service that the policies keep out. An apply leaves it as it is, so it is no difference, and "
        "a run without `--fail-on` does not fail on it. Remove what is named, or write an `Allow` for these callers if "
        "they are meant. `--fail-on opened-by-others` makes a run fail on it.",
    ),
)

PAGES = (*_RISKS, *_OTHERS, *_MORE_RISKS)
