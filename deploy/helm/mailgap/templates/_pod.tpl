{{/* What all pods share. */}}

{{/* The configuration file: keys are those of service/settings.py. */}}
{{- define "mailgap.config" -}}
{{- $v := .Values -}}
{{- $secrets := "/etc/mailgap/secrets" -}}
{{- $c := dict
  "bootstrap_servers" (join "," $v.kafka.bootstrapServers)
  "prefix" $v.prefix
  "addresses" $v.privacy.addresses
  "http_bind" "0.0.0.0:9750"
  "partitions" (int $v.topics.partitions)
  "replication" (int $v.topics.replication)
  "session_timeout" $v.settings.sessionTimeout
  "commit_interval" $v.settings.commitInterval
  "brake" (int $v.settings.brake)
  "security_protocol" $v.kafka.securityProtocol
-}}
{{- with $v.inputs.smtpTopics }}{{ $_ := set $c "smtp_topics" . }}{{ end -}}
{{- with $v.inputs.sesTopics }}{{ $_ := set $c "ses_topics" . }}{{ end -}}
{{- with $v.region }}{{ $_ := set $c "region" . }}{{ end -}}
{{- if $v.aws.ask }}{{ $_ := set $c "ask_aws" true }}{{ end -}}
{{- with $v.aws.configurationSets }}{{ $_ := set $c "configuration_sets" . }}{{ end -}}
{{- with $v.settings.timezone }}{{ $_ := set $c "timezone" . }}{{ end -}}
{{- with $v.settings.runbooks }}{{ $_ := set $c "runbooks" . }}{{ end -}}
{{- with $v.settings.traceUrl }}{{ $_ := set $c "trace_url" . }}{{ end -}}
{{- if $v.policy }}{{ $_ := set $c "policy_file" "/etc/mailgap/config/policy.yaml" }}{{ end -}}
{{- if $v.privacy.pseudonymKeySecret.name }}{{ $_ := set $c "pseudonym_key_file" (print $secrets "/pseudonym-key") }}{{ end -}}
{{- if $v.kafka.tls.caSecret.name }}{{ $_ := set $c "tls_ca_file" (print $secrets "/kafka-ca.crt") }}{{ end -}}
{{- if $v.kafka.tls.certSecret.name }}
{{- $_ := set $c "tls_cert_file" (print $secrets "/kafka-tls.crt") }}
{{- $_ := set $c "tls_key_file" (print $secrets "/kafka-tls.key") }}
{{- end -}}
{{- with $v.kafka.sasl.mechanism }}{{ $_ := set $c "sasl_mechanism" . }}{{ end -}}
{{- with $v.kafka.sasl.username }}{{ $_ := set $c "sasl_username" . }}{{ end -}}
{{- if $v.kafka.sasl.passwordSecret.name }}{{ $_ := set $c "sasl_password_file" (print $secrets "/kafka-password") }}{{ end -}}
{{- if $v.kafka.oauth.serviceAccountAudience }}
{{- $_ := set $c "oauth_token_file" (print $secrets "/kafka-token") }}
{{- else if $v.kafka.oauth.tokenUrl }}
{{- $_ := set $c "oauth_token_url" $v.kafka.oauth.tokenUrl }}
{{- $_ := set $c "oauth_client_id" $v.kafka.oauth.clientId }}
{{- $_ := set $c "oauth_client_secret_file" (print $secrets "/oauth-client-secret") }}
{{- with $v.kafka.oauth.scope }}{{ $_ := set $c "oauth_scope" . }}{{ end -}}
{{- end -}}
{{- if $v.trace.enabled }}
{{- $_ := set $c "trace_retention" $v.trace.retention }}
{{- $former := list }}
{{- range $number, $_ := $v.privacy.formerKeySecrets }}{{ $former = append $former (printf "%s/former-key-%d" $secrets $number) }}{{ end -}}
{{- with $former }}{{ $_ := set $c "former_key_files" . }}{{ end -}}
{{- with $v.trace.proxies }}{{ $_ := set $c "trace_proxies" . }}{{ end -}}
{{- with $v.trace.unmaskGroups }}{{ $_ := set $c "trace_unmask_groups" . }}{{ end -}}
{{- end -}}
{{- if $v.bridge.enabled }}
{{- $_ := set $c "queues" $v.bridge.queues }}
{{- $_ := set $c "verify_sns" $v.bridge.verifySns }}
{{- $_ := set $c "sns_max_age" $v.bridge.snsMaxAge }}
{{- $_ := set $c "pollers" (int $v.bridge.pollers) }}
{{- $_ := set $c "wait" $v.bridge.wait }}
{{- $_ := set $c "visibility" $v.bridge.visibility }}
{{- $_ := set $c "receives" (int $v.bridge.receives) }}
{{- with $v.bridge.endpointUrl }}{{ $_ := set $c "endpoint_url" . }}{{ end -}}
{{- with $v.bridge.buckets }}{{ $_ := set $c "buckets" . }}{{ end -}}
{{- with $v.bridge.allowedAccounts }}{{ $_ := set $c "allowed_accounts" . }}{{ end -}}
{{- with $v.bridge.allowedTopics }}{{ $_ := set $c "allowed_topics" . }}{{ end -}}
{{- end -}}
{{- with $v.canary }}{{- if .enabled }}
{{- $_ := set $c "canary_name" .name }}
{{- $_ := set $c "canary_via" .via }}
{{- $_ := set $c "canary_sender" .sender }}
{{- $_ := set $c "canary_recipient" .recipient }}
{{- $_ := set $c "canary_expect" .expect }}
{{- $_ := set $c "canary_unlogged" .unlogged }}
{{- $_ := set $c "canary_interval" .interval }}
{{- $_ := set $c "canary_patience" .patience }}
{{- with .configurationSet }}{{ $_ := set $c "canary_set" . }}{{ end -}}
{{- with .smtpUser }}{{ $_ := set $c "canary_user" . }}{{ end -}}
{{- if .smtpPasswordSecret.name }}{{ $_ := set $c "canary_password_file" (print $secrets "/smtp-password") }}{{ end -}}
{{- if .smtpCaSecret.name }}{{ $_ := set $c "canary_ca_file" (print $secrets "/smtp-ca.crt") }}{{ end -}}
{{- end }}{{ end -}}
{{- toYaml $c -}}
{{- end }}

