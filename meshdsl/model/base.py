"""What all policy objects share: frozen pydantic models that know where they were written.

* The first fields of a kind are given by position (``Field(kw_only=False)``), the others by name. The signature that
  editors and type checkers see comes from the fields themselves (``dataclass_transform``): nothing is written twice.
* Each object remembers its :class:`~meshdsl.diagnostics.Origin`: the first line outside meshdsl that led to it.
* A wrong argument is a diagnostic with that line. While policy files are loaded, a wrong *policy* is recorded and
  loading goes on, so that all mistakes of a file are shown at once; a wrong subject stops its file, because what
  follows would speak of something that is not there. Elsewhere both raise.
"""

from __future__ import annotations

import re
import sys
from contextvars import ContextVar
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, cast, dataclass_transform

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic._internal._model_construction import ModelMetaclass

from meshdsl.diagnostics import Diagnostic, Origin, PolicyError


@dataclass
class Recorder:
    """What is built while policy files are loaded.

    Attributes:
        built: every object, in order of construction.
        diagnostics: what was wrong with those that could not be built.
    """

    built: list[Declared] = field(default_factory=list)
    diagnostics: list[Diagnostic] = field(default_factory=list)


TargetName = Literal["istio", "ambient", "linkerd"]


def _code(value: str) -> str:
    if re.fullmatch(r"MESH[0-9]{3}", value) is None:
        raise ValueError(f'a code is written like "MESH521", with three digits, not {value!r}')
    return value


AcceptedCode = Annotated[str, AfterValidator(_code)]

RECORDER: ContextVar[Recorder | None] = ContextVar("meshdsl_recorder", default=None)
"""The recorder of the load that is going on in this context, if one is."""


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(Field,))
class _DeclaredMeta(ModelMetaclass):
    """Gives type checkers the signature of a kind."""


class Declared(BaseModel, metaclass=_DeclaredMeta):
    """An object that a policy file declares. ``origin`` says where."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True, arbitrary_types_allowed=True, strict=False)
    __slots__ = ("origin",)

    origin: ClassVar[Origin]
    _positional: ClassVar[tuple[str, ...]] = ()
    _stops: ClassVar[bool] = True
    """Whether a wrong one stops the file that declares it."""
    _recorded: ClassVar[bool] = True
    """Whether it must be kept: a policy that is built and then dropped would be lost in silence."""

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Find the fields that are given by position."""
        super().__pydantic_init_subclass__(**kwargs)
        cls._positional = tuple(name for name, info in cls.model_fields.items() if info.kw_only is False)

    def __init__(self, *args: Any, **arguments: Any) -> None:
        origin = _origin(type(self).__name__)
        object.__setattr__(self, "origin", origin)
        recorder = RECORDER.get()
        try:
            super().__init__(**_by_name(type(self), args, origin), **arguments)
        except (ValidationError, PolicyError) as error:
            found = (
                error.diagnostics
                if isinstance(error, PolicyError)
                else tuple(_diagnostic(type(self), e, origin) for e in cast("list[Any]", error.errors()))
            )
            if recorder is None or self._stops:
                raise PolicyError(found) from None
            recorder.diagnostics.extend(found)
            return
        if recorder is not None and self._recorded:
            recorder.built.append(self)

    if not TYPE_CHECKING:  # type checkers know that it is frozen, and would take these for leave to set any attribute

        def __setattr__(self, name: str, value: object) -> None:
            raise _unchangeable(self, name)

        def __delattr__(self, name: str) -> None:
            raise _unchangeable(self, name)


def _unchangeable(built: Declared, name: str) -> PolicyError:
    kind = type(built).__name__
    given = name in type(built).model_fields
    return PolicyError(
        [
            Diagnostic(
                "MESH206",
                f"a {kind} cannot be changed once it is built",
                _origin(kind),
                reason="it may be in use already, and what was written at its line would not be what it means",
                help=f"give {name}=… where it is built, or build another {kind}"
                if given
                else f"{kind} takes {', '.join(_arguments(type(built)))}",
                related=(("built here", built.origin),),
            )
        ]
    )


def _origin(name: str) -> Origin:
    """The first frame outside meshdsl, seen from an ``__init__``."""
    frame = sys._getframe(2)  # noqa: SLF001
    while frame.f_globals.get("__name__", "").startswith(("meshdsl.", "pydantic.")) and frame.f_back is not None:
        frame = frame.f_back
    return Origin(frame.f_code.co_filename, frame.f_lineno, name)


