"""What is written is read back as it was, by every reader that meets a manifest: PyYAML (YAML 1.1), ruamel.yaml
(YAML 1.2) and kubectl's own Go parser (``kubectl label --local`` reads a file and prints JSON without a cluster)."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
from collections import UserDict, UserList
from enum import IntEnum, StrEnum
from io import StringIO
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
import ruamel.yaml
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meshdsl.diagnostics import Origin, OutputError
from meshdsl.manifest import FILE_MARK, Manifest, ObjectRef, Phase
from meshdsl.render import MAX_DEPTH, MAX_KEY, document, render, stream

# Everything that YAML 1.1, YAML 1.2 or a parser of either takes for something else than a string, or for no scalar.
WORDS = r"""
y Y n N yes Yes YES no No NO on On ON off Off OFF true True TRUE false False FALSE yEs tRUE oN
null Null NULL nULL ~ nan NaN NAN .nan .NaN .NAN inf Inf -inf +inf .inf .Inf .INF -.inf +.inf -.INF infinity Infinity
0 00 01 007 08 0123 1 -1 +1 12 1_000 _1 1_ 1__0 0b1 0b1_0 -0b11 0o7 0o17 0O7 0x1F 0X1f 0x_1 -0x1 +0x1 -Infinity
1. 1.5 -1.5 +1.5 .5 -.5 5. 1_0.5 1e3 1E3 1e+3 1e-3 1.e3 1.5e3 .5e3 0x1p-2 12e03 1e 1e+ 0. 0.0 -0 -0.0 1e999
1:30 1:30:45 190:20:30 190:20:30.15 -1:30 +1:30 1:60 0:0 12:30 1:2:3 99999999999999999999
2001-12-15 2001-1-1 2001-12-15T02:59:43.1Z 2001-12-14t21:59:43.10-05:00 2001-12-14T21:59:43
= << - -- --- ... ? : :: , [ ] { } # & * ! | > ' " % @ ` \ !! !!str |- >- -a ?a :a a# b# a#b a: a:b a::b -: /* a* &a !a
a'b a"b a\b \n 'a' "a" ${x} [a] {a} a,b 5s 250ms 1h 100m 128Mi 5sec 1k 8080 8080/tcp 10.0.0.0/8 1.30 v1 1.2.3 ::1
^/a(/.*)?$ /checkout spiffe://cluster.local/ns/prod/sa/web 5xx,reset GET
"""
# fmt: off
IMPLICIT = [
    *WORDS.split(),
    "", " ", "  ", " a", "a ", "\ta", "a\t", "a\tb", "a  b", "\n", "a\n", "\na", "a\nb", "a\r\nb", "a\rb", "\r",
    "- a", "? a", ": a", "a: b", "a : b", "a #b", "# a", "a: ", "a :b", "key: [1]", "{{ x }}", "a, b", "/a b",
    "2001-12-14 21:59:43.10 -5", "2001-12-15 2:59:43", "---\na: b", "\n---\n", "--- a", "...\n", "%YAML 1.1", "a\n---\nb",
    "\0", "\a", "\b", "\x1b[31m", "\x7f", "\x80", "\x85", "a\x85b", "\x9f", "\xa0", "\u2028", "\u2029", "a\u2028b",
    "\ufeff", "\ufeffa", "a\ufeff", "\u202e", "\u2066a\u2069", "\u200b", "\ufffe", "\uffff", "\ufffd", "\ue000", "\ud7ff",
    "é", "日本", "\U0001f600", "\U0010ffff", "\U0001fffe", "\u0430pi", "x" * 3000, "a" * 1024 + ": b", "word " * 50 + "# end",
]
# fmt: on


def in_pyyaml(text: str) -> Any:
    return yaml.safe_load(text)


def in_ruamel(text: str) -> Any:
    reader = ruamel.yaml.YAML(typ="safe", pure=True)
    reader.version = (1, 2)
    return reader.load(StringIO(text))


def in_kubectl(bodies: list[Any]) -> list[Any]:
    """Each body inside an object, through one kubectl, without a cluster."""
    objects = [
        {"apiVersion": "meshdsl.dev/v1", "kind": "Probe", "metadata": {"name": "p"}, "body": body} for body in bodies
    ]
    return [found["body"] for found in through_kubectl(stream(probe(item) for item in objects))]


def probe(body: Any, *, partial: bool = False) -> Manifest:
    return Manifest(ObjectRef("meshdsl.dev/v1", "Probe", "", "p"), Phase.ROUTE, body, partial)


def through_kubectl(text: str) -> list[Any]:
    """The objects that kubectl reads from a text."""
    if not shutil.which("kubectl"):
        pytest.skip("kubectl is not here: what its YAML parser reads was not checked")
    done = subprocess.run(
        ["kubectl", "label", "--local", "--kubeconfig=/dev/null", "-f", "-", "a=b", "-o", "json"],
        input=text.encode(),
        capture_output=True,
        check=False,
        timeout=120,
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent"},
    )
    assert done.returncode == 0, done.stderr.decode()
    # Go writes a float as digits up to 1e21; beyond 64 bits they stand for that float, not for a whole number.
    decoder = json.JSONDecoder(parse_int=lambda digits: int(digits) if abs(int(digits)) < 2**63 + 1 else float(digits))
    rest, found = done.stdout.decode().strip(), []
    while rest:
        value, end = decoder.raw_decode(rest)
        found.append(value)
        rest = rest[end:].lstrip()
    return found


# kubectl's JSON has no lone surrogate, and neither has ours.
texts = st.one_of(
    st.text(st.characters(exclude_categories=("Cs",)), max_size=30),
    st.sampled_from(IMPLICIT),
    st.text(st.sampled_from("yYnNoOfFeE0123456789xXbB_+-.:# ~=<>,[]{}&*!|%@`'\"\\/\t\n"), max_size=8),
)
numbers = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(texts.filter(lambda key: len(key) < 90), inner, max_size=4)
    ),
    max_leaves=25,
)
bodies = st.dictionaries(texts.filter(lambda key: len(key) < 90), values, max_size=5)


@pytest.mark.parametrize("reader", [in_pyyaml, in_ruamel])
@pytest.mark.parametrize("text", IMPLICIT)
def test_an_ambiguous_string_stays_a_string_as_value_key_and_item(reader: Any, text: str) -> None:
    body: Any = {"value": text, "list": [text, [text], {"a": text}]}
    if len(text) < MAX_KEY:
        body |= {text: 1, "inner": {text: {text: text}}}
    assert reader(render(body)) == body


def test_kubectl_reads_every_ambiguous_string_as_it_was() -> None:
    bodies = [{"v": text, "l": [text, [text]], "k": {text: text} if len(text) < 500 else {}} for text in IMPLICIT]
    assert in_kubectl(bodies) == bodies


@settings(max_examples=200, deadline=None)
@given(bodies)
def test_every_document_survives_pyyaml(body: Any) -> None:
    assert in_pyyaml(render(body)) == body


@settings(max_examples=60, deadline=None)
@given(bodies)
def test_every_document_survives_ruamel(body: Any) -> None:
    assert in_ruamel(render(body)) == body


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.large_base_example])
@given(st.lists(bodies, min_size=20, max_size=60))
def test_every_document_survives_kubectl(bodies: Any) -> None:
    assert in_kubectl(bodies) == bodies


@settings(max_examples=100, deadline=None)
@given(bodies)
def test_the_text_is_printable_ascii_of_one_line_a_scalar(body: Any) -> None:
    text = render(body)
    assert text.endswith("\n")
    assert all(" " <= character <= "~" or character == "\n" for character in text)
    assert not any(line.startswith(("---", "...", "%")) for line in text.splitlines())


def test_fields_keep_their_order_and_lists_stand_under_their_key_as_kubectl_writes_them() -> None:
    body: Any = {
        "b": 1,
        "a": {"z": [], "y": {}, "x": None},
        "list": [{"name": "one", "on": [1, 2]}, [3, [4]], "5", [], {}, {"a": {"b": "c"}}],
        "t": True,
    }
    assert render(body) == (
        'b: 1\na:\n  z: []\n  "y": {}\n  x: null\nlist:\n- name: one\n  "on":\n  - 1\n  - 2\n- - 3\n  - - 4\n'
        '- "5"\n- []\n- {}\n- a:\n    b: c\nt: true\n'
    )


@pytest.mark.parametrize(
    "text", ["api", "prod/api", "5s", "250ms", "/checkout", "a.prod.svc.cluster.local", "x y", "GET"]
)
def test_ordinary_strings_are_not_quoted(text: str) -> None:
    assert render({"a": text}) == f"a: {text}\n"


def test_subclasses_of_strings_numbers_mappings_and_lists_are_written_as_what_they_are() -> None:
    class Word(StrEnum):
        ON = "on"

    class Old(str):
        __slots__ = ()

        def __str__(self) -> str:
            return "something else"

        __format__ = None  # type: ignore[assignment]

    class Number(IntEnum):
        ONE = 1

    body: Any = {
        "a": Word.ON,
        "b": Old("x"),
        "c": Number.ONE,
        "d": MappingProxyType({"e": (1,)}),
        "f": UserDict(g=UserList([2])),
    }
    assert render(body) == 'a: "on"\nb: x\nc: 1\nd:\n  e:\n  - 1\nf:\n  g:\n  - 2\n'


@pytest.mark.parametrize(
    ("number", "text"),
    [(12.0, "12"), (12.5, "12.5"), (-0.0, "0"), (1e16, "10000000000000000"),
        (1e20, "1.0e+20"), (1e-7, "1.0e-07"), (5e-324, "5.0e-324"), (0.1, "0.1"),
     (2**63 - 1, "9223372036854775807"), (-(2**63), "-9223372036854775808"), (0, "0")],
)  # fmt: skip
def test_numbers_are_written_so_that_every_reader_takes_them_for_numbers(number: float, text: str) -> None:
    assert render({"a": number}) == f"a: {text}\n"
    assert in_pyyaml(render({"a": number})) == {"a": number}
    assert in_ruamel(render({"a": number})) == {"a": number}
    assert in_kubectl([{"a": number}]) == [{"a": number}]


@pytest.mark.parametrize(
    "value",
    [math.nan, math.inf, -math.inf, 2**63, -(2**63) - 1, "\ud800", "a\udfffb", "\ud83d\ude00", b"x", b"", {1}, set(), object(),
     [b""], {1: 2}, {None: 1}, {True: 1}, {"\ud800": 1}, {"a" * (MAX_KEY + 1): 1}, {"\u2028" * 200: 1}, [[{"a": math.nan}]]],
)  # fmt: skip
def test_what_has_no_yaml_is_refused_with_the_object_and_the_policy(value: Any) -> None:
    with pytest.raises(OutputError) as caught:
        render({"a": value})
    assert [d.code for d in caught.value.diagnostics] == ["MESH701"]
    origin = Origin("policies/a.py", 3)
    bad = Manifest(ObjectRef("v1", "Thing", "prod", "api"), Phase.ROUTE, {"a": value}, origins=(origin,))
    with pytest.raises(OutputError) as caught:
        document([bad], [])
    (found,) = caught.value.diagnostics
    assert "Thing prod/api" in found.message
    assert found.origin == origin


def nested(depth: int, *, lists: bool) -> Any:
    value: Any = "leaf"
    for _ in range(depth):
        value = [value] if lists else {"a": value}
    return value


@pytest.mark.parametrize("lists", [True, False])
@pytest.mark.parametrize("depth", [10**2, 10**3, 10**4, 10**5, 10**6])
def test_deep_nesting_is_refused_never_a_recursion_error(depth: int, lists: bool) -> None:
    with pytest.raises(OutputError, match="levels deep"):
        render({"a": nested(depth, lists=lists)})


@pytest.mark.parametrize("lists", [True, False])
def test_the_deepest_nesting_that_is_written_is_read_by_all(lists: bool) -> None:
    body = {"a": nested(MAX_DEPTH - 1, lists=lists)}
    assert in_pyyaml(render(body)) == body
    assert in_ruamel(render(body)) == body
    shallower = {"a": nested(MAX_DEPTH - 2, lists=lists)}  # it stands one deeper in the object
    assert in_kubectl([shallower]) == [shallower]


def test_a_body_that_holds_itself_is_refused() -> None:
    body: dict[str, Any] = {}
    body["a"] = body
    with pytest.raises(OutputError):
        render(body)


def one(name: str, phase: Phase, *, partial: bool = False) -> Manifest:
    return Manifest(ObjectRef("v1", "Thing", "", name), phase, {"kind": "Thing", "name": name}, partial)


def test_a_file_opens_with_our_mark_and_its_sources_then_documents_by_phase() -> None:
    text = document(
        [one("c", Phase.ROUTE), one("b", Phase.NAMESPACE, partial=True), one("a", Phase.ROUTE)],
        ["policies/z.py", "policies/a.py", "policies/z.py"],
    )
    assert text == (
        f"{FILE_MARK}\n# Source: policies/a.py\n# Source: policies/z.py\n"
        "# Only these fields are ours: meshdsl build --script sets them, and leaves the rest of the object alone.\nkind: Thing\nname: b\n"
        "---\nkind: Thing\nname: c\n---\nkind: Thing\nname: a\n"
    )
    assert [d["name"] for d in yaml.safe_load_all(text)] == ["b", "c", "a"]


def test_kubectl_reads_every_object_of_a_file_and_none_of_its_comments() -> None:
    bodies = [{"apiVersion": "meshdsl.dev/v1", "kind": "Probe", "metadata": {"name": name}} for name in "abc"]
    text = document([probe(body, partial=body["metadata"] != {"name": "b"}) for body in bodies], ["policies/a.py"])
    assert [found["metadata"]["name"] for found in through_kubectl(text)] == ["a", "b", "c"]


@pytest.mark.parametrize("source", ["a\nkind: Pod\n.py", "a\r.py", "a\u2028b.py", "\udcff.py", "--- .py", "é.py"])
def test_a_hostile_file_name_stays_in_its_comment(source: str) -> None:
    text = document([one("a", Phase.ROUTE)], [source])
    assert in_pyyaml(text) == {"kind": "Thing", "name": "a"}
    assert len(text.splitlines()) == 4


def test_a_stream_has_no_mark_so_that_a_file_made_of_it_is_the_users() -> None:
    assert FILE_MARK not in stream([one("a", Phase.ROUTE)])
    assert stream([]) == ""


def test_every_unwritable_object_is_named_at_once() -> None:
    bad = [Manifest(ObjectRef("v1", "Thing", "", name), Phase.ROUTE, {"a": math.nan}) for name in ("a", "b")]
    with pytest.raises(OutputError) as caught:
        stream(bad)
    assert len(caught.value.diagnostics) == 2


SAMPLE = {"on": ["\u0131", "\u0130", "1,5", "é"], "n": 1234567.5, "d": "2001-12-15", "long": "word " * 100}


def test_bytes_depend_on_no_locale_time_zone_terminal_home_or_hash_seed() -> None:
    code = f"import sys; from meshdsl.render import render; sys.stdout.buffer.write(render({SAMPLE!a}).encode())"
    texts = set()
    for environment in (
        {},
        {"LC_ALL": "C", "TZ": "Pacific/Kiritimati", "PYTHONHASHSEED": "1"},
        {"LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR.UTF-8", "TZ": "Etc/GMT+12", "PYTHONHASHSEED": "31"},
        {"TERM": "dumb", "COLUMNS": "20", "HOME": "/nonexistent", "PYTHONIOENCODING": "latin-1", "PYTHONUTF8": "1"},
    ):
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True)
        texts.add(done.stdout)
    assert texts == {render(SAMPLE).encode()}


@pytest.mark.parametrize("module", ["render", "output"])
def test_writers_load_no_yaml_library_and_no_layer_above_them(module: str) -> None:
    code = f"import sys, meshdsl.{module}; print(*sorted(m for m in sys.modules))"
    names = set(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout.split())
    source = "\n".join(path.read_text() for path in sources(module))
    assert not names & {"yaml", "_yaml", "ruamel.yaml", "click", "jinja2"}
    assert not any(
        f"meshdsl.{above}" in source for above in ("compiler", "config", "cli", "targets", "load", "plan", "model")
    )


def sources(module: str) -> list[Path]:
    package = Path(__file__).parent.parent / "meshdsl"
    found = [*package.glob(f"{module}.py"), *package.glob(f"{module}/*.py")]
    assert found
    return found
