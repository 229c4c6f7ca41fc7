"""The policies of a cluster as a test asks them: requests in, answers out, and whether the meshes agree."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from meshdsl.compiler import Bundle, meaning, meant_for
from meshdsl.compiler import build as compile_for
from meshdsl.config import Cluster, Config, find_config, read_config
from meshdsl.diagnostics import ConfigError, Diagnostic
from meshdsl.loading.load import PolicyFiles, read
from meshdsl.model.environment import Environment
from meshdsl.report.support import TARGETS
from meshdsl.report.trace_text import places, trace_text
from meshdsl.simulate.ask import QuestionError, question
from meshdsl.simulate.plan import PlanReading
from meshdsl.simulate.trace import Trace, trace_objects, trace_plan
from meshdsl.targets.base import Target

if TYPE_CHECKING:
    from meshdsl.simulate.agree import Agreement

_KEPT = 5
"""Traces that are shown below a test that failed: the last ones."""


class MeshFixture:
    """What the fixture ``mesh`` is: the policies of one cluster, to be asked.

    Attributes:
        cluster: that is asked about.
        asked: the last traces, as text.
    """

    def __init__(self, config: Config, cluster: Cluster, files: PolicyFiles) -> None:
        self.cluster = cluster
        self.asked: deque[str] = deque(maxlen=_KEPT)
        self._config = config
        self._files = files
        policies = files.policy_set(cluster.environment, config.name)
        self._plan = meaning(meant_for(policies, cluster.target), cluster.name)
        self._reading = PlanReading(self._plan)
        self._bundles: dict[str, Bundle] = {}

    @classmethod
    def load(cls, folder: Path, cluster: str = "") -> MeshFixture:
        """Load the policies.

        Args:
            folder: with the configuration, or below it.
            cluster: name of one of its clusters; empty for the first.

        Raises:
            MeshdslError: there is no configuration or cluster of that name, or the policies are wrong.
        """
        config = read_config(find_config(folder))
        chosen = config.clusters.get(cluster) if cluster else next(iter(config.clusters.values()))
        if chosen is None:
            there = ", ".join(config.clusters)
            raise ConfigError([Diagnostic("MESH051", f"there is no cluster {cluster!r}", help=f"there are {there}")])
        return cls(config, chosen, read(config.policies, permit=config.permit))

    def __repr__(self) -> str:
        return f"<the mesh of cluster {self.cluster.name}>"

    def request(
        self,
        source: str,
        to: str,
        method: str = "GET",
        path: str = "/",
        *,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        port: int | str | None = None,
        by_name: bool = True,
        on: str = "",
    ) -> Trace:
        """What happens to a request.

        Args:
            source: a service (``"prod/web"``), a service account (``"account:prod/ci"``), ``"anyone"`` for a caller in
                the mesh whom no policy names, ``"outside"`` for one outside the mesh.
            to: the service, ``"prod/api"``, or with a port, ``"prod/api:8080"``.
            method: in upper case.
            path: with its query, if it has one.
            headers: name to value.
            query: parameters beside those in the path.
            port: number or name, where the service has several that speak HTTP.
            by_name: whether the caller uses the Service's name; False if it calls a pod's address.
            on: a cluster whose manifests are read, or a target: the cluster of the test if it has that target, the
                only cluster that has it, or the target with its default profile. Empty for what the policies mean.

        Raises:
            QuestionError: there is no such service or port, or it is no request; the notes say what was meant.
        """
        __tracebackhide__ = True  # what is wrong with a question stands in the test
        return self._asked(source, to, method, path, headers or {}, query, port, by_name=by_name, on=on)

    def connect(self, source: str, to: str, *, port: int | str | None = None, on: str = "") -> Trace:
        """What happens to a connection of bytes that are not HTTP. Arguments as of :meth:`request`."""
        __tracebackhide__ = True
        return self._asked(source, to, "", "", {}, None, port, by_name=True, on=on)

    def agree(self, *targets: str) -> None:
        """Hold the manifests against the policies, for every request that can differ.

        Args:
            targets: names of clusters, or targets: every cluster of that target, or the target with its default profile
                where there is none. Without any, every cluster of the configuration.

        Raises:
            AssertionError: a request for which the manifests mean something else, with both answers.
            CompileError: a target cannot do what the policies say.
        """
        from meshdsl.simulate.agree import agree

        __tracebackhide__ = True
        names = targets or tuple(self._config.clusters)
        wrong = []
        for name in names:
            for bundle in self._of(name):
                found = agree(bundle)
                if not found.holds:
                    wrong.append(str(found))
                    self._show_first(bundle, found)
        if wrong:
            raise AssertionError("the manifests do not mean what the policies mean\n" + "\n".join(wrong))

    def _show_first(self, bundle: Bundle, found: Agreement) -> None:
        """Keep both traces of the first request on which readings differ, to be shown below the test."""
        declared = {str(one) for one in bundle.plan.services}
        for one in found.disagreements:
            if one.request.service in declared:
                place = places(self._config.root)
                self.asked.append(trace_text(trace_plan(bundle.plan, one.request), place))
                self.asked.append(trace_text(trace_objects(bundle, one.request, read=_read(bundle)), place))
                return

    def _asked(
        self,
        source: str,
        to: str,
        method: str,
        path: str,
        headers: Mapping[str, str],
        query: Mapping[str, str] | None,
        port: int | str | None,
        *,
        by_name: bool,
        on: str,
    ) -> Trace:
        __tracebackhide__ = True
        bundle = self._one(on) if on else None
        plan = self._plan if bundle is None else bundle.plan
        try:
            asked = question(plan, source, to, method, path, headers=headers, query=query, port=port, by_name=by_name)
        except QuestionError as error:
            told = QuestionError(error.diagnostics)
            for one in error.diagnostics:
                told.add_note("; ".join(filter(None, (one.reason, one.help))))
            raise told from None
        if bundle is None:
            found = trace_plan(plan, asked, self._reading, read=f"the policies for {self.cluster.name}")
        else:
            of = f", cluster {on}" if on in self._config.clusters else ""
            found = trace_objects(bundle, asked, read=f"{_read(bundle)}{of}")
        self.asked.append(trace_text(found, places(self._config.root)))
        return found

    def _one(self, name: str) -> Bundle:
        """The bundle of a cluster, or of the one cluster that a target means."""
        __tracebackhide__ = True
        if self.cluster.target.name == name and name not in self._config.clusters:
            return self._bundle(self.cluster)
        found = [one.name for one in self._config.clusters.values() if one.target.name == name]
        if name not in self._config.clusters and len(found) > 1:
            raise _wrong(f"several clusters have the target {name!r}", f"name one of them: {', '.join(found)}")
        return self._of(name)[0]

    def _of(self, name: str) -> list[Bundle]:
        """The bundles of a cluster, or of every cluster of a target."""
        __tracebackhide__ = True
        clusters = self._config.clusters
        if name in clusters:
            return [self._bundle(clusters[name])]
        found = [one for one in clusters.values() if one.target.name == name]
        known = {str(target.name): target for target in TARGETS}
        if not found and name not in known:
            there = ", ".join(dict.fromkeys((*clusters, *known)))
            raise _wrong(f"there is no cluster or target {name!r}", f"there are {there}")
        if not found:
            return [self._default(known[name]())]
        return [self._bundle(one) for one in found]

    def _bundle(self, cluster: Cluster) -> Bundle:
        found = self._bundles.get(cluster.name)
        if found is None:
            policies = self._files.policy_set(cluster.environment, self._config.name)
            found = self._bundles[cluster.name] = compile_for(policies, cluster.target, cluster=cluster.name)
        return found

    def _default(self, target: Target) -> Bundle:
        """What the policies become on a target that the configuration does not have."""
        environment = Environment(cluster=target.name, target=target.name)
        return self._bundle(Cluster(target.name, target, "", "", environment))


def _read(bundle: Bundle) -> str:
    """What is read of a bundle, for people."""
    return f"the manifests for {bundle.target.title} {bundle.target.version}"


def _wrong(message: str, way_out: str) -> ConfigError:
    """An error whose way out pytest shows as well."""
    error = ConfigError([Diagnostic("MESH051", message, help=way_out)])
    error.add_note(way_out)
    return error
