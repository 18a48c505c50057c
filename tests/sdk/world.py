"""The relay and the understudies as processes, a provider's server that remembers what it was sent, and a mail server."""

import json
import os
import queue
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from aiosmtpd.controller import Controller

HERE = Path(__file__).resolve().parent
# Longest for anything to come: machines that build meanwhile are slow.
PATIENCE = 60


class Provider:
    """Answers as `answers` says (path → request → status, document) and remembers every request."""

    def __init__(self, answers):
        self.seen, self.news = [], threading.Condition()
        provider = self

        class Door(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                request = {"path": self.path, "headers": dict(self.headers.items()), "body": body}
                status, document = answers(request)
                with provider.news:
                    provider.seen.append(request)
                    provider.news.notify_all()
                answer = json.dumps(document).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def wait(self, fits, count=1):
        """The first `count` requests that fit, once they have come."""
        with self.news:
            found = lambda: [r for r in self.seen if fits(r)]
            done = self.news.wait_for(lambda: len(found()) >= count, PATIENCE)
            assert done, f"{count} requests did not come; these did: {[r['path'] for r in self.seen]}"
            return found()[:count]


class Mailbox:
    """aiosmtpd, on loopback. Whatever it takes lies in `mails` as bytes."""

    def __init__(self):
        self.mails = queue.Queue()
        mails = self.mails

        class Keep:
            async def handle_DATA(self, server, session, envelope):
                mails.put(envelope)
                return "250 2.0.0 OK"

        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.controller = Controller(Keep(), hostname="127.0.0.1", port=self.port)
        self.controller.start()

    def next(self):
        return self.mails.get(timeout=PATIENCE)


class Program:
    """The binary as a process that ends with this one's `end`."""

    def __init__(self, args, ready):
        self.lines = []
        self.child = subprocess.Popen(
            [os.environ["ORDERWIRE"], *args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        up = threading.Event()

        def read():
            for line in self.child.stdout:
                self.lines.append(line.rstrip("\n"))
                if ready in line:
                    up.set()
            up.set()

        threading.Thread(target=read, daemon=True).start()
        assert up.wait(PATIENCE) and self.child.poll() is None, "\n".join(self.lines)

    def end(self):
        self.child.terminate()
        self.child.wait(PATIENCE)


class Relay(Program):
    """`orderwire serve` with the settings beside this file."""

    def __init__(self, provider, mailbox):
        self.dir = Path(tempfile.mkdtemp(prefix="orderwire-sdk-"))
        text = (HERE / "settings.toml").read_text()
        for key, value in {"$DIR": self.dir, "$HTTP": provider.url, "$SMTP": mailbox.port}.items():
            text = text.replace(key, str(value))
        self.file = self.dir / "orderwire.toml"
        self.file.write_text(text)
        super().__init__(["-c", str(self.file), "serve"], "orderwire is up")
        up = json.loads(next(line for line in self.lines if "orderwire is up" in line))
        self.web, self.admin = (f"http://{str(up[k]).removeprefix('Some(').strip('()')}" for k in ("public", "admin"))

    def order(self, number):
        """What the relay says of an order."""
        args = ["-c", str(self.file), "order", "tea", str(number), "--json", "--url", self.admin]
        done = subprocess.run([os.environ["ORDERWIRE"], *args], capture_output=True, text=True, timeout=PATIENCE)
        return json.loads(done.stdout) if done.returncode == 0 else {}

    def comes_to(self, number, fits):
        """Waits until an item of the order fits; asking is the only way to know."""
        until = time.monotonic() + PATIENCE
        while True:
            view = self.order(number)
            if any(fits(item) for item in view.get("items", [])):
                return
            assert time.monotonic() < until, f"order {number} stands at {view}"
            time.sleep(0.1)

    def end(self):
        super().end()
        shutil.rmtree(self.dir)


def post(url, body, headers):
    """Status of a POST, whatever it is."""
    data = body if isinstance(body, bytes) else body.encode()
    request = urllib.request.Request(url, data=data, headers=headers, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
