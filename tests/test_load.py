"""Loading: what is kept, what is lost is refused, and every mistake has its line."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from meshdsl.diagnostics import Diagnostic, LoadError, Severity
from meshdsl.loading.load import load, read
from meshdsl.model.environment import Environment
from meshdsl.model.policy_set import PolicySet

HEAD = "from meshdsl import *\n"
SERVICES = HEAD + 'prod = Namespace("prod")\nweb = Service("web", prod, port=80)\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "policies").mkdir()
    return tmp_path / "policies"


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        file = folder / (name.replace("__in__", "/") + ".py")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text))
    return folder


def wrong(folder: Path, **options: Any) -> list[Diagnostic]:
    with pytest.raises(LoadError) as caught:
        load(folder, **options)
    return list(caught.value.diagnostics)


def brief(found: list[Diagnostic]) -> list[tuple[str, str, int]]:
    return [(Path(d.origin.file).name, d.code, d.origin.line) for d in found if d.origin]  # type: ignore[misc]


def kinds(policies: PolicySet) -> list[str]:
    return [type(o).__name__ for o in policies.objects]


# ------------------------------------------------------------------------------------------------------- what is kept


def test_objects_bound_to_names_or_inside_collections_are_kept_with_what_they_refer_to(folder: Path) -> None:
    write(
        folder,
        a="""\
        from meshdsl import *
        web = Service("web", "prod", port=80)
        one = Timeout(web, "1s")
        many = [{"x": (Retry.never(web), {"y": [Breaker(web, max_connections=1)]})}]
        some = frozenset([Allow(web, callers=(Namespace("edge"),))])
        """,
    )
    assert sorted(kinds(load(folder))) == ["Allow", "Breaker", "Namespace", "Retry", "Service", "Timeout"]


def test_the_order_is_that_of_files_and_lines_and_nothing_is_there_twice(folder: Path) -> None:
    write(folder, services=SERVICES, a="from .services import web\nfrom meshdsl import *\nx = y = Timeout(web, '1s')\n")
    policies = load(folder)
    assert [(Path(o.origin.file).name, o.origin.line) for o in policies.objects] == [
        ("a.py", 3),
        ("services.py", 2),
        ("services.py", 3),
    ]
    assert policies.relative(policies.objects[0].origin.file) == "policies/a.py"


def test_files_import_each_other_by_the_folders_name_and_relatively_and_run_once(folder: Path) -> None:
    (folder.parent / "beside.py").write_text("WORD = 'beside'\n")
    write(
        folder,
        services=SERVICES + "import sys\nsys._runs = getattr(sys, '_runs', 0) + 1\n",
        a="from policies.services import web\nimport policies.services as s\nassert s.web is web\n",
        deep__in__er__in__b="from ...services import web\nfrom ..c import x\nimport beside\nassert beside.WORD\n",
        deep__in__c="from policies.services import web as x\n",
    )
    write(folder, **{"my-service": "from .services import web\n", "a.b": "from policies.services import web\n"})
    try:
        assert len(load(folder).objects) == 2
        assert sys._runs == 1  # type: ignore[attr-defined]
    finally:
        del sys._runs  # type: ignore[attr-defined]


def test_a_package_file_is_run_and_one_file_alone_can_be_loaded(folder: Path) -> None:
    write(folder, __init__=SERVICES, sub__in____init__="from .. import web\n")
    assert kinds(load(folder)) == ["Namespace", "Service"]
    assert kinds(load(folder / "__init__.py")) == ["Namespace", "Service"]


def test_hidden_folders_and_caches_are_skipped(folder: Path) -> None:
    write(folder, a=SERVICES)
    write(folder / ".venv", x="raise ValueError")
    write(folder / "__pycache__", x="raise ValueError")
    assert len(load(folder).objects) == 2


def test_two_loads_never_see_each_others_modules(tmp_path: Path) -> None:
    for name in ("one", "two"):
        root = tmp_path / name
        write(root, helper=f"NAME = {name!r}\n")
        write(root / "policies", a=f"{HEAD}import helper\nassert helper.NAME == {name!r}\nfrom .b import x\n")
        write(root / "policies", b=f"{HEAD}x = Namespace({name!r})\n")
    before, path, finders = dict(sys.modules), list(sys.path), list(sys.meta_path)
    for name in ("one", "two", "one"):
        assert [o.name for o in load(tmp_path / name / "policies").objects] == [name]  # type: ignore[attr-defined]
    assert {name for name in sys.modules if name not in before} <= set(sys.stdlib_module_names)
    assert "policies" not in sys.modules
    assert "helper" not in sys.modules
    assert (sys.path, sys.meta_path) == (path, finders)
    assert not list(tmp_path.rglob("__pycache__"))


def test_a_module_of_the_same_name_is_there_again_afterwards(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = type(sys)("policies")
    monkeypatch.setitem(sys.modules, "policies", mine)
    write(folder, a=SERVICES, b="from policies.a import web\n")
    load(folder)
    assert sys.modules["policies"] is mine


def test_a_folder_named_like_a_module_of_pythons_does_not_hide_it(tmp_path: Path) -> None:
    folder = write(tmp_path / "json", a=SERVICES + "import json\njson.dumps({})\n", b="from .a import web\n")
    assert len(load(folder).objects) == 2


def test_what_files_print_goes_to_stderr(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write(folder, a=SERVICES + "print('hello')\ndef policies(env):\n    print('again')\n    return []\n")
    load(folder)
    out, err = capfd.readouterr()
    assert out == ""
    assert err == "hello\nagain\n"


def test_a_library_may_keep_what_a_file_does_not_use(folder: Path) -> None:
    (folder.parent / "acme.py").write_text(SERVICES + 'staging = Namespace("staging")\n')
    write(folder, a=HEAD + "from acme import web\nx = Timeout(web, '1s')\n")
    assert kinds(load(folder)) == ["Namespace", "Service", "Timeout"]


def test_depth_and_cycles_of_collections_do_not_matter(folder: Path) -> None:
    text = "x = [Timeout(web, '1s')]\nfor _ in range(100_000):\n    x = [x]\ny = []\ny.append(y)\n"
    write(folder, a=SERVICES + text)
    assert "Timeout" in kinds(load(folder))


def test_a_warning_stops_nothing_and_is_kept(folder: Path) -> None:
    write(folder, a=SERVICES + "assert (web, 'always true')\nimport warnings\nwarnings.warn('old')\n")
    files = read(folder)
    assert [(w.code, w.severity, w.origin.line) for w in files.warnings if w.origin] == [
        ("MESH140", Severity.WARNING, 4),
        ("MESH140", Severity.WARNING, 6),
    ]


# -------------------------------------------------------------------------------------------------------- policies(env)


def test_policies_is_called_for_each_cluster_and_the_file_runs_once(folder: Path) -> None:
    write(
        folder,
        a=SERVICES
        + "def policies(env):\n    from policies.b import seconds\n"
        + "    yield Timeout(web, seconds(env))\n    yield [Retry(web, attempts=env.get('attempts', 2), retry_on=('5xx',))]\n",
        b="def seconds(env):\n    return env.seconds\n",
    )
    files = read(folder)
    first = files.policy_set(Environment(seconds="1s"), "one")
    second = files.policy_set(Environment(seconds="2s", attempts=5), "two")
    assert [o.request.total_seconds() for o in (*first.objects, *second.objects) if type(o).__name__ == "Timeout"] == [
        1,
        2,
    ]  # type: ignore[attr-defined]
    assert (first.name, second.name) == ("one", "two")
    assert len(first.objects) == len(second.objects) == 4


def test_policies_may_take_nothing_return_one_policy_or_be_a_list(folder: Path) -> None:
    write(folder, a=SERVICES + "def policies():\n    return Timeout(web, '1s')\n")
    write(folder, b="from meshdsl import *\nfrom .a import web\npolicies = [Retry.never(web)]\n")
    assert sorted(kinds(load(folder))) == ["Namespace", "Retry", "Service", "Timeout"]


def test_a_policies_function_that_is_imported_elsewhere_is_called_once(folder: Path) -> None:
    write(folder, a=SERVICES + "def policies(env):\n    yield Timeout(web, '1s')\n", b="from .a import policies\n")
    assert kinds(load(folder)).count("Timeout") == 1


@pytest.mark.parametrize(
    ("body", "code", "line"),
    [
        ("def policies(env):\n    Timeout(web, '1s')\n", "MESH123", 4),
        ("def policies(env):\n    yield Timeout(web, '1s')\n    yield 'x'\n", "MESH123", 6),
        ("def policies(env):\n    return [1]\n", "MESH123", 4),
        ("def policies(env):\n    return 3\n", "MESH123", 4),
        ("def policies(env):\n    return 'abc'\n", "MESH123", 4),
        ("def policies(env):\n    yield None\n", "MESH123", 5),
        ("def policies(env):\n    Timeout(web, '1s')\n    return []\n", "MESH120", 5),
        ("def policies(env):\n    yield Timeout(web, 3)\n", "MESH204", 5),
        ("def policies(env):\n    return env.regoin\n", "MESH119", 5),
        ("def policies(env):\n    return env['regoin']\n", "MESH119", 5),
        ("def policies(env):\n    yield Timeout(web, '1s')\n    1 / 0\n", "MESH113", 6),
        ("def policies(env, other):\n    return []\n", "MESH122", 4),
        ("def policies(*, env):\n    return []\n", "MESH122", 4),
        ("async def policies(env):\n    return []\n", "MESH122", 4),
        ("\npolicies = 3\n", "MESH121", 5),
        ("def polices(env):\n    yield Timeout(web, '1s')\n", "MESH125", 4),
        ("x = 1\ny = (Timeout(web, '1s') for _ in range(3))\n", "MESH124", 5),
    ],
)
def test_a_policies_function_that_goes_wrong_is_shown_at_its_line(
    folder: Path, body: str, code: str, line: int
) -> None:
    write(folder, a=SERVICES + body)
    assert brief(wrong(folder, environment=Environment(region="eu"))) == [("a.py", code, line)]


def test_an_environment_says_what_there_is() -> None:
    env = Environment(region="eu", zones=["a"])
    assert (env.region, env["region"], env.get("x", 3), env.zones) == ("eu", "eu", 3, ("a",))
    with pytest.raises(AttributeError, match="did you mean 'region'"):
        env.regoin  # noqa: B018
    with pytest.raises(KeyError, match="there is region, zones"):
        env["x"]
    with pytest.raises(AttributeError, match="cannot be changed"):
        env.region = "us"
    with pytest.raises(TypeError):
        Environment(table={"a": 1}).table["a"] = 2


# ------------------------------------------------------------------------------------------------------- what is dropped


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("Timeout(web, '1s')\n", [4]),
        ("for _ in range(2):\n    x = Timeout(web, '1s')\n", [5]),
        ("x = {Timeout(web, '1s')}\nx.clear()\n", [4]),
        ("def f():\n    Timeout(web, '1s')\nf()\n", [5]),
        ("x = Timeout(web, '1s')\nx = None\n", [4]),
        ("Service('gone', prod)\n", [4]),
        ("x = lambda: Timeout(web, '1s')\nx()\nRetry.never(web)\n", [4, 6]),
    ],
)
def test_what_is_built_and_dropped_is_an_error_at_its_line(folder: Path, text: str, lines: list[int]) -> None:
    write(folder, a=SERVICES + text)
    assert brief(wrong(folder)) == [("a.py", "MESH120", line) for line in lines]


# ------------------------------------------------------------------------------------------------------------- mistakes


def test_the_mistakes_of_all_files_are_reported_together_each_once(folder: Path) -> None:
    write(
        folder,
        services=SERVICES,
        a_value="from meshdsl import *\nfrom .services import web\nx = [Timeout(web, 3), Timeout(web, '1x')]\n",
        b_syntax="x = (1,\ny = 2\n",
        c_raises="def f():\n    raise KeyError('k')\n\nf()\n",
        d_needs_c="from policies.c_raises import f\n",
        e_needs_b="from .b_syntax import x\n",
        f_catches="try:\n    from . import c_raises\nexcept Exception as error:\n    raise ValueError from error\n",
        g_stops="from meshdsl import *\nService('Upper', 'prod')\nTimeout(1, 2)\n",
    )
    assert brief(wrong(folder)) == [
        ("a_value.py", "MESH204", 3),
        ("a_value.py", "MESH204", 3),
        ("b_syntax.py", "MESH110", 1),
        ("c_raises.py", "MESH113", 2),
        ("g_stops.py", "MESH204", 2),
    ]


def test_an_exception_shows_the_users_innermost_line_and_the_callers(folder: Path) -> None:
    write(folder, a="import json\n\ndef f():\n    return json.loads('{')\n\ndef g():\n    f()\n\ng()\n")
    (found,) = wrong(folder)
    assert found.origin is not None
    assert (found.origin.line, [o.line for _, o in found.related]) == (4, [7, 9])
    assert "JSONDecodeError: Expecting property name" in found.message
    assert "json" in found.reason


@pytest.mark.parametrize(
    ("text", "code", "line", "says"),
    [
        ("import sys\nsys.exit(0)\n", "MESH116", 2, "SystemExit"),
        ("exit()\n", "MESH116", 1, "SystemExit"),
        ("def f():\n    f()\nf()\n", "MESH117", 2, "RecursionError"),
        ("import nothing_of_that_name\n", "MESH115", 1, "nothing_of_that_name"),
        ("from policies.servces import web\n", "MESH115", 1, "services"),
        ("from .services import wbe\n", "MESH115", 1, "'web'"),
        ("from meshdsl import Timout\n", "MESH115", 1, "'Timeout'"),
        ("from meshdsl import Alow\n", "MESH115", 1, "did you mean 'Allow'?"),
        ("import boto3_that_is_not_there\n", "MESH115", 1, "is not installed here"),
        ("from .services import web\nweb.route('a', method='POST')\n", "MESH113", 2, "did you mean 'methods'?"),
        ("from .services import web\nweb.route('a', xyzzy='POST')\n", "MESH113", 2, "Service.route takes name, "),
        ("x = Timeout\n", "MESH118", 1, "from meshdsl import Timeout"),
        ("class Odd(BaseException):\n    pass\nraise Odd\n", "MESH113", 3, "Odd"),
        (
            "class Mute(Exception):\n    def __str__(self):\n        raise ValueError\nraise Mute\n",
            "MESH113",
            4,
            "Mute",
        ),
        ("raise ExceptionGroup('two', [ValueError('a'), KeyError('b')])\n", "MESH113", 1, "two"),
        ("if True:\n\tx = 1\n        y = 2\n", "MESH110", 3, "tabs"),
        ("def f(:\n  pass\n", "MESH110", 1, "column 7"),
        ("x = " + "(" * 100_000 + ")" * 100_000 + "\n", "MESH110", 1, "nested"),
        ("x = " + "-" * 100_000 + "1\n", "MESH110", 1, "nested"),
    ],
)
def test_a_mistake_has_its_code_line_and_way_out(folder: Path, text: str, code: str, line: int, says: str) -> None:
    write(folder, services=SERVICES)
    (folder / "a.py").write_text(text)
    (found,) = wrong(folder)
    assert brief([found]) == [("a.py", code, line)]
    assert says in f"{found.message} {found.help}"


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("def more():\n    return []\npolicies = [\n    Timeout(web, '1s'),\n    more,\n]\n", 7, "call it: more(…)"),
        ("policies = [\n    Timeout,\n]\n", 4, "build one: Timeout(…)"),
        ("policies = ('shop/api',)\n", 3, "'shop/api', which is no policy"),
        ("rules = [Timeout(web, '1s')]\n\nrules.append('x')\n", 5, "an item of 'rules' is 'x'"),
        ("policies = {'a': [[Timeout(web, '1s'), 7]]}\n", 3, "is 7"),
        ("policies = [Timeout(web, '1s')]\npolicies += [None]\n", 4, "is None"),
    ],
)
def test_what_is_no_policy_in_a_list_of_policies_is_an_error(folder: Path, text: str, line: int, says: str) -> None:
    write(folder, services=SERVICES)
    (folder / "a.py").write_text("from meshdsl import Timeout\nfrom .services import web\n" + text)
    (found,) = wrong(folder)
    assert brief([found]) == [("a.py", "MESH126", line)]
    assert says in f"{found.message} {found.help}"


@pytest.mark.parametrize(
    "text",
    [
        "rows = [('a', '1s')]\nx = [Timeout(web, t) for _, t in rows]\n",
        "x = {'note': 'why', 'policy': Timeout(web, '1s')}\n",
        "x = ('why', Timeout(web, '1s'))\n",
        "policies = {'a': (Timeout(web, '1s'), [web])}\n",
        "callers = [web, 'shop/api']\n",
    ],
)
def test_records_and_lists_of_other_things_are_left_alone(folder: Path, text: str) -> None:
    write(folder, services=SERVICES)
    (folder / "a.py").write_text("from meshdsl import Timeout\nfrom .services import web\n" + text)
    assert load(folder)


def test_a_file_without_permission_is_named_and_exits_with_3(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(folder, services=SERVICES)
    real = Path.read_bytes

    def denied(path: Path) -> bytes:
        if path.name == "services.py":
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(Path, "read_bytes", denied)
    with pytest.raises(LoadError, match=r"'services.py' cannot be read: Permission denied") as caught:
        load(folder)
    assert caught.value.exit_code == 3


def test_files_that_import_each_other_are_named_with_the_way_out(folder: Path) -> None:
    write(
        folder, a="from policies.b import x\ny = 1\n", b="from .c import z\nx = 1\n", c="\nfrom policies.a import y\n"
    )
    (found,) = wrong(folder)
    assert brief([found]) == [("c.py", "MESH114", 2)]
    assert "policies.a -> policies.b -> policies.c -> policies.a" in found.message
    assert '"namespace/service"' in found.help
    assert [(Path(o.file).name, o.line) for _, o in found.related] == [("b.py", 1), ("a.py", 1)]


@pytest.mark.parametrize(
    ("data", "line"),
    [(b"x = 1\n\ny = '\xff'\n", 3), (b"x = 1\n\0", 2), (b"# coding: klingon\nx = 1\n", 1), (b"\xff\xfex\0", 1)],
)
def test_a_file_that_is_not_text_is_refused(folder: Path, data: bytes, line: int) -> None:
    (folder / "a.py").write_bytes(data)
    assert brief(wrong(folder)) == [("a.py", "MESH111", line)]


def test_a_missing_an_empty_and_a_policyless_folder_are_refused(folder: Path) -> None:
    assert [d.code for d in wrong(folder / "missing")] == ["MESH101"]
    assert [d.code for d in wrong(folder)] == ["MESH103"]
    (folder / "readme.txt").write_text("x")
    assert [d.code for d in wrong(folder / "readme.txt")] == ["MESH103"]
    write(folder, a="x = 1\n")
    assert [d.code for d in wrong(folder)] == ["MESH104"]
    write(folder, a="assert (1, 'a warning')\n")
    assert [d.code for d in wrong(folder)] == ["MESH104", "MESH140"]
    assert [d.code for d in wrong(folder, permit=["raed"])] == ["MESH107"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_may_not_be_read_is_refused(folder: Path) -> None:
    write(folder, a=SERVICES)
    (folder / "a.py").chmod(0)
    assert [d.code for d in wrong(folder)] == ["MESH102"]


def test_links_are_followed_inside_and_refused_outside(folder: Path) -> None:
    write(folder / "..data", a=SERVICES)
    (folder / "a.py").symlink_to("..data/a.py")
    assert len(load(folder).objects) == 2
    (folder.parent / "out.py").write_text(SERVICES)
    (folder / "b.py").symlink_to("../out.py")
    (folder / "c").symlink_to("..")
    assert [(d.code, Path(d.origin.file).name) for d in wrong(folder) if d.origin] == [
        ("MESH105", "b.py"),
        ("MESH105", "c"),
    ]


def test_a_file_hidden_by_a_folder_is_refused(folder: Path) -> None:
    write(folder, api=SERVICES, api__in__x=SERVICES)
    assert brief(wrong(folder)) == [("api.py", "MESH106", 0)]


def test_ctrl_c_is_not_an_error_of_the_file(folder: Path) -> None:
    write(folder, a="raise KeyboardInterrupt\n")
    with pytest.raises(KeyboardInterrupt):
        load(folder)
    write(folder, a=SERVICES)
    assert len(load(folder).objects) == 2


def test_what_follows_from_a_wrong_policy_is_not_reported_beside_it(folder: Path) -> None:
    write(folder, a=SERVICES + "x = Timeout(web, 3)\nprint(x.request)\ny = MutualTls(Mesh(), mode='strct')\n")
    assert brief(wrong(folder)) == [("a.py", "MESH204", 4)]


def test_a_hash_seed_changes_nothing(folder: Path) -> None:
    write(folder, a=SERVICES + "x = {Timeout(web, '1s'), Retry.never(web), Breaker(web, max_connections=1)}\n")
    program = "import sys; from meshdsl import load; print([repr(o) for o in load(sys.argv[1]).objects])"
    answers = {
        subprocess.run(
            [sys.executable, "-c", program, str(folder)],
            env={**os.environ, "PYTHONHASHSEED": str(seed)},
            capture_output=True,
            check=True,
        ).stdout
        for seed in range(4)
    }
    assert len(answers) == 1
