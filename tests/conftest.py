"""What all tests share: a word at the end about what could not be checked on this machine."""

from __future__ import annotations

import pytest

from tests import oracle


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say why tests were skipped, so that a green run without the CRDs is not taken for a whole one."""
    if not oracle.available():
        terminalreporter.write_line(
            f"The CRDs are not at {oracle.FOLDER}: what is emitted was not checked against the API servers' schemas. "
            "MESHDSL_CRDS names another folder."
        )
