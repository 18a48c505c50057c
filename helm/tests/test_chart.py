"""What must hold of everything that the chart renders. T34 to T37 are rows of the project's list of threats."""

import copy
import re
import subprocess
import tempfile
import unittest

import kubernetes_validate
import yaml

from charts import (CHART, HELMS, KUBERNETES, LOADER, RELAY, SETS, House, names, notes, of_kind, only, pods, relays,
                    rendered, run, settings, strings, template)

# Kinds of others' operators, which Kubernetes' own schemas do not know.
FOREIGN = {"HTTPRoute", "PrometheusRule", "ScaledObject", "ServiceMonitor"}
MINIMAL = {"existingSecret": "orderwire", "redis": {"hosts": ["redis.data.svc"]}}


def with_values(**more):
    return {**copy.deepcopy(MINIMAL), **more}


class Rendering(unittest.TestCase):
    def test_every_set_lints(self):
        for helm in HELMS:
            for name, path in SETS.items():
                done = run(helm, "lint", "--strict", str(CHART), "-f", str(path))
                self.assertEqual(done.returncode, 0, f"{helm} {name}: {done.stdout}{done.stderr}")

    def test_both_helms_render_the_same_and_kubernetes_takes_it(self):
        for name in names():
            for version in KUBERNETES:
                docs = rendered(name, HELMS[0], version)
                self.assertEqual(docs, rendered(name, HELMS[1], version), name)
                for doc in docs:
                    if doc["kind"] not in FOREIGN:
                        kubernetes_validate.validate(doc, version.rsplit(".", 1)[0], strict=True)

    def test_a_wrong_field_would_be_found(self):
        doc = copy.deepcopy(only(rendered("minimal"), "Deployment", "-web"))
        doc["spec"]["template"]["spec"]["automountToken"] = False
        with self.assertRaises(kubernetes_validate.ValidationError):
            kubernetes_validate.validate(doc, "1.34", strict=True)

    def test_an_old_kubernetes_is_refused(self):
        self.assertIn("kubeVersion", template(MINIMAL, version="1.29.0"))

    def test_names_are_bound_to_the_release_and_unique(self):
        for name in names():
            docs = rendered(name)
            seen = [(d["kind"], d["metadata"]["name"]) for d in docs]
            self.assertEqual(len(seen), len(set(seen)), name)
            for d in docs:
                self.assertEqual(d["metadata"]["namespace"], "shops", d["metadata"]["name"])
                self.assertLessEqual(len(d["metadata"]["name"]), 52)

    def test_selectors_find_their_pods_and_nobody_elses(self):
        for name in names():
            docs = rendered(name)
            labels = [meta["labels"] for _, meta, _ in pods(docs)]
            for d in docs:
                selector = d["spec"].get("selector", {}) if "spec" in d else {}
                want = selector if d["kind"] == "Service" else selector.get("matchLabels", {})
                if d["kind"] in ("Service", "Deployment", "StatefulSet", "PodDisruptionBudget"):
                    found = [l for l in labels if want.items() <= l.items()]
                    self.assertEqual(len(found), 1, f"{name} {d['kind']} {d['metadata']['name']}")

    def test_wrong_values_are_refused_by_name(self):
        wrong = [
            (with_values(existingSecret=""), "existingSecret is needed"),
            ({"existingSecret": "x"}, "set one of redis.hosts"),
            (with_values(redis={"hosts": ["a"], "urlSecret": {"name": "b"}}), "set one of redis.hosts"),
            (with_values(redis={"hosts": ["a", "b"]}), "one host for mode standalone"),
            (with_values(redis={"hosts": ["a"], "mode": "sentinel"}), "redis.service is needed"),
            (with_values(redis={"hosts": ["a"], "mode": "ring"}), "mode"),
            (with_values(redis={"hosts": ["redis://a"]}), "hosts"),
            (with_values(replicas=3), "replicas"),
            (with_values(web={"replica": 3}), "replica"),
            (with_values(web={"replicas": "3"}), "replicas"),
            (with_values(preStopSeconds=-1), "preStopSeconds"),
            (with_values(settings={"server": {"grace_sec": 3}}), "grace_sec"),
            (with_values(settings={"server": {"grace_secs": "3"}}), "grace_secs"),
            (with_values(settings={"shop": [{"id": "a", "platfrom": "shopify"}]}), "platfrom"),
            (with_values(settings={"route": [{"id": "a", "milestones": [], "audience": "all"}]}), "audience"),
            (with_values(worker={"keda": {"enabled": True}, "autoscaling": {"enabled": True}}), "exclude each other"),
            (with_values(ingress={"enabled": True}), "ingress.host is needed"),
            (with_values(httpRoute={"enabled": True}), "httpRoute.parentRefs is needed"),
        ]
        for helm in HELMS:
            for values, word in wrong:
                said = template(values, helm)
                self.assertTrue(isinstance(said, str), f"{helm} took {values}")
                self.assertIn(word, said)


