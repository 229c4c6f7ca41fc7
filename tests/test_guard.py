"""The guard: what a policy file may not do, whose line is named, and what importing needs all the same."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from meshdsl.diagnostics import Diagnostic, LoadError
from meshdsl.loading.load import load
from meshdsl.permissions import PERMISSIONS

HEAD = "from meshdsl import *\nprod = Namespace('prod')\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "policies").mkdir()
    (tmp_path / "secret.txt").write_text("secret")
    return tmp_path / "policies"


def refused(folder: Path, text: str, **options: object) -> list[Diagnostic]:
    (folder / "a.py").write_text(HEAD + text)
    with pytest.raises(LoadError) as caught:
        load(folder, **options)  # type: ignore[arg-type]
    return list(caught.value.diagnostics)


@pytest.mark.parametrize(
    ("text", "permission"),
    [
        ("import socket\nsocket.socket()\n", "network"),
        ("import socket\nsocket.getaddrinfo('localhost', 80)\n", "network"),
        ("import urllib.request\nurllib.request.urlopen('http://127.0.0.1:1/')\n", "network"),
        ("import http.client\nhttp.client.HTTPConnection('127.0.0.1', 1).connect()\n", "network"),
        ("import subprocess\nsubprocess.run(['true'])\n", "subprocess"),
        ("import os\nos.system('true')\n", "subprocess"),
        ("import os\nos.fork()\n", "subprocess"),
        ("import os\nos.posix_spawn('/bin/true', ['true'], {})\n", "subprocess"),
        ("import os\nos.execv('/bin/true', ['true'])\n", "subprocess"),
        ("import os\nos.kill(os.getpid(), 0)\n", "subprocess"),
        ("import threading\nthreading.Thread(target=print).start()\n", "subprocess"),
        ("import ctypes\nctypes.CDLL(None).getpid()\n", "subprocess"),
        ("import os\nopen('made', 'w')\n", "write"),
        ("import os\nos.open('made', os.O_CREAT | os.O_WRONLY)\n", "write"),
        ("from pathlib import Path\nPath('made').write_text('x')\n", "write"),
        ("from pathlib import Path\nPath('made').mkdir()\n", "write"),
        ("from pathlib import Path\nPath(__file__).unlink()\n", "write"),
        ("import os\nos.rename(__file__, 'made')\n", "write"),
        ("import os\nos.truncate(__file__, 0)\n", "write"),
        ("import os\nos.chmod(__file__, 0)\n", "write"),
        ("import os\nos.symlink(__file__, 'made')\n", "write"),
        ("import os\nos.chdir('/')\n", "write"),
        ("import shutil\nshutil.rmtree('nothing')\n", "write"),
        ("import tempfile\ntempfile.mkdtemp()\n", "write"),
        ("import sqlite3\nsqlite3.connect('made')\n", "write"),
        ("import os\nopen('/etc/hostname')\n", "read"),
        ("import os\nopen(os.path.dirname(__file__) + '/../secret.txt')\n", "read"),
        ("import os\nos.listdir('/')\n", "read"),
        ("import os\nos.listdir()\n", "read"),
        ("import os\nlist(os.scandir('/'))\n", "read"),
        ("import os\ninput()\n", "read"),
    ],
)
def test_what_a_file_may_not_do_is_refused_at_its_line(
    folder: Path, text: str, permission: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder.parent)
    (found,) = refused(folder, text)
    assert found.code == "MESH130"
    assert found.origin is not None
    assert (Path(found.origin.file).name, found.origin.line) == ("a.py", 4)
    assert f'permit = ["{permission}"]' in found.help
    assert not Path("made").exists()
    assert (folder / "a.py").read_text() == HEAD + text


def test_an_exception_that_the_file_catches_still_fails_the_load(folder: Path) -> None:
    text = "try:\n    open('/etc/hostname')\nexcept BaseException:\n    pass\nx = MutualTls(prod, mode='strict')\n"
    assert [(d.code, d.origin.line) for d in refused(folder, text) if d.origin] == [("MESH130", 4)]


def test_the_guard_holds_while_policies_is_called(folder: Path) -> None:
    text = "def policies(env):\n    open('/etc/hostname')\n    yield MutualTls(prod, mode='strict')\n"
    assert [(d.code, d.origin.line) for d in refused(folder, text) if d.origin] == [("MESH130", 4)]


def test_the_line_is_the_users_where_a_library_does_it(folder: Path) -> None:
    text = "import os, json\ndef f():\n    return [x for x in os.walk('/')]\nf()\n"
    (found,) = refused(folder, text)
    assert found.origin is not None
    assert found.origin.line == 5


def test_what_is_permitted_is_done(folder: Path) -> None:
    text = """\
