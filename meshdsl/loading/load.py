"""Loads policy files: a folder of Python and an environment in, a :class:`PolicySet` out.

:func:`load` does it in one step. The command line takes two, because it compiles several clusters from one reading:
:func:`read` runs every file once, :meth:`PolicyFiles.policy_set` calls the ``policies(env)`` of each for a cluster.

What a policy means is not known here. What is wrong in any file is collected and raised at once, as one
:class:`LoadError`; nothing but ``KeyboardInterrupt`` comes out beside it.

Policy files run in this process, under a guard that refuses network, processes, writing, and reading elsewhere. It
catches accidents; it is **no sandbox**, because Python has none.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterable, Iterator
from difflib import get_close_matches
from os import PathLike
from pathlib import Path
from types import FunctionType, GeneratorType, ModuleType
from typing import Any

from meshdsl.diagnostics import Diagnostic, LoadError, Origin, OutputError, Severity, in_order
from meshdsl.loading.files import Found, find
from meshdsl.loading.keep import reachable
from meshdsl.loading.session import Session
from meshdsl.loading.strangers import shown, strangers
from meshdsl.model.base import Declared, Policy, Recorder
from meshdsl.model.environment import Environment
from meshdsl.model.policy_set import PolicySet
from meshdsl.permissions import PERMISSIONS, Permission

__all__ = ["PolicyFiles", "load", "read"]


def load(
    path: str | PathLike[str] = "policies",
    *,
    environment: Environment | None = None,
    name: str = "meshdsl",
    permit: Collection[Permission] = (),
) -> PolicySet:
    """The policies of a folder, for one cluster.

    Args:
        path: a folder, all of whose ``*.py`` files count, or one file.
        environment: what each ``def policies(env)`` is given; an empty one if not given.
        name: of the policy set: a label value that is written on every object made of it.
        permit: what the files may do beyond computing: ``"read"``, ``"write"``, ``"network"``, ``"subprocess"``.

    Returns:
        What the files keep at their top level and what their ``policies(env)`` give, with all that these refer to.

    Raises:
        LoadError: with everything that is wrong in any file.
    """
    return read(path, permit=permit).policy_set(environment, name)


def read(path: str | PathLike[str] = "policies", *, permit: Collection[Permission] = ()) -> PolicyFiles:
    """Run the policy files of a folder, each once.

    Args:
        path: a folder, all of whose ``*.py`` files count, or one file. Hidden folders and ``__pycache__`` do not.
            The files import each other by the folder's name (``from policies.services import api``) or relatively,
            and whatever is beside the folder.
        permit: what the files may do beyond computing: ``"read"``, ``"write"``, ``"network"``, ``"subprocess"``.

    Raises:
        LoadError: with everything that is wrong in any file.
    """
    for permission in permit:
        if permission not in PERMISSIONS:
            close = get_close_matches(permission, PERMISSIONS, 1)
            meant = f"did you mean {close[0]!r}? " if close else ""
            there = ", ".join(PERMISSIONS)
            message = f"there is no permission {permission!r}"
            raise LoadError([Diagnostic("MESH107", message, help=f"{meant}there is {there}")])
    return PolicyFiles(find(Path(path)), frozenset(permit))


class PolicyFiles:
    """Policy files that have run. Made by :func:`read`.

    Attributes:
        path: the folder.
        warnings: what Python warned of, in order.
    """

    def __init__(self, found: Found, permit: frozenset[Permission]) -> None:
        self._found = found
        self._session = session = Session(found, permit)
        recorder = Recorder()
        with session.open(recorder):
            session.run()
        self._kept = reachable(value for module in session.modules.values() for value in _names(module).values())
        functions = list(_functions(session.modules.values()))
        self._functions = [function for function in functions if not isinstance(function, Diagnostic)]
        problems = [function for function in functions if isinstance(function, Diagnostic)]
        problems += _dropped(recorder, self._kept, session)
        problems += [found for module in session.modules.values() for found in strangers(module, _names(module))]
        problems += [*found.diagnostics, *session.guard.refused, *session.failures.diagnostics, *recorder.diagnostics]
        self.path = found.folder
        errors = any(problem.severity is Severity.ERROR for problem in problems)
        if not errors and not self._kept and not self._functions:
            problems.append(
                Diagnostic(
                    "MESH104",
                    "no policy is in these files",
                    Origin(str(found.folder), 0),
                    help="keep policies at the top level of a file, or return them from def policies(env)",
                )
            )
        self.warnings = in_order([*session.warnings, *(p for p in problems if p.severity is Severity.WARNING)])
        _raise(problems, self.warnings)
        self._order = {id(value): index for index, value in enumerate(recorder.built)}

    @property
    def differ_by_cluster(self) -> bool:
        """Whether there is a ``def policies(env)``, which may give one cluster nothing and another something."""
        return bool(self._functions)

    def policy_set(self, environment: Environment | None = None, name: str = "meshdsl") -> PolicySet:
        """The policies for one cluster.

        Args:
            environment: what each ``def policies(env)`` is given; an empty one if not given.
            name: of the policy set, a label value.

        Raises:
            LoadError: with everything that is wrong in any ``policies(env)``.
        """
        session, recorder = self._session, Recorder()
        environment = Environment() if environment is None else environment
        refused, failed, warned = len(session.guard.refused), len(session.failures.diagnostics), len(session.warnings)
        problems: list[Diagnostic] = []
        given: list[object] = []
        unfinished: list[range] = []
        with session.open(recorder):
            for function in self._functions:
                start = len(recorder.built)
                try:
                    wrong = _call(function, environment, given)
                except BaseException as error:  # a policy file may raise whatever it likes
                    if not session.failures.is_of_a_file(error):
                        raise
                    half_built = bool(recorder.diagnostics)
                    session.failures.add(error, function.__module__, half_built=half_built)
                    unfinished.append(range(start, len(recorder.built)))
                else:
                    problems += wrong
                    unfinished += [range(start, len(recorder.built))] if wrong else []
        kept = reachable([*self._kept, *given]) if given else list(self._kept)
        problems += _dropped(recorder, kept, session, unfinished)
        problems += [*session.guard.refused[refused:], *session.failures.diagnostics[failed:], *recorder.diagnostics]
        _raise(problems, session.warnings[warned:])
        order = self._order | {id(value): len(self._order) + index for index, value in enumerate(recorder.built)}
        last = len(order)
        kept.sort(key=lambda value: (value.origin.file, value.origin.line, order.get(id(value), last)))
        return PolicySet(tuple(kept), name, str(self._found.root))


def _raise(problems: Iterable[Diagnostic], warnings: Iterable[Diagnostic]) -> None:
    """Raise what is wrong, with the warnings beside it."""
    errors = [problem for problem in problems if problem.severity is Severity.ERROR]
    if errors:
        failed = LoadError([*errors, *warnings])
        if any(problem.code == "MESH102" for problem in errors):
            failed.exit_code = OutputError.exit_code  # nobody knows what is in a file that cannot be read
        raise failed


def _names(module: ModuleType) -> dict[str, object]:
    """What a module binds at its top level."""
    return {name: value for name, value in vars(module).items() if not (name.startswith("__") and name.endswith("__"))}


def _dropped(
    recorder: Recorder, kept: Iterable[Declared], session: Session, unfinished: Iterable[range] = ()
) -> Iterator[Diagnostic]:
    """What was built and is not kept, by the files or by a library that they import.

    Nothing is said of files that stopped half-way, nor of subjects while some policy is wrong: it may be that one
    which referred to them.
    """
    there = {id(value) for value in kept}
    lost = [(index, value) for index, value in enumerate(recorder.built) if id(value) not in there]
    if not lost:
        return
    libraries = (value for library in session.libraries.values() for value in vars(library).values())
    there = {id(value) for value in reachable(libraries)}
    skipped = {index for stretch in (*session.unfinished, *unfinished) for index in stretch}
    for index, value in lost:
        if id(value) in there or index in skipped or (recorder.diagnostics and not isinstance(value, Policy)):
            continue
        yield Diagnostic(
            "MESH120",
            f"this {type(value).__name__} is built and then dropped",
            value.origin,
            reason="it would be lost in silence: only what a file keeps at its top level, or gives from"
            " policies(env), is compiled",
            help="bind it to a name or put it into a list that is; inside policies(env), yield or return it",
        )


def _functions(modules: Iterable[ModuleType]) -> Iterator[Callable[..., object] | Diagnostic]:
    """The ``policies`` functions of modules, each once, and what cannot be one."""
    seen: set[int] = set()
    for module in modules:
        for name, value in _names(module).items():
            if isinstance(value, (GeneratorType, map, filter)) and id(value) not in seen and not _exhausted(value):
                seen.add(id(value))
                yield Diagnostic(
                    "MESH124",
                    f"{name!r} is a {type(value).__name__} that nothing runs",
                    Origin(*_line_of(module, name)),
                    reason="policies that it would build are never built",
                    help="write a list: [… for …], or list(…)",
                )
            elif name == "policies" and id(value) not in seen:
                seen.add(id(value))
                yield from _entry(module, value)
            elif isinstance(value, FunctionType) and value.__module__ == module.__name__ and _misspelt(name):
                yield Diagnostic(
                    "MESH125",
                    f"the function {name!r} is called by nobody if it was meant to be 'policies'",
                    Origin(*_line_of_code(value)),
                    help="name it policies, or, if it is a helper, something less alike",
                )


def _misspelt(name: str) -> bool:
    return name != "policies" and bool(get_close_matches(name.lower(), ("policies",), 1, 0.85))


def _exhausted(value: object) -> bool:
    return isinstance(value, GeneratorType) and value.gi_frame is None


def _entry(module: ModuleType, value: object) -> Iterator[Callable[..., object] | Diagnostic]:
    """What a module calls ``policies``: a function to call, a collection that is kept anyway, or a mistake."""
    if isinstance(value, (Declared, list, tuple, set, frozenset, dict, ModuleType)):
        return
    if not callable(value):
        yield Diagnostic(
            "MESH121",
            f"'policies' is {shown(value)}",
            Origin(*_line_of(module, "policies")),
            help="make it a list of policies, or a function: def policies(env): …",
        )
        return
    wrong = _wrong_signature(value)
    if wrong:
        yield Diagnostic(
            "MESH122",
            f"'policies' {wrong}",
            Origin(*_line_of_code(value)),
            reason="it is called once for each cluster, with that cluster's values",
            help="write def policies(env): …",
        )
        return
    yield value


def _wrong_signature(function: Callable[..., object]) -> str:
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        return "is an async function"
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return "has no signature"
    needed = [p for p in parameters if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    if any(p.kind is p.KEYWORD_ONLY for p in needed):
        return f"needs {needed[-1].name!r} by name"
    return f"needs {len(needed)} arguments" if len(needed) > 1 else ""


def _call(function: Callable[..., Any], environment: Environment, given: list[object]) -> list[Diagnostic]:
    """Call a ``policies`` function; add what it gives to ``given``, and return what it should not have given."""
    kinds = [p.kind for p in inspect.signature(function).parameters.values()]
    takes = any(kind in (0, 1, 2) for kind in kinds)  # positional only, either way, *args
    result = function(environment) if takes else function()
    where = _line_of_code(function)
    if result is None:
        return [
            Diagnostic(
                "MESH123",
                "'policies' gives nothing: it returned None",
                Origin(*where),
                help="yield each policy, or return a list of them",
            )
        ]
    if isinstance(result, Declared):
        result = (result,)
    if isinstance(result, str) or not isinstance(result, Iterable):
        return [_not_a_policy(result, where)]
    wrong: list[Diagnostic] = []
    for item in result:
        frame = result.gi_frame if isinstance(result, GeneratorType) else None
        line = (frame.f_code.co_filename, frame.f_lineno) if frame is not None else where
        todo, seen = [item], set()
        while todo:
            one = todo.pop()
            if id(one) in seen:
                continue
            seen.add(id(one))
            if isinstance(one, (list, tuple, set, frozenset)):
                todo.extend(one)
            elif isinstance(one, dict):
                todo.extend(one.values())
            elif not isinstance(one, Declared):
                wrong.append(_not_a_policy(one, line))
        given.append(item)
    return wrong


def _not_a_policy(value: object, where: tuple[str, int]) -> Diagnostic:
    return Diagnostic(
        "MESH123",
        f"'policies' gives {shown(value)}, which is no policy",
        Origin(*where),
        help="yield policies, or return a list of them",
    )


def _line_of_code(function: Callable[..., object]) -> tuple[str, int]:
    code = getattr(inspect.unwrap(function), "__code__", None)
    return (code.co_filename, code.co_firstlineno) if code is not None else ("", 1)


def _line_of(module: ModuleType, name: str) -> tuple[str, int]:
    """The last line of a file that binds a name at its top level; the first if none is found."""
    file = module.__file__ or ""
    loader = getattr(module, "__loader__", None)
    source = loader.get_source(module.__name__) if loader is not None else ""
    lines = [1]
    for number, line in enumerate(source.splitlines(), 1):
        if line.startswith(name) and line[len(name) :].lstrip()[:1] in ("=", ":", ","):
            lines.append(number)
    return file, lines[-1]
