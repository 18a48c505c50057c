"""What the chart renders, run on this machine: the Redis and the relay's containers as processes, and the providers'
understudies beside them. Addresses are the only thing that is changed: a pod has its own, a process needs a port."""

import base64
import collections
import hashlib
import hmac
import http.client
import json
import os
import signal
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from charts import RELAY, House, of_kind, only, relays, template

VALUES = {
    "existingSecret": "orderwire",
    "redis": {"bundled": {"enabled": True}},
    "settings": {
        "server": {"public_url": "https://notify.example.com", "grace_secs": 10, "workers": 1},
        "shop": [{"id": "woo", "platform": "woocommerce", "domain": "shop.example.com", "country": "TW",
                  "secrets": [{"file": "/run/secrets/orderwire/woo-secret"}], "timezone": "Asia/Taipei", "locale": "en",
                  "settle": "0s", "settle_untracked": "0s", "identify": {"line": ["line_user_id"]}}],
        "channel": [{"id": "line-main", "kind": "line", "access_token": {"file": "/run/secrets/orderwire/line-token"},
                     "channel_secret": {"file": "/run/secrets/orderwire/line-secret"}}],
        "route": [{"id": "customers", "milestones": ["order_placed"], "audience": "customer", "channels": ["line-main"]}],
    },
}


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def until(what, true, seconds=20):
    """Waits until `true()`, looking often."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if true():
            return
        time.sleep(0.02)
    raise AssertionError(f"not within {seconds} s: {what}")


def ask(port, path, method="GET", body=None, headers=None):
    """Status and text of an answer; status 0 without one."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    except OSError as error:
        return 0, str(error)
    finally:
        connection.close()


class Process:
    """A container as a process."""

    def __init__(self, args, env, log):
        self.log = Path(log)
        with self.log.open("a") as out:
            self.child = subprocess.Popen(args, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT)

    def end(self, with_signal=signal.SIGTERM, seconds=60):
        """Sends the signal, and gives the status and the seconds that it took."""
        began = time.monotonic()
        if self.child.poll() is None:
            self.child.send_signal(with_signal)
        return self.child.wait(seconds), time.monotonic() - began


class Relay(Process):
    """A container of the relay."""

    def __init__(self, world, component):
        (self.name, self.meta, self.spec) = next(p for p in relays(world.docs) if p[0].endswith(component))
        self.container = self.spec["containers"][0]
        self.public, self.admin = free_port(), free_port()
        root = Path(tempfile.mkdtemp(dir=world.root))
        house = House(world.docs, root)
        text = house.file.read_text().replace("0.0.0.0:8080", f"127.0.0.1:{self.public}").replace("0.0.0.0:9090", f"127.0.0.1:{self.admin}")
        text = text.replace('kind = "line"', f'kind = "line"\napi_url = "http://127.0.0.1:{world.mock_port}"')
        house.file.write_text(text)
        env = house.environment(self.container)
        for written, place in world.places.items():
            env["ORDERWIRE__STORE__URL"] = env["ORDERWIRE__STORE__URL"].replace(written, place)
        super().__init__([RELAY, "-c", house.file, *self.container["args"]], env, root / "log")
        self.file, self.env = house.file, env

    def probe(self, kind):
        wanted = self.container[kind]["httpGet"]
        assert wanted["port"] == "admin"
        return ask(self.admin, wanted["path"])[0]

    def up(self):
        def ready():
            assert self.child.poll() is None, self.log.read_text()
            return self.probe("startupProbe") == 200 and self.probe("readinessProbe") == 200
        until(f"{self.name} is ready", ready, self.container["startupProbe"]["failureThreshold"] * 2)
        return self


class World:
    """All of it; ends what it started."""

    def __init__(self, values=None, servers=None):
        """`servers`: starts the Redis of the values, kept with this world, and gives its places by the names in the values;
        left out: the chart's own small one."""
        self.docs = template(values or VALUES)
        assert isinstance(self.docs, list), self.docs
        self.folder = tempfile.TemporaryDirectory()
        self.root = Path(self.folder.name)
        self.redis_port, self.mock_port, self.smtp_port = free_port(), free_port(), free_port()
        self.processes = []
        if servers:
            self.places = servers(self)
        else:
            self.places = {"rel-orderwire-redis:6379": f"127.0.0.1:{self.redis_port}"}
            self.redis = self.start_redis()
        self.mock = self.keep(Process(
            [RELAY, "mock", "--http", f"127.0.0.1:{self.mock_port}", "--smtp", f"127.0.0.1:{self.smtp_port}",
             "--line-token", House.secret("line-token"), "--line-secret", House.secret("line-secret"), "--line-quota", "100000"],
            {"PATH": os.environ["PATH"]}, self.root / "mock.log"))
        until("the mock answers", lambda: ask(self.mock_port, "/sent")[0] == 200)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in reversed(self.processes):
            process.end(signal.SIGKILL)
        self.folder.cleanup()

    def keep(self, process):
        self.processes.append(process)
        return process

    def relay(self, component):
        return self.keep(Relay(self, component))

    def start_redis(self):
        """By the container's own command."""
        container = only(self.docs, "StatefulSet", "-redis")["spec"]["template"]["spec"]["containers"][0]
        places = {m["mountPath"]: self.root / "redis" / m["mountPath"].lstrip("/") for m in container["volumeMounts"]}
        for place in places.values():
            place.mkdir(parents=True, exist_ok=True)
        conf = only(self.docs, "ConfigMap", "-redis")["data"]["redis.conf"]
        conf = conf.replace("port 6379", f"bind 127.0.0.1\nport {self.redis_port}").replace("/data", str(places["/data"]))
        (places["/etc/redis"] / "redis.conf").write_text(conf)
        script = container["args"][0]
        for inside in ("/etc/redis", "/run/redis"):
            script = script.replace(f"{inside}/", f"{places[inside]}/")
        ref = container["env"][0]["valueFrom"]["secretKeyRef"]
        env = {"PATH": os.environ["PATH"], container["env"][0]["name"]: House.secret(ref["key"])}
        redis = self.keep(Process([*container["command"], script], env, self.root / "redis.log"))
        probe = [a.replace("redis-cli", f"redis-cli -p {self.redis_port}") for a in container["readinessProbe"]["exec"]["command"]]
        until("Redis answers its probe", lambda: subprocess.run(probe, env=env, capture_output=True).returncode == 0)
        return redis

    def sent(self):
        """To whom how many messages went."""
        return collections.Counter(m["to"] for m in json.loads(ask(self.mock_port, "/sent")[1]))

    def fault(self, kind, times=1000):
        body = json.dumps({"channel": "line", "kind": kind, "times": times})
        assert ask(self.mock_port, "/faults", "POST", body)[0] == 200

    def heal(self):
        assert ask(self.mock_port, "/faults", "DELETE")[0] == 200


