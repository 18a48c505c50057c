{{/* Redis: its address, put together by the kubelet from parts and Secrets, so that no password stands in a manifest. */}}
{{- define "orderwire.redis.check" -}}
{{- $redis := .Values.redis -}}
{{- $ways := 0 -}}
{{- if $redis.bundled.enabled }}{{ $ways = add1 $ways }}{{ end -}}
{{- if $redis.hosts }}{{ $ways = add1 $ways }}{{ end -}}
{{- if $redis.urlSecret.name }}{{ $ways = add1 $ways }}{{ end -}}
{{- if ne (int $ways) 1 -}}
{{- fail "set one of redis.hosts, redis.urlSecret.name, redis.bundled.enabled: that is where state is kept" -}}
{{- end -}}
{{- if $redis.hosts -}}
{{- if and (eq $redis.mode "standalone") (ne (len $redis.hosts) 1) -}}
{{- fail "redis.hosts: one host for mode standalone" -}}
{{- end -}}
{{- if and (eq $redis.mode "sentinel") (not $redis.service) -}}
{{- fail "redis.service is needed for mode sentinel: the name that the sentinels know (mymaster)" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "orderwire.redis.passwordSecret" -}}
{{- if .Values.redis.passwordSecret.name -}}
{{- .Values.redis.passwordSecret.name -}}
{{- else if .Values.redis.bundled.enabled -}}
{{- include "orderwire.existingSecret" . -}}
{{- end -}}
{{- end -}}

{{- define "orderwire.redis.url" -}}
{{- $redis := .Values.redis -}}
{{- $access := "" -}}
{{- if include "orderwire.redis.passwordSecret" . -}}
{{- $access = printf "%s:$(REDIS_PASSWORD)@" $redis.username -}}
{{- end -}}
{{- $scheme := ternary "rediss" "redis" $redis.tls -}}
{{- if $redis.bundled.enabled -}}
redis://{{ $access }}{{ include "orderwire.fullname" . }}-redis:6379/0
{{- else if eq $redis.mode "sentinel" -}}
{{ $scheme }}+sentinel://{{ $access }}{{ join "," $redis.hosts }}/{{ $redis.service }}/{{ int $redis.database }}
{{- if $redis.sentinelPasswordSecret.name }}?sentinel_password=$(REDIS_SENTINEL_PASSWORD){{ end -}}
{{- else if eq $redis.mode "cluster" -}}
{{ $scheme }}+cluster://{{ $access }}{{ join "," $redis.hosts }}
{{- else -}}
{{ $scheme }}://{{ $access }}{{ first $redis.hosts }}/{{ int $redis.database }}
{{- end -}}
{{- end -}}

{{- define "orderwire.fromSecret" -}}
- name: {{ .env }}
  valueFrom:
    secretKeyRef:
      name: {{ .name }}
      key: {{ .key }}
{{- end -}}

{{- define "orderwire.redis.env" -}}
{{- $redis := .Values.redis -}}
{{- with $redis.urlSecret.name -}}
{{ include "orderwire.fromSecret" (dict "env" "ORDERWIRE__STORE__URL" "name" . "key" $redis.urlSecret.key) }}
{{- else -}}
{{- with include "orderwire.redis.passwordSecret" . -}}
{{ include "orderwire.fromSecret" (dict "env" "REDIS_PASSWORD" "name" . "key" $redis.passwordSecret.key) }}
{{ end -}}
{{- if and $redis.sentinelPasswordSecret.name (eq $redis.mode "sentinel") -}}
{{ include "orderwire.fromSecret" (dict "env" "REDIS_SENTINEL_PASSWORD" "name" $redis.sentinelPasswordSecret.name "key" $redis.sentinelPasswordSecret.key) }}
{{ end -}}
- name: ORDERWIRE__STORE__URL
  value: {{ include "orderwire.redis.url" . | quote }}
{{- end -}}
{{- end -}}

{{/* Ports that Redis may be at, as a JSON list. */}}
{{- define "orderwire.redis.ports" -}}
{{- $redis := .Values.redis -}}
{{- $ports := list -}}
{{- if .Values.networkPolicy.redisPorts -}}
{{- range .Values.networkPolicy.redisPorts }}{{ $ports = append $ports (int .) }}{{ end -}}
{{- else -}}
{{- if or (not $redis.hosts) (ne $redis.mode "standalone") }}{{ $ports = append $ports 6379 }}{{ end -}}
{{- range $redis.hosts -}}
{{- $usual := ternary "26379" "6379" (eq $redis.mode "sentinel") -}}
{{- $port := regexFind "[0-9]+$" (regexFind ":[0-9]+$" .) | default $usual -}}
{{- $ports = append $ports (int $port) -}}
{{- end -}}
{{- end -}}
{{- $ports | uniq | toJson -}}
{{- end -}}
