#!/usr/bin/env python3
"""Writes what follows from other files: values.schema.json (from values.yaml and the relay's own JSON Schema), the table
of values in the chart's README (from values.yaml), and the dashboard (from dashboard.py).

    generate.py ORDERWIRE [--check]

ORDERWIRE is the binary. With --check nothing is written, and what is out of date is named."""

import json
import re
import subprocess
import sys
from pathlib import Path

import yaml

from dashboard import dashboard

CHART = Path(__file__).resolve().parent.parent / "orderwire"
BEGIN, END = "<!-- values: written by helm/tools/generate.py -->", "<!-- end of values -->"

# What the chart itself decides: no place in `settings`.
CHARTS_OWN = {
    "server": ["listen"], "admin": ["listen", "allow_remote"], "store": ["url", "dir", "redis_server"],
    "spool": ["dir", "max_bytes"], "words": ["dir"],
}

NAME = {"type": "string", "maxLength": 253, "pattern": "^([a-z0-9]([-a-z0-9.]*[a-z0-9])?)?$"}
QUANTITY = {"type": "string", "pattern": "^[0-9]+(\\.[0-9]+)?([EPTGMk]i?|m)?$"}
COUNT = {"type": "integer", "minimum": 1}
SECONDS = {"type": "integer", "minimum": 1}
PORT = {"type": "integer", "minimum": 1, "maximum": 65535}
FREE_LIST = {"type": "array", "items": {"type": "object"}}
STRINGS = {"type": "object", "additionalProperties": {"type": "string"}}
CIDR = "^([0-9]{1,3}(\\.[0-9]{1,3}){3}|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*)/[0-9]{1,3}$"

# Stricter than what follows from the default alone. A key ending in `.*` is a pattern of paths.
RULES = {
    "image.digest": {"type": "string", "pattern": "^(sha256:[0-9a-f]{64})?$"},
    "image.pullPolicy": {"enum": ["Always", "IfNotPresent", "Never"]},
    "redis.mode": {"enum": ["standalone", "sentinel", "cluster"]},
    "redis.hosts": {"type": "array", "items": {"type": "string", "pattern": "^[A-Za-z0-9._-]+(:[0-9]{1,5})?$|^\\[[0-9A-Fa-f:]+\\](:[0-9]{1,5})?$"}},
    "redis.database": {"type": "integer", "minimum": 0},
    "redis.username": {"type": "string", "pattern": "^[A-Za-z0-9._~%-]*$"},
    "redis.bundled.maxMemory": {"type": "string", "pattern": "^[0-9]+(kb|mb|gb)$"},
    "redis.bundled.image.digest": {"type": "string", "pattern": "^(sha256:[0-9a-f]{64})?$"},
    "existingSecret": NAME, "redis.passwordSecret.name": NAME, "redis.sentinelPasswordSecret.name": NAME,
    "redis.urlSecret.name": NAME, "extraCA.configMap": NAME, "ingress.tlsSecret": NAME,
    "extraSecrets": {"type": "array", "items": {"type": "object", "additionalProperties": False, "required": ["name"], "properties": {"name": NAME}}},
    "image.pullSecrets": {"type": "array", "items": {"type": "object", "additionalProperties": False, "required": ["name"], "properties": {"name": NAME}}},
    "redis.bundled.size": QUANTITY, "spool.size": QUANTITY,
    "spool.maxBytes": {"type": "string", "pattern": "^([0-9]+ *([KMGT]i)?B)?$"},
    "preStopSeconds": {"type": "integer", "minimum": 0, "maximum": 300},
    "startupSeconds": {"type": "integer", "minimum": 2},
    "listenAddress": {"enum": ["0.0.0.0", "[::]"]},
    "podSecurity.runAsUser": {"type": ["integer", "null"], "minimum": 1},
    "podSecurity.fsGroup": {"type": ["integer", "null"], "minimum": 1},
    "service.type": {"enum": ["ClusterIP", "NodePort", "LoadBalancer"]},
    "service.port": PORT,
    "networkPolicy.redisPorts": {"type": "array", "items": PORT},
    "networkPolicy.exceptCIDRs": {"type": "array", "items": {"type": "string", "pattern": CIDR}},
    "serviceMonitor.interval": {"type": "string", "pattern": "^[0-9]+(ms|s|m|h)$"},
    "serviceMonitor.scrapeTimeout": {"type": "string", "pattern": "^[0-9]+(ms|s|m|h)$"},
    "httpRoute.hostnames": {"type": "array", "items": {"type": "string"}},
    "words": {"type": "object", "additionalProperties": {"type": "object", "additionalProperties": {"type": "string"}}},
    "extraEnv": {"type": "array", "items": {"type": "object", "additionalProperties": False, "required": ["name"], "properties": {
        "name": {"type": "string"}, "value": {"type": "string"}, "valueFrom": {"type": "object"}}}},
    "prometheusRule.docsUrl": {"type": "string", "pattern": "^(https?://.+)?$"},
}
PATTERNS = [
    (r"(web|worker)\.replicas$", COUNT),
    (r"\.(minReplicas|maxReplicas|threshold)$", COUNT),
    (r"\.pollingInterval$", SECONDS),
    (r"\.scaleDownSeconds$", {"type": "integer", "minimum": 0, "maximum": 3600}),
    (r"\.targetCPU$", {"type": "integer", "minimum": 1, "maximum": 100}),
    (r"\.maxUnavailable$", {"type": ["integer", "string"], "minimum": 0, "pattern": "^[0-9]+%$"}),
    (r"\.resources$", {"type": "object", "additionalProperties": False, "properties": {
        "requests": {"type": "object"}, "limits": {"type": "object"}, "claims": {"type": "array"}}}),
    (r"(nnotations|abels|nodeSelector)$", STRINGS),
    (r"(behavior|affinity)$", {"type": "object"}),
]


