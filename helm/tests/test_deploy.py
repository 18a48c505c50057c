"""What lies in deploy/ and in docs/ says the same as the relay."""

import json
import os
import re
import subprocess
import tempfile
import textwrap
import unittest
from pathlib import Path

import yaml

from charts import LOADER, RELAY, House, readme_values
from world import Process, ask, free_port, until

ROOT = Path(__file__).resolve().parent.parent.parent
DEPLOY = ROOT / "deploy"


def check(text, env):
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "orderwire.toml"
        file.write_text(text)
        return subprocess.run([RELAY, "-c", file, "check", "--strict"], capture_output=True, text=True,
                              env={"PATH": os.environ["PATH"], **env})


class Compose(unittest.TestCase):
    def setUp(self):
        self.compose = yaml.load((DEPLOY / "compose.yaml").read_text(), LOADER)

    def test_the_settings_are_accepted(self):
        named = {name: House.secret(name) for name in re.findall(r"^(\w+)=$", (DEPLOY / "env.example").read_text(), re.M)}
        env = {k: re.sub(r"\$\{(\w+):\?\}", lambda m: named[m.group(1)], v)
               for k, v in self.compose["services"]["orderwire"]["environment"].items()}
        done = check((DEPLOY / "compose/orderwire.toml").read_text(), env)
        self.assertEqual(done.returncode, 0, done.stdout)

    def test_every_variable_is_in_the_example_and_none_is_idle(self):
        used = set(re.findall(r"\$\{(\w+):\?\}", (DEPLOY / "compose.yaml").read_text()))
        self.assertEqual(used, set(re.findall(r"^(\w+)=$", (DEPLOY / "env.example").read_text(), re.M)))

    def test_files_that_it_mounts_exist(self):
        for name, service in self.compose["services"].items():
            for volume in service.get("volumes", []):
                source = volume.split(":")[0]
                if source.startswith("."):
                    self.assertTrue((DEPLOY / source).exists(), f"{name}: {source}")
                else:
                    self.assertIn(source, self.compose["volumes"])

    def test_only_this_machine_reaches_the_ports(self):
        for service in self.compose["services"].values():
            for port in service.get("ports", []):
                self.assertRegex(port, r"^127\.0\.0\.1:")
        self.assertNotIn("9090", str(self.compose["services"]["orderwire"]["ports"]))

    def test_what_runs_for_good_is_hardened(self):
        for name, service in self.compose["services"].items():
            if name != "spool-owner":
                self.assertEqual((service["read_only"], service["cap_drop"]), (True, ["ALL"]), name)

    def test_redis_keeps_what_it_acknowledges(self):
        conf = (DEPLOY / "compose/redis.conf").read_text().splitlines()
        for line in ("appendonly yes", "appendfsync always", "maxmemory-policy noeviction"):
            self.assertIn(line, conf)


