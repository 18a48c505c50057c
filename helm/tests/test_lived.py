"""The rendered containers at work: probes, an outage of Redis, and a rolling restart under load."""

import signal
import subprocess
import unittest

from charts import RELAY, readme_values
from world import World, ask, order, person, post, roll, until


class Lived(unittest.TestCase):
    def test_probes_say_what_kubernetes_must_know(self):
        with World() as world:
            web, worker = world.relay("-web").up(), world.relay("-worker").up()
            for pod in (web, worker):
                self.assertEqual(pod.probe("livenessProbe"), 200)
                # The address that the chart's test pod asks.
                done = subprocess.run([RELAY, "health", "--url", f"http://127.0.0.1:{pod.admin}"], capture_output=True)
                self.assertEqual(done.returncode, 0, done.stdout)
            # A command inside the pod, by the token in its own folder.
            done = subprocess.run([RELAY, "-c", web.file, "queue", "stats"], capture_output=True, env=web.env)
            self.assertEqual(done.returncode, 0, done.stderr)
            # Health and metrics are not on the public door.
            for path in ("/metrics", "/livez", "/readyz", "/api/v1/queue"):
                self.assertEqual(ask(web.public, path)[0], 404, path)
            self.assertEqual(ask(web.public, "/hooks/woocommerce/woo", "POST", b"{}")[0], 401)
            self.assertEqual(post(web.public, 1), 200)
            until("the message is told", lambda: world.sent() == {person(1): 1})
            # Redis dies: nobody is restarted, nobody is sent anything.
            world.redis.end(signal.SIGKILL)
            until("not ready", lambda: web.probe("readinessProbe") == 503 and worker.probe("readinessProbe") == 503)
            self.assertEqual((web.probe("livenessProbe"), worker.probe("livenessProbe")), (200, 200))
            self.assertEqual(post(web.public, 2), 503)
            # It comes back with what it had acknowledged.
            world.redis = world.start_redis()
            until("ready again", lambda: web.probe("readinessProbe") == 200 and worker.probe("readinessProbe") == 200)
            self.assertEqual(post(web.public, 1), 200)
            self.assertEqual(post(web.public, 3), 200)
            until("the next is told", lambda: person(3) in world.sent())
            self.assertEqual(world.sent()[person(1)], 1, "known before the outage")

    def test_the_first_shop_of_the_readme_is_told(self):
        values = readme_values()
        # Told at once, or this would take half a minute more.
        values["settings"]["shop"][0] |= {"settle": "0s", "settle_untracked": "0s"}
        with World(values) as world:
            web, worker = world.relay("-web").up(), world.relay("-worker").up()
            body, headers = order(1)
            self.assertEqual(ask(web.public, "/hooks/woocommerce/my-shop", "POST", body, headers)[0], 200)
            until("the message is told", lambda: world.sent() == {person(1): 1})
            done = subprocess.run([RELAY, "-c", web.file, "explain", "my-shop", "1"], capture_output=True, text=True, env=web.env)
            self.assertIn("order_placed (order, customers main): sent by line-main", done.stdout, done.stderr)

    def test_a_rolling_restart_loses_and_doubles_nothing(self):
        with World() as world:
            roll(self, world)


if __name__ == "__main__":
    unittest.main()