def person(number):
    return f"U{number:032x}"


def order(number, person=person):
    """A WooCommerce order of its own customer, and the headers of its delivery."""
    now = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
    body = json.dumps({
        "id": number, "status": "processing", "currency": "TWD", "version": "11.0.1", "number": str(number), "total": "1280",
        "date_created_gmt": now, "date_modified_gmt": now, "date_paid_gmt": now, "customer_id": number, "created_via": "checkout",
        "billing": {"first_name": "A", "country": "TW", "email": f"p{number}@example.com"}, "shipping": {"country": "TW"},
        "payment_method": "card", "payment_method_title": "Card", "needs_processing": True,
        "meta_data": [{"id": 1, "key": "line_user_id", "value": person(number)}],
        "line_items": [{"id": 1, "name": "Tea", "product_id": 11, "quantity": 1, "total": "1280", "price": 1280}],
    }).encode()
    tag = hmac.new(House.secret("woo-secret").encode(), body, hashlib.sha256).digest()
    return body, {
        "content-type": "application/json", "x-wc-webhook-topic": "order.created", "x-wc-webhook-id": "2",
        "x-wc-webhook-source": "https://shop.example.com/", "x-wc-webhook-delivery-id": f"{number:032x}",
        "x-wc-webhook-signature": base64.b64encode(tag).decode(),
    }


def post(port, number):
    body, headers = order(number)
    return ask(port, "/hooks/woocommerce/woo", "POST", body, headers)[0]


class Traffic:
    """A Service: webhooks one after another, each to one of the pods that are in, until told to end."""

    def __init__(self, pods):
        self.lock = threading.Lock()
        self.pods, self.busy = list(pods), collections.Counter()
        self.answers, self.number, self.ending = {}, 0, False
        self.threads = [threading.Thread(target=self.go) for _ in range(4)]
        for thread in self.threads:
            thread.start()

    def go(self):
        while True:
            with self.lock:
                if self.ending:
                    return
                self.number += 1
                number = self.number
                port = self.pods[number % len(self.pods)]
                self.busy[port] += 1
            answer = post(port, number)
            with self.lock:
                self.answers[number] = answer
                self.busy[port] -= 1

    def taken(self):
        with self.lock:
            return len(self.answers)

    def add(self, port):
        with self.lock:
            self.pods.append(port)

    def out(self, port):
        """No more requests to this pod; returns when none is under way, which is what the wait before SIGTERM is for."""
        with self.lock:
            self.pods.remove(port)
        until("nothing is under way", lambda: self.busy[port] == 0)

    def end(self):
        self.ending = True
        for thread in self.threads:
            thread.join()
        return self.answers


def roll(case, world):
    """Two web pods and two workers, replaced one after the other under load: nothing is lost or doubled."""
    webs, workers = [world.relay("-web").up() for _ in range(2)], [world.relay("-worker").up() for _ in range(2)]
    traffic = Traffic([w.public for w in webs])
    try:
        for old, kind in [(webs[0], "-web"), (workers[0], "-worker"), (webs[1], "-web"), (workers[1], "-worker")]:
            before = traffic.taken()
            until("there is load", lambda: traffic.taken() > before + 25, 60)
            new = world.relay(kind).up()
            if kind == "-web":
                traffic.add(new.public)
                traffic.out(old.public)
            left = old.spec["terminationGracePeriodSeconds"] - old.container["lifecycle"]["preStop"]["sleep"]["seconds"]
            status, took = old.end(seconds=left)
            case.assertEqual(status, 0, old.log.read_text())
            case.assertLess(took, left)
        before = traffic.taken()
        until("there is load", lambda: traffic.taken() > before + 25, 60)
    finally:
        answers = traffic.end()
    case.assertEqual(set(answers.values()), {200}, "every webhook was taken")
    until("all are told", lambda: len(world.sent()) >= len(answers), 60)
    case.assertEqual(world.sent(), {person(n): 1 for n in answers}, "each once")
