"""A server of one file on this machine that misbehaves on demand, and processes that use what is tested."""

import re
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import dmlkit

# Without the data sets and without torch, whose import takes seconds; arguments are checked in this process.
_PREFACE = f"""
import sys, types
package = sys.modules["dmlkit.data"] = types.ModuleType("dmlkit.data")
package.__path__ = [{str(Path(dmlkit.__file__).parent / "data")!r}]
checks = sys.modules["dmlkit.checks"] = types.ModuleType("dmlkit.checks")
checks.check_number = checks.check_choice = lambda *_, **__: None
"""


def start_process(code, *arguments):
    """Run `code` in a Python of its own, with `arguments` in sys.argv[1:]; `dmlkit.data.…` can be imported there."""
    root = Path(dmlkit.__file__).parent.parent
    command = [sys.executable, "-c", _PREFACE + code, *map(str, arguments)]
    return subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


class _Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        file = self.server.file
        file.requests.append(dict(self.headers))
        if file.statuses and (status := file.statuses.pop(0)) != 200:
            self.send_response(status)
            for name, value in file.refusal_headers.items():
                self.send_header(name, value)
            self.end_headers()
            return
        body, start = file.content, 0
        span = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        same = not file.heeds_if_range or self.headers.get("If-Range", file.validator) == file.validator
        if file.ranges and span and same:
            start = int(span[1])
            if start >= len(body):
                self.send_response(416)
                if file.says_total:
                    self.send_header("Content-Range", f"bytes */{len(body)}")
                self.end_headers()
                return
            self.send_response(206)
            self.send_header("Content-Range", file.content_range or f"bytes {start}-{len(body) - 1}/{len(body)}")
        else:
            self.send_response(200)
        if file.says_length:
            self.send_header("Content-Length", str(len(body) - start))
        if file.etag:
            self.send_header("ETag", file.etag)
        if file.last_modified:
            self.send_header("Last-Modified", file.last_modified)
        self.end_headers()
        body = body[start:]
        if file.cuts and (cut := file.cuts.pop(0)) is not None:
            body = body[:cut]
        self.wfile.write(body[: file.pause])
        if file.pause is not None:
            file.paused.set()
            file.go_on.wait(60)
            self.wfile.write(body[file.pause :])


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        """Nothing: a client that goes away half-way is what is tested."""


class FileServer:
    """Serves `content` under any path while it is open as a context manager.

    `requests` has the headers of each; `statuses` and `cuts` are used up from the front, one a request: what to answer
    instead, and after how many bytes to cut the connection (None: not at all). After `pause` bytes it sets `paused` and
    waits for `go_on`.
    """

    def __init__(self, content=b""):
        self.content = content
        self.etag, self.last_modified = '"one"', None
        self.ranges = self.heeds_if_range = self.says_length = self.says_total = True
        self.content_range = None
        self.pause = None
        self.requests, self.statuses, self.cuts, self.refusal_headers = [], [], [], {}
        self.paused, self.go_on = threading.Event(), threading.Event()

    @property
    def validator(self):
        return self.etag if self.etag and not self.etag.startswith("W/") else self.last_modified

    @property
    def url(self):
        return f"http://127.0.0.1:{self._server.server_port}/birds.zip"

    def __enter__(self):
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.file = self
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        return self

    def __exit__(self, *_):
        self.go_on.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
