"""No value of the chart is idle, and every kind of channel goes through it."""

import copy
import json
import re
import subprocess
import sys
import tempfile
import tomllib
import unittest
from concurrent.futures import ThreadPoolExecutor

import yaml

from charts import CHART, HELM, LOADER, RELAY, SETS, House, only, relays, settings, template

sys.path.insert(0, str(HELM / "tools"))
from generate import RULES, comments  # noqa: E402

# Another value than the default, where its form is narrow.
OTHER = {
    "image.digest": "sha256:" + "1" * 64, "redis.bundled.image.digest": "sha256:" + "2" * 64, "image.pullPolicy": "Always",
    "image.pullSecrets": [{"name": "other"}], "extraSecrets": [{"name": "other"}], "redis.mode": "cluster", "redis.hosts": ["other"],
    "redis.bundled.maxMemory": "1gb", "redis.bundled.size": "9Gi", "spool.size": "9Gi", "spool.maxBytes": "9MiB",
    "listenAddress": "[::]", "service.type": "NodePort", "serviceMonitor.interval": "7s", "serviceMonitor.scrapeTimeout": "7s",
    "networkPolicy.exceptCIDRs": ["198.51.100.0/24"], "networkPolicy.redisPorts": [7777], "prometheusRule.docsUrl": "https://other",
    "podSecurity.runAsUser": 7, "podSecurity.fsGroup": 7, "httpRoute.hostnames": ["other"], "extraEnv": [{"name": "A", "value": "b"}],
    "words": {"en": {"shipped": "title = 'x'"}}, "httpRoute.parentRefs": [{"name": "other"}],
    "settings.store.encryption_keys": [{"file": "/run/secrets/orderwire/other"}], "settings.log.format": "auto",
    "settings.shop": [{"id": "o", "platform": "shopify", "secrets": [{"file": "/run/secrets/orderwire/o"}], "timezone": "UTC"}],
    "settings.channel": [{"id": "o", "kind": "slack", "webhook_url": {"file": "/run/secrets/orderwire/o"}}],
    "settings.route": [{"id": "o", "milestones": ["*"], "audience": "staff", "channels": ["o"]}],
}


def leaves(values, path=""):
    for key, value in values.items():
        at = f"{path}.{key}" if path else key
        if isinstance(value, dict) and value and not at.endswith((".labels", ".resources")):
            yield from leaves(value, at)
        else:
            yield at, value


def other(path, value):
    if path in OTHER:
        return OTHER[path]
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, str):
        return value + "x" if value else "other"
    if path.endswith(".resources"):
        return {"requests": {"cpu": "7m"}, "limits": {"memory": "777Mi"}}
    return [{"key": "other"}] if isinstance(value, list) else {"other": "other"}


def put(values, path, value):
    *folders, last = path.split(".")
    for folder in folders:
        values = values.setdefault(folder, {})
    values[last] = value


def merged(path, default):
    """Every values set, each as it is and with another value here."""
    for name in ("full", "trial", "sentinel", "cluster", "managed", "minimal"):
        before = yaml.load(SETS[name].read_text(), LOADER)
        now = before
        for key in path.split("."):
            now = now.get(key) if isinstance(now, dict) else None
        after = copy.deepcopy(before)
        put(after, path, other(path, default if now is None else now))
        if path == "redis.bundled.enabled":
            after["redis"]["hosts"] = []
        yield name, before, after


class Values(unittest.TestCase):
    def test_none_is_idle(self):
        values = yaml.load((CHART / "values.yaml").read_text(), LOADER)
        plain = {name: template(path) for name, path in SETS.items()}

        def fault(leaf):
            path, default = leaf
            refusals = []
            for name, before, after in merged(path, default):
                made = template(after)
                if isinstance(made, str):
                    refusals.append(f"{name}: {made.strip()[:200]}")
                elif made != plain[name]:
                    return None
            return f"{path} changes nothing; {refusals}"

        with ThreadPoolExecutor(4) as pool:
            faults = [f for f in pool.map(fault, leaves(values)) if f]
        self.assertEqual(faults, [])

    def test_rules_and_comments_are_about_values_that_there_are(self):
        text = (CHART / "values.yaml").read_text()
        paths = {path for path, _ in leaves(yaml.load(text, LOADER))}
        inner = {p.rsplit(".", n)[0] for p in paths for n in range(p.count(".") + 1)}
        self.assertEqual(set(RULES) - paths, set())
        self.assertEqual(set(comments(text)) - paths - inner, set())

    def test_every_part_of_the_settings_is_rendered(self):
        schema = json.loads(subprocess.run([RELAY, "example", "--schema"], check=True, capture_output=True).stdout)
        template_text = (CHART / "templates/_settings.tpl").read_text()
        rendered = set(re.findall(r'"(\w+)"', " ".join(re.findall(r"range \$name := list ([^}]*)", template_text))))
        self.assertEqual(rendered, set(schema["properties"]))


