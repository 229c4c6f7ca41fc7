"""Says what went wrong while a policy file ran: the user's own line first, then why, then the way out.

An exception is reported for the file that raised it. Files that fail only because they import that one say nothing:
their mistake, if they have one, shows once the first is mended. The same holds for an exception that follows from a
policy which could not be built, or from something the guard refused: these are reported already.
"""

from __future__ import annotations

import builtins
import inspect
import re
import sys
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from types import FrameType, TracebackType

from meshdsl.diagnostics import Diagnostic, MeshdslError, Origin
from meshdsl.loading.files import Found, syntax_error
from meshdsl.loading.guard import Guard, Refused
from meshdsl.model.environment import UnknownValue

_WRONG_KEYWORD = re.compile(r"([\w.]+)\(\) got an unexpected keyword argument '(\w+)'")
_TRACE = 5
"""How many callers a report shows."""


class FailedBefore(ImportError):
    """A file imports one that has failed before."""


class Failures:
    """What went wrong, each thing once.

    Attributes:
        diagnostics: in no order.
        broken: modules that cannot be imported.
    """

    def __init__(self, found: Found, guard: Guard) -> None:
        self.diagnostics: list[Diagnostic] = []
        self.broken: set[str] = set()
        self._found = found
        self._files = {module.file for module in found.modules.values()}
        self._guard = guard
        self._seen: list[BaseException] = []

    def is_of_a_file(self, error: BaseException) -> bool:
        """Whether an exception is a policy file's own, and not one that stops the whole program (SIGINT, SIGTERM)."""
        kind = type(error)
        known = kind in (BaseException, BaseExceptionGroup, SystemExit, GeneratorExit)
        return isinstance(error, Exception) or known or kind.__module__ in self._found.modules

    def add(self, error: BaseException, name: str, running: Sequence[str] = (), *, half_built: bool = False) -> None:
        """Report what a module raised.

        Args:
            error: the exception.
            name: of the module.
            running: the modules that import each other at this moment, outermost first.
            half_built: a policy could not be built in it, so attributes may be missing.
        """
        self.broken.add(name)
        follows = any(isinstance(one, FailedBefore) or any(one is seen for seen in self._seen) for one in _chain(error))
        self._seen.append(error)
        if follows or (half_built and isinstance(error, AttributeError)):
            return
        if self._guard.refused and any(isinstance(one, Refused) for one in _chain(error)):
            return
        module = self._found.modules.get(name)
        frames = self._frames(error.__traceback__)
        here = frames[-1] if frames else Origin(module.file if module else str(self._found.folder), 1)
        self.diagnostics.extend(self._say(error, here, frames, running))

    def _say(
        self, error: BaseException, here: Origin, frames: Sequence[Origin], running: Sequence[str]
    ) -> Iterable[Diagnostic]:
        callers = tuple(("called from", frame) for frame in reversed(frames[:-1]))[:_TRACE]
        if isinstance(error, MeshdslError):
            return error.diagnostics
        if isinstance(error, SystemExit):
            return [
                Diagnostic(
                    "MESH116",
                    "this line ends the program (SystemExit)",
                    here,
                    reason="a policy file is imported; what it declares after this line would be lost",
                    help="raise ValueError with a sentence to stop the build, or return an empty list",
                    related=callers,
                )
            ]
        if isinstance(error, RecursionError):
            return [
                Diagnostic(
                    "MESH117",
                    "this line calls itself without end (RecursionError)",
                    here,
                    help="give the recursion an end, or write a loop",
                    related=callers[:1],
                )
            ]
        if isinstance(error, SyntaxError) and error.filename:
            return [syntax_error(error, error.filename)]
        cycle = self._cycle(error, here, running)
        if cycle is not None:
            return [cycle]
        if isinstance(error, ImportError):
            return [self._missing(error, here)]
        if isinstance(error, UnknownValue):
            return [
                Diagnostic(
                    "MESH119",
                    _text(error),
                    here,
                    help="name it in the cluster's environment table, or read it with env.get(name, default)",
                    related=callers,
                )
            ]
        return [
            Diagnostic(
                "MESH118" if isinstance(error, NameError) else "MESH113",
                f"{type(error).__name__}: {_text(error)}".removesuffix(": "),
                here,
                reason=self._raised_elsewhere(error),
                help=_suggestion(error) or "the line raises this when it runs; it is no mistake that meshdsl can name",
                related=callers,
            )
        ]

    def _frames(self, trace: TracebackType | None) -> list[Origin]:
        """The user's lines of a traceback, outermost first, without repetitions of one line."""
        frames: list[Origin] = []
        while trace is not None:
            file = trace.tb_frame.f_code.co_filename
            if file in self._files:
                origin = Origin(file, trace.tb_lineno)
                if origin not in frames[-1:]:
                    frames.append(origin)
            trace = trace.tb_next
        return frames

    def _raised_elsewhere(self, error: BaseException) -> str:
        """Where it was raised, if that is not a policy file: the module and line of the innermost frame."""
        trace = error.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        if trace is None or trace.tb_frame.f_code.co_filename in self._files:
            return ""
        module = trace.tb_frame.f_globals.get("__name__", "?")
        return f"raised in {module}.{trace.tb_frame.f_code.co_name}, line {trace.tb_lineno}"

    def _cycle(self, error: BaseException, here: Origin, running: Sequence[str]) -> Diagnostic | None:
        """Files that import each other, if that is what the exception comes from."""
        text = _text(error)
        if not isinstance(error, (ImportError, AttributeError)) or "partially initialized module" not in text:
            return None
        quoted = re.search(r"partially initialized module '([^']+)'", text)
        name = quoted[1] if quoted else ""
        if name not in running:
            return None
        names = [*running[running.index(name) :], name]
        frame: FrameType | None = sys._getframe()  # noqa: SLF001
        related = []
        while frame is not None:
            if frame.f_code.co_filename in self._files and frame.f_code.co_filename != here.file:
                related.append(("imported from", Origin(frame.f_code.co_filename, frame.f_lineno)))
            frame = frame.f_back
        return Diagnostic(
            "MESH114",
            f"these files import each other: {' -> '.join(names)}",
            here,
            reason="the first is not finished when the last asks for a name in it",
            help='refer to the service by its name, as in callers=("namespace/service",), or move what both need'
            " into a third file",
            related=tuple(related[:_TRACE]),
        )

    def _missing(self, error: ImportError, here: Origin) -> Diagnostic:
        """A module or a name that cannot be imported."""
        text = _text(error)
        quoted = re.match(r"cannot import name '([^']+)'", text)
        if quoted and error.name:
            module = sys.modules.get(error.name)
            # A package that imports its names late, as meshdsl does, says in __all__ what there is.
            public = getattr(module, "__all__", None) or vars(module or error)
            names = [name for name in public if not name.startswith("_")]
            return Diagnostic(
                "MESH115",
                f"module {error.name!r} has no name {quoted[1]!r}",
                here,
                help=_meant(quoted[1], names) or _there_is(names),
            )
        if isinstance(error, ModuleNotFoundError) and error.name:
            ours = error.name.partition(".")[0] == self._found.package
            names = list(self._found.modules) if ours else [*sys.stdlib_module_names, "meshdsl", *self._found.modules]
            return Diagnostic(
                "MESH115",
                f"there is no module {error.name!r}" if ours else f"module {error.name!r} is not installed here",
                here,
                reason="" if ours else "the environment that meshdsl runs in has none of that name",
                help=_meant(error.name, names)
                or (_there_is(names) if ours else "install it where meshdsl is installed, or correct the name"),
            )
        return Diagnostic("MESH115", f"ImportError: {text}", here, reason=self._raised_elsewhere(error))


