"""The site starts whole or not at all."""

import shutil

import pytest
from jinja2 import UndefinedError

from app import create_app
from app.config import Config
from model_store.errors import BundleError
from tests.app.conftest import SECRET_KEY


def test_without_a_classifier_the_configured_bundle_is_loaded(tiny_bundle):
    app = create_app(Config(bundle=str(tiny_bundle), secret_key=SECRET_KEY))
    assert app.test_client().get("/readyz").json["bundle"] == "tiny"
    app.extensions["inference"].close()


def test_a_changed_bundle_stops_the_start(tiny_bundle, tmp_path):
    shutil.copytree(tiny_bundle, tmp_path / "changed")
    (tmp_path / "changed" / "report.json").write_text("{}")
    with pytest.raises(BundleError, match="bundle_file_changed file=report.json"):
        create_app(Config(bundle=str(tmp_path / "changed"), secret_key=SECRET_KEY))


def test_the_limit_of_the_body_leaves_room_for_the_form_beside_the_photo(make_app):
    app = make_app(max_upload_mb=3)
    assert app.config["MAX_CONTENT_LENGTH"] == 4_000_000
    assert app.request_class.max_form_memory_size == 1_000_000


def test_a_page_that_asks_for_what_it_was_not_given_fails_instead_of_staying_silent(app):
    with pytest.raises(UndefinedError, match="nothing"):
        app.jinja_env.from_string("{{ page.nothing }}").render(page=object())
