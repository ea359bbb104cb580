"""Real servers for remote inputs and outputs: an S3 server, a web server, and a proxy that spoils answers."""

import http.client
import http.server
import os
import re
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from email.utils import formatdate
from hashlib import md5

KEYS = {
    "AWS_ACCESS_KEY_ID": "AKIAINVENTED",
    "AWS_SECRET_ACCESS_KEY": "secret-of-the-tests",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
}
_HOP = {"connection", "transfer-encoding", "keep-alive"}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def s3_server():
    """Run moto's server as a process of its own; yields its address."""
    port = free_port()
    words = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, **KEYS})
    try:
        for _ in range(600):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert process.poll() is None, "moto's server does not start"
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


@contextmanager
def _serving(handler):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Quiet(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass


class Site:
    """Files by path, how they are served, and the requests that came."""

    def __init__(self):
        self.files = {}
        self.ranges = True
        self.etags = True
        self.login = None
        self.query = None
        self.requests = []
        self.sent = 0
        self.address = ""


@contextmanager
def web_server():
    """Run a web server over the files of a Site."""
    site = Site()

    class Handler(_Quiet):
        def do_GET(self):
            path, _, query = self.path.partition("?")
            site.requests.append((self.path, dict(self.headers)))
            if site.login is not None and self.headers.get("Authorization") != site.login:
                return self.answer(401, b"")
            if site.query is not None and query != site.query:
                return self.answer(403, b"")
            content = site.files.get(path)
            if content is None:
                return self.answer(404, b"gone")
            tag = {"ETag": f'"{md5(content).hexdigest()}"'} if site.etags else {}
            asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
            if not (asked and site.ranges):
                return self.answer(200, content, tag)
            start, stop = int(asked[1]), min(int(asked[2]) + 1, len(content))
            if start >= len(content):
                return self.answer(416, b"", {"Content-Range": f"bytes */{len(content)}"})
            return self.answer(
                206, content[start:stop], tag | {"Content-Range": f"bytes {start}-{stop - 1}/{len(content)}"}
            )

        def answer(self, code, content, headers=()):
            site.sent += len(content)
            self.send_response(code)
            for name, value in dict(headers).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    with _serving(Handler) as server:
        site.address = f"http://127.0.0.1:{server.server_port}"
        yield site


class Faults:
    """What the proxy does to the next answers: each entry is used once, `None` lets one pass.

    ("drop", n) : the connection is cut after n bytes of the body; ("status", code) : this answer instead; ("hold",) :
    no answer, and the request goes nowhere; ("lose",) : the request is done, but its answer never comes.
    only : requests whose method and path match are counted; the others pass.
    """

    def __init__(self):
        self.plan = []
        self.only = ""
        self.always = None
        self.address = ""
        self.seen = []
        self.holding = threading.Event()

    def next(self, line):
        if not re.search(self.only, line):
            return None
        self.seen.append(line)
        if self.always is not None:
            return self.always
        return self.plan.pop(0) if self.plan else None


@contextmanager
def proxy(upstream):
    """Run a proxy in front of a server at an address; yields its Faults."""
    faults = Faults()
    host = upstream.removeprefix("http://")

    class Handler(_Quiet):
        def forward(self):
            fault = faults.next(f"{self.command} {self.path}")
            length = int(self.headers.get("Content-Length") or 0)
            if self.headers.get("Expect", "").lower() == "100-continue":
                self.send_response_only(100)
                self.end_headers()
            body = self.rfile.read(length) if length else self.chunks()
            if fault and fault[0] == "hold":
                faults.holding.set()
                self.close_connection = True
                time.sleep(20)
                return
            if fault and fault[0] == "status":
                self.send_response(fault[1])
                self.send_header("Content-Length", "0")
                self.send_header("Date", formatdate(usegmt=True))
                self.end_headers()
                return
            server = http.client.HTTPConnection(host)
            headers = {name: value for name, value in self.headers.items() if name.lower() not in (*_HOP, "expect")}
            server.request(self.command, self.path, body=body, headers=headers | {"Content-Length": str(len(body))})
            answer = server.getresponse()
            content = answer.read()
            if fault and fault[0] == "lose":
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            self.send_response_only(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in _HOP and (name.lower() != "content-length" or self.command == "HEAD"):
                    self.send_header(name, value)
            if self.command != "HEAD":
                self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if fault and fault[0] == "drop":
                self.wfile.write(content[: fault[1]])
                self.wfile.flush()
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            if self.command != "HEAD":
                self.wfile.write(content)
            server.close()

        def chunks(self):
            body = b""
            if "chunked" in self.headers.get("Transfer-Encoding", ""):
                while size := int(self.rfile.readline(), 16):
                    body += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
            return body

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = forward

    with _serving(Handler) as server:
        faults.address = f"http://127.0.0.1:{server.server_port}"
        yield faults
