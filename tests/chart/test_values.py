"""Values that cannot work are refused before anything is installed, in words that name them."""

from __future__ import annotations

import json

import pytest
import yaml

from tests.chart.helm import CHART, MINIMAL, SCRAM, RefusedError, Rendered, merged

pytestmark = pytest.mark.helm


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"kafak": {}}, "'kafak' not allowed"),
        ({"worker": {"replica": 3}}, "'replica' not allowed"),
        ({"settings": {"sessionTimeout": "10"}}, "/settings/sessionTimeout"),
        ({"settings": {"commitInterval": "200 ms"}}, "/settings/commitInterval"),
        ({"trace": {"retention": "thirty days"}}, "/trace/retention"),
        ({"kafka": {"bootstrapServers": "kafka:9092"}}, "/kafka/bootstrapServers"),
        ({"kafka": {"securityProtocol": "TLS"}}, "/kafka/securityProtocol"),
        ({"privacy": {"addresses": "hidden"}}, "/privacy/addresses"),
        ({"inputs": {"smtpTopics": ["app smtp"]}}, "/inputs/smtpTopics/0"),
        ({"bridge": {"allowedAccounts": [111122223333]}}, "/bridge/allowedAccounts/0"),
        ({"canary": {"via": "mail.example:25"}}, "/canary/via"),
        ({"image": {"digest": "latest"}}, "/image/digest"),
        ({"topics": {"partitions": 0}}, "/topics/partitions"),
    ],
)
def test_the_schema_refuses_what_is_misspelt(values, said):
    with pytest.raises(RefusedError) as raised:
        Rendered(MINIMAL, values)
    assert said in str(raised.value)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"kafka": {"bootstrapServers": []}}, "kafka.bootstrapServers is empty: name your brokers"),
        ({"inputs": {"smtpTopics": [], "sesTopics": []}}, "nothing to read"),
        ({"privacy": {"pseudonymKeySecret": {"name": ""}}}, "make a Secret (kubectl create secret"),
        ({"kafka": {"securityProtocol": "SASL_SSL"}}, "SASL_SSL needs kafka.sasl.mechanism"),
        ({"kafka": {"sasl": {"mechanism": "PLAIN"}}}, "goes with kafka.securityProtocol SASL_SSL"),
        (merged(SCRAM, {"kafka": {"sasl": {"username": ""}}}), "needs kafka.sasl.username"),
        (merged(SCRAM, {"kafka": {"sasl": {"mechanism": "OAUTHBEARER"}}}), "OAUTHBEARER needs"),
        ({"kafka": {"tls": {"caSecret": {"name": "ca"}}}}, "say SSL or SASL_SSL"),
        ({"topics": {"manage": "strimzi"}}, "topics.strimzi.cluster"),
        ({"worker": {"replicas": 9, "autoscaling": {"type": "hpa"}}}, "less than worker.replicas"),
        ({"worker": {"autoscaling": {"type": "keda", "maxReplicas": 9}}}, "more than topics.partitions (8)"),
        (merged(SCRAM, {"worker": {"autoscaling": {"type": "keda"}}}), "keda needs authenticationRef"),
        ({"notify": {"enabled": True}}, "notify.enabled needs notify.sinks"),
        ({"trace": {"enabled": True}}, "who may read"),
        ({"trace": {"enabled": True, "proxies": ["10.0.0.1"], "replicas": 2}}, "SQLite is one pod's"),
        ({"bridge": {"enabled": True}}, "bridge.enabled needs bridge.queues"),
        ({"canary": {"enabled": True, "via": "ses"}}, "canary.enabled needs canary.via"),
        ({"canary": {"smtpPasswordSecret": {"name": "x"}}}, "whose password is it?"),
        (
            {"bridge": {"enabled": True, "queues": ["q"]}, "inputs": {"sesTopics": ["a", "b"]}},
            "say where the events go",
        ),
    ],
)
def test_what_does_not_fit_together_is_one_sentence(values, said):
    with pytest.raises(RefusedError) as raised:
        Rendered(MINIMAL, values)
    assert said in str(raised.value)


def test_every_value_has_its_place_in_the_schema():
    """The schema refuses what it does not know, so a value that it forgot could not even be set to its default."""
    schema = json.loads((CHART / "values.schema.json").read_text())
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    assert set(values) == set(schema["properties"]) - {"global"}
    assert schema["additionalProperties"] is False
