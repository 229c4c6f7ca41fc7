"""Runs policy modules as Python would, without leaving a trace in the process.

The folder is a package of its own name while a session is open, and its parent is importable. ``sys.modules``,
``sys.path`` and the rest are as they were once it is closed, so that two loads in one process never see each other's
files, whatever these are called. A session can be opened again: ``policies(env)`` may import when it is called.

Files are compiled before anything runs, each runs once, no bytecode is written, and what they print goes to stderr:
stdout belongs to the command that compiles them.
"""

from __future__ import annotations

import importlib
import io
import os
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stdout
from importlib.abc import InspectLoader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import CodeType, ModuleType

from meshdsl.diagnostics import Diagnostic
from meshdsl.loading.failures import FailedBefore, Failures
from meshdsl.loading.files import Found, Module
from meshdsl.loading.files import warning as as_diagnostic
from meshdsl.loading.guard import Guard, library_folders
from meshdsl.model.base import RECORDER, Recorder
from meshdsl.permissions import Permission

_ONE_AT_A_TIME = threading.RLock()
"""``sys.modules``, ``sys.path`` and stdout are the process's: two threads cannot load at the same moment."""


class Session:
    """The modules of one folder, and what became of them.

    Attributes:
        modules: that have run to their end, by name.
        failures: what went wrong in the others.
        guard: what they were refused.
        warnings: that they caused.
        libraries: modules of others that were imported meanwhile.
        unfinished: stretches of what was built, by the index in the recorder, while a module ran that failed.
    """

    def __init__(self, found: Found, permit: frozenset[Permission]) -> None:
        self.found = found
        self.modules: dict[str, ModuleType] = {}
        self.libraries: dict[str, ModuleType] = {}
        self.guard = Guard(found.folder, permit)
        self.failures = Failures(found, self.guard)
        self.warnings: list[Diagnostic] = []
        self.running: list[str] = []
        self.unfinished: list[range] = []
        self._imported: dict[str, ModuleType] = {}
        self._finder = _Finder(self)

    def run(self) -> None:
        """Run every module that has not been imported by another, in the order of their paths."""
        for name, module in self.found.modules.items():
            if module.code is None:
                self.failures.broken.add(name)
        for name in self.found.modules:
            try:
                importlib.import_module(name)
            except BaseException as error:  # a policy file may raise whatever it likes
                if not self.failures.is_of_a_file(error):
                    raise
                self.failures.add(error, name)

    @contextmanager
    def open(self, recorder: Recorder) -> Iterator[None]:
        """Make the modules importable and record what they build, under guard.

        Args:
            recorder: that gets what is built.
        """
        with _ONE_AT_A_TIME, ExitStack() as stack:
            stack.enter_context(_process_as_it_was())
            before = self._hide_others()
            stack.callback(self._put_back, before)
            sys.modules.update(self._imported)
            sys.meta_path.insert(0, self._finder)
            sys.path.insert(0, str(self.found.root))
            sys.path_importer_cache.pop(str(self.found.root), None)
            sys.dont_write_bytecode = True
            stack.enter_context(redirect_stdout(sys.stderr or io.StringIO()))
            caught = stack.enter_context(warnings.catch_warnings(record=True))
            warnings.simplefilter("default")
            token = RECORDER.set(recorder)
            stack.callback(RECORDER.reset, token)
            stack.enter_context(self.guard)
            try:
                yield
            finally:
                self._keep_warnings(caught)

    def _hide_others(self) -> dict[str, ModuleType]:
        """Take modules of the same names, from elsewhere, out of the way. Returns ``sys.modules`` as it was."""
        before = dict(sys.modules)
        ours = {name.partition(".")[0] for name in self.found.modules}
        root, libraries = self.found.root, library_folders()
        beside = {path.stem for path in _entries(root) if path.suffix == ".py" or os.path.exists(path / "__init__.py")}  # noqa: PTH110 - False without permission
        for name, module in before.items():
            top = name.partition(".")[0]
            if top in ours or (top in beside and not _is_in(module, root) and not _is_installed(module, libraries)):
                del sys.modules[name]
        return before

    def _put_back(self, before: dict[str, ModuleType]) -> None:
        """Leave ``sys.modules`` as it was; keep what was imported from beside the folder for the next time."""
        ours = {name.partition(".")[0] for name in self.found.modules}
        for name, module in list(sys.modules.items()):
            if before.get(name) is module or name.startswith("meshdsl."):
                continue
            if name.partition(".")[0] in ours or _is_in(module, self.found.root):
                self._imported[name] = sys.modules.pop(name)
            if name not in self.found.modules:
                self.libraries[name] = module
        sys.modules.update(before)

    def _keep_warnings(self, caught: Sequence[warnings.WarningMessage] | None) -> None:
        files = {module.file for module in self.found.modules.values()}
        for warning in caught or ():
            if warning.filename in files:
                self.warnings.append(as_diagnostic(warning))


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:  # a folder may be searchable without being readable
        return []


def _places(module: ModuleType) -> list[str]:
    """The files and folders that a module is made of."""
    spec = getattr(module, "__spec__", None)
    places = [getattr(spec, "origin", None), *(getattr(spec, "submodule_search_locations", None) or ())]
    return [place for place in places if isinstance(place, str)]


def _is_in(module: ModuleType, root: Path) -> bool:
    """Whether a module's top-level package or file lies directly in a folder (and not in a .venv inside it)."""
    first = str(getattr(getattr(module, "__spec__", None), "name", "")).partition(".")[0]
    start = os.path.join(root, first)  # noqa: PTH118 - asked of every module there is
    prefixes = (start + os.sep, start + ".")
    return any((place + os.sep).startswith(prefixes) for place in _places(module))


def _is_installed(module: ModuleType, libraries: tuple[str, ...]) -> bool:
    places = _places(module)
    return not places or any(place.startswith(libraries) or place in ("built-in", "frozen") for place in places)


@contextmanager
def _process_as_it_was() -> Iterator[None]:
    path, meta_path, no_bytecode = list(sys.path), list(sys.meta_path), sys.dont_write_bytecode
    try:
        yield
    finally:
        sys.path[:], sys.meta_path[:], sys.dont_write_bytecode = path, meta_path, no_bytecode


class _Finder(MetaPathFinder, InspectLoader):
    """Imports the modules of a session, and nothing else, from memory."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        del path, target
        module = self._session.found.modules.get(fullname)
        if module is None:
            return None
        spec = ModuleSpec(fullname, self, origin=module.file, is_package=module.package)
        spec.has_location = True
        return spec

    def _module(self, fullname: str) -> Module:
        return self._session.found.modules[fullname]

    def get_source(self, fullname: str) -> str:
        return self._module(fullname).source

    def is_package(self, fullname: str) -> bool:
        return self._module(fullname).package

    def get_code(self, fullname: str) -> CodeType | None:
        return self._module(fullname).code

    def exec_module(self, module: ModuleType) -> None:
        session, name = self._session, module.__name__
        code = self.get_code(name)
        if code is None or name in session.failures.broken:
            raise FailedBefore(name, name=name)
        recorder = RECORDER.get() or Recorder()
        built, wrong = len(recorder.built), len(recorder.diagnostics)
        session.running.append(name)
        try:
            exec(code, module.__dict__)  # noqa: S102 - running policy files is what a load is
        except BaseException as error:
            if not session.failures.is_of_a_file(error):
                raise
            session.unfinished.append(range(built, len(recorder.built)))
            session.failures.add(error, name, session.running, half_built=len(recorder.diagnostics) > wrong)
            raise
        finally:
            session.running.pop()
        session.modules[name] = module
