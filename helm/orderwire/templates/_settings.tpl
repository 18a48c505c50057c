{{/*
The settings file. Values are YAML and the relay reads TOML; Helm's own toToml writes every number as a float, which is
no number of seconds, so tables are written here.
*/}}
{{- define "orderwire.toml.key" -}}
{{- if regexMatch "^[A-Za-z0-9_-]+$" . }}{{ . }}{{ else }}{{ toRawJson . }}{{ end -}}
{{- end -}}

{{- define "orderwire.toml.value" -}}
{{- if kindIs "map" . -}}
{{- $parts := list -}}
{{- range $key, $value := . -}}
{{- if not (kindIs "invalid" $value) -}}
{{- $parts = append $parts (printf "%s = %s" (include "orderwire.toml.key" $key) (include "orderwire.toml.value" $value)) -}}
{{- end -}}
{{- end -}}
{ {{ join ", " $parts }} }
{{- else if kindIs "slice" . -}}
{{- $parts := list -}}
{{- range . }}{{ $parts = append $parts (include "orderwire.toml.value" .) }}{{ end -}}
[{{ join ", " $parts }}]
{{- else if kindIs "float64" . -}}
{{- if eq (floor .) . }}{{ printf "%.0f" . }}{{ else }}{{ . }}{{ end -}}
{{- else if kindIs "string" . -}}
{{- toRawJson . -}}
{{- else -}}
{{- . -}}
{{- end -}}
{{- end -}}

{{- define "orderwire.toml.table" -}}
{{- range $key, $value := . }}
{{- if not (kindIs "invalid" $value) }}
{{ include "orderwire.toml.key" $key }} = {{ include "orderwire.toml.value" $value }}
{{- end }}
{{- end }}
{{- end -}}

{{/* What the chart decides goes over what the values say. */}}
{{- define "orderwire.settings" -}}
{{- $own := dict
  "server" (dict "listen" (printf "%s:8080" .Values.listenAddress))
  "admin" (dict "listen" (printf "%s:9090" .Values.listenAddress) "allow_remote" true)
  "store" (dict "dir" "/var/lib/orderwire") -}}
{{- if .Values.spool.enabled -}}
{{- $spool := dict "dir" "/var/spool/orderwire" -}}
{{- with .Values.spool.maxBytes }}{{ $_ := set $spool "max_bytes" . }}{{ end -}}
{{- $_ := set $own "spool" $spool -}}
{{- end -}}
{{- if .Values.words }}{{ $_ := set $own "words" (dict "dir" "/etc/orderwire-words") }}{{ end -}}
{{- $all := mergeOverwrite (deepCopy .Values.settings) $own -}}
# Written by the chart. Redis' address comes from the environment, secrets from files.
{{- range $name := list "server" "admin" "store" "spool" "worker" "words" "log" }}
{{- with index $all $name }}

[{{ $name }}]
{{- include "orderwire.toml.table" . }}
{{- end }}
{{- end }}
{{- range $name := list "shop" "channel" "route" }}
{{- range index $all $name }}

[[{{ $name }}]]
{{- include "orderwire.toml.table" . }}
{{- end }}
{{- end }}
{{ end -}}

{{- define "orderwire.graceSecs" -}}
{{- $server := .Values.settings.server | default dict -}}
{{- if hasKey $server "grace_secs" }}{{ int $server.grace_secs }}{{ else }}25{{ end -}}
{{- end -}}
