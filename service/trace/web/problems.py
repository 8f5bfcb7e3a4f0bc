"""What is wrong with a request, as RFC 9457 has it: `application/problem+json` for programs, a page for people."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import Meta

TYPE: Final = "application/problem+json"


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """A problem document."""

    type: Annotated[str, Meta(description="A word of ours for this kind of problem, as a URN.")]
    title: str
    status: Annotated[int, Meta(ge=400, le=599)]
    detail: Annotated[str, Meta(description="What is wrong here, and the way out.")]


class ProblemError(Exception):
    """Ends a request with this problem."""

    def __init__(self, status: int, word: str, title: str, detail: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.problem: Final = Problem(type=f"urn:mailgap:problem:{word}", title=title, status=status, detail=detail)
        self.headers: Final = headers or {}


def bad_request(detail: str) -> ProblemError:
    """400."""
    return ProblemError(400, "bad-request", "The request cannot be understood", detail)


def unauthorized() -> ProblemError:
    """401."""
    return ProblemError(
        401,
        "unauthorized",
        "Sign in first",
        "Give a token (`Authorization: Bearer …`), or come by way of the proxy that signs you in.",
        {"WWW-Authenticate": 'Bearer realm="mailgap"'},
    )


def forbidden(detail: str) -> ProblemError:
    """403."""
    return ProblemError(403, "forbidden", "You may not see this", detail)


def not_found(detail: str) -> ProblemError:
    """404."""
    return ProblemError(404, "not-found", "There is nothing here", detail)


def too_broad() -> ProblemError:
    """400: the store gave up."""
    return ProblemError(
        400, "too-broad", "The question is too broad", "It takes too long to answer: narrow its time, stream or state."
    )


def too_many(wait: float) -> ProblemError:
    """429."""
    seconds = max(1, round(wait + 0.5))
    return ProblemError(
        429,
        "too-many-requests",
        "Too many requests",
        f"You have asked too often: wait {seconds} s.",
        {"Retry-After": str(seconds)},
    )
