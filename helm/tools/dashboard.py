"""The Grafana dashboard, from a list of panels. `generate.py` writes it out."""

SELECTED = 'namespace=~"$namespace",job=~"$job"'

# Row, then panels: title, unit, [(query, legend)], help. `$s` stands for the selected release.
ROWS = [
    ("At a glance", [
        ("Processes", "none", [('count(orderwire_build_info{$s})', "")], "Pods that answer Prometheus."),
        ("Oldest order due", "s", [('max(orderwire_oldest_owed_seconds{$s})', "")], "Age of the oldest order that is due and not served."),
        ("Owed", "none", [('max(orderwire_owed_items{$s})', "")], "Messages not yet told, those that wait included."),
        ("Dead", "none", [('max(orderwire_dead_items{$s})', "")], "Messages that a person must look at."),
        ("Spool", "none", [('sum(orderwire_spool_records{$s})', "")], "Requests that wait on disk for Redis."),
        ("Genuine webhooks refused, 1 h", "percentunit", [('sum(rate(orderwire_webhooks_total{$s,outcome="unavailable"}[1h])) / (sum(rate(orderwire_webhooks_total{$s,outcome!~"unsigned|bad_signature|wrong_account|bad_token|unknown_shop|shut_out|too_large|too_slow"}[1h])) > 0) or vector(0)', "")], "The objective is below 0.1 % over 30 days."),
    ]),
    ("The door", [
        ("Webhooks by outcome", "reqps", [('sum by (outcome) (rate(orderwire_webhooks_total{$s}[$__rate_interval])) > 0', "{{outcome}}")], ""),
        ("Webhooks taken by shop", "reqps", [('sum by (shop) (rate(orderwire_webhooks_total{$s,outcome="taken"}[$__rate_interval]))', "{{shop}}")], ""),
        ("Time to the answer", "s", [
            ('histogram_quantile(0.5, sum by (le) (rate(orderwire_webhook_accept_seconds_bucket{$s}[$__rate_interval])))', "half"),
            ('histogram_quantile(0.99, sum by (le) (rate(orderwire_webhook_accept_seconds_bucket{$s}[$__rate_interval])))', "99 %")], "Shopify waits 5 s."),
        ("Secrets in use", "reqps", [('sum by (shop, secret) (rate(orderwire_webhook_signature_total{$s}[1h]))', "{{shop}} {{secret}}")], "A secret other than 0 in use: its rotation is unfinished."),
        ("Last genuine webhook", "s", [('time() - max by (shop) (orderwire_webhook_last_timestamp_seconds{$s})', "{{shop}}")], ""),
        ("Callbacks by outcome", "reqps", [('sum by (channel, outcome) (rate(orderwire_callbacks_total{$s}[$__rate_interval]))', "{{channel}} {{outcome}}")], ""),
        ("Callback to effect, 99 %", "s", [('histogram_quantile(0.99, sum by (channel, le) (rate(orderwire_callback_effect_seconds_bucket{$s}[$__rate_interval])))', "{{channel}}")], ""),
    ]),
    ("Messages", [
        ("Sends by verdict", "reqps", [('sum by (channel, verdict) (rate(orderwire_attempts_total{$s}[$__rate_interval]))', "{{channel}} {{verdict}}")], ""),
        ("Webhook to acceptance", "s", [
            ('histogram_quantile(0.5, sum by (le) (rate(orderwire_webhook_to_acceptance_seconds_bucket{$s}[$__rate_interval])))', "half"),
            ('histogram_quantile(0.95, sum by (le) (rate(orderwire_webhook_to_acceptance_seconds_bucket{$s}[$__rate_interval])))', "95 %")], "Settling, quiet hours and windows included."),
        ("Providers' time, 99 %", "s", [('histogram_quantile(0.99, sum by (channel, le) (rate(orderwire_provider_seconds_bucket{$s}[$__rate_interval])))', "{{channel}}")], ""),
        ("Orders in the queue", "none", [('max by (state) (orderwire_queue_orders{$s})', "{{state}}")], ""),
        ("Parked by channel", "none", [('max by (channel) (orderwire_parked_orders{$s})', "{{channel}}")], ""),
        ("Channel rests", "none", [('max by (channel) (orderwire_breaker_open{$s})', "{{channel}}")], ""),
        ("Ended by milestone", "reqps", [('sum by (outcome) (rate(orderwire_outcomes_total{$s}[$__rate_interval]))', "{{outcome}}")], ""),
        ("Not told, by reason", "reqps", [('sum by (reason) (rate(orderwire_skips_total{$s}[$__rate_interval]))', "{{reason}}")], ""),
        ("Put off, by reason", "reqps", [('sum by (reason) (rate(orderwire_waits_total{$s}[$__rate_interval]))', "{{reason}}")], ""),
        ("Retries and unsure", "reqps", [
            ('sum by (channel) (rate(orderwire_retries_total{$s}[$__rate_interval]))', "{{channel}} again"),
            ('sum by (channel) (rate(orderwire_unsure_total{$s}[$__rate_interval]))', "{{channel}} unsure")], ""),
        ("Held back by pace, 99 %", "s", [('histogram_quantile(0.99, sum by (channel, le) (rate(orderwire_rate_limit_wait_seconds_bucket{$s}[$__rate_interval])))', "{{channel}}")], ""),
        ("Quota left", "none", [('min by (channel) (orderwire_quota_left{$s})', "{{channel}}")], ""),
        ("Quota used", "percentunit", [('max by (channel) (orderwire_quota_used_ratio{$s})', "{{channel}}")], ""),
        ("Templates stopped", "none", [('max by (channel) (orderwire_templates_stopped{$s})', "{{channel}}")], "By the provider: paused, rejected, of another category."),
        ("Told by webhooks, or missed", "none", [('sum by (shop, result) (increase(orderwire_reconcile_orders_total{$s}[1h]))', "{{shop}} {{result}}")], "What a poll of the shop found. missed: no webhook had told it."),
        ("Last asked for all changes", "s", [('time() - max by (shop) (orderwire_reconcile_last_timestamp_seconds{$s})', "{{shop}}")], ""),
        ("Written to orders at the shop", "reqps", [('sum by (shop, outcome) (rate(orderwire_write_back_total{$s}[$__rate_interval]))', "{{shop}} {{outcome}}")], ""),
    ]),
    ("Redis, spool and workers", [
        ("Time of a step, 99 %", "s", [('histogram_quantile(0.99, sum by (op, le) (rate(orderwire_redis_seconds_bucket{$s}[$__rate_interval])))', "{{op}}")], ""),
        ("Failures by kind", "reqps", [('sum by (kind) (rate(orderwire_redis_errors_total{$s}[$__rate_interval]))', "{{kind}}")], ""),
        ("Memory used", "percentunit", [('max(orderwire_redis_memory_used_ratio{$s})', "")], "Of maxmemory; 0 without a limit."),
        ("Clock skew", "s", [('max(abs(orderwire_clock_skew_seconds{$s}))', "")], ""),
        ("Durability level", "none", [('min(orderwire_store_durability_level{$s})', "")], "1 relaxed, 2 local, 3 replicated."),
        ("Spool", "bytes", [('sum by (pod, instance) (orderwire_spool_bytes{$s})', "{{pod}} {{instance}}")], ""),
        ("Spool set aside", "none", [('sum(orderwire_spool_set_aside{$s})', "")], ""),
        ("Taken from the spool", "reqps", [('sum by (end) (rate(orderwire_spool_ended_total{$s}[$__rate_interval]))', "{{end}}")], "What became of requests that had waited on disk."),
        ("Flush of the spool, 99 %", "s", [('histogram_quantile(0.99, sum by (le) (rate(orderwire_spool_flush_seconds_bucket{$s}[$__rate_interval])))', "")], ""),
        ("Reach of what was acknowledged lately", "s", [('min(orderwire_ring_reach_seconds{$s})', "")], "At durability replicated: so much is offered again when a primary is replaced."),
        ("Offered again after a failover", "none", [('sum by (result) (increase(orderwire_ring_offered_total{$s}[1h]))', "{{result}}")], "stored: it had been lost."),
        ("Taken over, lost, begun again", "reqps", [
            ('sum(rate(orderwire_redeliveries_total{$s}[$__rate_interval]))', "taken over"),
            ('sum(rate(orderwire_leases_lost_total{$s}[$__rate_interval]))', "too late"),
            ('sum(rate(orderwire_commit_conflicts_total{$s}[$__rate_interval]))', "begun again")], ""),
        ("Sends not written down", "none", [('max(orderwire_settle_backlog{$s})', "")], ""),
        ("Reloads", "none", [('sum by (result) (increase(orderwire_reload_total{$s}[1h]))', "{{result}}")], ""),
        ("Wrong tokens at the admin door", "none", [('sum(increase(orderwire_admin_auth_failures_total{$s}[1h]))', "")], ""),
    ]),
]