{{/* The pod's own settings. */}}
{{- define "mailgap.podSpec" -}}
serviceAccountName: {{ include "mailgap.serviceAccount" . }}
# Nobody asks the API server; IRSA and Pod Identity bring a token of their own.
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end }}

{{- define "mailgap.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* `role` and `root`; a role gets the secrets that it needs, and no others. */}}
{{- define "mailgap.env" -}}
{{- $v := .root.Values -}}
- {name: MAILGAP_CONFIG, value: /etc/mailgap/config/mailgap.yaml}
- {name: MAILGAP_LOG_FORMAT, value: json}
{{- if eq .role "notify" }}
- {name: MAILGAP_SINKS_FILE, value: /etc/mailgap/config/sinks.yaml}
{{- end }}
{{- if eq .role "bridge" }}
- {name: MAILGAP_SES_TOPICS, value: {{ $v.bridge.topic | default (first $v.inputs.sesTopics) | quote }}}
{{- end }}
{{- if eq .role "trace" }}
{{- if $v.trace.tokensSecret.name }}
- {name: MAILGAP_TRACE_TOKENS_FILE, value: /etc/mailgap/trace/tokens}
{{- end }}
- name: MAILGAP_TRACE_STORE
{{- if $v.trace.postgresSecret.name }}
  valueFrom: {secretKeyRef: {name: {{ $v.trace.postgresSecret.name | quote }}, key: {{ $v.trace.postgresSecret.key | quote }}}}
{{- else }}
  value: /var/lib/mailgap/trail.db
{{- end }}
{{- end }}
{{- with $v.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "mailgap.volumeMounts" -}}
{{- $v := .root.Values -}}
- {name: config, mountPath: /etc/mailgap/config, readOnly: true}
- {name: secrets, mountPath: /etc/mailgap/secrets, readOnly: true}
- {name: tmp, mountPath: /tmp}
{{- if and (eq .role "notify") $v.notify.secretName }}
- {name: sinks, mountPath: /etc/mailgap/sinks, readOnly: true}
{{- end }}
{{- if eq .role "trace" }}
{{- if $v.trace.tokensSecret.name }}
- {name: tokens, mountPath: /etc/mailgap/trace, readOnly: true}
{{- end }}
{{- if not $v.trace.postgresSecret.name }}
- {name: store, mountPath: /var/lib/mailgap}
{{- end }}
{{- end }}
{{- end }}

{{- define "mailgap.volumes" -}}
{{- $v := .root.Values -}}
- name: config
  configMap: {name: {{ include "mailgap.fullname" .root }}}
- name: secrets
  projected:
    defaultMode: 0440
    sources:
{{- $k := $v.kafka }}
{{- $none := true }}
{{- if and $v.privacy.pseudonymKeySecret.name (has .role (list "worker" "ingest" "correlate" "trace" "test")) }}{{ $none = false }}
      - secret: {name: {{ $v.privacy.pseudonymKeySecret.name | quote }}, items: [{key: {{ $v.privacy.pseudonymKeySecret.key | quote }}, path: pseudonym-key}]}
{{- end }}
{{- if eq .role "trace" }}{{ range $number, $_ := $v.privacy.formerKeySecrets }}{{ $none = false }}
      - secret: {name: {{ .name | quote }}, items: [{key: {{ .key | quote }}, path: former-key-{{ $number }}}]}
{{- end }}{{ end }}
{{- with $k.tls.caSecret }}{{ if .name }}{{ $none = false }}
      - secret: {name: {{ .name | quote }}, items: [{key: {{ .key | quote }}, path: kafka-ca.crt}]}
{{- end }}{{ end }}
{{- with $k.tls.certSecret }}{{ if .name }}{{ $none = false }}
      - secret: {name: {{ .name | quote }}, items: [{key: {{ .certKey | quote }}, path: kafka-tls.crt}, {key: {{ .keyKey | quote }}, path: kafka-tls.key}]}
{{- end }}{{ end }}
{{- with $k.sasl.passwordSecret }}{{ if .name }}{{ $none = false }}
      - secret: {name: {{ .name | quote }}, items: [{key: {{ .key | quote }}, path: kafka-password}]}
{{- end }}{{ end }}
{{- if $k.oauth.serviceAccountAudience }}{{ $none = false }}
      - serviceAccountToken: {audience: {{ $k.oauth.serviceAccountAudience | quote }}, expirationSeconds: 3600, path: kafka-token}
{{- else if $k.oauth.clientSecret.name }}{{ $none = false }}
      - secret: {name: {{ $k.oauth.clientSecret.name | quote }}, items: [{key: {{ $k.oauth.clientSecret.key | quote }}, path: oauth-client-secret}]}
{{- end }}
{{- if eq .role "canary" }}
{{- with $v.canary.smtpPasswordSecret }}{{ if .name }}{{ $none = false }}
      - secret: {name: {{ .name | quote }}, items: [{key: {{ .key | quote }}, path: smtp-password}]}
{{- end }}{{ end }}
{{- with $v.canary.smtpCaSecret }}{{ if .name }}{{ $none = false }}
      - secret: {name: {{ .name | quote }}, items: [{key: {{ .key | quote }}, path: smtp-ca.crt}]}
{{- end }}{{ end }}
{{- end }}
{{- if $none }} []
{{- end }}
- name: tmp
  emptyDir: {sizeLimit: 64Mi}
{{- if and (eq .role "notify") $v.notify.secretName }}
- name: sinks
  secret: {secretName: {{ $v.notify.secretName | quote }}, defaultMode: 0440}
{{- end }}
{{- if eq .role "trace" }}
{{- if $v.trace.tokensSecret.name }}
- name: tokens
  secret: {secretName: {{ $v.trace.tokensSecret.name | quote }}, defaultMode: 0440, items: [{key: {{ $v.trace.tokensSecret.key | quote }}, path: tokens}]}
{{- end }}
{{- if $v.trace.existingClaim }}
- name: store
  persistentVolumeClaim: {claimName: {{ $v.trace.existingClaim | quote }}}
{{- else if not $v.trace.postgresSecret.name }}
- name: store
  emptyDir: {sizeLimit: {{ $v.trace.scratchSize }}}
{{- end }}
{{- end }}
{{- end }}