class Settings(unittest.TestCase):
    def test_the_relay_accepts_what_is_rendered(self):
        for name in names():
            docs = rendered(name)
            with tempfile.TemporaryDirectory() as root:
                house = House(docs, root)
                for pod, _, spec in relays(docs):
                    env = house.environment(spec["containers"][0])
                    done = subprocess.run([RELAY, "-c", house.file, "check"], capture_output=True, text=True, env=env)
                    self.assertEqual(done.returncode, 0, f"{name} {pod}: {done.stdout}{done.stderr}")

    def test_a_mistake_would_be_found(self):
        docs = copy.deepcopy(rendered("full"))
        for d in of_kind(docs, "ConfigMap"):
            if "orderwire.toml" in d["data"]:
                d["data"]["orderwire.toml"] += "\n[sever]\n"
        with tempfile.TemporaryDirectory() as root:
            done = subprocess.run([RELAY, "-c", House(docs, root).file, "check"], capture_output=True, text=True)
            self.assertEqual(done.returncode, 2, done.stdout)

    def test_addresses_of_redis(self):
        want = {
            "minimal": "redis://redis.data.svc/0",
            "trial": "redis://:$(REDIS_PASSWORD)@rel-orderwire-redis:6379/0",
            "full": "rediss://orderwire:$(REDIS_PASSWORD)@redis.data.svc:6380/3",
            "sentinel": "redis+sentinel://:$(REDIS_PASSWORD)@sentinel-0.data.svc,sentinel-1.data.svc,sentinel-2.data.svc:26380"
                        "/mymaster/0?sentinel_password=$(REDIS_SENTINEL_PASSWORD)",
            "cluster": "redis+cluster://orderwire:$(REDIS_PASSWORD)@redis-0.data.svc:6379,redis-1.data.svc:6379,redis-2.data.svc:6379",
        }
        for name, url in want.items():
            for _, _, spec in relays(rendered(name)):
                env = {e["name"]: e.get("value") for e in spec["containers"][0]["env"]}
                self.assertEqual(env["ORDERWIRE__STORE__URL"], url)
                # A reference is put in only where its variable stands before it.
                order = list(env)
                for used in re.findall(r"\$\((\w+)\)", url):
                    self.assertLess(order.index(used), order.index("ORDERWIRE__STORE__URL"))

    def test_a_change_of_settings_rolls_the_pods_and_nothing_else_does(self):
        def sums(values):
            return [meta["annotations"]["checksum/settings"] for _, meta, _ in relays(template(values))]
        before = sums(MINIMAL)
        self.assertEqual(before, sums(with_values(web={"replicas": 5})))
        after = sums(with_values(settings={"server": {"grace_secs": 26}}))
        self.assertTrue(all(a != b for a, b in zip(before, after, strict=True)))

    def test_words_lie_where_the_settings_say(self):
        docs = rendered("full")
        self.assertIn('dir = "/etc/orderwire-words"', settings(docs))
        (_, _, spec) = relays(docs)[0]
        items = next(v for v in spec["volumes"] if v["name"] == "words")["configMap"]["items"]
        self.assertEqual(items, [{"key": "en.shipped.toml", "path": "en/shipped.toml"}])


