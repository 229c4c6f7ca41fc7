"""Finds the line of each key of a TOML document. ``tomllib`` reads the values and keeps no lines.

It is given text that ``tomllib`` has accepted, so it need not check anything: it only walks past strings, arrays and
inline tables to the next key. It is a loop and a stack, as documents may be nested as deeply as ``tomllib`` allows.
"""

from __future__ import annotations

import re
import tomllib

Path = tuple[str | int, ...]
"""Keys from the top of the document; a number for an item of an array."""

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")
_BASIC = r'"(?:[^"\\\n]|\\.)*"'
_LITERAL = r"'[^'\n]*'"
_LONG_BASIC = r'"""(?:[^\\]|\\.)*?"{3,5}'
_LONG_LITERAL = r"\'{3}.*?'{3,5}"
_STRING = re.compile(f"{_LONG_BASIC}|{_LONG_LITERAL}|{_BASIC}|{_LITERAL}", re.DOTALL)
_KEY = re.compile(f"[A-Za-z0-9_-]+|{_BASIC}|{_LITERAL}")
_ATOM = re.compile(r"[^,\]}#\n]+")


def key_lines(text: str) -> dict[Path, int]:
    """The line of each key and table header, from 1.

    Args:
        text: a valid TOML document.

    Returns:
        Lines by path. A table that no header names has the line of its first key.
    """
    text = text.replace("\r\n", "\n")
    return _Scanner(text).scan()


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.lines: dict[Path, int] = {}
        self.arrays: dict[Path, int] = {}
        self._line, self._counted = 1, 0

    def scan(self) -> dict[Path, int]:
        table: Path = ()
        self._skip(_BLANK)
        while self.at < len(self.text):
            if self.text[self.at] == "[":
                table = self._header()
            else:
                path = self._key(table)
                self.at += 1  # =
                self._value(path)
            self._skip(_BLANK)
        return self.lines

    def _header(self) -> Path:
        array = self.text.startswith("[[", self.at)
        self.at += 2 if array else 1
        path = self._key((), header=array)
        self.at += 2 if array else 1
        if array:
            self.arrays[path] = self.arrays.get(path, -1) + 1
            path = (*path, self.arrays[path])
            self._note(path)
        return path

    def _key(self, table: Path, *, header: bool = False) -> Path:
        """A dotted key; it and the tables that it opens get this line, unless they have one.

        Args:
            table: that it is in.
            header: of an array of tables, whose last part begins a new item.
        """
        path = table
        while True:
            self._skip(_SPACE)
            found = _KEY.match(self.text, self.at)
            if found is None:
                raise ValueError(f"no key at line {self.line}")
            self.at = found.end()
            path = (*path, _name(found[0]))
            self._note(path)
            self._skip(_SPACE)
            more = self.text.startswith(".", self.at)
            if path in self.arrays and (more or not header):  # what is below an array of tables is in its last item
                path = (*path, self.arrays[path])
            if not more:
                return path
            self.at += 1

    def _value(self, path: Path) -> None:
        """Walk past a value; note the keys of the inline tables and the items of the arrays in it."""
        open_: list[tuple[Path, int]] = []  # the index of an array's current item, -1 for an inline table
        item = path
        while True:
            self._skip(_BLANK)
            mark = self.text[self.at : self.at + 1]
            if mark == "[":
                self.at += 1
                open_.append((item, 0))
            elif mark == "{":
                self.at += 1
                open_.append((item, -1))
            elif mark and mark in ",]}":
                self.at += 1
                outer, index = open_.pop()
                if mark == ",":
                    open_.append((outer, index + 1 if index >= 0 else -1))
            else:
                found = _STRING.match(self.text, self.at) or _ATOM.match(self.text, self.at)
                if found is None:
                    raise ValueError(f"no value at line {self.line}")
                self.at = found.end()
            if not open_:
                return
            self._skip(_BLANK)
            if self.text[self.at : self.at + 1] in (",", "]", "}"):
                continue
            outer, index = open_[-1]
            if index < 0:
                item = self._key(outer)
                self.at += 1  # =
            else:
                item = (*outer, index)
                self._note(item)

    def _note(self, path: Path) -> None:
        self.lines.setdefault(path, self.line)

    def _skip(self, pattern: re.Pattern[str]) -> None:
        found = pattern.match(self.text, self.at)
        self.at = found.end() if found else self.at

    @property
    def line(self) -> int:
        self._line += self.text.count("\n", self._counted, self.at)
        self._counted = self.at
        return self._line


def _name(key: str) -> str:
    """A key as ``tomllib`` has it."""
    if key[0] in "'\"":
        return next(iter(tomllib.loads(f"{key} = 0")))
    return key
