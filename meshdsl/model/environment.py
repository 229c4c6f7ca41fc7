"""What ``def policies(env)`` is given: the values of the cluster that is compiled.

A policy that reads a value that is not there must not go on with nothing, so an unknown name is an error that says
what there is. Nothing here depends on pydantic or on policies.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any


class UnknownValue(AttributeError, KeyError):
    """A policy file asked for a value that the environment does not have."""

    def __str__(self) -> str:
        return str(self.args[0])


class Environment(Mapping[str, Any]):
    """Values of a cluster, read as ``env.region``, ``env["region"]`` or ``env.get("region", "eu")``.

    The command line gives ``cluster`` (its name in the configuration), ``target`` (``"istio"``, ``"ambient"`` or
    ``"linkerd"``) and what the cluster's ``environment`` table says.

    Args:
        **values: the values; lists become tuples and tables become read-only, so that no file can change what the
            next one sees.

    Example:
        >>> env = Environment(cluster="prod-eu", target="istio", region="eu")
        >>> env.region, env["cluster"], env.get("replicas", 3)
        ('eu', 'prod-eu', 3)
    """

    __slots__ = ("_values",)
    _values: Mapping[str, Any]

    def __init__(self, **values: object) -> None:
        object.__setattr__(self, "_values", _frozen(values))

    def __getitem__(self, name: str) -> Any:
        try:
            return self._values[name]
        except KeyError:
            raise UnknownValue(self._unknown(name)) from None

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "_values":  # asked for by copy and pickle, not by a policy
            raise AttributeError(name)
        return self[name]

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"the environment cannot be changed (env.{name})")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"the environment cannot be changed (env.{name})")

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Environment({', '.join(f'{name}={value!r}' for name, value in self._values.items())})"

    def __reduce__(self) -> tuple[Any, ...]:
        return (_rebuilt, (_thawed(self._values),))

    def _unknown(self, name: object) -> str:
        close = get_close_matches(str(name), self._values, 1, 0.5)
        meant = f"; did you mean {close[0]!r}?" if close else ""
        there = f"there is {', '.join(self._values)}" if self._values else "it is empty"
        return f"the environment has no value {name!r}{meant} ({there})"


def _frozen(value: Any) -> Any:
    if isinstance(value, Mapping):
        return MappingProxyType({name: _frozen(inner) for name, inner in value.items()})
    return tuple(_frozen(inner) for inner in value) if isinstance(value, (list, tuple)) else value


def _thawed(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _thawed(inner) for name, inner in value.items()}
    return tuple(_thawed(inner) for inner in value) if isinstance(value, tuple) else value


def _rebuilt(values: Mapping[str, Any]) -> Environment:
    return Environment(**values)
