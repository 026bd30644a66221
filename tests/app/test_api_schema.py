"""Schemathesis asks the API whatever its description allows, and much that it does not; no answer may surprise."""

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from tests.app.conftest import URGENT, encode

# The same requests in every run, since a failure must not come and go.
SETTINGS = settings(
    max_examples=25, derandomize=True, database=None, deadline=None, phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
WITH_PHOTOS = ["/api/v1/answer", "/api/v1/answers"]


@pytest.fixture
def operation(make_app):
    """A function that gives an operation of the API as schemathesis reads it: `operation("post", "/api/v1/answer")`."""
    app = make_app(answering=URGENT, rate_limit="", max_upload_mb=1)
    schema = schemathesis.openapi.from_wsgi("/api/v1/openapi.json", app)
    return lambda method, path: schema[path][method]


def ask(strategy, change=lambda case: None, **options) -> set[int]:
    """Send what the strategy makes, check each answer against the description, and give the statuses that came."""
    statuses = set()

    @SETTINGS
    @given(strategy)
    def send(case):
        change(case)
        response = case.call()
        case.validate_response(response, **options)
        statuses.add(response.status_code)

    send()
    return statuses


@pytest.mark.parametrize("path", WITH_PHOTOS)
def test_with_a_photo_whatever_the_description_allows_is_answered(operation, draw_photo, path):
    # Small, since the test client would put a large form into a temporary file.
    photo = encode(draw_photo(size=(128, 128)))

    def put_photos(case):
        sent = case.body["photo"]
        case.body["photo"] = [photo] * len(sent) if isinstance(sent, list) else photo

    strategy = operation("post", path).as_strategy(generation_mode=GenerationMode.POSITIVE)
    assert ask(strategy, put_photos) == {200}


@pytest.mark.parametrize("path", WITH_PHOTOS)
def test_bytes_that_are_no_photo_are_answered_as_described(operation, path):
    strategy = operation("post", path).as_strategy(generation_mode=GenerationMode.POSITIVE)
    # What makes bytes a photo no schema can say.
    statuses = ask(strategy, excluded_checks=[positive_data_acceptance])
    assert statuses <= {200, 415, 422}


@pytest.mark.parametrize("path", WITH_PHOTOS)
def test_what_the_description_forbids_is_refused_as_described_and_never_a_mistake_of_ours(operation, path):
    statuses = ask(operation("post", path).as_strategy(generation_mode=GenerationMode.NEGATIVE))
    # In a form a list of one cannot be told from a single value, so a few of these are no mistake of the client.
    assert 400 in statuses
    assert max(statuses) < 500


def test_the_description_is_what_it_says(operation):
    assert ask(operation("get", "/api/v1/openapi.json").as_strategy()) == {200}
