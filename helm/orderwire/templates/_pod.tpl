{{/* A pod of the relay: `root`, `component`, `args`, `own` (values of the component), `spool` (bool). */}}
{{- define "orderwire.pod" -}}
{{- $values := .root.Values -}}
metadata:
  labels:
    {{- include "orderwire.labels" . | nindent 4 }}
    {{- with .own.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    checksum/settings: {{ include "orderwire.settings" .root | sha256sum }}
    {{- with .own.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "orderwire.serviceAccount" .root }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  {{- with $values.image.pullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .own.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  securityContext:
    {{- include "orderwire.podSecurity" .root | nindent 4 }}
  # The wait before SIGTERM, the relay's own grace time, and what it takes to close; at least 30 seconds after the wait.
  terminationGracePeriodSeconds: {{ add $values.preStopSeconds (max 30 (add (include "orderwire.graceSecs" .root) 10)) }}
  topologySpreadConstraints:
    {{- include "orderwire.spread" (dict "root" .root "component" .component "own" .own.topologySpreadConstraints) | trim | nindent 4 }}
  {{- with .own.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .own.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .own.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: orderwire
      {{- include "orderwire.container" .root | nindent 6 }}
      args:
        {{- toYaml .args | nindent 8 }}
      ports:
        {{- if eq .component "web" }}
        - name: http
          containerPort: 8080
        {{- end }}
        - name: admin
          containerPort: 9090
      startupProbe:
        httpGet: { path: /startupz, port: admin }
        periodSeconds: 2
        timeoutSeconds: 2
        failureThreshold: {{ max 1 (div (add $values.startupSeconds 1) 2) }}
      livenessProbe:
        httpGet: { path: /livez, port: admin }
        periodSeconds: 10
        timeoutSeconds: 3
        failureThreshold: 3
      readinessProbe:
        httpGet: { path: /readyz, port: admin }
        periodSeconds: 5
        timeoutSeconds: 2
        failureThreshold: 2
      {{- if $values.preStopSeconds }}
      lifecycle:
        preStop:
          sleep:
            seconds: {{ $values.preStopSeconds }}
      {{- end }}
      resources:
        {{- toYaml .own.resources | nindent 8 }}
      volumeMounts:
        {{- include "orderwire.mounts" .root | nindent 8 }}
        - name: data
          mountPath: /var/lib/orderwire
        {{- if .root.Values.spool.enabled }}
        - name: spool
          mountPath: /var/spool/orderwire
        {{- end }}
  volumes:
    {{- include "orderwire.volumes" .root | nindent 4 }}
    # The token for commands inside the pod (kubectl exec); nothing that must outlive it.
    - name: data
      emptyDir:
        sizeLimit: 16Mi
    {{- if and .root.Values.spool.enabled (not .spool) }}
    # What became of sends, while Redis cannot take it: it outlives the process, not the pod.
    - name: spool
      emptyDir:
        sizeLimit: {{ .root.Values.spool.size }}
    {{- end }}
{{- end -}}

{{/* Image, environment and security of a container of the relay. */}}
{{- define "orderwire.container" -}}
image: {{ include "orderwire.image" (dict "image" .Values.image "tag" .Chart.AppVersion) }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  {{- include "orderwire.containerSecurity" . | nindent 2 }}
env:
  {{- include "orderwire.redis.env" . | trim | nindent 2 }}
  {{- if .Values.extraCA.configMap }}
  - name: SSL_CERT_FILE
    value: /etc/ssl/certs/ca-certificates.crt
  - name: SSL_CERT_DIR
    value: /etc/orderwire-ca
  {{- end }}
  {{- with .Values.extraEnv }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{- define "orderwire.mounts" -}}
- name: settings
  mountPath: /etc/orderwire
  readOnly: true
- name: secrets
  mountPath: /run/secrets/orderwire
  readOnly: true
{{- if .Values.words }}
- name: words
  mountPath: /etc/orderwire-words
  readOnly: true
{{- end }}
{{- if .Values.extraCA.configMap }}
- name: ca
  mountPath: /etc/orderwire-ca
  readOnly: true
{{- end }}
{{- end -}}

{{- define "orderwire.volumes" -}}
- name: settings
  configMap:
    name: {{ include "orderwire.fullname" . }}
- name: secrets
  projected:
    defaultMode: 0440
    sources:
      - secret:
          name: {{ include "orderwire.existingSecret" . }}
      {{- range .Values.extraSecrets }}
      - secret:
          name: {{ .name }}
      {{- end }}
{{- if .Values.words }}
- name: words
  configMap:
    name: {{ include "orderwire.fullname" . }}-words
    items:
      {{- range $locale, $milestones := .Values.words }}
      {{- range $milestone, $text := $milestones }}
      - key: {{ $locale }}.{{ $milestone }}.toml
        path: {{ $locale }}/{{ $milestone }}.toml
      {{- end }}
      {{- end }}
{{- end }}
{{- if .Values.extraCA.configMap }}
- name: ca
  configMap:
    name: {{ .Values.extraCA.configMap }}
{{- end }}
{{- end -}}
