{{- define "webim.name" -}}
{{- if contains "webim" .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}{{ else }}{{ printf "%s-webim" .Release.Name | trunc 50 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "webim.labels" -}}
{{ include "webim.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "webim.selector" -}}
app.kubernetes.io/name: webim
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "webim.secret" -}}
{{ .Values.existingSecret | default (include "webim.name" .) }}
{{- end }}
