"""Where the running meshdsl was installed from, as a requirement that pip understands.

``meshdsl init`` writes it into the new repository. A name and a version alone would not do: whoever owned that name on
an index would be run by every CI that installs it. So a requirement is written only where the installer recorded a
place (``direct_url.json``, PEP 610); else the user has to say it.
"""

from __future__ import annotations

import json
from importlib.metadata import PackageNotFoundError, distribution
from urllib.parse import urlsplit, urlunsplit


def requirement() -> str:
    """``"meshdsl @ git+https://…@COMMIT"``, an archive, or a folder as ``file://…``; empty if it is not known.

    Credentials in the address are left out.
    """
    try:
        recorded = distribution("meshdsl").read_text("direct_url.json")
    except PackageNotFoundError:
        return ""
    return of_direct_url(recorded or "")


def of_direct_url(recorded: str) -> str:
    """The requirement that the text of a ``direct_url.json`` stands for; empty if it stands for none."""
    try:
        found = json.loads(recorded)
        url = _without_credentials(found["url"])
    except (ValueError, KeyError, TypeError):
        return ""
    vcs = found.get("vcs_info")
    if isinstance(vcs, dict) and vcs.get("vcs") and vcs.get("commit_id"):
        return f"meshdsl @ {vcs['vcs']}+{url}@{vcs['commit_id']}"
    return f"meshdsl @ {url}"


def _without_credentials(url: str) -> str:
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    # The user of ssh://git@host is no secret, and without it there is no way in.
    kept = f"{user}@{host}" if at and parts.scheme == "ssh" and ":" not in user else host
    return urlunsplit(parts._replace(netloc=kept))