def _by_name(kind: type[Declared], given: tuple[Any, ...], origin: Origin) -> dict[str, Any]:
    """The arguments that are given by position, by name."""
    names = kind._positional  # noqa: SLF001
    if len(given) > len(names):
        most = f"{len(names)} argument{'s' * (len(names) != 1)}"
        shape = ", ".join((*names, "…"))
        others = ", ".join(name for name in _arguments(kind) if name not in names)
        raise PolicyError(
            [
                Diagnostic(
                    "MESH201",
                    f"{kind.__name__} takes {most} by position, not {len(given)}",
                    origin,
                    help=f"write {kind.__name__}({shape}) with the others by name: {others}",
                )
            ]
        )
    return dict(zip(names, given, strict=False))


def _arguments(kind: type[Declared]) -> list[str]:
    """The arguments of a kind, those that all kinds share last."""
    shared = [name for name in Policy.model_fields if name in kind.model_fields]
    return [*(name for name in kind.model_fields if name not in shared), *shared]


def _diagnostic(kind: type[Declared], error: dict[str, Any], origin: Origin) -> Diagnostic:
    """One pydantic error as a diagnostic in our words."""
    where = tuple(str(part) for part in error["loc"])
    name = where[0] if where else ""
    if error["type"] == "extra_forbidden":
        close = get_close_matches(name, kind.model_fields, 1, 0.5)
        meant = f"did you mean {close[0]!r}? " if close else ""
        return Diagnostic(
            "MESH202",
            f"{kind.__name__} has no argument {name!r}",
            origin,
            name,
            help=f"{meant}{kind.__name__} takes {', '.join(_arguments(kind))}",
        )
    if error["type"] == "missing":
        return Diagnostic(
            "MESH203",
            f"{kind.__name__} needs {name!r}",
            origin,
            help=f"add {name}=…" + _describe(kind, name),
        )
    said = error.get("ctx", {}).get("error")
    message = str(said) if isinstance(said, ValueError) else _in_our_words(error)
    code = said.code if isinstance(said, ValueWithCode) else "MESH204"
    subject = f"{kind.__name__}: " if not name else f"{kind.__name__}({name}=…): "
    return Diagnostic(code, subject + message, origin, name, help=_describe(kind, name).removeprefix(": "))


_SHOWN = 60
"""Characters of a wrong value that a message repeats."""


def _in_our_words(error: dict[str, Any]) -> str:
    """What pydantic says of a wrong value, with the way out of the mistakes that everyone makes."""
    given = error["input"]
    if error["type"] == "tuple_type" and isinstance(given, str):
        return f'a tuple is expected, not {given!r}; a comma makes a tuple of one: ("{given}",)'
    message: str = error["msg"][0].lower() + error["msg"][1:]
    if error["type"] == "literal_error":
        choices = {choice.lower(): choice for choice in re.findall(r"'([^']*)'", error["ctx"]["expected"])}
        close = get_close_matches(str(given).lower(), choices, 1, 0.6)
        return f"{message}, not {given!r}" + (f"; did you mean {choices[close[0]]!r}?" if close else "")
    return f"{message}, not {given!r}" if isinstance(given, int | float | str) and len(str(given)) < _SHOWN else message


def _describe(kind: type[Declared], name: str) -> str:
    info = kind.model_fields.get(name)
    return f": {info.description}" if info is not None and info.description else ""


class Value(Declared):
    """A part of a policy that means nothing by itself, such as a header condition."""

    _recorded: ClassVar[bool] = False


class Subject(Declared):
    """What policies are attached to. Two subjects are the same only if they are one object."""

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)


class Policy(Declared):
    """A rule about a subject.

    Attributes:
        only: the targets it is meant for; empty means all. Nothing else skips a policy.
        accept: codes of approximations that are good enough for this policy, such as ``"MESH521"``.
    """

    _stops: ClassVar[bool] = False

    only: tuple[TargetName, ...] = Field(
        default=(), description='targets it is meant for, such as ("istio", "ambient")'
    )
    accept: tuple[AcceptedCode, ...] = Field(
        default=(), description='codes of accepted approximations, such as ("MESH521",)'
    )


class ValueWithCode(ValueError):
    """A value error of a kind that has a code of its own."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
