"""Schemathesis asks the API whatever its description allows, and much that it does not; no answer may surprise."""

import io

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

from tests.app.conftest import URGENT, encode

EXAMPLES = 25


@pytest.fixture(scope="module")
def photos(draw_photo) -> list[bytes]:
    return [encode(draw_photo(seed, (200, 200)), kind) for seed, kind in enumerate(("JPEG", "PNG", "WEBP"))]


@pytest.fixture
def description(make_app):
    app = make_app(answering=URGENT, rate_limit="", max_upload_mb=1)
    return schemathesis.openapi.from_wsgi("/api/v1/openapi.json", app)


described = schemathesis.pytest.from_fixture("description")


@described.parametrize()
@settings(max_examples=EXAMPLES, deadline=None, derandomize=True, database=None,
          suppress_health_check=list(HealthCheck))
def test_every_answer_is_as_the_description_says(case):
    case.call_and_validate()
