"""``docs/semantics-tests.md`` names for each sentence of ``docs/semantics.md`` the tests that hold it, and nothing else.

A sentence has a label: section, part, item, and a letter where an item has several. Sentences stand in the table word
for word, so that one which is changed on the page must be looked at there as well. A test whose name begins with a
label (``test_2_1b_…``) stands in the row of that sentence.
"""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

from tests import golden

TESTS = Path(__file__).parent
DOCS = TESTS.parent / "docs"
PAGE = (DOCS / "semantics.md").read_text(encoding="utf-8")
TABLE = (DOCS / "semantics-tests.md").read_text(encoding="utf-8")

NO_TEST = {
    "§0.2a": "words; there is nothing to test",
    "§3 Split 1c": "left to the mesh: nothing is promised",
    "§3 Split 3": "left to the mesh: nothing is promised",
}
"""Sentences that promise nothing."""
_ITEM = re.compile(r"(\d+)\. (.*)")
_HEADING = re.compile(r"## (\d+)\.|### (\w+)$")
_ROW = re.compile(r"^\| (§[^|]*?) \| (.*) \| ([^|]*) \|$", re.MULTILINE)
_OURS = {"Service", "Namespace", "Deployment", "StatefulSet", "DaemonSet"}
"""Kinds of objects that are words of policies, too."""


def items(page: str) -> dict[str, str]:
    """The items of the page by their names; every line below the first heading of a section is in one."""
    found: dict[str, str] = {}
    section = part = name = ""
    for line in page[page.index("\n## ") + 1 :].splitlines():
        heading, item = _HEADING.match(line), _ITEM.match(line)
        if heading is not None:
            section, part, name = heading[1] or section, heading[2] or "", ""
        elif item is not None:
            name = f"§{section} {part} {item[1]}" if part else f"§{section}.{item[1]}"
            assert name not in found, f"two items are {name}"
            found[name] = item[2]
        elif line.strip():
            assert name, f"no item has the line {line!r}"
            found[name] += f" {line.strip()}"
    return found


def sentences(page: str) -> dict[str, str]:
    """The sentences of the page by label. What stands in backquotes ends none."""
    found: dict[str, str] = {}
    for name, text in items(page).items():
        hidden = re.sub(r"`[^`]*`", lambda code: "`" + "_" * (len(code[0]) - 2) + "`", text)
        ends = [match.end() for match in re.finditer(r"\. (?=[A-Z*`])", hidden)]
        parts = [text[start:end].strip() for start, end in zip([0, *ends], [*ends, len(text)], strict=True)]
        for letter, part in zip("abcdefghijklmnopqrstuvwxyz", parts, strict=False):
            found[name + (letter if len(parts) > 1 else "")] = part
    return found


def rows() -> dict[str, tuple[str, str]]:
    """The table: label → sentence, and what holds it."""
    found = _ROW.findall(TABLE)
    assert len({label for label, _, _ in found}) == len(found)
    return {label: (sentence, cell) for label, sentence, cell in found}


def ids(cell: str) -> list[str]:
    """The tests that a cell names."""
    return re.findall(r"`([^`]+)`", cell)


@cache
def functions(path: Path) -> list[str]:
    """The tests of a file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [one.name for one in tree.body if isinstance(one, ast.FunctionDef) and one.name.startswith("test_")]


def labels_of(test: str) -> list[str]:
    """The sentences that a test is named after: ``test_3_retry_2cd_…`` is of §3 Retry 2c and 2d."""
    section, part, item, letters = re.match(r"test_(\d)_(?:([a-z]+)_)?(\d+)([a-h]*)_", test).groups()  # type: ignore[union-attr]
    name = f"§{section} {part.capitalize()} {item}" if part else f"§{section}.{item}"
    return [name + letter for letter in letters] if letters else [name]


def test_every_sentence_is_in_the_table_word_for_word_and_nothing_else_is() -> None:
    said = {label: sentence for label, (sentence, _) in rows().items()}
    assert said == sentences(PAGE)
    assert list(said) == list(sentences(PAGE)), "the order is that of the page"


def test_every_sentence_has_a_test_unless_it_promises_nothing() -> None:
    without = {label: cell.strip("*") for label, (_, cell) in rows().items() if not ids(cell)}
    assert without == NO_TEST


def test_everything_that_the_table_names_exists() -> None:
    cases = {str(case) for case in golden.cases()}
    for label, (_, cell) in rows().items():
        for one in ids(cell):
            folder, _, case = one.partition("/")
            path, _, function = one.partition("::")
            if function:
                assert function in functions(TESTS / path), f"{label}: {one}"
            elif folder == "cases":
                assert case in cases, f"{label}: {one}"
            else:
                assert (TESTS / path).is_file(), f"{label}: {one}"


def test_a_test_that_is_named_after_a_sentence_is_in_its_row() -> None:
    table = rows()
    files = sorted(TESTS.glob("*/test_semantics*.py"))
    assert len(files) >= 3
    for path in files:
        for test in functions(path):
            for label in labels_of(test):
                assert f"{path.relative_to(TESTS).as_posix()}::{test}" in ids(table[label][1]), label


def test_a_sentence_that_is_changed_added_or_taken_back_is_seen() -> None:
    before = sentences(PAGE)
    assert sentences(PAGE.replace("never `/ab`", "and `/ab`"))["§2.1c"] != before["§2.1c"]
    longer = sentences(PAGE.replace("`GET` does not cover `HEAD`.", "`GET` does not cover `HEAD`. Nor does `X`."))
    assert longer.keys() - before.keys() == {"§2.2a", "§2.2b"}
    assert before["§2.1f"].startswith("Istio's proxies resolve `.` and `..` and decode")


def test_the_page_names_no_object_of_a_mesh() -> None:
    kinds = {
        kind
        for path in golden.FOLDER.glob("*/*.yaml")
        for kind in re.findall(r"^kind: (\w+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert {"VirtualService", "HTTPRoute", "Server", "AuthorizationPolicy"} <= kinds
    assert [kind for kind in sorted(kinds - _OURS) if re.search(rf"\b{kind}\b", PAGE)] == []
