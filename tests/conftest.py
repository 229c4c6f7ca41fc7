"""What all tests share: how properties are asked, and a word at the end about what could not be checked here."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

from tests import oracle

# In CI the properties are asked the same questions each time, so that a run tells of its own change; on a developer's
# machine they are asked new ones.
settings.register_profile("ci", derandomize=True, print_blob=True)
if os.environ.get("CI"):
    settings.load_profile("ci")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say why tests were skipped, so that a green run without the CRDs is not taken for a whole one."""
    if not oracle.available():
        terminalreporter.write_line(
            f"The CRDs are not at {oracle.FOLDER}: what is emitted was not checked against the API servers' schemas. "
            "MESHDSL_CRDS names another folder."
        )
