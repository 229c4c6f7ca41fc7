"""The command line: arguments in, exit code out.

:func:`main` is the outermost place: it alone turns exceptions into exit codes, so that every command and every format
ends in the same way.

====  ==========================================================
0     fine
1     findings: errors in policies, or output that is out of date; differences
2     usage or configuration
3     could not do it, or could not tell: no permission, no space, unreadable, out of reach
70    an internal error: a bug in meshdsl
130   interrupted (SIGINT); 143: terminated (SIGTERM); 141: the reader of the output went away (SIGPIPE)
====  ==========================================================

Nothing is imported here, nor in the modules that hold the commands' arguments, that costs time (pathlib does, and
dataclasses): ``--version`` and ``--help`` are to start quickly, and signals to be in place before click is there.
"""

from __future__ import annotations

import atexit
import gc
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType

INTERNAL_ERROR = 70
"""``EX_SOFTWARE`` of ``sysexits.h``."""


class Terminated(BaseException):
    """SIGTERM came. Like KeyboardInterrupt, it passes every ``except Exception``."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: without the name of the program; those of the process if None.

    Returns:
        The exit code.
    """
    _open_streams()
    if arguments is None:
        atexit.register(gc.freeze)  # the process ends: to look for cycles in all that there is would only take time
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        before = signal.signal(signal.SIGTERM, _terminate)
        try:
            code = _run(given)
            # Here, where a reader that went away can still be answered for, not at the interpreter's end.
            sys.stdout.flush()
            return code
        finally:
            signal.signal(signal.SIGTERM, before)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except Terminated:
        return 128 + signal.SIGTERM
    except BrokenPipeError:
        _abandon_output()
        return 128 + signal.SIGPIPE
    except OSError as error:
        _abandon_output()
        what = f"{error.filename}: {error.strerror}" if error.filename else error.strerror or str(error)
        return _fail(3, f"could not do it: {what}")
    except MemoryError:
        return _fail(3, "could not do it: not enough memory")
    except Exception as error:  # noqa: BLE001  # the outermost place: whatever is left is a bug of ours
        return _internal(error, verbose="-v" in given or "--verbose" in given)


def _run(arguments: list[str]) -> int:
    # Looking through all installed packages for pydantic plugins takes as long as a small build.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    from meshdsl.cli.memory import no_collection

    with no_collection():
        from meshdsl.cli.app import run

        return run(arguments)


def _open_streams() -> None:
    """Streams that were closed (``>&-``) lead nowhere, so that no file that is opened later takes their number."""
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            mode = "r" if name == "stdin" else "w"
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115


def _terminate(_number: int, _frame: FrameType | None) -> None:
    raise Terminated


def _abandon_output() -> None:
    """Whatever is still buffered goes nowhere, so that the interpreter's last flush cannot fail."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def _fail(code: int, sentence: str) -> int:
    sys.stderr.write(f"meshdsl: {sentence}\n")
    return code


def _internal(error: Exception, *, verbose: bool) -> int:
    import traceback

    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {os.path.basename(frames[-1].filename)}:{frames[-1].lineno}" if frames else ""  # noqa: PTH119
    if verbose:
        traceback.print_exception(error)
    ask = "the traceback above" if verbose else "what the same command prints with -v"
    return _fail(
        INTERNAL_ERROR,
        f"internal error: {type(error).__name__}{place}. This is a bug in meshdsl, not in your policies:"
        f" please report it with {ask}.",
    )
