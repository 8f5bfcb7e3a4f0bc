"""Renders the chart with Helm itself, as a library: what `helm template` prints, as documents."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import yaml

from tests.conftest import need

try:
    import helm_python
except ImportError:  # its lock is installed by `make ship` only
    helm_python = None

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy/helm/mailgap"

MINIMAL: dict[str, Any] = {
    "kafka": {"bootstrapServers": ["kafka-0.kafka:9092"]},
    "inputs": {"smtpTopics": ["app-smtp"], "sesTopics": ["ses-events"]},
    "privacy": {"pseudonymKeySecret": {"name": "mailgap-pseudonym"}},
}
SCRAM: dict[str, Any] = {
    "kafka": {
        "bootstrapServers": ["kafka-0.kafka:9094", "kafka-1.kafka:9094"],
        "securityProtocol": "SASL_SSL",
        "tls": {"caSecret": {"name": "kafka-ca"}},
        "sasl": {"mechanism": "SCRAM-SHA-512", "username": "mailgap", "passwordSecret": {"name": "kafka-user"}},
    }
}
MSK: dict[str, Any] = {
    "kafka": {
        "bootstrapServers": ["b-1.gap.x.c2.kafka.eu-central-1.amazonaws.com:9098"],
        "securityProtocol": "SASL_SSL",
        "sasl": {"mechanism": "AWS_MSK_IAM"},
    },
    "serviceAccount": {"annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::111122223333:role/mailgap"}},
}
STRIMZI: dict[str, Any] = {"topics": {"manage": "strimzi", "strimzi": {"cluster": "main", "namespace": "kafka"}}}
RESTRICTED: dict[str, Any] = {
    "serviceAccount": {"create": False, "name": "mail"},
    "topics": {"manage": "none"},
    "networkPolicy": {
        "monitoringFrom": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}],
        "kafkaTo": [{"ipBlock": {"cidr": "10.1.0.0/16"}}],
        "extraEgress": [{"ports": [{"port": 5353, "protocol": "UDP"}]}],
    },
    "image": {"repository": "registry.example/mailgap", "digest": "sha256:" + "0" * 64},
    "imagePullSecrets": [{"name": "registry"}],
    "priorityClassName": "high",
}
"""A namespace in which others make accounts and topics, and say who may speak to whom."""
EVERYTHING: dict[str, Any] = {
    "split": True,
    "ingest": {
        "autoscaling": {
            "type": "keda",
            "maxReplicas": 6,
            "authenticationRef": "kafka",
            "triggerMetadata": {"tls": "enable"},
        }
    },
    "correlate": {"autoscaling": {"type": "hpa", "maxReplicas": 6}},
    "policy": {"defaults": {"handoff": "10m"}, "streams": [{"name": "otp", "match": {"application": "otp"}}]},
    "privacy": {"formerKeySecrets": [{"name": "mailgap-pseudonym-2025", "key": "key"}]},
    "settings": {
        "timezone": "Europe/Vienna",
        "runbooks": "https://git.example/mailgap/",
        "traceUrl": "https://trace.example/mail/{mail_id}",
    },
    "region": "eu-central-1",
    "aws": {"ask": True, "configurationSets": ["transactional"]},
    "notify": {
        "enabled": True,
        "secretName": "mailgap-sinks",
        "sinks": {"sinks": [{"type": "alertmanager", "url": "http://alertmanager:9093"}]},
    },
    "trace": {
        "enabled": True,
        "replicas": 2,
        "tokensSecret": {"name": "mailgap-tokens"},
        "proxies": ["10.0.0.0/8"],
        "unmaskGroups": ["sre"],
        "postgresSecret": {"name": "mailgap-postgres"},
        "ingress": {"enabled": True, "className": "nginx", "host": "trace.example", "tlsSecret": "trace-tls"},
    },
    "bridge": {
        "enabled": True,
        "queues": ["ses-events"],
        "buckets": ["ses-events-large"],
        "allowedAccounts": ["111122223333"],
        "allowedTopics": ["arn:aws:sns:eu-central-1:111122223333:ses"],
        "endpointUrl": "https://sqs.eu-central-1.vpce.amazonaws.com",
    },
    "canary": {
        "enabled": True,
        "via": "smtp://mail.example:2587",
        "smtpUser": "canary",
        "smtpPasswordSecret": {"name": "mailgap-smtp"},
        "smtpCaSecret": {"name": "mail-ca"},
        "sender": "canary@app.example",
        "configurationSet": "transactional",
        "unlogged": True,
    },
    "imagePullSecrets": [{"name": "registry"}],
    "nodeSelector": {"kubernetes.io/os": "linux"},
    "tolerations": [{"key": "spot", "operator": "Exists"}],
    "affinity": {"nodeAffinity": {}},
    "priorityClassName": "high",
    "podLabels": {"team": "mail"},
    "podAnnotations": {"sidecar.istio.io/inject": "false"},
    "extraEnv": [{"name": "AWS_STS_REGIONAL_ENDPOINTS", "value": "regional"}],
    "podMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
    "prometheusRule": {"enabled": True, "labels": {"release": "prometheus"}, "runbookBase": "https://git.example/x/"},
    "dashboards": {"enabled": True},
}
"""Every switch, each another way than its default where that can be."""

Document = dict[str, Any]


def merged(*values: dict[str, Any]) -> dict[str, Any]:
    """As Helm merges several `-f`."""
    result: dict[str, Any] = {}
    for each in values:
        for key, value in copy.deepcopy(each).items():
            both = isinstance(value, dict) and isinstance(result.get(key), dict)
            result[key] = merged(result[key], value) if both else value
    return result


CASES: dict[str, dict[str, Any]] = {
    "minimal": MINIMAL,
    "everything": merged(MINIMAL, SCRAM, EVERYTHING),
    "msk": merged(MINIMAL, EVERYTHING, MSK),
    "strimzi": merged(MINIMAL, SCRAM, STRIMZI),
    "restricted": merged(MINIMAL, SCRAM, RESTRICTED),
}


def helm() -> Any:
    """The library."""
    if helm_python is None:
        need("helm", "Helm is not here; `make ship` installs it")
    return helm_python


class RefusedError(Exception):
    """Helm refused the values; its words."""


class Rendered:
    """What a release would consist of."""

    def __init__(self, *values: dict[str, Any], chart: Path = CHART) -> None:
        """Rendered as release `gap`. Raises `RefusedError` for values that the schema or a check refuses."""
        given = merged(*values) if values else MINIMAL
        loaded = helm().Chart.load(chart)
        try:
            loaded.validate_schema(given)
            self.files: dict[str, str] = loaded.render(given, name="gap", namespace="mail")
        except helm_python.HelmError as error:
            raise RefusedError(str(error)) from error
        notes = next(name for name in self.files if name.endswith("NOTES.txt"))
        self.notes = self.files.pop(notes)
        every = (document for text in self.files.values() for document in yaml.safe_load_all(text))
        self.documents: list[Document] = [document for document in every if document]

    def of(self, kind: str) -> dict[str, Document]:
        """All of a kind, by name without the release's."""
        return {
            document["metadata"]["name"].removeprefix("gap-mailgap").lstrip("-"): document
            for document in self.documents
            if document["kind"] == kind
        }

    def pods(self) -> dict[str, Document]:
        """The spec of every pod, by what it runs."""
        found = {name: each["spec"]["template"]["spec"] for name, each in self.of("Deployment").items()}
        found |= {name: each["spec"] for name, each in self.of("Pod").items()}
        for job in self.of("Job").values():
            found["topics"] = job["spec"]["template"]["spec"]
        return found

    def config(self, key: str = "mailgap.yaml") -> Any:
        """A file of the ConfigMap."""
        return yaml.safe_load(self.of("ConfigMap")[""]["data"][key])