SOURCE = {"type": "prometheus", "uid": "${datasource}"}


def variable(name, label, query):
    return {
        "name": name, "label": label, "type": "query", "datasource": SOURCE,
        "query": query, "definition": query, "refresh": 2, "includeAll": True, "multi": True,
        "allValue": ".*", "current": {"text": "All", "value": "$__all"},
    }


def panel(number, kind, x, y, width, height, title, unit, queries, about):
    targets = [
        {"refId": chr(65 + i), "datasource": SOURCE, "expr": expr.replace("$s", SELECTED), "legendFormat": legend or "__auto"}
        for i, (expr, legend) in enumerate(queries)
    ]
    return {
        "id": number, "type": kind, "title": title, "description": about, "datasource": SOURCE,
        "gridPos": {"x": x, "y": y, "w": width, "h": height}, "targets": targets,
        "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
    }


def dashboard():
    panels, number, y = [], 0, 0
    for row, (title, members) in enumerate(ROWS):
        number += 1
        panels.append({"id": number, "type": "row", "title": title, "collapsed": False, "panels": [],
                       "gridPos": {"x": 0, "y": y, "w": 24, "h": 1}})
        y += 1
        kind, width, height = ("stat", 4, 4) if row == 0 else ("timeseries", 8, 8)
        for i, member in enumerate(members):
            number += 1
            column, line = i % (24 // width), i // (24 // width)
            panels.append(panel(number, kind, column * width, y + line * height, width, height, *member))
        y += height * -(-len(members) // (24 // width))
    return {
        "uid": "orderwire", "title": "orderwire", "tags": ["orderwire"], "schemaVersion": 39, "editable": True,
        "time": {"from": "now-6h", "to": "now"}, "refresh": "30s", "timezone": "browser",
        "templating": {"list": [
            {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"},
            variable("namespace", "Namespace", "label_values(orderwire_build_info, namespace)"),
            variable("job", "Release", "label_values(orderwire_build_info, job)"),
        ]},
        "panels": panels,
    }
