"""The operator sees what the site does, and nothing of who uses it."""

import logging
import re

import pytest
from prometheus_client.parser import text_string_to_metric_families
from werkzeug.middleware.proxy_fix import ProxyFix

from app import api
from app.inference import Overloaded
from app.observability import PLACES
from tests.app.conftest import STRANGE, URGENT, WATCH_UNLESS_PHONE, send
from tests.app.test_api import post


def samples(client) -> dict[str, float]:
    """The metrics as `name{label=value,...}` -> value."""
    answer = client.get("/metrics")
    assert answer.status_code == 200
    found = {}
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


def test_an_answer_is_counted_by_outcome_class_level_and_confidence(make_app, photo):
    client = make_app(answering=URGENT).test_client()
    send(client, photo)
    post(client, photo)
    seen = samples(client)
    assert seen["skin_requests_total{outcome=ok,view=patient.result}"] == 1
    assert seen["skin_requests_total{outcome=ok,view=api.answer}"] == 1
    assert seen["skin_predicted_class_total{code=MEL}"] == 2
    assert seen["skin_advice_total{level=urgent}"] == 2
    assert seen["skin_confidence_count"] == 2
    assert 1 < seen["skin_confidence_sum"] <= 2
    assert seen["skin_out_of_distribution_total"] == 0


def test_each_is_counted_with_the_advice_that_it_was_given(make_app, photo):
    client = make_app(answering=WATCH_UNLESS_PHONE).test_client()
    send(client, photo)
    send(client, photo, path="/en/clinician")
    seen = samples(client)  # a clinician sees what the probe takes the photo for
    assert (seen["skin_advice_total{level=urgent}"], seen["skin_advice_total{level=watch}"]) == (1, 1)


def test_every_stage_of_a_photo_is_timed(make_app, photo):
    client = make_app(answering=URGENT).test_client()
    send(client, photo)
    seen = samples(client)
    for stage in ("decode", "quality", "prepare", "inference", "network"):
        assert seen[f"skin_stage_seconds_count{{stage={stage}}}"] == 1
    assert seen["skin_request_seconds_count{view=patient.result}"] == 1


def test_a_refused_photo_is_counted_by_its_reason(make_app, photo):
    client = make_app(answering=STRANGE).test_client()
    send(client, photo)
    seen = samples(client)
    assert seen["skin_refusals_total{reason=out_of_distribution}"] == 1
    assert seen["skin_out_of_distribution_total"] == 1


def test_a_problem_is_counted_by_its_code(make_app):
    client = make_app(answering=URGENT).test_client()
    send(client, b"no photo")
    client.get("/en/nowhere")
    seen = samples(client)
    assert seen["skin_requests_total{outcome=unsupported_format,view=patient.result}"] == 1
    assert seen["skin_requests_total{outcome=not_found,view=none}"] == 1


def test_photos_of_a_request_that_are_not_reached_in_time_are_counted_as_a_failure(make_app, photo, monkeypatch):
    client = make_app(answering=URGENT).test_client()
    monkeypatch.setattr(api, "FORM_S", -1)
    assert post(client, photo, photo, path="/api/v1/answers").status_code == 200
    assert samples(client)["skin_requests_total{outcome=not_answered,view=api.answers}"] == 1


def test_a_photo_of_a_request_that_found_no_place_is_counted_as_a_failure(make_app, photo, monkeypatch):
    app = make_app(answering=URGENT)
    queue = app.extensions["inference"]
    turns = iter([queue.submit, refuse])
    monkeypatch.setattr(queue, "submit", lambda *arguments: next(turns)(*arguments))
    client = app.test_client()
    assert post(client, photo, photo, path="/api/v1/answers").status_code == 200
    assert samples(client)["skin_requests_total{outcome=overloaded,view=api.answers}"] == 1


def test_the_first_failure_of_a_view_is_an_increase_from_zero(make_app):
    seen = samples(make_app(answering=URGENT).test_client())
    for outcome in ("internal_error", "engine_failed", "deadline_exceeded", "overloaded"):
        for view in ("patient.result", "api.answer", "clinician.photo"):
            assert seen[f"skin_requests_total{{outcome={outcome},view={view}}}"] == 0