def comments(text):
    """Path → the comment that documents it."""
    found, stack, doc = {}, [], None
    for line in text.splitlines():
        comment = re.match(r"^ *# ?(.*)$", line)
        if comment:
            said = comment.group(1)
            doc = said[3:] if said.startswith("-- ") else f"{doc} {said}" if doc is not None else None
            continue
        key = re.match(r"^( *)([A-Za-z_]+):", line)
        if key:
            depth = len(key.group(1))
            stack = [(d, k) for d, k in stack if d < depth] + [(depth, key.group(2))]
            if doc is not None:
                found[".".join(k for _, k in stack)] = doc
        doc = None
    return found


def rows(values, docs, path=""):
    """The documented values, in the file's order; whatever nobody documented is an error."""
    for key, value in values.items():
        at = f"{path}.{key}" if path else key
        inner = any(other.startswith(f"{at}.") for other in docs)
        if at in docs:
            yield at, ... if inner else value, docs[at]
        if isinstance(value, dict) and inner:
            yield from rows(value, docs, at)
        elif at in docs:
            pass
        else:
            sys.exit(f"values.yaml: {at} is not documented; put a comment `# -- …` above it")


def table(values, docs):
    lines = [BEGIN, "", "| value | default | what it is |", "|---|---|---|"]
    for path, value, doc in rows(values, docs):
        shown = "" if value is ... else f"`{json.dumps(value, ensure_ascii=False)}`".replace("|", "\\|")
        doc = doc.replace("|", "\\|")
        lines.append(f"| `{path}` | {shown} | {doc} |")
    return "\n".join(lines + ["", END])


def rule(path, value, docs):
    strict = RULES.get(path) or next((r for pattern, r in PATTERNS if re.search(pattern, path)), None)
    if strict is None:
        if isinstance(value, dict):
            inner = {k: rule(f"{path}.{k}", v, docs) for k, v in value.items()}
            strict = {"type": "object", "additionalProperties": False, "properties": inner}
        elif isinstance(value, bool):
            strict = {"type": "boolean"}
        elif isinstance(value, list):
            strict = FREE_LIST
        elif isinstance(value, str):
            strict = {"type": "string"}
        else:
            sys.exit(f"generate.py: no rule for {path}, whose default is {value!r}")
    return {"description": docs[path], **strict} if path in docs else strict


def settings(relay):
    """The relay's own schema without what the chart decides, and without secrets in plain."""
    own = json.loads(json.dumps(relay))
    for part, keys in CHARTS_OWN.items():
        for key in keys:
            del own["properties"][part]["properties"][key]
    secret = own["$defs"]["Secret"]
    secret["oneOf"] = [way for way in secret["oneOf"] if "value" not in way["properties"]]
    defs = own.pop("$defs")
    del own["$schema"]
    own.pop("title", None)
    return own, defs


def schema(values, docs, relay):
    own, defs = settings(relay)
    properties = {k: rule(k, v, docs) for k, v in values.items() if k != "settings"}
    properties["settings"] = own
    properties["global"] = {"type": "object", "description": "Values of the charts that this one is part of; not used."}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#", "title": "Values of the chart orderwire",
        "type": "object", "additionalProperties": False, "properties": properties, "$defs": defs,
    }


def main():
    binary, check = sys.argv[1], "--check" in sys.argv[2:]
    relay = json.loads(subprocess.run([binary, "example", "--schema"], check=True, capture_output=True).stdout)
    text = (CHART / "values.yaml").read_text()
    values, docs = yaml.safe_load(text), comments(text)
    readme = (CHART / "README.md").read_text()
    before, rest = readme.split(BEGIN)
    files = {
        "README.md": before + table(values, docs) + rest.split(END)[1],
        "values.schema.json": json.dumps(schema(values, docs, relay), indent=1, ensure_ascii=False) + "\n",
        "files/dashboard.json": json.dumps(dashboard(), indent=1, ensure_ascii=False) + "\n",
    }
    stale = [name for name, new in files.items() if not (CHART / name).is_file() or (CHART / name).read_text() != new]
    if check and stale:
        sys.exit(f"out of date: {', '.join(stale)}; run `make chart-files`")
    for name in [] if check else stale:
        (CHART / name).write_text(files[name])
        print(f"wrote {name}")


if __name__ == "__main__":
    main()
