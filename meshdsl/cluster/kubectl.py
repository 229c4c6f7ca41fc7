"""A cluster, reached through the user's own kubectl."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from meshdsl.cluster import proxy, snapshot
from meshdsl.cluster.answers import NOT_TRUSTED
from meshdsl.cluster.clock import Clock, Deadline
from meshdsl.cluster.dry_run import DryRun
from meshdsl.cluster.errors import ClusterError, Failure, FailureCode, cluster_error
from meshdsl.cluster.listing import path_of
from meshdsl.cluster.transport import Endpoint, Transport
from meshdsl.cluster.wire import READ_TIMEOUT
from meshdsl.compare.kinds import NAMESPACE
from meshdsl.compare.live import Applied, Keep, LiveObject, Scope, Snapshot

_CODES: Final[Mapping[FailureCode, tuple[str, str]]] = {
    "unauthorized": ("MESH803", "log in as you do for kubectl: `kubectl get namespaces` must work"),
    "unreachable": ("MESH804", "`kubectl cluster-info` must work; is the right context chosen, and the network there?"),
    "timeout": ("MESH805", "--timeout gives it more time"),
    "server-error": ("MESH804", "try again later"),
}


@dataclass(frozen=True, slots=True)
class ClusterId:
    """Which cluster it is, whatever a context is called.

    Attributes:
        uid: of the namespace ``kube-system``, which is made once in a cluster's life; empty if it may not be read.
        version: of the server, such as ``"v1.36.1"``; empty if it may not be read.
    """

    uid: str
    version: str


class KubectlCluster:
    """A cluster of the user's kubeconfig; implements ``meshdsl.compare.live.Cluster``. Use it in a ``with`` statement.

    Nothing can be written through it: kubectl proxy is started so that it refuses every method but GET, and PATCH for
    dry-run applies if ``server_side`` is set. Threads may share it.

    Args:
        context: of the kubeconfig; empty means its current one.
        kubeconfig: a file; None leaves the choice to kubectl.
        timeout: seconds that one call of a method may take, with all its requests and tries; 60 by default.
        server_side: allow :meth:`apply_dry_run`.
        kubectl: the program: a name to be found on PATH, or a path.
        log: called with each line that kubectl prints (without credentials), from a thread of its own.
        clock: to wait with.
        endpoint: starts what listens in place of kubectl proxy, for tests.
        read_timeout: seconds without a byte after which an answer is given up.
        uid: that the cluster must have (:attr:`ClusterId.uid`); empty for whatever the context leads to.

    Raises:
        ClusterError: on entering, if there is no kubectl (MESH801), no such context (MESH802), nobody is logged in
            (MESH803), the server cannot be reached (MESH804), is too slow (MESH805), is not trusted (MESH806), is no
            API server (MESH807) or another cluster's (MESH811).
    """

    def __init__(
        self,
        context: str = "",
        kubeconfig: str | Path | None = None,
        *,
        timeout: float = 60.0,
        server_side: bool = False,
        kubectl: str = "kubectl",
        log: Callable[[str], None] | None = None,
        clock: Clock | None = None,
        endpoint: Callable[[], Endpoint] | None = None,
        read_timeout: float = READ_TIMEOUT,
        uid: str = "",
    ) -> None:
        self._uid = uid
        self._clock = clock or Clock()
        self._timeout = timeout
        self._server_side = server_side
        self._read_timeout = read_timeout
        self._settings = proxy.Settings(kubectl, context, Path(kubeconfig) if kubeconfig else None, server_side, log)
        self._endpoint = endpoint or self._start
        self._proxy: proxy.Proxy | None = None
        self._is_kubectl = endpoint is None
        self._launched: proxy.Proxy | None = None
        self._begun: Future[None] | None = None
        self._open: tuple[Transport, DryRun] | None = None
        self._version = ""

    @property
    def context(self) -> str:
        """The name of the context, once the cluster was entered; empty if kubectl gives the current one none."""
        return self._settings.context or (self._proxy.context() if self._proxy is not None else "")

    @property
    def name(self) -> str:
        """The context; if none was given, that it is the current one, and what kubectl calls that."""
        if self._settings.context:
            return self._settings.context
        current = self._proxy.context() if self._proxy is not None else ""
        return f"the current context ({current or 'kubectl gives it no name'})"

    def _start(self) -> Endpoint:
        self._proxy = proxy.start(self._settings, self._timeout)
        return self._proxy

    def begin(self, scopes: Iterable[Scope] = ()) -> None:
        """Start kubectl, and ask for these once it answers, while the program does something else.

        What goes wrong is raised on entering. Without entering, :meth:`close` ends what was begun.

        Args:
            scopes: that :meth:`snapshot` will be asked for, in whatever namespaces; their first pages are kept until
                then.
        """
        try:
            self._launched = proxy.launch(self._settings) if self._is_kubectl else None
        except ClusterError as error:
            self._begun = Future()
            self._begun.set_exception(error)
            return
        pool = ThreadPoolExecutor(1, "meshdsl-begin")
        self._begun = pool.submit(self._connect, tuple(scopes))
        pool.shutdown(wait=False)

    def __enter__(self) -> Self:
        try:
            if self._begun is not None:
                self._begun.result()
            else:
                self._connect(())
        except BaseException:
            self.close()
            raise
        return self

    def _connect(self, scopes: tuple[Scope, ...]) -> None:
        launched = [self._launched] if self._launched is not None else []

        def open_endpoint() -> Endpoint:
            if not launched:
                return self._endpoint()
            self._proxy = proxy.ready(launched.pop(), self._timeout)
            return self._proxy

        transport = Transport(open_endpoint, clock=self._clock, read_timeout=self._read_timeout)
        self._open = transport, DryRun(transport)
        self._version = self._probe(transport)
        if self._uid:
            self._check_uid()
        if scopes:
            snapshot.ask_ahead(transport, scopes, self._deadline())

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End kubectl. Does nothing if it has ended."""
        if self._launched is not None:
            self._launched.close()
        if self._open is not None:
            transport, _ = self._open
            self._open = None
            transport.close()

    def snapshot(self, scopes: Iterable[Scope], keep: Keep | None = None) -> Snapshot:
        """Everything in these scopes, and the CRDs of their groups; see ``meshdsl.cluster.snapshot``.

        Beside the scopes that were asked for, objects with our label in other namespaces are there if the whole
        cluster may be listed; the scopes of those are not in ``Snapshot.scopes``, as not all of them was kept.

        Args:
            scopes: what to read.
            keep: what of each object is needed; all of it without.
        """
        transport, dry_run = self._opened()
        # The name is asked for last: kubectl may still be looking for it, and the lists need not wait.
        found = replace(snapshot.read(transport, scopes, self._deadline(), keep), name=self.name)
        if self._server_side:
            dry_run.remember(found)
        return found

    def stream(self, scope: Scope) -> Iterator[LiveObject]:
        """The objects of one scope, a page in memory at a time.

        Raises:
            ClusterError: the list cannot be had whole; what was yielded before is then not complete.
        """
        transport, _ = self._opened()
        try:
            yield from snapshot.stream(transport, scope, self._deadline())
        except Failure as failure:
            raise self._error(failure, transport, f"{scope} cannot be listed") from failure

    def apply_dry_run(self, body: Mapping[str, Any]) -> Applied:
        """What the API server would make of an object if we applied it; nothing is written.

        Args:
            body: the object; ``kubectl apply --server-side --force-conflicts --field-manager=meshdsl`` would send it.

        Returns:
            the object as it would be, or why the server does not take it (also: which permission is missing).

        Raises:
            ClusterError: the server does not promise that a dry run changes nothing (MESH808), or answers as if it
                had written (MESH809), or does not answer.
            ValueError: the cluster was not opened with ``server_side=True``.
        """
        if not self._server_side:
            raise ValueError("a dry-run apply needs KubectlCluster(…, server_side=True)")
        transport, dry_run = self._opened()
        try:
            return dry_run.apply(body, self._deadline())
        except Failure as failure:
            what = f"the dry run of {body['kind']} {body['metadata']['name']} failed"
            raise self._error(failure, transport, what) from failure

    def cluster_id(self) -> ClusterId:
        """Which cluster it is, as far as the user may see it. Never raises for what may not be read."""
        transport, _ = self._opened()
        try:
            found = transport.get(path_of(Scope(NAMESPACE), "kube-system"), self._deadline())
        except Failure:
            return ClusterId("", self._version)
        return ClusterId(str(found.get("metadata", {}).get("uid", "")), self._version)

    def _check_uid(self) -> None:
        """Refuse another cluster than the one that is meant, and one that cannot be told from it."""
        found = self.cluster_id().uid
        if found == self._uid:
            return
        raise cluster_error(
            "MESH811",
            f"{self.name} leads to another cluster" if found else f"it cannot be told which cluster {self.name} is",
            reason=f"its kube-system has the uid {found}, and {self._uid} is meant"
            if found
            else "its namespace kube-system may not be read",
            help="choose the context of the cluster that is meant, or correct its uid"
            if found
            else "give the account `get` on namespaces, or leave the uid out",
        )

    def _opened(self) -> tuple[Transport, DryRun]:
        if self._open is None:
            raise RuntimeError("a KubectlCluster is used in a with statement")
        return self._open

    def _deadline(self) -> Deadline:
        return Deadline.after(self._timeout, self._clock)

    def _probe(self, transport: Transport) -> str:
        """The server's version: what anybody may ask who is logged in. It shows early what does not work at all."""
        try:
            return str(transport.get("/version", self._deadline()).get("gitVersion", ""))
        except Failure as failure:
            if failure.code == "forbidden":
                return ""
            raise self._error(failure, transport, f"{self.name} cannot be asked") from failure

    def _error(self, failure: Failure, transport: Transport, what: str) -> ClusterError:
        code, way_out = _CODES.get(failure.code, ("MESH807", "is this the address of a Kubernetes API server?"))
        if failure.reason.startswith(NOT_TRUSTED):
            code, way_out = "MESH806", "put the right certificate-authority into the kubeconfig"
        said = transport.said()
        return cluster_error(
            code,
            f"{what}: {failure.reason}",
            reason=f"kubectl said: {said}" if said and said not in failure.reason else "",
            help=way_out,
        )