def _chain(error: BaseException) -> list[BaseException]:
    """An exception and those that led to it."""
    chain: list[BaseException] = []
    todo: list[BaseException | None] = [error]
    while todo:
        one = todo.pop()
        if one is not None and not any(one is other for other in chain):
            chain.append(one)
            todo += [one.__cause__, None if one.__suppress_context__ else one.__context__]
            todo += one.exceptions if isinstance(one, BaseExceptionGroup) else ()
    return chain


def _text(error: BaseException) -> str:
    """What an exception says, in one line, even if it cannot say it."""
    try:
        said = " ".join(str(error).split())
    except Exception:  # noqa: BLE001 - an exception class of the user's may fail to say anything
        said = "(its text cannot be shown)"
    return said if len(said) <= 300 else said[:299] + "…"


def _suggestion(error: BaseException) -> str:
    """What may have been meant by a name that is not there."""
    if isinstance(error, NameError) and error.name:
        public = sys.modules["meshdsl"]
        if error.name in getattr(public, "__all__", ()):
            return f"add: from meshdsl import {error.name}"
        trace = error.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        frame = trace.tb_frame if trace else None
        names = [*frame.f_locals, *frame.f_globals] if frame else []
        return _meant(error.name, [*names, *getattr(public, "__all__", ()), *vars(builtins)])
    if isinstance(error, AttributeError) and error.name and error.obj is not None:
        kind = error.obj if isinstance(error.obj, type) else type(error.obj)
        own = vars(error.obj) if hasattr(type(error.obj), "__dict__") and not isinstance(error.obj, type) else {}
        names = [name for name in (*dir(kind), *own) if not name.startswith("_")]
        return _meant(error.name, names)
    wrong = isinstance(error, TypeError) and _WRONG_KEYWORD.match(_text(error))
    if wrong:
        known = _parameters(wrong[1])
        takes = f"{wrong[1]} takes {', '.join(known)}" if known else ""
        return " ".join(filter(None, (_meant(wrong[2], known), takes)))
    return ""


def _parameters(path: str) -> list[str]:
    """The arguments of a function or method of ours, such as ``Service.route``; none of anybody else's."""
    value: object = sys.modules["meshdsl"]
    first, *rest = path.split(".")
    if first not in getattr(value, "__all__", ()):
        return []
    for name in (first, *rest):
        value = getattr(value, name, None)
    return [name for name in inspect.signature(value).parameters if name != "self"] if callable(value) else []


def _meant(name: str, names: Iterable[str]) -> str:
    close = get_close_matches(name, list(dict.fromkeys(names)), 1, 0.6)
    return f"did you mean {close[0]!r}?" if close else ""


def _there_is(names: Iterable[str]) -> str:
    shown = sorted(names)
    more = ", …" if len(shown) > 20 else ""
    return f"there is {', '.join(shown[:20])}{more}" if shown else ""
