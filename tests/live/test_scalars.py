"""What meshdsl writes as YAML, kubectl and our own reader read as it was: a million values and keys, in bulk.

One kubectl reads them all from its standard input and prints each object as JSON (``kubectl label --local`` asks no
cluster). ``MESHDSL_LIVE_SCALARS`` says how many.
"""

from __future__ import annotations

import json
import math
import os
import random
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import yaml

from meshdsl.compare import offline
from meshdsl.render import render
from tests.live import assets
from tests.test_render import IMPLICIT

COUNT = int(os.environ.get("MESHDSL_LIVE_SCALARS", "1000000"))
PER_OBJECT = 2_000
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_HOSTILE = "yYnNoOfFeE0123456789xXbB_+-.:# ~=<>,[]{}&*!|%@`'\"\\/\t\n"
# Blocks that hold what parsers treat in a way of its own: controls, marks of direction, letters, the end of a plane.
_BLOCKS = (
    (0x20, 0x7E),
    (0x00, 0xFF),
    (0x2000, 0x206F),
    (0xFFF0, 0xFFFF),
    (0x0, 0xD7FF),
    (0xE000, 0xFFFF),
    (0x10000, 0x10FFFF),
)


def text(chance: random.Random) -> str:
    way = chance.random()
    if way < 0.35:
        return "".join(chance.choices(_HOSTILE, k=chance.randrange(10)))
    if way < 0.6:
        word = chance.choice(IMPLICIT)[:60]  # a key has at most 1,000 characters, escaped
        at = chance.randrange(len(word) + 1)
        return word[:at] + chance.choice(_HOSTILE + " é") * chance.randrange(2) + word[at:]
    if way < 0.7:
        return chance.choice(IMPLICIT)[:60]
    if way < 0.85:
        low, high = chance.choice(_BLOCKS)
        return "".join(chr(chance.randint(low, high)) for _ in range(chance.randrange(12)))
    return str(number(chance))  # a string that looks like a number


def number(chance: random.Random) -> int | float:
    way = chance.random()
    if way < 0.5:
        return chance.randint(-(2 ** chance.randrange(64)), 2 ** chance.randrange(63))
    found = math.ldexp(chance.uniform(-1, 1), chance.randint(-1060, 1023))
    return found if way < 0.8 else round(chance.uniform(-1000, 1000), chance.randrange(5))


def scalar(chance: random.Random) -> Any:
    way = chance.random()
    if way < 0.85:
        return text(chance)
    return number(chance) if way < 0.97 else chance.choice((None, True, False))


def document(chance: random.Random, depth: int) -> Any:
    way = chance.random()
    if depth and way < 0.3:
        return [document(chance, depth - 1) for _ in range(chance.randrange(4))]
    if depth and way < 0.6:
        return {text(chance): document(chance, depth - 1) for _ in range(chance.randrange(4))}
    return scalar(chance)


def objects(count: int) -> Iterator[dict[str, Any]]:
    """Objects with that many scalars and keys together, a third of them in documents of any shape."""
    chance = random.Random(20_260_801)
    made = 0
    while made < count:
        values = [scalar(chance) for _ in range(PER_OBJECT // 3)]
        keys = {text(chance): chance.randrange(100) for _ in range(PER_OBJECT // 3)}
        documents: list[Any] = []
        size = len(values) + len(keys)
        while size < PER_OBJECT:
            documents.append(document(chance, 4))
            size += leaves(documents[-1])
        made += size
        body = {"values": values, "keys": keys, "documents": documents}
        yield {"apiVersion": "meshdsl.dev/v1", "kind": "Probe", "metadata": {"name": f"p{made}"}, "body": body}


def leaves(value: Any) -> int:
    if isinstance(value, dict):
        return sum(1 + leaves(inner) for inner in value.values())
    if isinstance(value, list):
        return sum(map(leaves, value))
    return 1


def same(one: Any, other: Any) -> bool:
    """Equal, with numbers as JSON has them: no whole number apart from a float of that value; and no true for 1."""
    if isinstance(one, dict):
        return isinstance(other, dict) and one.keys() == other.keys() and all(same(one[k], other[k]) for k in one)
    if isinstance(one, list):
        return isinstance(other, list) and len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, bool) or isinstance(other, bool) or one is None or isinstance(one, str):
        return type(one) is type(other) and bool(one == other)
    return isinstance(other, int | float) and float(one) == float(other) and (one == other or abs(one) >= 2**63)


def printed(stream: IO[str]) -> Iterator[Any]:
    """The objects that kubectl prints: each ends with a line that is one bracket."""
    lines: list[str] = []
    for line in stream:
        lines.append(line)
        if line == "}\n":
            yield json.loads("".join(lines))
            lines.clear()


def differences(meant: Any, found: Any, path: str = "") -> Iterator[str]:
    if same(meant, found):
        return
    if isinstance(meant, dict) and isinstance(found, dict) and meant.keys() == found.keys():
        for key in meant:
            yield from differences(meant[key], found[key], f"{path}.{key!r}")
    elif isinstance(meant, list) and isinstance(found, list) and len(meant) == len(found):
        for place, (one, other) in enumerate(zip(meant, found, strict=True)):
            yield from differences(one, other, f"{path}[{place}]")
    else:
        yield f"{path}: {meant!r} was read as {found!r}"


def test_kubectl_reads_every_scalar_key_and_document_as_it_was() -> None:
    command = [
        str(assets.folder() / "kubectl"),
        "label",
        "--local",
        "--kubeconfig=/dev/null",
        "-f",
        "-",
        "a=b",
        "-o",
        "json",
    ]
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True, encoding="utf-8"
        )
        assert process.stdin is not None
        assert process.stdout is not None
        writer = threading.Thread(target=_write, args=(process.stdin,))
        writer.start()
        read, wrong = 0, []
        try:
            for meant, found in zip(objects(COUNT), printed(process.stdout), strict=True):
                wrong += differences(meant["body"], found["body"])
                read += leaves(meant["body"])
                assert not wrong, "\n".join(wrong[:20])
        finally:
            process.stdout.close()
            process.kill() if wrong else None
            writer.join()
            code = process.wait()
        errors.seek(0)
        assert code == 0, errors.read().decode()
    assert read >= COUNT


def _write(pipe: IO[str]) -> None:
    try:
        with pipe:
            for body in objects(COUNT):
                pipe.write(f"---\n{render(body)}")
    except BrokenPipeError:
        pass  # kubectl has ended; what it said is shown


def test_our_own_reader_reads_every_scalar_key_and_document_as_it_was(tmp_path: Path) -> None:
    read = 0
    for body in objects(COUNT):
        file = tmp_path / "object.yaml"
        file.write_text(render(body), encoding="utf-8")
        (found,) = offline.read(file).objects
        wrong = list(differences(body["body"], found["body"]))
        assert not wrong, "\n".join(wrong[:20])
        read += leaves(body["body"])
    assert read >= COUNT


def test_pyyaml_reads_every_scalar_key_and_document_as_it_was() -> None:
    read = 0
    for body in objects(COUNT):
        wrong = list(differences(body, yaml.load(render(body), _LOADER)))
        assert not wrong, "\n".join(wrong[:20])
        read += leaves(body["body"])
    assert read >= COUNT
