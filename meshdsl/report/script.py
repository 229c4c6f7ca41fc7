"""A POSIX shell script that applies what policies came to, with kubectl: for people who have no GitOps tool.

``kubectl apply`` alone cannot do it. A server-side apply of an object that a client-side ``kubectl apply`` has made
takes over all that kubectl had set there, and removes what is not in ours (``csaupgrade`` of client-go; no flag
switches it off): labels of a Namespace, ports of a Service. So objects that are not wholly ours are patched, field by
field, and never applied. Nor does an apply ever delete. It must not know where a cluster is, nor what a field means;
every string is quoted here, because names come from clusters and policy files.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from meshdsl.compare.kinds import KINDS, NAMESPACE
from meshdsl.compare.ownership import MANAGER, manager_of
from meshdsl.compiler import Bundle
from meshdsl.manifest import Manifest, ObjectRef, Phase
from meshdsl.render import render
from meshdsl.report.escape import one_line
from meshdsl.values import Json

_NAMED: Final = 12
"""More objects of one step than this are counted in its comment, and not named."""

_STEPS: Final[Mapping[Phase, str]] = {
    Phase.NAMESPACE: "Namespaces, and what is to be known before anything else",
    Phase.IDENTITY: "Identities, and what workloads are to prove",
    Phase.DESTINATION: "Destinations, before the routes to them",
    Phase.WAYPOINT: "Waypoints, before what is bound to them",
    Phase.ROUTE: "Routes",
    Phase.ACCESS: "Who may call what",
    Phase.CLOSING: "What refuses everything else, after what is let in",
    Phase.BINDING: "What binds Services to their waypoints",
}


@dataclass(frozen=True, slots=True)
class Place:
    """Which cluster the commands are for.

    Attributes:
        name: of the cluster, for people.
        context: of the kubeconfig; empty for kubectl's current one.
        uid: that its ``kube-system`` must have; empty if that is not configured.
    """

    name: str
    context: str = ""
    uid: str = ""

    def kubectl(self, *arguments: str) -> str:
        """A command, quoted. What may begin with a hyphen stands behind an equals sign or a kind."""
        context = [f"--context={self.context}"] if self.context else []
        return " ".join(map(quoted, ["kubectl", *context, *arguments]))


def build_script(bundle: Bundle, place: Place) -> str:
    """The script that applies all that a build makes, of a cluster of which nothing is known.

    It deletes nothing and asks for no force: ``meshdsl diff --format script`` knows what is there.

    Args:
        bundle: what is applied.
        place: the cluster.

    Returns:
        the script; empty if there is nothing to apply.
    """
    if not bundle.manifests:
        return ""
    lines = [*opening(place, "applies what the policies make; it deletes nothing")]
    needed = [one.ref for one in bundle.manifests if one.partial and one.ref.kind != NAMESPACE.kind]
    lines += must_be_there(place, needed)
    for phase, group in groupby(bundle.manifests, key=lambda one: one.phase):
        lines += ["", f"# {_STEPS[phase]}."]
        for partial, found in groupby(group, key=lambda one: one.partial):
            given = list(found)
            if not partial:
                lines += applied(place, [(one.ref, one.body) for one in given])
                continue
            for one in given:
                add = _patched_or_created if one.ref.kind == NAMESPACE.kind else _patched_whole
                lines += add(place, one, bundle.plan.set_name)
    return "\n".join(lines) + "\n"


# --------------------------------------------------------------------------------------------------------------- parts


def opening(place: Place, purpose: str) -> Iterator[str]:
    """The first lines: what it is, and that it stops at the first step that fails."""
    where = f"context {place.context}" if place.context else "kubectl's current context"
    yield "#!/bin/sh"
    yield f"# {comment(f'Made by meshdsl for cluster {place.name} ({where}): {purpose}.')}"
    yield "# It stops at the first step that fails; a new one then does what is left. Credentials in it are not masked."
    yield "set -eu"
    if place.uid:
        asked = place.kubectl("get", "namespaces/kube-system", "--output=jsonpath={.metadata.uid}")
        yield "# The cluster that is meant, whatever the context is called."
        yield f"uid=$({asked})"
        said = quoted(f"{where} leads to another cluster than the configuration names: nothing was changed")
        yield f'[ "$uid" = {quoted(place.uid)} ] || {{ echo {said} >&2; exit 1; }}'


def must_be_there(place: Place, refs: Iterable[ObjectRef]) -> Iterator[str]:
    """Commands that end the script before anything is changed, unless objects that we only add to are there."""
    found = list(dict.fromkeys(refs))
    if found:
        yield ""
        yield "# These are not ours to make, and must be there: else nothing is changed."
    for ref in found:
        yield f"{place.kubectl('get', resource(ref), *in_namespace(ref), '--output=name')} >/dev/null"


def applied(place: Place, objects: Sequence[tuple[ObjectRef, Mapping[str, Json]]], *, force: bool = False) -> list[str]:
    """One server-side apply of objects that are wholly ours."""
    named = [str(ref) for ref, _ in objects[:_NAMED]]
    more = len(objects) - len(named)
    text = "---\n".join(render(body) for _, body in objects)
    forced = ["--force-conflicts"] if force else []
    command = place.kubectl("apply", "--server-side", f"--field-manager={MANAGER}", *forced, "-f", "-")
    note = f"# {comment(', '.join(named))}{f' and {more} more' if more else ''}"
    # No line of ours is EOF: each has a colon or a hyphen, because the renderer writes a string on one line.
    return [note, f"{command} <<'EOF'", *text.splitlines(), "EOF"]


def patched(place: Place, ref: ObjectRef, patch: Mapping[str, Json], set_name: str) -> list[str]:
    """A merge patch: it sets what it names, removes what it names as null, and leaves everything else alone.

    Its field manager names the policy set, because the object does not.
    """
    text = json.dumps(patch, ensure_ascii=True, separators=(",", ":"))
    how = ("--type=merge", _manager(set_name), f"--patch={text}")
    command = place.kubectl("patch", resource(ref), *in_namespace(ref), *how)
    return [f"# {comment(str(ref))}: only these fields are ours.", command]


def created(place: Place, ref: ObjectRef, body: Mapping[str, Json], set_name: str) -> list[str]:
    """A Namespace that is not there: it is made, and not applied, so that one that comes in between is left alone."""
    command = place.kubectl("create", _manager(set_name), "-f", "-")
    return [f"# {comment(str(ref))}", f"{command} <<'EOF'", *render(body).splitlines(), "EOF"]


def fields_of(body: Mapping[str, Json]) -> dict[str, Json]:
    """What a partial object sets, without its name."""
    metadata = body["metadata"]
    assert isinstance(metadata, Mapping)
    own = {name: value for name, value in metadata.items() if name not in ("name", "namespace")}
    rest = {name: value for name, value in body.items() if name not in ("apiVersion", "kind", "metadata")}
    return {**({"metadata": own} if own else {}), **rest}


def resource(ref: ObjectRef) -> str:
    """``"deployments.apps/api"``: kind and name as kubectl takes them."""
    return f"{resources(ref)}/{ref.name}"


def resources(ref: ObjectRef) -> str:
    """``"deployments.apps"``: a kind as kubectl takes it."""
    kind = KINDS.get((ref.api_version, ref.kind))
    group = ref.api_version.rpartition("/")[0]
    plural = kind.plural if kind is not None else ref.kind.lower()
    return f"{plural}.{group}" if group else plural


def in_namespace(ref: ObjectRef) -> tuple[str, ...]:
    """The argument that names the namespace of an object, if it lives in one."""
    return (f"--namespace={ref.namespace}",) if ref.namespace else ()


def quoted(text: str) -> str:
    """A string as one word of a POSIX shell, which takes nothing in it for anything else."""
    return shlex.quote(text)


def comment(text: str) -> str:
    """A string that stays on the line of its comment."""
    return one_line(text)


def _manager(set_name: str) -> str:
    return f"--field-manager={manager_of(set_name)}"


def _patched_whole(place: Place, manifest: Manifest, set_name: str) -> list[str]:
    """The patch that sets all our fields of an object that is not wholly ours."""
    return patched(place, manifest.ref, fields_of(manifest.body), set_name)


def _patched_or_created(place: Place, manifest: Manifest, set_name: str) -> list[str]:
    asked = place.kubectl("get", resource(manifest.ref), "--ignore-not-found", "--output=name")
    note, patch = _patched_whole(place, manifest, set_name)
    _, *make = created(place, manifest.ref, manifest.body, set_name)
    return [note, f"there=$({asked})", 'if [ -n "$there" ]; then', f"  {patch}", "else", *make, "fi"]