def example():
    """The channels of the documented example, secrets as files."""
    text = subprocess.run([RELAY, "example"], check=True, capture_output=True, text=True).stdout
    part = text.split("# ---- Channels")[1].split("# ---- Routes")[0]
    # What is commented out once is the example; twice, a further key.
    lines = [line.removeprefix("# ") for line in part.splitlines()[1:]]
    channels = tomllib.loads("\n".join(lines))["channel"]

    def as_files(value):
        if isinstance(value, dict) and list(value) == ["env"]:
            return {"file": f"/run/secrets/orderwire/{value['env'].lower().replace('_', '-')}"}
        if isinstance(value, dict):
            return {k: as_files(v) for k, v in value.items()}
        return [as_files(v) for v in value] if isinstance(value, list) else value
    return as_files(channels)


# Secrets that are addresses, or have a form of their own.
FORMS = {
    "slack-webhook-url": "https://hooks.slack.com/services/T0/B0/x",
    "teams-workflow-url": "https://default.example.environment.api.powerplatform.com/powerautomate/automations/direct/workflows/0123456789abcdef0123456789abcdef/triggers/manual/paths/invoke?api-version=1&sig=x",
    "discord-webhook-url": "https://discord.com/api/webhooks/1234567890/abcdefghijklmnopqrstuvwxyz0123456789",
    "google-chat-webhook-url": "https://chat.googleapis.com/v1/spaces/AAAA/messages?key=k&token=t",
    "erp-webhook-url": "https://erp.example.com/hooks/orders",
    "erp-webhook-secret": "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
    "telegram-token": "123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw0",
    "wechat-token": "token0123456789", "wechat-aes-key": "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG",
}


class Kinds(unittest.TestCase):
    def values(self):
        channels = example()
        return {
            "existingSecret": "orderwire", "redis": {"hosts": ["redis.data.svc"]},
            "settings": {"server": {"public_url": "https://notify.example.com"}, "channel": channels},
        }, channels

    def test_every_kind_goes_through_the_chart_and_is_accepted(self):
        values, channels = self.values()
        schema = json.loads(subprocess.run([RELAY, "example", "--schema"], check=True, capture_output=True).stdout)
        kinds = set(re.findall(r'"const": "(\w+)"', json.dumps(schema["properties"]["channel"]) + json.dumps(schema["$defs"])))
        self.assertLessEqual({c["kind"] for c in channels}, kinds)
        listed = json.loads(subprocess.run([RELAY, "channels", "--json"], check=True, capture_output=True).stdout)
        self.assertEqual({c["kind"] for c in channels}, {k["kind"] for k in listed})
        docs = template(values)
        self.assertIsInstance(docs, list, docs)
        with tempfile.TemporaryDirectory() as root:
            house = House(docs, root, FORMS)
            (_, _, spec) = relays(docs)[0]
            done = subprocess.run([RELAY, "-c", house.file, "check"], capture_output=True, text=True,
                                  env=house.environment(spec["containers"][0]))
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        read = tomllib.loads(settings(docs))
        self.assertEqual(read["channel"], channels)

    def test_every_kind_has_its_way_out(self):
        values, channels = self.values()
        for channel in channels:
            only_it = copy.deepcopy(values)
            only_it["settings"]["channel"] = [channel]
            ports = self.ports(only_it)
            self.assertEqual(ports, {587 if channel["kind"] == "email" else 443}, channel["kind"])
        for channel in channels:
            schema_keys = [k for k in ("api_url", "business_url", "oauth_url") if k in self.keys(channel["kind"])]
            moved = copy.deepcopy(values)
            addresses = {key: f"https://proxy.example.com:{9000 + n}/path" for n, key in enumerate(schema_keys)}
            moved["settings"]["channel"] = [{**channel, **addresses}]
            want = {9000 + n for n in range(len(schema_keys))} or {587 if channel["kind"] == "email" else 443}
            self.assertEqual(self.ports(moved), want, channel["kind"])

    @staticmethod
    def keys(kind):
        """Keys of a kind whose name says that it is connected to."""
        schema = json.loads((CHART / "values.schema.json").read_text())
        ways = schema["properties"]["settings"]["properties"]["channel"]["items"]
        for way in ways.get("oneOf") or ways["anyOf"]:
            while "$ref" in way:
                way = schema["$defs"][way["$ref"].rsplit("/", 1)[1]]
            if way["properties"]["kind"].get("const") == kind:
                odd = {k for k in way["properties"] if k.endswith("_url")} - {"api_url", "business_url", "oauth_url", "start_url", "webhook_url"}
                assert not odd, f"does the network policy know of {odd}?"
                return set(way["properties"])
        raise AssertionError(f"no kind {kind}")

    @staticmethod
    def ports(values):
        docs = template(values)
        assert isinstance(docs, list), docs
        rules = only(docs, "NetworkPolicy", "orderwire")["spec"]["egress"]
        return {p["port"] for r in rules for p in r["ports"]} - {53, 6379}


if __name__ == "__main__":
    unittest.main()
