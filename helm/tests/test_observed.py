"""A real Prometheus looks at the running relay: nothing is alerted while all is well, the alerts fire when a provider or
Redis fails and rest when it heals, and every query of the dashboard returns something.

Windows and waits of the rules are seconds here in place of minutes, or this would take hours."""

import copy
import json
import os
import re
import signal
import unittest
import urllib.parse

from charts import CHART
from world import VALUES, Process, World, ask, free_port, order, person, post, until

# The settings name no templates, and no shop's own API.
ABSENT = {"orderwire_templates_stopped", "orderwire_reconcile", "orderwire_write_back"}


def quick(rules):
    rules = re.sub(r"\bfor: \w+", "for: 0s", rules)
    return re.sub(r"\[\d+[mhd]\]", "[15s]", rules)


class Prometheus(Process):
    def __init__(self, world, pods):
        self.port = free_port()
        folder = world.root / "prometheus"
        folder.mkdir()
        (folder / "alerts.yaml").write_text(quick((CHART / "files/alerts.yaml").read_text()))
        targets = [{"targets": [f"127.0.0.1:{p.admin}"], "labels": {"namespace": "shops", "pod": p.name}} for p in pods]
        config = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": ["alerts.yaml"],
            "scrape_configs": [{"job_name": "rel", "static_configs": targets}],
        }
        (folder / "prometheus.yml").write_text(json.dumps(config))
        super().__init__(
            ["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
             f"--web.listen-address=127.0.0.1:{self.port}", "--log.level=warn"], dict(os.environ), world.root / "prometheus.log")
        until("Prometheus is ready", lambda: ask(self.port, "/-/ready")[0] == 200, 60)

    def query(self, expr):
        status, text = ask(self.port, "/api/v1/query?" + urllib.parse.urlencode({"query": expr}))
        assert status == 200, f"{expr}: {text}"
        return json.loads(text)["data"]["result"]

    def firing(self):
        return {s["metric"]["alertname"] for s in self.query('ALERTS{alertstate="firing"}')}


def dashboard_queries():
    board = json.loads((CHART / "files/dashboard.json").read_text())
    for panel in board["panels"]:
        for target in panel.get("targets", []):
            expr = target["expr"].replace("$namespace", "shops").replace("$job", "rel").replace("$__rate_interval", "5m")
            yield panel["title"], expr


class Observed(unittest.TestCase):
    def test_alerts_fire_and_rest_and_the_dashboard_is_full(self):
        values = copy.deepcopy({**VALUES, "spool": {"enabled": True}})
        # So that some messages are held back by their channel's pace.
        values["settings"]["channel"][0]["per_second"] = 4
        with World(values) as world:
            web, worker = world.relay("-web").up(), world.relay("-worker").up()
            prometheus = world.keep(Prometheus(world, [web, worker]))
            until("both are scraped", lambda: len(prometheus.query("orderwire_build_info")) == 2)

            # All is well: messages, a person who writes.
            for number in range(1, 11):
                self.assertEqual(post(web.public, number), 200)
            until("all are told", lambda: len(world.sent()) == 10)
            self.assertEqual(ask(world.mock_port, "/relay", "PUT", f"http://127.0.0.1:{web.public}")[0], 200)
            self.assertEqual(ask(world.mock_port, f"/say/line/{person(1)}", "POST", '{"text": "thanks"}')[0], 200)
            # One who wants no more messages, and orders again.
            self.assertEqual(ask(world.mock_port, f"/say/line/{person(2)}", "POST", '{"text": "STOP"}')[0], 200)
            body, headers = order(99, lambda _: person(2))
            self.assertEqual(ask(web.public, "/hooks/woocommerce/woo", "POST", body, headers)[0], 200)
            until("it is skipped", lambda: prometheus.query('orderwire_skips_total{reason="opted_out"} > 0'))
            until("a look at the queue", lambda: prometheus.query("orderwire_store_durability_level == 2"))
            self.assertEqual(prometheus.firing(), set())

            # The provider fails: five failures rest the channel, and its orders wait.
            world.fault({"status": [500, ""]})
            for number in range(11, 19):
                self.assertEqual(post(web.public, number), 200)
            until("the channel rests", lambda: "OrderwireChannelResting" in prometheus.firing(), 60)
            until("orders are parked", lambda: prometheus.query("orderwire_parked_orders > 0"), 60)
            world.heal()
            until("it rests no more", lambda: "OrderwireChannelResting" not in prometheus.firing(), 120)
            until("what waited is told", lambda: len(world.sent()) == 18, 120)
            sent = world.sent()
            self.assertEqual(sent.pop(person(2)), 2, "what they were told, and the answer to their STOP")
            self.assertEqual(set(sent.values()), {1}, "each once")

            # Redis dies: what comes waits on disk.
            world.redis.end(signal.SIGKILL)
            self.assertEqual(post(web.public, 19), 200)
            until("both are alerted", lambda: {"OrderwireSpoolInUse", "OrderwireRedisAway"} <= prometheus.firing(), 60)
            self.assertEqual((web.probe("readinessProbe"), worker.probe("readinessProbe")), (200, 503))
            world.redis = world.start_redis()
            until("the spooled one is told", lambda: person(19) in world.sent(), 60)
            until("all rests", lambda: not prometheus.firing(), 40)

            empty = [f"{title}: {expr}" for title, expr in dashboard_queries()
                     if not any(name in expr for name in ABSENT) and not prometheus.query(expr)]
            self.assertEqual(empty, [])


if __name__ == "__main__":
    unittest.main()