def test_the_first_answers_of_a_view_are_an_increase_from_zero(make_app):
    """What was answered before Prometheus asked for the first time would else be in no quantile and no share."""
    seen = samples(make_app(answering=URGENT).test_client())
    for view in ("patient.result", "api.answer", "clinician.photo"):
        assert seen[f"skin_requests_total{{outcome=ok,view={view}}}"] == 0
        assert seen[f"skin_request_seconds_bucket{{le=+Inf,view={view}}}"] == 0


def test_whoever_is_refused_is_counted_by_the_places_that_were_taken(make_app, photo):
    app = make_app(answering=URGENT, uploads=1, decoding=1, deadline_s=0.1)
    client = app.test_client()
    assert {samples(client)[f"skin_overloaded_total{{places={places}}}"] for places in PLACES} == {0}
    for places in ("upload_places", "decoding_places"):
        with app.extensions[places]:
            assert send(client, photo).status_code == 503
    app.extensions["inference"].submit = refuse
    assert send(client, photo).status_code == 503
    assert [samples(client)[f"skin_overloaded_total{{places={places}}}"] for places in PLACES] == [1, 1, 1]


def refuse(*_):
    raise Overloaded()


def test_the_queue_and_the_model_are_told(make_app):
    client = make_app(answering=URGENT, queue_length=5).test_client()
    seen = samples(client)
    assert (seen["skin_queue_waiting"], seen["skin_queue_places"]) == (0, 5)
    bundle = client.application.extensions["classifier"].bundle
    assert seen[f"skin_model_info{{id={bundle.id},name=tiny,version=1.0.0}}"] == 1


@pytest.mark.parametrize(
    ("allowed", "address", "status"),
    [
        (("127.0.0.0/8",), "127.0.0.1", 200),
        (("127.0.0.0/8",), "203.0.113.7", 404),
        (("10.0.0.0/8", "2001:db8::/32"), "2001:db8::5", 200),
        (("10.0.0.0/8",), "127.0.0.1", 404),
        ((), "127.0.0.1", 404),
    ],
)
def test_only_the_operators_networks_see_the_metrics(make_app, allowed, address, status):
    client = make_app(answering=URGENT, metrics_allow=allowed).test_client()
    assert client.get("/metrics", environ_base={"REMOTE_ADDR": address}).status_code == status


def test_who_comes_through_the_proxy_is_not_taken_for_the_proxy(make_app):
    app = make_app(answering=URGENT, proxies=1)
    assert isinstance(app.wsgi_app, ProxyFix)
    visitor = {"X-Forwarded-For": "203.0.113.7"}
    assert app.test_client().get("/metrics", headers=visitor).status_code == 404


def test_a_request_is_logged_with_its_id_and_without_its_sender_file_or_size(make_app, photo, caplog):
    client = make_app(answering=URGENT).test_client()
    with caplog.at_level(logging.INFO):
        answer = send(client, photo, name="my-shoulder.jpg", environ_base={"REMOTE_ADDR": "203.0.113.7"})
    (record,) = [r for r in caplog.records if getattr(r, "request_id", "") == answer.headers["X-Request-ID"]]
    assert re.fullmatch(r"POST /en/result 200 ok \d+ ms, request [0-9a-f]{12}", record.getMessage())
    for secret in ("my-shoulder", "203.0.113.7", str(len(answer.data))):
        assert secret not in caplog.text


def test_no_path_can_forge_a_line_of_the_log(client, caplog):
    with caplog.at_level(logging.INFO):
        client.get("/en/x%0aPOST /en/result 200")
    assert "/en/x%0APOST%20/en/result%20200 404" in caplog.text


def test_every_error_page_shows_the_id_that_the_log_has(client, caplog):
    with caplog.at_level(logging.INFO):
        answer = client.get("/en/nowhere")
    shown = re.search(r"give this number: (\w+)", answer.text).group(1)
    assert shown == answer.headers["X-Request-ID"]
    assert f"request {shown}" in caplog.text


def test_probes_do_not_fill_the_log(client, caplog):
    with caplog.at_level(logging.INFO):
        client.get("/livez")
    assert "livez" not in caplog.text
