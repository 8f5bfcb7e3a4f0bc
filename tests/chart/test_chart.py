"""The chart as a whole: Helm's own lint, the schemas of Kubernetes, and Pod Security's restricted standard."""

from __future__ import annotations

import copy
import tarfile
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.chart.helm import CASES, CHART, ROOT, Rendered, helm
from tests.conftest import need

pytestmark = pytest.mark.helm

VERSIONS = ["1.25", "1.29", "1.33", "1.37"]
FOREIGN = ("monitoring.coreos.com", "keda.sh", "kafka.strimzi.io")
"""Groups of custom resources, of which Kubernetes has no schema."""
CUSTOM = yaml.safe_load((Path(__file__).parent / "custom_resources.yaml").read_text())


@cache
def rendered(case: str) -> Rendered:
    return Rendered(CASES[case])


@pytest.mark.parametrize("case", CASES)
def test_helm_finds_nothing_to_say(case):
    report = helm().lint(CHART, CASES[case], strict=True)
    assert report["total_charts_linted"] == 1
    assert report["errors"] == []
    assert [message for message in report["messages"] or [] if message["severity"] > 1] == []


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("case", CASES)
def test_kubernetes_knows_every_field(case, version):
    try:
        import kubernetes_validate  # noqa: PLC0415 beside Helm in its lock
    except ImportError:
        need("helm", "kubernetes-validate is not here; `make ship` installs it")
    for document in rendered(case).documents:
        if not document["apiVersion"].startswith(FOREIGN):
            kubernetes_validate.validate(document, version, strict=True)


@pytest.mark.parametrize("case", CASES)
def test_the_operators_know_every_field_of_their_resources(case):
    for document in rendered(case).documents:
        if document["apiVersion"].startswith(FOREIGN):
            _operator_takes(document)


def _operator_takes(document: dict[str, Any]) -> None:
    schema = CUSTOM[f"{document['apiVersion']}.{document['kind']}"] | {"$defs": CUSTOM["$defs"]}
    jsonschema.validate(document, schema, cls=jsonschema.Draft202012Validator)


def test_each_operator_has_its_case():
    kinds = {(each["apiVersion"], each["kind"]) for case in CASES for each in rendered(case).documents}
    foreign = {f"{version}.{kind}" for version, kind in kinds if version.startswith(FOREIGN)}
    assert foreign == set(CUSTOM) - {"$defs", "kafka.strimzi.io/v1beta2.KafkaTopic"}


@pytest.mark.parametrize(("of", "field"), [("keda.sh", "triggers"), ("kafka.strimzi.io", "partitions")])
def test_what_an_operator_does_not_know_would_be_seen(of, field):
    everything = [*rendered("everything").documents, *rendered("strimzi").documents]
    document = next(copy.deepcopy(each) for each in everything if each["apiVersion"].startswith(of))
    document["spec"][field + "s"] = document["spec"].pop(field)
    with pytest.raises(jsonschema.ValidationError):
        _operator_takes(document)


@pytest.mark.parametrize("case", CASES)
def test_every_pod_meets_the_restricted_standard(case):
    """As the Pod Security Standards list it, field by field; and what they leave to us: nothing can be written."""
    pods = rendered(case).pods()
    assert pods
    for name, pod in pods.items():
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod), name
        assert all(set(volume) - {"name"} <= VOLUMES for volume in pod["volumes"]), name
        assert pod["securityContext"]["runAsNonRoot"] is True, name
        assert pod["securityContext"]["runAsUser"] > 0, name
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert pod["automountServiceAccountToken"] is False, name
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }, name
            assert not any("hostPort" in port for port in container.get("ports", [])), name
            assert {"requests", "limits"} <= set(container["resources"]), name
            assert "cpu" not in container["resources"]["limits"], f"{name}: throttling delays heartbeats"


VOLUMES = {"configMap", "emptyDir", "persistentVolumeClaim", "projected", "secret"}


@pytest.mark.parametrize("case", CASES)
def test_names_are_no_longer_than_kubernetes_takes_and_there_once(case):
    names = [(each["kind"], each["metadata"]["name"]) for each in rendered(case).documents]
    assert len(set(names)) == len(names)
    assert max(len(name) for _, name in names) <= 63


@pytest.mark.parametrize("case", CASES)
def test_every_mount_has_its_volume_and_none_lies_in_another(case):
    """A mount below a read-only one has no folder to stand on, and the pod does not start."""
    for name, pod in rendered(case).pods().items():
        volumes = {volume["name"] for volume in pod["volumes"]}
        mounts = pod["containers"][0]["volumeMounts"]
        assert {mount["name"] for mount in mounts} == volumes, name
        paths = sorted(mount["mountPath"] + "/" for mount in mounts)
        assert not any(b.startswith(a) for a, b in pairwise(paths)), name


def test_selectors_find_the_pods_and_no_others():
    everything = rendered("everything")
    deployments = everything.of("Deployment")
    assert set(deployments) == {"ingest", "correlate", "notify", "trace", "bridge", "canary"}
    for name, deployment in deployments.items():
        wanted = deployment["spec"]["selector"]["matchLabels"]
        labels = {role: each["spec"]["template"]["metadata"]["labels"] for role, each in deployments.items()}
        assert [role for role, has in labels.items() if wanted.items() <= has.items()] == [name]
        budget = everything.of("PodDisruptionBudget")[name]["spec"]
        assert budget["selector"]["matchLabels"] == wanted


def test_rules_and_dashboards_are_the_very_files(tmp_path):
    """Links in the chart, so that there is one text; a packaged chart holds the files themselves."""
    with tarfile.open(helm().package(CHART, destination=tmp_path)) as packed:
        for folder, pattern in (("prometheus", "*.yml"), ("grafana", "*.json")):
            linked = sorted((CHART / "files" / folder).iterdir())
            assert [path.name for path in linked if not path.is_symlink()] == []
            for path in linked:
                member = packed.getmember(f"mailgap/files/{folder}/{path.name}")
                assert member.isreg()
                said = packed.extractfile(member)
                assert said is not None
                assert said.read() == (ROOT / "deploy" / folder / path.name).read_bytes()
            here = {path.name for path in (ROOT / "deploy" / folder).glob(pattern)}
            assert here - {path.name for path in linked} <= {"prometheus.yml", "alertmanager.yml"}