class T34Pods(unittest.TestCase):
    """Pods meet the standard `restricted`; probes, drain, budgets and spread are there."""

    def test_restricted(self):
        for name in names():
            for pod, _, spec in pods(rendered(name)):
                context = spec["securityContext"]
                self.assertIs(context["runAsNonRoot"], True, pod)
                self.assertEqual(context["seccompProfile"], {"type": "RuntimeDefault"})
                self.assertNotEqual(context.get("runAsUser", 1), 0)
                if name != "managed":
                    self.assertEqual((context["runAsUser"], context["fsGroup"]), (65532, 65532))
                self.assertIs(spec["automountServiceAccountToken"], False, pod)
                for key in ("hostNetwork", "hostPID", "hostIPC", "initContainers"):
                    self.assertNotIn(key, spec)
                for volume in spec["volumes"]:
                    self.assertLessEqual(set(volume) - {"name"}, {"configMap", "projected", "emptyDir"})
                for container in spec["containers"]:
                    self.assertEqual(container["securityContext"], {
                        "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
                        "capabilities": {"drop": ["ALL"]}})
                    self.assertIn("memory", container["resources"]["limits"], pod)
                    self.assertIn("requests", container["resources"])

    def test_service_account_has_no_token(self):
        for name in names():
            for account in of_kind(rendered(name), "ServiceAccount"):
                self.assertIs(account["automountServiceAccountToken"], False)

    def test_probes_ask_the_admin_door(self):
        for name in names():
            for pod, _, spec in relays(rendered(name)):
                container = spec["containers"][0]
                ports = {p["name"]: p["containerPort"] for p in container["ports"]}
                self.assertEqual(ports["admin"], 9090)
                self.assertEqual("http" in ports, "web" in pod)
                for probe, path in (("startupProbe", "/startupz"), ("livenessProbe", "/livez"), ("readinessProbe", "/readyz")):
                    self.assertEqual(container[probe]["httpGet"], {"path": path, "port": "admin"}, pod)

    def test_there_is_time_to_leave(self):
        for name, grace, wait in (("minimal", 25, 10), ("full", 40, 10), ("trial", 5, 10), ("managed", 25, 0)):
            for pod, _, spec in relays(rendered(name)):
                self.assertIn(f"grace_secs = {grace}\n", settings(rendered(name)))
                self.assertEqual(spec["terminationGracePeriodSeconds"], max(wait + grace + 10, wait + 30), pod)
                hook = spec["containers"][0].get("lifecycle")
                self.assertEqual(hook, {"preStop": {"sleep": {"seconds": wait}}} if wait else None)

    def test_budgets_and_spread(self):
        docs = rendered("full")
        for component in ("-web", "-worker"):
            budget = only(docs, "PodDisruptionBudget", component)
            self.assertEqual(budget["spec"]["maxUnavailable"], 1)
        for _, meta, spec in relays(docs):
            keys = [c["topologyKey"] for c in spec["topologySpreadConstraints"]]
            self.assertEqual(keys, ["topology.kubernetes.io/zone", "kubernetes.io/hostname"])
            for constraint in spec["topologySpreadConstraints"]:
                want = constraint["labelSelector"]["matchLabels"]
                self.assertLessEqual(want.items(), meta["labels"].items())

    def test_scaling(self):
        docs = rendered("full")
        hpa = only(docs, "HorizontalPodAutoscaler", "-web")["spec"]
        self.assertEqual(hpa["scaleTargetRef"]["kind"], "StatefulSet")
        # What waits on a volume needs its pod.
        self.assertEqual(hpa["behavior"], {"scaleDown": {"selectPolicy": "Disabled"}})
        scaled = only(docs, "ScaledObject", "-worker")["spec"]
        self.assertEqual(scaled["triggers"][0]["metadata"]["query"],
                         'max(orderwire_queue_orders{state="ready",namespace="shops",job="rel"})')
        for kind, suffix in (("StatefulSet", "-web"), ("Deployment", "-worker")):
            self.assertNotIn("replicas", only(docs, kind, suffix)["spec"], "whoever scales says how many")

    def test_roles(self):
        roles = {p: spec["containers"][0]["args"] for p, _, spec in relays(rendered("minimal"))}
        self.assertEqual(roles, {"rel-orderwire-web": ["serve", "--role", "web"],
                                 "rel-orderwire-worker": ["serve", "--role", "worker"]})
        roles = [spec["containers"][0]["args"][-1] for _, _, spec in relays(rendered("trial"))]
        self.assertEqual(roles, ["all"])

    def test_the_spool_outlives_its_pod(self):
        spec = only(rendered("readme"), "StatefulSet", "-web")["spec"]
        self.assertEqual(spec["volumeClaimTemplates"][0]["metadata"]["name"], "spool")
        self.assertEqual(spec["persistentVolumeClaimRetentionPolicy"], {"whenDeleted": "Retain", "whenScaled": "Retain"})
        mounts = {m["name"]: m["mountPath"] for m in spec["template"]["spec"]["containers"][0]["volumeMounts"]}
        self.assertIn(f'dir = "{mounts["spool"]}"', settings(rendered("readme")))
        self.assertNotIn("[spool]", settings(rendered("minimal")))

    def test_a_worker_keeps_results_beside_itself(self):
        spec = only(rendered("readme"), "Deployment", "-worker")["spec"]["template"]["spec"]
        mounts = {m["name"]: m["mountPath"] for m in spec["containers"][0]["volumeMounts"]}
        self.assertIn(f'dir = "{mounts["spool"]}"', settings(rendered("readme")))
        self.assertEqual([v["emptyDir"] for v in spec["volumes"] if v["name"] == "spool"], [{"sizeLimit": "2Gi"}])
        spec = only(rendered("minimal"), "Deployment", "-worker")["spec"]["template"]["spec"]
        self.assertNotIn("spool", [v["name"] for v in spec["volumes"]])

    def test_the_test_pod_asks_every_kind_of_pod(self):
        for name, components in (("minimal", ["web", "worker"]), ("trial", ["web"])):
            docs = rendered(name)
            pod = only(docs, "Pod", "-test")
            self.assertEqual(pod["metadata"]["annotations"]["helm.sh/hook"], "test")
            urls = [c["args"][2] for c in pod["spec"]["containers"] if c["args"][0] == "health"]
            services = {f"http://{s['metadata']['name']}:{s['spec']['ports'][0]['port']}" for s in of_kind(docs, "Service", "-admin")}
            self.assertEqual(set(urls), services)
            self.assertEqual(len(urls), len(components))


