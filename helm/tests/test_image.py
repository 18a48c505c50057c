"""The image and the compose file at work without a container engine: the image's root file system as the Dockerfile lays
it out, read-only, for its own user, in a network of its own, beside the compose file's Redis and understudies.

Needs root, in namespaces of its own: `unshare --mount --net --pid --fork --mount-proc`. IMAGE_BINARY and IMAGE_SBOM are what the
building stage made; left out: the binary of the dev profile, and no list."""

import json
import os
import re
import signal
import subprocess
import tempfile
import unittest
from pathlib import Path

import yaml

from charts import LOADER, RELAY, House
from image import ROOT, Container, Dockerfile, lay, loopback_up, mount
from world import ask, order, person, until

BINARY = Path(os.environ.get("IMAGE_BINARY", RELAY))
SBOM = Path(os.environ.get("IMAGE_SBOM", os.devnull))
CACHE = ROOT / "target/image/base"
SERVICES = ["orderwire", "mock", "redis"]


def filled(value):
    """Variables of the compose file, with a made-up secret for each."""
    if isinstance(value, dict):
        return {k: filled(v) for k, v in value.items()}
    if isinstance(value, list):
        return [filled(v) for v in value]
    return re.sub(r"\$\{(\w+):\?\}", lambda m: House.secret(m[1]), value).replace("$$", "$") if isinstance(value, str) else value


class Composed:
    """The compose file on this machine."""

    def __init__(self, root):
        self.root, self.image = root, Dockerfile()
        self.services = filled(yaml.load((ROOT / "deploy/compose.yaml").read_text(), LOADER))["services"]
        settings = (ROOT / "deploy/compose/orderwire.toml").read_text()
        # Orders are told at once, or this would take a minute more.
        quick = settings.replace('locale = "zh-TW"\n', 'locale = "zh-TW"\nsettle = "0s"\nsettle_untracked = "0s"\n')
        assert quick != settings
        (root / "orderwire.toml").write_text(quick)
        self.volumes = {"./compose/orderwire.toml": root / "orderwire.toml", "./compose/redis.conf": ROOT / "deploy/compose/redis.conf"}
        for name in ("spool", "redis"):
            self.volumes[name] = root / f"volume-{name}"
            self.volumes[name].mkdir()
        # What that image has for its user in its own /data.
        os.chown(self.volumes["redis"], 999, 1000)
        self.running = []

    def hosts(self, place):
        (place / "etc/hosts").write_text("127.0.0.1 localhost redis orderwire\n")

    def ours(self, name, args=()):
        place = self.root / name
        lay(place, BINARY, SBOM, CACHE)
        self.hosts(place)
        service = self.services[name]
        self.check_user(service)
        command = [*self.image.last("ENTRYPOINT"), *(args or service.get("command") or self.image.last("CMD"))]
        return Container(place, service, self.volumes, service.get("environment", {}), command)

    def check_user(self, service):
        assert service["user"] == self.image.last("USER"), "the compose file and the image differ about the user"

    def another(self, name):
        """A service of another's image, for which this machine stands, seen through an overlay."""
        for folder in ("upper", "work", name):
            (self.root / f"{name}-layers" / folder).mkdir(parents=True)
        layers = self.root / f"{name}-layers"
        mount("-t", "overlay", "overlay", "-o", f"lowerdir=/,upperdir={layers}/upper,workdir={layers}/work", layers / name)
        service = self.services[name]
        env = {"PATH": os.environ["PATH"], **service.get("environment", {})}
        return Container(layers / name, service, self.volumes, env)

    def start(self, container):
        process = container.start()
        self.running.append(process)
        return process

    def redis(self):
        owner = self.another("spool-owner")
        done = owner.run(owner.command)
        assert done.returncode == 0, done.stderr
        redis = self.another("redis")
        self.start(redis)
        shell, probe = self.services["redis"]["healthcheck"]["test"]
        assert shell == "CMD-SHELL"
        until("Redis is healthy", lambda: redis.run(["sh", "-c", probe]).returncode == 0)

    def end(self):
        for process in self.running:
            process.kill()
            process.wait()


class Image(unittest.TestCase):
    def setUp(self):
        loopback_up()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        # Whatever is mounted below goes before the folder does.
        self.root = Path(folder.name)
        self.addCleanup(self.unmount)

    def unmount(self):
        mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
        for place in reversed([m for m in mounts if m.startswith(str(self.root))]):
            subprocess.run(["umount", "--lazy", place], check=True)

    def test_it_runs_read_only_for_nobody_and_tells(self):
        house = Composed(self.root)
        self.addCleanup(house.end)
        orderwire = house.ours("orderwire")
        program = house.image.last("ENTRYPOINT")

        said = orderwire.run([*program, "--version"])
        version = re.search(r'^version = "(.*)"', (ROOT / "Cargo.toml").read_text(), re.M)[1]
        self.assertEqual((said.returncode, said.stdout.split()[:2]), (0, ["orderwire", version]), said.stderr)

        house.redis()
        checked = orderwire.run([*program, "check"])
        self.assertEqual(checked.returncode, 0, checked.stdout + checked.stderr)
        health = yaml.safe_load(re.search(r"CMD (\[.*\])", house.image.last("HEALTHCHECK"))[1])
        self.assertEqual(orderwire.run(health).returncode, 1, "nobody serves yet")

        relay = house.start(orderwire)
        until("it is healthy", lambda: orderwire.run(health).returncode == 0)
        house.start(house.ours("mock"))
        until("the understudies answer", lambda: ask(8090, "/sent")[0] == 200)
        self.is_confined(relay.pid, orderwire)

        body, headers = order(1)
        headers["x-wc-webhook-signature"] = self.signed(body)
        self.assertEqual(ask(8080, "/hooks/woocommerce/my-shop", "POST", body, headers)[0], 200)
        until("the message is told", lambda: [m["to"] for m in json.loads(ask(8090, "/sent")[1])] == [person(1)])
        explained = orderwire.run([*program, "explain", "my-shop", "1"])
        self.assertIn("order_placed", explained.stdout, explained.stderr)

        relay.send_signal(signal.SIGTERM)
        self.assertEqual(relay.wait(float(house.services["orderwire"]["stop_grace_period"].rstrip("s"))), 0, orderwire.log.read_text())

    @staticmethod
    def signed(body):
        import base64
        import hashlib
        import hmac
        return base64.b64encode(hmac.new(House.secret("WOO_SECRET").encode(), body, hashlib.sha256).digest()).decode()

    def is_confined(self, pid, container):
        status = dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line)
        self.assertEqual(set(status["Uid"].split()), {"65532"})
        self.assertEqual((int(status["CapEff"], 16), int(status["CapPrm"], 16), status["NoNewPrivs"]), (0, 0, "1"))
        self.assertTrue(os.statvfs(container.root).f_flag & os.ST_RDONLY)
        # Whatever else it may write to is a volume or in memory.
        mine = [l.split() for l in Path("/proc/self/mountinfo").read_text().splitlines() if l.split()[4].startswith(f"{container.root}/")]
        writable = {m[4].removeprefix(str(container.root)) for m in mine if m[5].startswith("rw")}
        self.assertEqual({w for w in writable if not w.startswith(("/dev", "/proc"))}, {"/var/lib/orderwire", "/var/spool/orderwire"})


if __name__ == "__main__":
    unittest.main()
