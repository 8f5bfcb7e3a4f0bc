"""Clients of AWS, and what can go wrong with them as one sentence that names what and what to do.

Decides nothing about mail. It must never print a credential, nor anything of a response but its error's code and text.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING, Any, Final

import boto3
from botocore import exceptions as boto
from botocore.config import Config

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    _T = TypeVar("_T")

CONNECT_SECONDS: Final = 5
LONGEST_WAIT: Final = 20
"""Seconds of a long poll: the most that SQS takes."""


class Trouble(Enum):
    """What kind of failure it is: whether it may pass by itself, and whose it is."""

    CREDENTIALS = auto()
    DENIED = auto()
    MISSING = auto()
    THROTTLED = auto()
    UNREACHABLE = auto()
    OTHER = auto()


PASSING: Final = frozenset({Trouble.THROTTLED, Trouble.UNREACHABLE})
"""What goes away by waiting. The rest is for the operator, who may mend it while we run (a policy, a token)."""


class AwsError(Exception):
    """A call of AWS's failed; the text says which, why, and what to do."""

    def __init__(self, trouble: Trouble, text: str, code: str = "") -> None:
        """`code` is AWS's own, where there is one."""
        super().__init__(text)
        self.trouble, self.code = trouble, code


def client(
    service: str, region: str | None, endpoint: str | None, connections: int = 10, *, validate: bool = True
) -> Any:
    """A client that any number of threads may share. Raises `AwsError` where there is no region.

    `endpoint`: another address than AWS's own, for stand-ins and VPC endpoints. `validate`: botocore looks at what it
    sends before it does; where all of that is ours, as with SQS, it is a tenth of a call for nothing.
    """
    config = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=LONGEST_WAIT + 10,
        max_pool_connections=connections,
        retries={"mode": "standard", "max_attempts": 2},
        user_agent_extra="mailgap",
        parameter_validation=validate,
    )
    return said(f"{service} client", lambda: boto3.client(service, region, endpoint_url=endpoint, config=config))


def said(what: str, call: Callable[[], _T]) -> _T:
    """The call's result. Raises `AwsError` for all that botocore raises. `what` names it: `queue mail-events`."""
    try:
        return call()
    except boto.ClientError as error:
        raise _refused(what, error) from error
    except (boto.NoCredentialsError, boto.PartialCredentialsError, boto.TokenRetrievalError) as error:
        raise AwsError(Trouble.CREDENTIALS, f"{what}: there are no AWS credentials: {_CREDENTIALS}") from error
    except (boto.CredentialRetrievalError, boto.ProfileNotFound, boto.SSOError) as error:
        raise AwsError(Trouble.CREDENTIALS, f"{what}: {_one_line(error)}: {_CREDENTIALS}") from error
    except boto.NoRegionError as error:
        raise AwsError(Trouble.MISSING, f"{what}: no region is given: set --region or AWS_DEFAULT_REGION") from error
    except (boto.HTTPClientError, boto.ConnectionError) as error:
        raise AwsError(
            Trouble.UNREACHABLE,
            f"{what}: AWS does not answer ({_one_line(error)}): see to network, region and endpoint",
        ) from error
    except (boto.BotoCoreError, ValueError) as error:
        raise AwsError(Trouble.OTHER, f"{what}: {_one_line(error)}") from error


_CREDENTIALS: Final = "give the process a role, AWS_PROFILE or AWS_ACCESS_KEY_ID"
_KINDS: Final = {
    Trouble.CREDENTIALS: (
        *("ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "UnrecognizedClientException"),
        *("SignatureDoesNotMatch", "InvalidAccessKeyId", "InvalidSignatureException", "MissingAuthenticationToken"),
        *("RequestExpired", "AuthFailure", "InvalidToken", "TokenRefreshRequired", "IncompleteSignature"),
    ),
    Trouble.DENIED: (
        *("AccessDenied", "AccessDeniedException", "AllAccessDisabled", "UnauthorizedOperation", "403"),
        *("KMS.AccessDeniedException", "KmsAccessDenied", "AuthorizationError", "OptInRequired"),
    ),
    Trouble.MISSING: (
        *("AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist", "NoSuchBucket", "NoSuchKey", "404"),
        *("NotFoundException", "PermanentRedirect", "AuthorizationHeaderMalformed", "InvalidAddress", "NoSuchVersion"),
        *("IllegalLocationConstraintException", "AWS.SimpleQueueService.QueueDeletedRecently", "InvalidObjectState"),
    ),
    Trouble.THROTTLED: (
        *("Throttling", "ThrottlingException", "RequestThrottled", "TooManyRequestsException", "SlowDown"),
        *("RequestLimitExceeded", "OverLimit", "KMS.ThrottlingException", "KmsThrottled", "ServiceUnavailable"),
        *("InternalError", "InternalFailure", "RequestTimeout", "503", "500"),
    ),
}
_BY_CODE: Final = {code: kind for kind, codes in _KINDS.items() for code in codes}
_ADVICE: Final = {
    Trouble.CREDENTIALS: "the credentials are wrong or expired: " + _CREDENTIALS,
    Trouble.DENIED: "the role may not do it: compare its policy with deploy/iam/",
    Trouble.MISSING: "it is not there: correct the name or --region",
    Trouble.THROTTLED: "AWS wants it slower; it is tried again, with longer pauses",
    Trouble.OTHER: "see AWS's own words",
}


def _refused(what: str, error: boto.ClientError) -> AwsError:
    found = error.response.get("Error", {})
    code = str(found.get("Code", ""))
    kind = _BY_CODE.get(code, Trouble.OTHER)
    return AwsError(
        kind, f"{what}: {code or 'refused'} ({_short(str(found.get('Message', '')))}): {_ADVICE[kind]}", code
    )


def _one_line(error: Exception) -> str:
    return _short(str(error))


_LONGEST: Final = 200


def _short(text: str) -> str:
    """AWS quotes what it was given; a terminal must not be steered by it."""
    plain = "".join(sign if sign.isprintable() else " " for sign in text)
    return plain if len(plain) <= _LONGEST else plain[:_LONGEST] + "…"