class T35Network(unittest.TestCase):
    """Nothing comes in or goes out but what is named; the admin door is never public."""

    @staticmethod
    def egress(docs):
        return {tuple(p["port"] for p in rule["ports"]): rule.get("to") for rule in only(docs, "NetworkPolicy", "orderwire")["spec"]["egress"]}

    def test_default_deny(self):
        for name in set(names()) - {"managed"}:
            for policy in of_kind(rendered(name), "NetworkPolicy"):
                self.assertEqual(policy["spec"]["policyTypes"], ["Ingress", "Egress"])
            policy = only(rendered(name), "NetworkPolicy", "orderwire")["spec"]
            for _, meta, _ in relays(rendered(name)):
                labels = meta["labels"]
                self.assertLessEqual(policy["podSelector"]["matchLabels"].items(), labels.items())
                self.assertIn(labels["app.kubernetes.io/component"], policy["podSelector"]["matchExpressions"][0]["values"])
            self.assertEqual([r["ports"][0]["port"] for r in policy["ingress"]], [8080, 9090])
            self.assertTrue(policy["ingress"][1]["from"], "the admin door is open to all")

    def test_without_channels_nothing_goes_to_the_internet(self):
        self.assertEqual(set(self.egress(rendered("minimal"))), {(53, 53), (6379,)})

    def test_egress_follows_the_channels(self):
        self.assertEqual(set(self.egress(rendered("full"))), {(53, 53), (6380,), (443,), (8443,), (465,)} )
        self.assertEqual(set(self.egress(rendered("trial"))), {(53, 53), (6379,), (443,)})
        self.assertEqual(set(self.egress(rendered("sentinel"))), {(53, 53), (6379, 26379, 26380)})
        self.assertEqual(set(self.egress(rendered("cluster"))), {(53, 53), (6379,)})
        docs = template(with_values(settings={"channel": [
            {"id": "mail", "kind": "email", "host": "smtp.example.com", "tls": "starttls", "from": {"address": "a@example.com"}}]}))
        self.assertIn((587,), self.egress(docs))

    def test_the_internet_is_not_the_house(self):
        for name, port in (("trial", 443), ("full", 443), ("full", 465)):
            four, six = self.egress(rendered(name))[(port,)]
            for net in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "127.0.0.0/8", "100.64.0.0/10"):
                self.assertIn(net, four["ipBlock"]["except"])
            self.assertIn("fc00::/7", six["ipBlock"]["except"])
        self.assertIn("203.0.113.0/24", self.egress(rendered("full"))[(443,)][0]["ipBlock"]["except"])

    def test_only_the_public_door_is_public(self):
        docs = rendered("full")
        paths = ["/hooks", "/callbacks", "/p", "/l", "/t"]
        rules = only(docs, "Ingress")["spec"]["rules"]
        self.assertEqual([p["path"] for r in rules for p in r["http"]["paths"]], paths)
        (route,) = only(docs, "HTTPRoute")["spec"]["rules"]
        self.assertEqual([m["path"]["value"] for m in route["matches"]], paths)
        service = only(docs, "Service", "orderwire-web")
        self.assertEqual([p["targetPort"] for p in service["spec"]["ports"]], ["http"])
        for backend in [p["backend"]["service"] for r in rules for p in r["http"]["paths"]]:
            self.assertEqual((backend["name"], backend["port"]), (service["metadata"]["name"], {"name": "http"}))
        self.assertEqual([(b["name"], b["port"]) for b in route["backendRefs"]], [(service["metadata"]["name"], service["spec"]["ports"][0]["port"])])
        for admin in of_kind(docs, "Service", "-admin"):
            self.assertEqual(admin["spec"]["clusterIP"], "None")

    def test_prometheus_scrapes_every_pod_as_one_job(self):
        docs = rendered("full")
        monitor = only(docs, "ServiceMonitor")["spec"]
        self.assertEqual(monitor["jobLabel"], "app.kubernetes.io/instance")
        wanted = monitor["selector"]["matchExpressions"][0]["values"]
        found = [s["metadata"]["name"] for s in of_kind(docs, "Service")
                 if s["metadata"]["labels"]["app.kubernetes.io/component"] in wanted
                 and any(p["name"] == monitor["endpoints"][0]["port"] for p in s["spec"]["ports"])]
        self.assertEqual(found, ["rel-orderwire-web-admin", "rel-orderwire-worker-admin"])


