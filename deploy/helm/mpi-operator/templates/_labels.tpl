{{/* SPDX-License-Identifier: Apache-2.0 */}}

{{/* What the Deployment selects by; as in mpi-operator's own manifests. */}}
{{- define "mpi-operator.selector" -}}
app: mpi-operator
app.kubernetes.io/component: mpijob
app.kubernetes.io/name: mpi-operator
kustomize.component: mpi-operator
{{- end }}

{{- define "mpi-operator.labels" -}}
{{ include "mpi-operator.selector" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version | replace "+" "_" }}
{{- end }}

{{/* The name of what belongs to no namespace; there may be several operators. */}}
{{- define "mpi-operator.clusterName" -}}
mpijob-operator{{ if ne .Release.Namespace "mpi-operator" }}-{{ .Release.Namespace }}{{ end }}
{{- end }}

{{- define "mpi-operator.image" -}}
{{- with .Values.image }}
{{- if .digest }}{{ .repository }}@{{ .digest }}{{ else }}{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end }}
{{- end }}

{{/* A role and its binding: kind, name, namespace (may be empty), file of its rules. */}}
{{- define "mpi-operator.role" -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ .kind }}
metadata:
  name: {{ .name }}
  {{- with .namespace }}
  namespace: {{ . }}
  {{- end }}
  labels:
    {{- include "mpi-operator.labels" .root | nindent 4 }}
rules:
{{ .root.Files.Get .rules | trim }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ .kind }}Binding
metadata:
  name: {{ .name }}
  {{- with .namespace }}
  namespace: {{ . }}
  {{- end }}
  labels:
    {{- include "mpi-operator.labels" .root | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: {{ .kind }}
  name: {{ .name }}
subjects:
  - kind: ServiceAccount
    name: mpi-operator
    namespace: {{ .root.Release.Namespace }}
{{- end }}
