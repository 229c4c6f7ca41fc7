"""The version of meshdsl, written once more than in ``pyproject.toml``.

Reading it from the package's metadata costs more than all else that ``meshdsl --version`` does; a test holds the two
together.
"""

from __future__ import annotations

VERSION = "0.1.0"
