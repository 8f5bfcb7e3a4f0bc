"""deploy/iam: each policy is valid, names no action by a pattern, and grants what the code calls, and no more."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import botocore.session
import pytest
from botocore import xform_name

ROOT = Path(__file__).parents[2]
POLICIES = {path.stem: json.loads(path.read_text()) for path in sorted((ROOT / "deploy" / "iam").glob("*.json"))}

CALLS = {
    "backfill": {"service/backfill/archives.py": "s3"},
    "bridge": {"service/bridge/queue.py": "sqs", "service/bridge/objects.py": "s3"},
    "account": {"service/aws/ses.py": "sesv2"},
    "suppression": {"service/aws/ses.py": "sesv2"},
    "identities": {"service/aws/ses.py": "sesv2"},
    "configuration-sets": {"service/aws/ses.py": "sesv2"},
    "canary": {"service/canary/sending.py": "sesv2"},
}
"""Which modules a policy is for, and the service that each calls."""

ALSO = {
    "DeleteMessageBatch": {"DeleteMessage"},
    "ChangeMessageVisibilityBatch": {"ChangeMessageVisibility"},
    "ListObjectsV2": {"ListBucket"},
}
"""Calls whose action has another name (service authorization reference)."""
MORE = {"service/bridge/objects.py": {"s3:GetObjectVersion"}, "service/backfill/archives.py": {"s3:GetObject"}}
"""With a version it is another action; and boto3's own `download_file` is no operation of S3's."""
PREFIX = {"sesv2": "ses"}
WITHOUT_RESOURCE = {"ses:GetAccount", "ses:GetSuppressedDestination", "ses:ListConfigurationSets"}
"""Actions for which IAM knows no resource, so that it must be `*`."""


def operations(service):
    model = botocore.session.get_session().get_service_model(service)
    return {xform_name(name): name for name in model.operation_names}


def called(path, service):
    """The actions that a module needs: each word in it, as a method or a text, that is an operation of the service."""
    known = operations(service)
    words = {
        node.attr if isinstance(node, ast.Attribute) else node.value
        for node in ast.walk(ast.parse((ROOT / path).read_text()))
        if isinstance(node, ast.Attribute) or (isinstance(node, ast.Constant) and isinstance(node.value, str))
    }
    names = {known[word] for word in words & known.keys()}
    actions = {f"{PREFIX.get(service, service)}:{action}" for name in names for action in ALSO.get(name, {name})}
    return actions | MORE.get(path, set())


def granted(policy):
    return {action for statement in policy["Statement"] for action in statement["Action"]}


@pytest.mark.parametrize("name", POLICIES)
def test_a_policy_is_valid(name):
    policy = POLICIES[name]
    assert set(policy) == {"Version", "Statement"}
    assert policy["Version"] == "2012-10-17"
    sids = [statement["Sid"] for statement in policy["Statement"]]
    assert len(set(sids)) == len(sids)
    for statement in policy["Statement"]:
        assert set(statement) <= {"Sid", "Effect", "Action", "Resource", "Condition"}
        assert statement["Effect"] == "Allow"
        assert re.fullmatch(r"[A-Za-z0-9]+", statement["Sid"])
        assert isinstance(statement["Action"], list)
        for condition in statement.get("Condition", {}).values():
            assert all(re.fullmatch(r"(?:ses|s3):[A-Za-z]+", key) for key in condition)
        for resource in _listed(statement["Resource"]):
            assert resource == "*" or re.fullmatch(r"arn:aws:[a-z0-9]+:[A-Z]*:[A-Z]*:[\w:/*.-]+", resource)


def _listed(value):
    return value if isinstance(value, list) else [value]


@pytest.mark.parametrize("name", POLICIES)
def test_no_action_is_a_pattern_and_no_resource_is_all_where_iam_knows_any(name):
    for statement in POLICIES[name]["Statement"]:
        assert not [action for action in statement["Action"] if "*" in action or "?" in action]
        if statement["Resource"] == "*":
            assert set(statement["Action"]) <= WITHOUT_RESOURCE


def test_every_call_is_granted_and_no_more():
    needed, given = {}, {}
    for name, modules in CALLS.items():
        for path, service in modules.items():
            needed.setdefault(path, set()).update(called(path, service))
            prefix = PREFIX.get(service, service) + ":"
            given.setdefault(path, set()).update(each for each in granted(POLICIES[name]) if each.startswith(prefix))
    assert given == needed
    assert set(CALLS) == set(POLICIES), "a policy that nothing needs, or one that is missing"


def test_no_policy_grants_the_question_that_another_one_is_for():
    every = [action for policy in POLICIES.values() for action in granted(policy) if action.startswith("ses:")]
    assert len(set(every)) == len(every)


def test_whoever_makes_a_client_of_aws_is_known_here():
    makes = re.compile(r"\bclient\(\s*[\"'](\w+)[\"']")
    found = {service for path in (ROOT / "service").rglob("*.py") for service in makes.findall(path.read_text())}
    # Notifications go to a topic of the operator's own: `sns:Publish` on that one.
    assert found == {service for modules in CALLS.values() for service in modules.values()} | {"sns"}
