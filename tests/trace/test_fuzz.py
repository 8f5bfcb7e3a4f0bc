"""schemathesis asks whatever the OpenAPI allows, and what it does not: no server error, no answer that it forbids.

The short form asks a few of each; the long one (`make test-all`) some thousands.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from service.trace.web.api import ENDPOINTS
from service.trace.web.app import build
from service.trace.web.parameters import Nothing
from tests.trace.sites import UNMASKER, bearer, site_of, with_tokens

QUESTIONS = [
    (endpoint.path, mode)
    for endpoint in ENDPOINTS
    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
    if endpoint.parameters is not Nothing or mode is GenerationMode.POSITIVE  # nothing to be wrong about
]


@pytest.fixture(scope="module")
def api():
    """The schema as the server gives it."""
    with tempfile.TemporaryDirectory() as folder:
        site = site_of(Path(folder), access=with_tokens())
        yield schemathesis.openapi.from_asgi("/api/v1/openapi.json", build(site), headers=bearer(UNMASKER))
        site.store.close()


def ask(api, path, mode, questions):
    operation = api[path]["GET"]
    asked = 0

    @settings(max_examples=questions, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(case=operation.as_strategy(generation_mode=mode))
    def one(case):
        nonlocal asked
        asked += 1
        # A question that fits may still be refused: a cursor of another question, a time that ends before it begins.
        case.call_and_validate(headers=bearer(UNMASKER), excluded_checks=[positive_data_acceptance])

    one()
    return asked


@pytest.mark.parametrize(("path", "mode"), QUESTIONS)
def test_no_question_breaks_it(api, path, mode):
    assert ask(api, path, mode, 8)


@pytest.mark.slow
@pytest.mark.parametrize(("path", "mode"), QUESTIONS)
def test_no_question_breaks_it_at_length(api, path, mode):
    print(f"{path} {mode}: {ask(api, path, mode, 1000)} questions")
