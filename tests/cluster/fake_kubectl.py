"""A kubectl for tests: ``proxy`` serves a few answers on the socket, or misbehaves as MODE says."""

import os
import signal
import socketserver
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path

if sys.argv[1] == "config":
    if os.environ.get("MODE") == "nameless":
        sys.exit("error: current-context is not set")
    if os.environ.get("MODE") == "thinks":
        time.sleep(60)
    print("kind-dev")
    sys.exit(0)

options = dict(argument.partition("=")[::2] for argument in sys.argv[2:])
mode = os.environ.get("MODE", "")
notes = Path(os.environ["NOTES"])
with notes.open("a") as file:
    file.write(f"{os.getpid()} {' '.join(sys.argv[1:])}\n")

if mode == "exits":
    sys.stderr.write('error: context "nope" does not exist\n')
    sys.exit(1)
if mode == "silent":
    sys.exit(3)
if mode == "hangs":
    sys.stderr.write("open https://login.example.test/device and enter ABCD\n")
    sys.stderr.flush()
    time.sleep(60)
if mode == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
if mode == "wrapper":  # as the dispatchers of cloud tools: the real one is a child
    child = subprocess.Popen([sys.executable, *sys.argv], env={**os.environ, "MODE": ""})
    sys.exit(child.wait())
if mode == "noisy":
    for number in range(20_000):
        print(f"I1123 12:40:44.205872 1 x.go:1] {number} Authorization: Bearer canary-7", flush=False)
    print("x" * 1_000_000, flush=True)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if mode == "stalls" and self.path != "/version":
            time.sleep(60)
        body = b'{"gitVersion": "v1.36.1"}'
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def address_string(self):
        return "unix"

    def log_message(self, *arguments):
        pass


if mode == "noisy":
    sys.stderr.write("the last words\n")
print(f"Starting to serve on {options['--unix-socket']}", flush=True)
server = socketserver.UnixStreamServer(options["--unix-socket"], Handler)
if mode == "dies":
    server.handle_request()  # the probe for readiness
    server.handle_request()
    os._exit(7)
server.serve_forever()
