"""The least that a diff could cost: kubectl proxy, the LISTs that a diff asks for, and their JSON parsed.

``python lists.py KUBECTL KUBECONFIG PATH…``: eight requests at once, pages of 1,000, as meshdsl asks. It imports
nothing of meshdsl.
"""

import http.client
import json
import socket
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path


class Connection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost")
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


def answers(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return not probe.connect_ex(path)


def listed(path: str, target: str) -> int:
    """How many objects a list has."""
    count, token = 0, ""
    page = 100 if target.endswith("/customresourcedefinitions") else 1000
    while True:
        connection = Connection(path)
        query = f"{'&' if '?' in target else '?'}limit={page}" + (f"&continue={token}" if token else "")
        connection.request("GET", target + query)
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        if answer.status == 404:  # a kind that is not installed
            return count
        body = json.loads(data)
        count += len(body.get("items") or ())
        token = body.get("metadata", {}).get("continue", "")
        if not token:
            return count


def main(kubectl: str, kubeconfig: str, *targets: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "s")
        command = [kubectl, "proxy", f"--kubeconfig={kubeconfig}", f"--unix-socket={path}"]
        proxy = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            while not answers(path):
                time.sleep(0.002)
            with ThreadPoolExecutor(8) as pool:
                print(sum(pool.map(lambda target: listed(path, target), targets)), "objects")
        finally:
            proxy.terminate()
            proxy.wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