class T36Secrets(unittest.TestCase):
    """Secrets are named, never written."""

    def test_a_secret_in_plain_is_refused(self):
        plain = {"value": "canary-0123456789abcdef0123456789abcdef"}
        shop = {"id": "a", "platform": "shopify", "secrets": [plain]}
        for values in (
            with_values(settings={"shop": [shop]}),
            with_values(settings={"store": {"encryption_keys": [plain]}}),
            with_values(settings={"store": {"url": "redis://:canary@redis"}}),
            with_values(settings={"admin": {"metrics_token": plain}}),
            with_values(settings={"channel": [{"id": "l", "kind": "line", "access_token": plain}]}),
            with_values(redis={"hosts": ["user:canary@redis"]}),
        ):
            for helm in HELMS:
                self.assertTrue(isinstance(template(values, helm), str), f"{helm} took {values}")

    def test_nothing_secret_is_rendered(self):
        for name in names():
            docs = rendered(name)
            self.assertEqual(of_kind(docs, "Secret"), [])
            for doc in of_kind(docs, "ConfigMap"):
                if "orderwire.toml" in doc["data"]:
                    text = doc["data"]["orderwire.toml"]
                    for line in text.splitlines():
                        if re.match(r"\w*(secret|token|password|key)s? = ", line):
                            self.assertIn("file = ", line)
                    self.assertNotRegex(text, r"value = |rediss?://")
                else:
                    self.assertNotIn("requirepass", "".join(strings(doc)))
            for pod, meta, spec in pods(docs):
                for container in spec["containers"]:
                    for entry in container["env"]:
                        if re.search("PASSWORD|AUTH|TOKEN|SECRET", entry["name"]):
                            self.assertEqual(list(entry["valueFrom"]), ["secretKeyRef"], pod)
                    for arg in container.get("args", []):
                        self.assertNotIn("$(REDIS", arg)
                for key in meta["annotations"] if "annotations" in meta else []:
                    self.assertRegex(key, r"^(checksum/|helm\.sh/|example\.com/)")

    def test_files_of_secrets_are_for_the_relay_alone(self):
        for name in names():
            for _, _, spec in relays(rendered(name)):
                (volume,) = [v for v in spec["volumes"] if v["name"] == "secrets"]
                self.assertEqual(volume["projected"]["defaultMode"], 0o440)
                self.assertTrue(all(list(s) == ["secret"] for s in volume["projected"]["sources"]))
                (mount,) = [m for m in spec["containers"][0]["volumeMounts"] if m["name"] == "secrets"]
                self.assertEqual((mount["mountPath"], mount["readOnly"]), ("/run/secrets/orderwire", True))