class Image(unittest.TestCase):
    text = (DEPLOY / "Dockerfile").read_text()

    def test_it_runs_as_nobody_and_asks_the_binary_for_its_health(self):
        self.assertRegex(self.text, r"(?m)^USER 65532:65532$")
        health = re.search(r"HEALTHCHECK [^\[]*CMD (\[.*\])", self.text).group(1)
        args = yaml.safe_load(health)
        self.assertEqual(args[0], yaml.safe_load(re.search(r"ENTRYPOINT (.*)", self.text).group(1))[0])
        # The command exists, and fails where no relay answers.
        done = subprocess.run([RELAY, *args[1:-1], "http://127.0.0.1:9"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 1, done.stderr)

    def test_what_it_copies_is_let_in(self):
        allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
        for name in allowed:
            self.assertTrue((ROOT / name).exists(), name)
        # Whatever the manifest names must be there for cargo, and whatever the build reads.
        manifest = (ROOT / "Cargo.toml").read_text()
        for path in [*re.findall(r'^path = "(.*)"', manifest, re.M), "src", "config", "Cargo.lock", ".cargo"]:
            self.assertTrue(any(path == a or path.startswith(f"{a}/") for a in allowed), path)


class Unit(unittest.TestCase):
    text = (DEPLOY / "systemd/orderwire.service").read_text()

    def test_there_is_time_to_leave(self):
        """The relay's grace time, then its Redis' (20 s in src/store/child.rs)."""
        stop = int(re.search(r"TimeoutStopSec=(\d+)", self.text).group(1))
        grace = int(re.search(r"grace_secs = (\d+)", (ROOT / "config/orderwire.toml").read_text()).group(1))
        end = int(re.search(r"const END: Duration = Duration::from_secs\((\d+)\)", (ROOT / "src/store/child.rs").read_text()).group(1))
        self.assertGreater(stop, grace + end)
        self.assertIn("KillMode=mixed", self.text)


class Docs(unittest.TestCase):
    def test_links_lead_somewhere(self):
        # Written beside these, by whoever measures, breaks and guards the relay.
        others = {"sizing.md", "faults.md", "security.md"}
        for page in [*(ROOT / "docs").rglob("*.md"), ROOT / "helm/orderwire/README.md"]:
            for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text()):
                if "://" not in target and Path(target).name not in others:
                    self.assertTrue((page.parent / target).exists(), f"{page.relative_to(ROOT)}: {target}")

    def test_every_metric_that_is_named_is_in_the_dashboard_or_an_alert(self):
        known = (ROOT / "helm/orderwire/files/alerts.yaml").read_text() + (ROOT / "helm/orderwire/files/dashboard.json").read_text()
        for page in (ROOT / "docs").rglob("*.md"):
            if page.name not in {"sizing.md", "faults.md", "security.md"}:
                for name in re.findall(r"orderwire_[a-z_]+", page.read_text()):
                    self.assertIn(name, known, page.name)

    def test_the_secret_of_the_first_shop_has_every_key_that_its_values_name(self):
        readme = (ROOT / "helm/orderwire/README.md").read_text()
        named = set(re.findall(r"/run/secrets/orderwire/([a-z-]+)", str(readme_values())))
        named |= {"encryption-key", "redis-password"}  # by the chart's own values
        for page in (readme, (ROOT / "docs/install-kubernetes.md").read_text()):
            made = set(re.findall(r"--from-literal=([a-z-]+)=", page.split("```")[1 if page is readme else 3]))
            self.assertEqual(made, named)

    def test_every_secret_of_a_channel_has_its_rotation(self):
        page = (ROOT / "docs/secrets.md").read_text()
        rows = [line for line in page.splitlines() if line.startswith("| ")]
        schema = json.loads(subprocess.run([RELAY, "example", "--schema"], check=True, capture_output=True).stdout)
        names = {"line": "LINE", "messenger": "Messenger", "instagram": "Instagram", "whatsapp": "WhatsApp", "telegram": "Telegram",
                 "viber": "Viber", "zalo": "Zalo", "wechat": "WeChat", "sms_twilio": "Twilio", "whatsapp_twilio": "Twilio",
                 "sms_mitake": "Mitake", "email": "SMTP", "slack": "Slack", "teams": "Teams", "discord": "Discord",
                 "google_chat": "Google Chat", "webhook": "`webhook`", "line_pnp": "`line_pnp`"}
        for way in schema["properties"]["channel"]["items"]["oneOf"]:
            while "$ref" in way:
                way = schema["$defs"][way["$ref"].rsplit("/", 1)[1]]
            kind = way["properties"]["kind"]["const"]
            own = "\n".join(row for row in rows if names[kind] in row)
            self.assertTrue(own, kind)
            for key, value in way["properties"].items():
                if "#/$defs/Secret" in json.dumps(value) and kind not in ("line_pnp", "email"):
                    self.assertIn(f"`{key}`", own, f"{kind}: nothing says how {key} is changed")

    def test_the_order_without_an_account_is_taken(self):
        """The commands of docs/install-one-machine.md, against the settings on the same page."""
        page = (ROOT / "docs/install-one-machine.md").read_text()
        text = textwrap.dedent(re.search(r"^ *```toml\n(.*?)^ *```", page, re.S | re.M)[1])
        script = re.search(r"### Without an account first.*?```sh\n(.*?)```", page, re.S)[1]
        public, admin, mock = free_port(), free_port(), free_port()
        with tempfile.TemporaryDirectory() as folder:
            env = {"PATH": os.environ["PATH"], **{n: House.secret(n) for n in ("WOO_SECRET", "LINE_TOKEN", "LINE_SECRET")}}
            file = Path(folder) / "orderwire.toml"
            text = text.replace("/var/lib/orderwire", f"{folder}/data").replace("[server]", f'[server]\nlisten = "127.0.0.1:{public}"')
            text = text.replace('kind = "line"', f'kind = "line"\napi_url = "http://127.0.0.1:{mock}"')
            text = text.replace('locale = "zh-TW"', 'locale = "zh-TW"\nsettle = "1s"\nsettle_untracked = "1s"')
            file.write_text(f'[admin]\nlisten = "127.0.0.1:{admin}"\n{text}')
            relay = Process([RELAY, "-c", file, "serve"], env, Path(folder) / "log")
            self.addCleanup(relay.end)
            until("it is ready", lambda: ask(admin, "/readyz")[0] == 200, 60)
            # The file of secrets is the environment here, and ports are this test's.
            script = script.replace("set -a; . /etc/orderwire/secrets.env; set +a", "true").replace("127.0.0.1:8080", f"127.0.0.1:{public}")
            script = script.replace("127.0.0.1:8090", f"127.0.0.1:{mock}").replace("orderwire mock", f"orderwire mock --http 127.0.0.1:{mock} --smtp 127.0.0.1:{free_port()}")
            script = script.replace("curl -sS http://127.0.0.1:%d/sent" % mock, "for n in $(seq 300); do sent=$(curl -sS http://127.0.0.1:%d/sent); [ \"$sent\" != '[]' ] && break; sleep 0.1; done; echo \"$sent\"; kill %%1" % mock)
            done = subprocess.run(["bash", "-euc", f'orderwire() {{ "{RELAY}" -c "{file}" "$@"; }}\nset -m\n{script}'], capture_output=True, text=True, env=env)
            self.assertIn('{"ok":true,"result":"taken"}', done.stdout, done.stderr)
            self.assertIn("order_placed", done.stdout)
            self.assertIn("U0123456789abcdef0123456789abcdef", done.stdout.splitlines()[-1])

    def test_settings_in_the_docs_are_accepted(self):
        """Whole settings files stand in ```toml blocks that begin with [server]."""
        found = 0
        for page in (ROOT / "docs").glob("*.md"):
            for block in re.findall(r"^ *```toml\n(.*?)^ *```", page.read_text(), re.S | re.M):
                block = textwrap.dedent(block)
                if block.startswith("[server]"):
                    names = re.findall(r'env = "(\w+)"', block)
                    done = check(block, {name: House.secret(name) for name in names})
                    self.assertEqual(done.returncode, 0, f"{page.name}: {done.stdout}")
                    found += 1
        self.assertGreater(found, 0)


if __name__ == "__main__":
    unittest.main()
