"""``meshdsl init``: a small repository that works, from the templates beside this module.

It asks nothing and overwrites nothing: if any of its files exists, it writes none.
"""

from __future__ import annotations

import re
import shlex
from importlib.resources import files as resources
from pathlib import Path

from meshdsl.cli.console import Console
from meshdsl.cli.installed import requirement
from meshdsl.diagnostics import ConfigError, Diagnostic, OutputError
from meshdsl.version import VERSION

FILES = {
    "pyproject.toml": "pyproject.toml.j2",
    "README.md": "README.md.j2",
    "requirements-mesh.txt": "requirements-mesh.txt.j2",
    ".gitignore": "gitignore.j2",
    ".gitattributes": "gitattributes.j2",
    ".github/workflows/mesh.yaml": "mesh.yaml.j2",
    "policies/inventory.py": "inventory.py.j2",
    "policies/traffic.py": "traffic.py.j2",
    "policies/access.py": "access.py.j2",
    "tests/test_mesh.py": "test_mesh.py.j2",
}
"""What is made, and the template it is made from."""


def init(console: Console, path: str) -> int:
    """Run the command.

    Args:
        console: where it speaks.
        path: of the folder, made if it is not there.

    Returns:
        The exit code.

    Raises:
        ConfigError: some of the files exist.
        OutputError: the directory cannot be written.
    """
    directory = Path(path)
    existing = [name for name in FILES if (directory / name).exists() or (directory / name).is_symlink()]
    if existing:
        several = len(existing) > 1
        raise ConfigError(
            [
                Diagnostic(
                    "MESH081",
                    f"{', '.join(str(directory / name) for name in existing)} exist{'' if several else 's'}",
                    reason="init overwrites nothing, and makes all of its files or none",
                    help=f"choose an empty folder, or move {'these files' if several else 'the file'} away",
                )
            ]
        )
    texts = _render(directory)
    try:
        for name, text in texts.items():
            file = directory / name
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("x", encoding="utf-8") as stream:
                stream.write(text)
            console.detail(f"wrote {file}")
    except OSError as error:
        raise OutputError(
            [Diagnostic("MESH082", f"{error.filename}: {error.strerror}", help="choose a folder that can be written")]
        ) from error
    where = "" if directory == Path() else f"cd {shlex.quote(str(directory))} && "
    console.result(f"Made {len(texts)} files in {directory}; now: {where}meshdsl build")
    return 0


def _render(directory: Path) -> dict[str, str]:
    from jinja2 import Environment, StrictUndefined

    # Python and TOML, not HTML: there is nothing to escape, and the name is a DNS label.
    environment = Environment(undefined=StrictUndefined, autoescape=False, keep_trailing_newline=True)  # noqa: S701
    folder = resources("meshdsl.cli") / "templates"
    return {
        name: environment.from_string((folder / template).read_text(encoding="utf-8")).render(
            name=_set_name(directory), version=VERSION, requirement=requirement()
        )
        for name, template in FILES.items()
    }


def _set_name(directory: Path) -> str:
    """A name for the policy set: that of the folder, as a DNS label."""
    words = re.findall(r"[a-z0-9]+", directory.resolve().name.lower())
    return "-".join(words)[:40].strip("-") or "mesh"
