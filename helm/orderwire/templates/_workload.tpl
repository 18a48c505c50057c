{{/* The admin doors of a component's pods, each by its own address: for Prometheus and for `helm test`. */}}
{{- define "orderwire.adminService" -}}
apiVersion: v1
kind: Service
metadata:
  {{- include "orderwire.metadata" (dict "root" .root "component" .component "suffix" (printf "%s-admin" .component)) | nindent 2 }}
spec:
  clusterIP: None
  publishNotReadyAddresses: true
  selector:
    {{- include "orderwire.selector" . | nindent 4 }}
  ports:
    - name: admin
      port: 9090
      targetPort: admin
{{- end -}}

{{/* PodDisruptionBudget and HorizontalPodAutoscaler: `root`, `component`, `own`, `kind`. */}}
{{- define "orderwire.scaling" -}}
{{- if .own.podDisruptionBudget.enabled }}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  {{- include "orderwire.metadata" (dict "root" .root "component" .component "suffix" .component) | nindent 2 }}
spec:
  maxUnavailable: {{ .own.podDisruptionBudget.maxUnavailable }}
  # A pod that is not ready must not hold a drain up.
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels:
      {{- include "orderwire.selector" . | nindent 6 }}
{{- end }}
{{- if .own.autoscaling.enabled }}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  {{- include "orderwire.metadata" (dict "root" .root "component" .component "suffix" .component) | nindent 2 }}
spec:
  scaleTargetRef:
    apiVersion: apps/v1
    kind: {{ .kind }}
    name: {{ include "orderwire.fullname" .root }}-{{ .component }}
  minReplicas: {{ .own.autoscaling.minReplicas }}
  maxReplicas: {{ .own.autoscaling.maxReplicas }}
  metrics:
    - type: Resource
      resource:
        name: cpu
        target:
          type: Utilization
          averageUtilization: {{ .own.autoscaling.targetCPU }}
  {{- if .own.autoscaling.behavior }}
  behavior:
    {{- toYaml .own.autoscaling.behavior | nindent 4 }}
  {{- else if eq .kind "StatefulSet" }}
  behavior:
    scaleDown:
      selectPolicy: Disabled
  {{- end }}
{{- end }}
{{- end -}}
