"""Rendering the chart with a real helm, and looking at what came out."""

import functools
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import yaml

HELM = Path(__file__).resolve().parent.parent
CHART = HELM / "orderwire"
SETS = {p.name.removesuffix("-values.yaml"): p for p in sorted((CHART / "ci").glob("*-values.yaml"))}
# Oldest that the chart takes, newest known, and two between.
KUBERNETES = ["1.30.0", "1.32.0", "1.34.0", "1.37.0"]
HELMS = [os.environ["HELM3"], os.environ["HELM4"]]
RELAY = os.environ["ORDERWIRE"]
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def readme_values():
    """The values that the chart's README shows."""
    text = (CHART / "README.md").read_text()
    return yaml.load(text.split("```yaml\n")[1].split("```")[0], LOADER)


def run(helm, *args):
    return subprocess.run([helm, *args], capture_output=True, text=True, env={**os.environ, "HELM_CACHE_HOME": "/nonexistent"})


def template(values, helm=HELMS[0], version=KUBERNETES[-1], chart=CHART):
    """Renders a dictionary of values, or a file; gives documents, or the refusal's text."""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        if isinstance(values, Path):
            path = str(values)
        else:
            path = file.name
            json.dump(values, file)
            file.flush()
        done = run(helm, "template", "rel", str(chart), "-n", "shops", "--kube-version", version, "-f", path)
    if done.returncode:
        return done.stderr
    return [d for d in yaml.load_all(done.stdout, LOADER) if d]


def notes(values, helm):
    """What helm would say after an installation, which it only says to a cluster."""
    with tempfile.TemporaryDirectory() as folder:
        chart = Path(shutil.copytree(CHART, Path(folder) / "orderwire"))
        text = (chart / "templates/NOTES.txt").read_text()
        (chart / "templates/_notes.tpl").write_text('{{ define "notes" }}' + text + "{{ end }}")
        (chart / "templates/notes.yaml").write_text('kind: Notes\nmetadata: {name: notes}\ntext: {{ include "notes" . | toJson }}\n')
        docs = template(values, helm, chart=chart)
        assert isinstance(docs, list), docs
        return only(docs, "Notes")["text"]


@functools.cache
def rendered(name, helm=HELMS[0], version=KUBERNETES[-1]):
    values = readme_values() if name == "readme" else SETS[name]
    docs = template(values, helm, version)
    assert isinstance(docs, list), f"{name}: {docs}"
    return docs


def names():
    return [*SETS, "readme"]


def of_kind(docs, kind, suffix=""):
    return [d for d in docs if d["kind"] == kind and d["metadata"]["name"].endswith(suffix)]


def only(docs, kind, suffix=""):
    (one,) = of_kind(docs, kind, suffix)
    return one


def pods(docs):
    """Every pod that the documents make: name, metadata, spec."""
    for d in docs:
        if d["kind"] == "Pod":
            yield d["metadata"]["name"], d["metadata"], d["spec"]
        elif d["kind"] in ("Deployment", "StatefulSet"):
            pod = d["spec"]["template"]
            yield d["metadata"]["name"], pod["metadata"], pod["spec"]


def relays(docs):
    """The pods that run the relay for good."""
    return [p for p in pods(docs) if p[1]["labels"]["app.kubernetes.io/component"] in ("web", "worker")]


def settings(docs):
    return next(d["data"]["orderwire.toml"] for d in of_kind(docs, "ConfigMap") if "orderwire.toml" in d["data"])


def strings(value):
    if isinstance(value, dict):
        for k, v in value.items():
            yield str(k)
            yield from strings(v)
    elif isinstance(value, list):
        for v in value:
            yield from strings(v)
    else:
        yield str(value)


class House:
    """A folder that stands for a pod's root: settings, words, a file for each secret, and the environment."""

    def __init__(self, docs, root, secrets=None):
        self.root, self.docs = Path(root), docs
        text = settings(docs)
        for inside in ("/etc/orderwire-words", "/run/secrets/orderwire", "/var/lib/orderwire", "/var/spool/orderwire"):
            (self.root / inside.lstrip("/")).mkdir(parents=True, exist_ok=True)
            text = text.replace(f'"{inside}', f'"{self.root}{inside}')
        for word in text.split('"'):
            if word.startswith(f"{self.root}/run/secrets/orderwire/"):
                name = Path(word).name
                usual = f"https://hooks.slack.com/services/{name}" if "webhook-url" in name else self.secret(name)
                Path(word).write_text((secrets or {}).get(name, usual))
        for words in of_kind(docs, "ConfigMap", "-words"):
            (_, _, spec) = relays(docs)[0]
            volume = next(v for v in spec["volumes"] if v["name"] == "words")
            for item in volume["configMap"]["items"]:
                path = self.root / "etc/orderwire-words" / item["path"]
                path.parent.mkdir(exist_ok=True)
                path.write_text(words["data"][item["key"]])
        self.file = self.root / "orderwire.toml"
        self.file.write_text(text)

    @staticmethod
    def secret(name):
        """64 hexadecimal digits, other ones for each name: fit for a key, a token and a password."""
        return hashlib.sha256(name.encode()).hexdigest()

    def environment(self, container):
        """The container's environment, as the kubelet puts it together."""
        env = {"PATH": os.environ["PATH"]}
        for entry in container["env"]:
            ref = entry.get("valueFrom", {}).get("secretKeyRef")
            value = self.secret(ref["key"]) if ref else entry["value"]
            if ref and ref["key"] in ("url", "redis-url"):
                value = f"rediss://:{value}@redis.example.com:6380/0"
            for name, known in env.items():
                value = value.replace(f"$({name})", known)
            env[entry["name"]] = value
        return env
