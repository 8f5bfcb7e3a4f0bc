{{/* What the schema cannot say: what must be there together. One sentence each, with the way out. */}}
{{- define "mailgap.checks" -}}
{{- $v := .Values -}}
{{- if not $v.kafka.bootstrapServers -}}
{{- fail "kafka.bootstrapServers is empty: name your brokers, like [kafka-0.kafka:9092]" -}}
{{- end -}}
{{- if not (concat $v.inputs.smtpTopics $v.inputs.sesTopics) -}}
{{- fail "nothing to read: give inputs.smtpTopics, inputs.sesTopics or both" -}}
{{- end -}}
{{- if and (eq $v.privacy.addresses "pseudonymous") (not $v.privacy.pseudonymKeySecret.name) -}}
{{- fail "addresses are pseudonymous, and there is no key: make a Secret (kubectl create secret generic mailgap-pseudonym --from-literal=key=\"$(openssl rand -hex 32)\") and name it in privacy.pseudonymKeySecret.name, or choose privacy.addresses: raw" -}}
{{- end -}}
{{- $sasl := hasPrefix "SASL_" $v.kafka.securityProtocol -}}
{{- if and $sasl (not $v.kafka.sasl.mechanism) -}}
{{- fail (printf "kafka.securityProtocol %s needs kafka.sasl.mechanism" $v.kafka.securityProtocol) -}}
{{- end -}}
{{- if and $v.kafka.sasl.mechanism (not $sasl) -}}
{{- fail (printf "kafka.sasl.mechanism %s goes with kafka.securityProtocol SASL_SSL, not with %s" $v.kafka.sasl.mechanism $v.kafka.securityProtocol) -}}
{{- end -}}
{{- if and (has $v.kafka.sasl.mechanism (list "PLAIN" "SCRAM-SHA-256" "SCRAM-SHA-512")) (not (and $v.kafka.sasl.username $v.kafka.sasl.passwordSecret.name)) -}}
{{- fail (printf "kafka.sasl.mechanism %s needs kafka.sasl.username and kafka.sasl.passwordSecret.name" $v.kafka.sasl.mechanism) -}}
{{- end -}}
{{- if and (eq $v.kafka.sasl.mechanism "OAUTHBEARER") (not $v.kafka.oauth.serviceAccountAudience) (not (and $v.kafka.oauth.tokenUrl $v.kafka.oauth.clientId $v.kafka.oauth.clientSecret.name)) -}}
{{- fail "kafka.sasl.mechanism OAUTHBEARER needs kafka.oauth.serviceAccountAudience, or tokenUrl, clientId and clientSecret.name" -}}
{{- end -}}
{{- if and (or $v.kafka.tls.caSecret.name $v.kafka.tls.certSecret.name) (not (hasSuffix "SSL" $v.kafka.securityProtocol)) -}}
{{- fail (printf "kafka.tls names a Secret, and kafka.securityProtocol %s does not use it: say SSL or SASL_SSL" $v.kafka.securityProtocol) -}}
{{- end -}}
{{- if and (eq $v.topics.manage "strimzi") (not $v.topics.strimzi.cluster) -}}
{{- fail "topics.manage strimzi needs topics.strimzi.cluster, the name of the Kafka resource" -}}
{{- end -}}
{{- range $role := ternary (list "ingest" "correlate") (list "worker") $v.split -}}
{{- $auto := (index $v $role).autoscaling -}}
{{- if and (ne $auto.type "none") (lt (int $auto.maxReplicas) (int (index $v $role).replicas)) -}}
{{- fail (printf "%s.autoscaling.maxReplicas is less than %s.replicas, which is the least number of pods" $role $role) -}}
{{- end -}}
{{- if and (ne $role "ingest") (ne $auto.type "none") (gt (int $auto.maxReplicas) (int $v.topics.partitions)) -}}
{{- fail (printf "%s.autoscaling.maxReplicas is more than topics.partitions (%d): the others would have nothing to do" $role (int $v.topics.partitions)) -}}
{{- end -}}
{{- if and (eq $auto.type "keda") (ne $v.kafka.securityProtocol "PLAINTEXT") (not $auto.authenticationRef) -}}
{{- fail (printf "%s.autoscaling.type keda needs authenticationRef: KEDA speaks to Kafka itself, and kafka.securityProtocol is %s" $role $v.kafka.securityProtocol) -}}
{{- end -}}
{{- end -}}
{{- if and $v.notify.enabled (not $v.notify.sinks) -}}
{{- fail "notify.enabled needs notify.sinks: who is to be told" -}}
{{- end -}}
{{- if $v.trace.enabled -}}
{{- if not (or $v.trace.tokensSecret.name $v.trace.proxies) -}}
{{- fail "trace.enabled needs trace.tokensSecret.name or trace.proxies: who may read" -}}
{{- end -}}
{{- if and (gt (int $v.trace.replicas) 1) (not $v.trace.postgresSecret.name) -}}
{{- fail "trace.replicas above 1 needs trace.postgresSecret.name: SQLite is one pod's" -}}
{{- end -}}
{{- if and $v.trace.postgresSecret.name $v.trace.existingClaim -}}
{{- fail "trace.postgresSecret and trace.existingClaim are both set: a store is one of them" -}}
{{- end -}}
{{- if and $v.trace.ingress.enabled (not $v.trace.ingress.host) -}}
{{- fail "trace.ingress.enabled needs trace.ingress.host" -}}
{{- end -}}
{{- end -}}
{{- if and $v.canary.enabled (not (and $v.canary.via $v.canary.sender)) -}}
{{- fail "canary.enabled needs canary.via (the way of the application) and canary.sender" -}}
{{- end -}}
{{- if and $v.canary.smtpPasswordSecret.name (not $v.canary.smtpUser) -}}
{{- fail "canary.smtpPasswordSecret needs canary.smtpUser: whose password is it?" -}}
{{- end -}}
{{- if $v.bridge.enabled -}}
{{- if not $v.bridge.queues -}}
{{- fail "bridge.enabled needs bridge.queues" -}}
{{- end -}}
{{- if and (not $v.bridge.topic) (ne (len $v.inputs.sesTopics) 1) -}}
{{- fail "bridge.topic is empty, and inputs.sesTopics is not one topic: say where the events go" -}}
{{- end -}}
{{- end -}}
{{- end }}
