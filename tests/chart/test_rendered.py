"""What each switch of the chart does to what is rendered."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from service.bridge.bridge import STOP_BOUND as BRIDGE_STOP
from service.canary.sending import TIMEOUT as CANARY_STOP
from service.cli import cli
from service.commands.notify import STOP_BOUND as NOTIFY_STOP
from service.edges import topics
from service.notifications.sinks import parse_sinks
from service.policy import parse_policy
from service.settings import TABLE, load
from tests.chart.helm import CASES, EVERYTHING, MINIMAL, MSK, ROOT, SCRAM, STRIMZI, Rendered, merged
from topologies.engine.runner import STOP_BOUND as WORKER_STOP

pytestmark = pytest.mark.helm

NOT_IN_THE_CHART = {
    "sns_certificates": "a folder that an image of one's own would hold",
    "sns_roots": "the same",
    "historic": "a backfill is judged by a worker of its own, for as long as it takes",
    **dict.fromkeys(
        ("feed_files", "feed_host", "feed_journal", "feed_start", "feed_state"),
        "`mailgap feed` runs on the hosts whose logs it brings; in a cluster a shipper does",
    ),
}
FROM_THE_ENVIRONMENT = {"sinks_file", "trace_store", "trace_tokens_file"}


def _load(rendered: Rendered, tmp_path: Path) -> Any:
    path = tmp_path / "mailgap.yaml"
    path.write_text(yaml.safe_dump(rendered.config()))
    return load({}, {}, str(path))


@pytest.mark.parametrize("case", CASES)
def test_the_program_takes_the_configuration_that_is_rendered(case, tmp_path):
    settings = _load(Rendered(CASES[case]), tmp_path)
    assert settings.smtp_topics == ("app-smtp",)
    assert settings.http_bind == ("0.0.0.0", 9750)
    assert settings.partitions == 8
    assert settings.pseudonym_key_file == "/etc/mailgap/secrets/pseudonym-key"


def test_every_setting_has_its_value_in_the_chart():
    oauth = {"tokenUrl": "https://idp.example/token", "clientId": "c", "clientSecret": {"name": "o"}, "scope": "kafka"}
    tls = {"certSecret": {"name": "mailgap-tls"}}
    kafka = {"kafka": {"sasl": {"mechanism": "OAUTHBEARER"}, "oauth": oauth, "tls": tls}}
    set_there = set(Rendered(CASES["everything"], kafka).config())
    set_there |= set(Rendered(CASES["everything"], {"kafka": {"oauth": {"serviceAccountAudience": "kafka"}}}).config())
    assert {setting.key for setting in TABLE} - set_there == {*NOT_IN_THE_CHART, *FROM_THE_ENVIRONMENT}


def test_policy_and_sinks_are_what_the_program_reads():
    rendered = Rendered(CASES["everything"])
    assert parse_policy(rendered.config("policy.yaml")).streams[0].name == "otp"
    assert parse_sinks(rendered.config("sinks.yaml"), lambda *_: "secret")[0].name == "alertmanager"


@pytest.mark.parametrize("case", CASES)
def test_every_container_runs_a_command_that_there_is(case):
    for name, pod in Rendered(CASES[case]).pods().items():
        command, *options = pod["containers"][0]["args"]
        found: Any = cli.commands[command]
        if hasattr(found, "commands"):
            found, options = found.commands[options[0]], options[1:]
        found.make_context(name, list(options))


def test_a_pod_has_the_secrets_that_it_needs_and_no_others():
    def secrets(pod: Any) -> set[str]:
        sources = [source for volume in pod["volumes"] for source in volume.get("projected", {}).get("sources", [])]
        projected = {source["secret"]["name"] for source in sources if "secret" in source}
        return projected | {volume["secret"]["secretName"] for volume in pod["volumes"] if "secret" in volume}

    kafka = {"kafka-ca", "kafka-user"}
    assert {name: secrets(pod) for name, pod in Rendered(CASES["everything"]).pods().items()} == {
        "ingest": kafka | {"mailgap-pseudonym"},
        "correlate": kafka | {"mailgap-pseudonym"},
        "notify": kafka | {"mailgap-sinks"},
        "trace": kafka | {"mailgap-pseudonym", "mailgap-pseudonym-2025", "mailgap-tokens"},
        "bridge": kafka,
        "canary": kafka | {"mailgap-smtp", "mail-ca"},
        "topics": kafka,
        "test": kafka | {"mailgap-pseudonym"},
    }


def test_no_secret_stands_in_what_is_rendered():
    rendered = Rendered(CASES["everything"])
    assert rendered.of("Secret") == {}
    env = [each for pod in rendered.pods().values() for each in pod["containers"][0]["env"]]
    assert {each["name"] for each in env if "valueFrom" in each} == {"MAILGAP_TRACE_STORE"}


@pytest.mark.parametrize(
    ("role", "bound"),
    [
        ("ingest", WORKER_STOP),
        ("correlate", WORKER_STOP),
        ("notify", NOTIFY_STOP),
        ("bridge", BRIDGE_STOP),
        ("canary", CANARY_STOP),
    ],
)
def test_a_role_has_the_time_that_it_takes_to_stop(role, bound):
    pod = Rendered(CASES["everything"]).pods()[role]
    assert pod["terminationGracePeriodSeconds"] >= bound + 15


def test_split_makes_two_of_the_worker():
    assert set(Rendered(MINIMAL).of("Deployment")) == {"worker"}
    split = Rendered(MINIMAL, {"split": True}).of("Deployment")
    args = {name: each["spec"]["template"]["spec"]["containers"][0]["args"][:3] for name, each in split.items()}
    assert args == {"ingest": ["worker", "--role", "ingest"], "correlate": ["worker", "--role", "correlate"]}


def test_a_pod_is_made_anew_when_its_configuration_changes():
    def checksum(*values: Any) -> str:
        return Rendered(MINIMAL, *values).of("Deployment")["worker"]["spec"]["template"]["metadata"]["annotations"][
            "checksum/config"
        ]

    assert checksum() == checksum()
    assert checksum() != checksum({"policy": {"defaults": {"handoff": "1m"}}})


def test_an_autoscaler_owns_the_number_of_pods():
    rendered = Rendered(CASES["everything"])
    deployments = rendered.of("Deployment")
    assert "replicas" not in deployments["ingest"]["spec"]
    assert "replicas" not in deployments["correlate"]["spec"]
    assert deployments["notify"]["spec"]["replicas"] == 2
    assert rendered.of("HorizontalPodAutoscaler")["correlate"]["spec"]["maxReplicas"] == 6
    scaled = rendered.of("ScaledObject")["ingest"]["spec"]
    calm = rendered.of("HorizontalPodAutoscaler")["correlate"]["spec"]["behavior"]
    assert scaled["advanced"]["horizontalPodAutoscalerConfig"]["behavior"] == calm
    assert calm["scaleDown"]["stabilizationWindowSeconds"] == 900
    triggers = scaled["triggers"]
    assert {each["metadata"]["tls"] for each in triggers} == {"enable"}
    assert [(each["metadata"]["consumerGroup"], each["metadata"]["topic"]) for each in triggers] == [
        ("mailgap-ingest", "app-smtp"),
        ("mailgap-ingest", "ses-events"),
    ]
    whole = Rendered(MINIMAL, {"worker": {"autoscaling": {"type": "keda"}}}).of("ScaledObject")["worker"]
    assert whole["spec"]["triggers"][-1]["metadata"] == {
        "bootstrapServers": "kafka-0.kafka:9092",
        "consumerGroup": "mailgap-correlate",
        "topic": "mailgap-facts",
        "lagThreshold": "10000",
        "offsetResetPolicy": "earliest",
    }


def test_the_network_is_closed_but_for_what_is_needed():
    def egress(policy: Any) -> set[tuple[int, str]]:
        return {(port["port"], port["protocol"]) for rule in policy["spec"]["egress"] for port in rule["ports"]}

    dns = {(53, "UDP"), (53, "TCP")}
    plain = Rendered(MINIMAL).of("NetworkPolicy")
    assert set(plain) == {""}
    assert plain[""]["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert egress(plain[""]) == dns | {(9092, "TCP")}
    msk = Rendered(MINIMAL, MSK).of("NetworkPolicy")[""]
    assert egress(msk) == dns | {(9098, "TCP"), (443, "TCP"), (80, "TCP")}
    (agent,) = [rule for rule in msk["spec"]["egress"] if rule["ports"][0]["port"] == 80]
    assert {peer["ipBlock"]["cidr"] for peer in agent["to"]} == {"169.254.170.23/32", "fd00:ec2::23/128"}
    every, aws = Rendered(CASES["everything"]).of("NetworkPolicy"), {(443, "TCP"), (80, "TCP")}
    assert egress(every[""]) == dns | {(9094, "TCP")}
    assert {name: egress(every[name]) for name in ("notify", "bridge", "trace", "ingest", "trace-https")} == {
        "notify": aws,
        "bridge": aws,
        "trace": {(5432, "TCP")},
        "ingest": aws,
        "trace-https": aws,
    }
    assert Rendered(MINIMAL, {"networkPolicy": {"enabled": False}}).of("NetworkPolicy") == {}


@pytest.mark.parametrize(
    ("oauth", "port"),
    [
        ({"tokenUrl": "https://idp.example/token", "clientId": "c", "clientSecret": {"name": "o"}}, {443}),
        ({"tokenUrl": "https://keycloak:8443/a:1/token", "clientId": "c", "clientSecret": {"name": "o"}}, {8443}),
        ({"serviceAccountAudience": "kafka"}, set()),
    ],
)
def test_tokens_come_from_the_port_of_their_server(oauth, port):
    sasl = {"securityProtocol": "SASL_SSL", "sasl": {"mechanism": "OAUTHBEARER"}, "oauth": oauth}
    rules = Rendered(MINIMAL, {"kafka": sasl}).of("NetworkPolicy")[""]["spec"]["egress"]
    assert {each["port"] for rule in rules for each in rule["ports"]} == {53, 9092} | port


def test_peers_narrow_what_is_open():
    monitoring = [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}]
    kafka = [{"ipBlock": {"cidr": "10.1.0.0/16"}}]
    given = {"networkPolicy": {"monitoringFrom": monitoring, "kafkaTo": kafka}}
    spec = Rendered(MINIMAL, given).of("NetworkPolicy")[""]["spec"]
    assert spec["ingress"][0]["from"] == monitoring
    assert spec["egress"][1]["to"] == kafka


@pytest.mark.parametrize("prefix", ["mailgap", "try_2"])
def test_strimzi_gets_the_topics_that_the_program_would_make(prefix, tmp_path):
    rendered = Rendered(MINIMAL, STRIMZI, {"prefix": prefix})
    wanted = topics.wanted(_load(rendered, tmp_path))
    made = {each["spec"]["topicName"]: each["spec"] for each in rendered.of("KafkaTopic").values()}
    assert rendered.of("Job") == {}
    assert {name: spec["partitions"] for name, spec in made.items()} == {each.name: each.partitions for each in wanted}
    for each in wanted:
        assert {key: str(value) for key, value in made[each.name]["config"].items()} == each.config, each.name
        assert made[each.name]["replicas"] == 3


def test_another_configuration_is_another_topics_job():
    (first,), (same,) = (Rendered(MINIMAL).of("Job") for _ in range(2))
    (other,) = Rendered(MINIMAL, {"topics": {"partitions": 16}}).of("Job")
    assert first == same != other
    assert Rendered(MINIMAL, {"topics": {"manage": "none"}}).of("Job") == {}


def test_msk_gets_its_role_by_the_service_account():
    rendered = Rendered(MINIMAL, MSK)
    account = rendered.of("ServiceAccount")[""]
    assert account["metadata"]["annotations"] == MSK["serviceAccount"]["annotations"]
    assert rendered.pods()["worker"]["serviceAccountName"] == "gap-mailgap"
    assert Rendered(MINIMAL, {"serviceAccount": {"create": False}}).of("ServiceAccount") == {}


def test_a_token_of_the_service_account_is_projected_for_oauth(tmp_path):
    oauth = {"kafka": {"securityProtocol": "SASL_SSL", "sasl": {"mechanism": "OAUTHBEARER"}}}
    rendered = Rendered(MINIMAL, oauth, {"kafka": {"oauth": {"serviceAccountAudience": "kafka"}}})
    (volume,) = [each for each in rendered.pods()["worker"]["volumes"] if each["name"] == "secrets"]
    tokens = [each["serviceAccountToken"] for each in volume["projected"]["sources"] if "serviceAccountToken" in each]
    assert tokens == [{"audience": "kafka", "expirationSeconds": 3600, "path": "kafka-token"}]
    assert _load(rendered, tmp_path).security.oauth_token_file == "/etc/mailgap/secrets/kafka-token"


def test_rules_are_rendered_with_links_that_lead_somewhere():
    rules = Rendered(CASES["everything"]).of("PrometheusRule")
    assert set(rules) == {"thresholds", "recording", "alerts"}
    for name, rule in rules.items():
        given = yaml.safe_load((ROOT / f"deploy/prometheus/{name}.yml").read_text())
        assert [group["name"] for group in rule["spec"]["groups"]] == [group["name"] for group in given["groups"]]
    alerts = [rule for group in rules["alerts"]["spec"]["groups"] for rule in group["rules"] if "alert" in rule]
    assert len(alerts) > 20
    for alert in alerts:
        assert alert["annotations"]["runbook_url"].startswith("https://git.example/x/deploy/runbooks/")
    plain = Rendered(MINIMAL, {"prometheusRule": {"enabled": True}}).of("PrometheusRule")
    assert plain["alerts"]["spec"] == yaml.safe_load((ROOT / "deploy/prometheus/alerts.yml").read_text())


def test_dashboards_are_where_the_sidecar_looks():
    boards = {name: each for name, each in Rendered(CASES["everything"]).of("ConfigMap").items() if name}
    assert set(boards) == {"gaps", "overview", "pipeline"}
    for name, board in boards.items():
        assert board["metadata"]["labels"]["grafana_dashboard"] == "1"
        (text,) = board["data"].values()
        assert text.strip() == (ROOT / f"deploy/grafana/mailgap-{name}.json").read_text().strip()


def test_a_trace_page_without_postgresql_is_one_pod():
    page = {"trace": {"enabled": True, "tokensSecret": {"name": "t"}}}
    rendered = Rendered(MINIMAL, page)
    assert rendered.of("Deployment")["trace"]["spec"]["strategy"] == {"type": "Recreate"}
    (store,) = [each for each in rendered.pods()["trace"]["volumes"] if each["name"] == "store"]
    assert store["emptyDir"] == {"sizeLimit": "10Gi"}
    requests = rendered.pods()["trace"]["containers"][0]["resources"]["requests"]
    assert requests == {"cpu": "100m", "memory": "256Mi", "ephemeral-storage": "10Gi"}
    claimed = Rendered(MINIMAL, page, {"trace": {"existingClaim": "trail"}}).pods()["trace"]
    assert {"name": "store", "persistentVolumeClaim": {"claimName": "trail"}} in claimed["volumes"]
    assert "ephemeral-storage" not in claimed["containers"][0]["resources"]["requests"]
    assert rendered.of("Ingress") == {}


def test_the_notes_say_what_to_do_next():
    notes = Rendered(MINIMAL).notes
    assert "helm test gap --namespace mail" in notes
    assert "deploy/gap-mailgap-worker -- mailgap doctor" in notes
    assert "Nobody is paged yet" in notes
    everything = Rendered(CASES["everything"]).notes
    assert "https://trace.example/" in everything
    assert "Nobody is paged yet" not in everything
    assert "Addresses are raw" in Rendered(merged(MINIMAL, {"privacy": {"addresses": "raw"}})).notes


def test_an_image_may_be_named_by_its_digest():
    digest = "sha256:" + "0" * 64
    given = {"image": {"repository": "registry.example/mailgap", "digest": digest}}
    images = {pod["containers"][0]["image"] for pod in Rendered(MINIMAL, EVERYTHING, SCRAM, given).pods().values()}
    assert images == {f"registry.example/mailgap@{digest}"}
