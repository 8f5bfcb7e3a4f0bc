"""Whatever AWS says is one sentence that names what and what to do."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError, NoRegionError

from service.aws.clients import AwsError, Trouble, said
from service.edges.pauses import BackOff


def _raise(error):
    raise error


@pytest.mark.parametrize(
    ("error", "trouble", "words"),
    [
        (ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "x"), Trouble.DENIED, "deploy/iam/"),
        (ClientError({"Error": {"Code": "ExpiredTokenException"}}, "x"), Trouble.CREDENTIALS, "expired"),
        (ClientError({"Error": {"Code": "QueueDoesNotExist"}}, "x"), Trouble.MISSING, "--region"),
        (ClientError({"Error": {"Code": "ThrottlingException"}}, "x"), Trouble.THROTTLED, "longer pauses"),
        (ClientError({"Error": {"Code": "Odd", "Message": "a\x1b[31m\nb"}}, "x"), Trouble.OTHER, "(a [31m b)"),
        (ClientError({}, "x"), Trouble.OTHER, "refused"),
        (NoCredentialsError(), Trouble.CREDENTIALS, "AWS_PROFILE"),
        (NoRegionError(), Trouble.MISSING, "--region"),
        (EndpointConnectionError(endpoint_url="http://127.0.0.1:1"), Trouble.UNREACHABLE, "does not answer"),
    ],
)
def test_an_error_is_a_sentence(error, trouble, words):
    with pytest.raises(AwsError) as found:
        said("queue q", lambda: _raise(error))
    assert found.value.trouble is trouble
    assert words in str(found.value)
    assert str(found.value).startswith("queue q: ")
    assert str(found.value).isprintable()


def test_pauses_grow_and_are_bounded_and_never_nothing():
    pauses = BackOff(first=0.5, most=60)
    said = [pauses.next() for _ in range(40)]
    assert min(said) >= 0.25
    assert max(said) <= 60.25
    assert max(said[8:]) > 10
    pauses.reset()
    assert pauses.next() <= 0.75