class T37Redis(unittest.TestCase):
    """The small Redis keeps what it acknowledges."""

    def test_it_keeps_and_asks_for_a_password(self):
        docs = rendered("trial")
        conf = only(docs, "ConfigMap", "-redis")["data"]["redis.conf"].splitlines()
        for line in ("appendonly yes", "appendfsync always", "maxmemory-policy noeviction", "maxmemory 512mb"):
            self.assertIn(line, conf)
        spec = only(docs, "StatefulSet", "-redis")["spec"]
        self.assertEqual(spec["replicas"], 1)
        self.assertEqual(spec["persistentVolumeClaimRetentionPolicy"]["whenDeleted"], "Retain")
        claims = [c["metadata"]["name"] for c in spec["volumeClaimTemplates"]]
        container = spec["template"]["spec"]["containers"][0]
        data = next(m["name"] for m in container["volumeMounts"] if m["mountPath"] == "/data")
        self.assertIn(data, claims, "its data would go with the pod")
        self.assertIn("dir /data", conf)
        self.assertIn('requirepass', container["args"][0])

    def test_only_the_relay_reaches_it(self):
        policy = only(rendered("trial"), "NetworkPolicy", "-redis")["spec"]
        self.assertEqual(policy["egress"], [])
        (rule,) = policy["ingress"]
        self.assertEqual(rule["from"][0]["podSelector"]["matchExpressions"][0]["values"], ["web", "worker"])

    def test_there_is_none_unless_asked_for(self):
        for name in set(names()) - {"trial", "readme"}:
            self.assertEqual(of_kind(rendered(name), "StatefulSet", "-redis"), [])


class Monitoring(unittest.TestCase):
    def test_rules_and_dashboard_are_the_files(self):
        docs = rendered("full")
        rules = yaml.load((CHART / "files/alerts.yaml").read_text(), LOADER)
        spec = only(docs, "PrometheusRule")["spec"]
        strip = lambda groups: [[{k: v for k, v in r.items() if k != "annotations"} for r in g["rules"]] for g in groups]
        self.assertEqual(strip(spec["groups"]), strip(rules["groups"]))
        for group in spec["groups"]:
            for rule in group["rules"]:
                if "alert" in rule:
                    self.assertEqual(rule["annotations"]["runbook_url"],
                                     f"https://docs.example.com/orderwire/alerts/{rule['alert']}.md")
        (board,) = of_kind(docs, "ConfigMap", "-dashboard")
        self.assertEqual(board["data"]["orderwire.json"].strip(), (CHART / "files/dashboard.json").read_text().strip())

    def test_every_alert_is_tested_firing_and_at_rest(self):
        rules = yaml.load((CHART / "files/alerts.yaml").read_text(), LOADER)
        alerts = {r["alert"] for g in rules["groups"] for r in g["rules"] if "alert" in r}
        tests = yaml.load((CHART.parent / "tests/alerts.yaml").read_text(), LOADER)["tests"]
        looks = [look for test in tests for look in test.get("promql_expr_test", [])]
        for wanted in (False, True):
            found = {re.search(r'alertname="(\w+)"', look["expr"]).group(1) for look in looks if bool(look["exp_samples"]) == wanted}
            self.assertEqual(alerts, found)

    def test_notes_say_the_next_step(self):
        for helm in HELMS:
            said = notes(SETS["trial"], helm)
            for line in ("helm test rel -n shops", "https://notify.example.com/hooks/shopify/demo-shop", "orderwire explain",
                         "redis.bundled is for trying out", "nothing leads from outside"):
                self.assertIn(line, said)
            said = notes(SETS["full"], helm)
            for line in ("/callbacks/line-main", "/callbacks/messenger-page", "exec sts/rel-orderwire-web"):
                self.assertIn(line, said)
            for line in ("WATCH OUT", "/callbacks/email"):
                self.assertNotIn(line, said)
            never = with_values(settings={"shop": [{"id": "woo", "platform": "woocommerce", "secrets": [{"file": "/run/secrets/orderwire/woo"}]}]})
            self.assertIn("those of woo are lost", notes(never, helm))


if __name__ == "__main__":
    unittest.main()
