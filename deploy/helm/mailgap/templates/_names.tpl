{{/* Names and labels. */}}
{{- define "mailgap.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end }}

{{- define "mailgap.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains (include "mailgap.name" .) .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "mailgap.name" .) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end }}

{{- define "mailgap.selector" -}}
app.kubernetes.io/name: {{ include "mailgap.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "mailgap.labels" -}}
{{ include "mailgap.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "mailgap.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (ternary (include "mailgap.fullname" .) "default" .Values.serviceAccount.create) -}}
{{- end }}

{{- define "mailgap.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end }}

{{/* The workloads that run, as {"names": [...]}. */}}
{{- define "mailgap.workloads" -}}
{{- $names := ternary (list "ingest" "correlate") (list "worker") .Values.split -}}
{{- range $role := list "notify" "trace" "bridge" "canary" -}}
{{- if (index $.Values $role).enabled -}}{{- $names = append $names $role -}}{{- end -}}
{{- end -}}
{{- dict "names" $names | toYaml -}}
{{- end }}
