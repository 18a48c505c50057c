"""The chart's pods on a Redis watched by sentinels and on a Redis Cluster, both as their values sets name them: a user with
the rights of docs/security.md, replicas that must have it too, and a rolling restart under load."""

import re
import subprocess
import unittest

import yaml

from charts import HELM, LOADER, SETS, House
from world import VALUES, Process, World, free_port, roll, until

KEEPS = ["--appendonly", "yes", "--appendfsync", "always", "--save", "", "--maxmemory", "64mb", "--maxmemory-policy", "noeviction",
         "--min-replicas-to-write", "1", "--min-replicas-max-lag", "10"]


def values(name):
    """The values of that set, with shop, channel and route."""
    own = yaml.load(SETS[name].read_text(), LOADER)
    return {**VALUES, "redis": own["redis"], "spool": own.get("spool", {"enabled": False})}


def cli(port, *words, password=None):
    auth = ["-a", password, "--no-auth-warning"] if password else []
    return subprocess.run(["redis-cli", "-p", str(port), *auth, *words], capture_output=True, text=True, check=True).stdout.strip()


def server(world, port, *more):
    folder = world.root / f"redis-{port}"
    folder.mkdir()
    world.keep(Process(["redis-server", "--bind", "127.0.0.1", "--port", str(port), "--dir", str(folder), *more], None, folder / "log"))
    return folder


def answers(port, password=None):
    def asked():
        try:
            return cli(port, "ping", password=password) == "PONG"
        except subprocess.CalledProcessError:
            return False
    until(f"{port} answers", asked)


def sentinels(world):
    """A primary, a replica, three sentinels; the servers and the sentinels have a password each."""
    inner, outer = House.secret("password"), House.secret("sentinel")
    primary, replica = free_port(), free_port()
    access = ["--requirepass", inner, "--masterauth", inner, *KEEPS]
    server(world, primary, *access)
    answers(primary, inner)
    server(world, replica, *access, "--replicaof", "127.0.0.1", str(primary))
    until("the replica keeps up", lambda: "state=online" in cli(primary, "info", "replication", password=inner))
    ports = [free_port() for _ in range(3)]
    for port in ports:
        conf = world.root / f"sentinel-{port}.conf"
        conf.write_text(f"port {port}\nbind 127.0.0.1\nrequirepass {outer}\nsentinel monitor mymaster 127.0.0.1 {primary} 2\n"
                        f"sentinel auth-pass mymaster {inner}\nsentinel sentinel-pass {outer}\nsentinel down-after-milliseconds mymaster 5000\n")
        world.keep(Process(["redis-server", str(conf), "--sentinel"], None, world.root / f"sentinel-{port}.log"))
    for port in ports:
        answers(port, outer)
    return {f"sentinel-{n}.data.svc{end}": f"127.0.0.1:{port}" for (n, end), port in zip([(0, ""), (1, ""), (2, ":26380")], ports, strict=True)}


def rights():
    """The user of docs/security.md, with what a cluster needs besides."""
    text = (HELM.parent / "docs/security.md").read_text()
    user = re.search(r"^user ow on >PASSWORD (.*)$", text, re.M)[1]
    cluster = re.search(r"for a cluster, on every node, `([^`]*)`", " ".join(text.split()))[1]
    return [*user.split(), *cluster.split()]


def cluster(world):
    """Three primaries with a replica each, and the relay's user on all of them."""
    ports = [free_port() for _ in range(6)]
    for port in ports:
        server(world, port, *KEEPS, "--cluster-enabled", "yes", "--cluster-port", str(free_port()), "--cluster-node-timeout", "5000")
    for port in ports:
        answers(port)
        cli(port, "ACL", "SETUSER", "orderwire", "on", f">{House.secret('password')}", *rights())
    cli(ports[0], "--cluster", "create", *[f"127.0.0.1:{p}" for p in ports], "--cluster-replicas", "1", "--cluster-yes")

    def well(port):
        primary = "role:master" in (said := cli(port, "info", "replication"))
        return "cluster_state:ok" in cli(port, "cluster", "info") and (not primary or "state=online" in said)
    until("the cluster is whole", lambda: all(well(p) for p in ports), 40)
    return {f"redis-{n}.data.svc:6379": f"127.0.0.1:{port}" for n, port in enumerate(ports[:3])}


class Stores(unittest.TestCase):
    def test_a_rolling_restart_on_sentinels(self):
        with World(values("sentinel"), sentinels) as world:
            roll(self, world)

    def test_a_rolling_restart_on_a_cluster(self):
        with World(values("cluster"), cluster) as world:
            roll(self, world)


if __name__ == "__main__":
    unittest.main()