import os, socket, subprocess, threading
with open(os.path.dirname(__file__) + '/../secret.txt') as f: assert f.read() == 'secret'
open(os.path.dirname(__file__) + '/../made', 'w').close()
socket.socket().close()
subprocess.run(['true'], check=True)
thread = threading.Thread(target=int)
thread.start()
thread.join()
"""
    (folder / "a.py").write_text(HEAD + text)
    load(folder, permit=PERMISSIONS)
    assert (folder.parent / "made").exists()


@pytest.mark.parametrize("permission", PERMISSIONS)
def test_one_permission_is_not_another(folder: Path, permission: str) -> None:
    texts = {
        "read": "with open('/etc/passwd') as f: pass\n",
        "write": "with open('/tmp/made-by-a-policy', 'w') as f: pass\n",
        "network": "import socket\nsocket.socket()\n",
        "subprocess": "import os\nos.system('true')\n",
    }
    for needed, text in texts.items():
        if needed != permission:
            assert [d.code for d in refused(folder, text, permit=[permission])] == ["MESH130"]


def test_files_of_the_folder_libraries_and_time_zones_may_be_read(folder: Path) -> None:
    (folder / "data").mkdir()
    (folder / "data" / "teams.json").write_text('{"a": 1}')
    (folder.parent / "helper").mkdir()
    (folder.parent / "helper" / "__init__.py").write_text("from . import more\n")
    (folder.parent / "helper" / "more.py").write_text("X = 1\n")
    (folder / "a.py").write_text(
        HEAD
        + """\
import csv, ctypes, decimal, email, json, logging, sqlite3, unittest, uuid, xml.dom, importlib.metadata, zoneinfo
import helper, yaml, click, jinja2
from pathlib import Path
here = Path(__file__).parent
teams = json.loads((here / "data" / "teams.json").read_text())
names = sorted(path.name for path in here.iterdir())
importlib.metadata.version("pydantic")
open("/dev/null", "w").close()
"""
    )
    assert len(load(folder).objects) == 1


def test_a_link_out_of_the_folder_is_no_way_around(folder: Path) -> None:
    (folder / "data.txt").symlink_to("../secret.txt")
    (found,) = refused(folder, "import os\nopen(os.path.dirname(__file__) + '/data.txt')\n")
    assert found.code == "MESH130"


def test_nothing_is_refused_outside_of_a_load_or_in_another_thread(folder: Path, tmp_path: Path) -> None:
    refused(folder, "open('/etc/hostname')\n")
    assert Path("/etc/passwd").read_bytes()
    socket.socket().close()
    subprocess.run([sys.executable, "-c", ""], check=True)
    errors: list[BaseException] = []
    ready, done = threading.Event(), threading.Event()

    def beside() -> None:
        try:
            ready.wait(5)
            (tmp_path / "written").write_text("x")
            list(Path("/").iterdir())
        except BaseException as error:  # noqa: BLE001
            errors.append(error)
        done.set()

    thread = threading.Thread(target=beside)
    thread.start()
    (folder / "a.py").write_text(HEAD + "import gc\n[e.set() for e in gc.ready]\nassert gc.done.wait(5)\n")
    import gc

    gc.ready, gc.done = [ready], done  # type: ignore[attr-defined]
    try:
        load(folder)
    finally:
        del gc.ready, gc.done  # type: ignore[attr-defined]
    thread.join()
    assert not errors
    assert (tmp_path / "written").exists()


def test_a_hundred_loads_install_one_hook(folder: Path) -> None:
    program = (
        "import sys\ncount = 0\nreal = sys.addaudithook\n"
        "def add(hook):\n    global count\n    count += 1\n    real(hook)\n"
        "sys.addaudithook = add\nfrom meshdsl.loading.load import load\n"
        "for _ in range(100): load(sys.argv[1])\nassert count == 1, count\n"
    )
    (folder / "a.py").write_text(HEAD)
    subprocess.run([sys.executable, "-c", program, str(folder)], check=True)
