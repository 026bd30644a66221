"""The web site. `create_app` puts its parts together."""

from flask import Flask
from jinja2 import StrictUndefined

from app import (
    api,
    assets,
    clinician,
    ground_truth,
    i18n,
    inference,
    judging,
    limits,
    model_page,
    observability,
    operations,
    patient,
    places,
    problems,
    security,
)
from app.config import Config
from app.uploads import FORM_FIELDS_BYTES, UploadRequest
from model_store import bundle, engines
from model_store.classifier import Classifier


def create_app(config: Config | None = None, classifier: Classifier | None = None) -> Flask:
    """Make the site, ready to answer: the bundle is verified and the model loaded here, once.

    Args:
        config: the settings; from the environment when left out.
        classifier: a loaded one; the bundle that the settings name when left out.

    Raises:
        ConfigError: a setting is unknown or cannot be used.
        BundleError: the bundle is missing, damaged or answers otherwise than when it was written.
        EngineError: the model cannot be run here.
    """
    config = config or Config.from_environment()
    classifier = classifier or Classifier.load(bundle.find(config.bundle), config.engine, _engine_options(config))

    app = Flask(__name__, template_folder="../templates", static_folder="../static")
    app.request_class = UploadRequest
    app.config["MAX_CONTENT_LENGTH"] = config.max_upload_mb * 1_000_000 + FORM_FIELDS_BYTES
    app.jinja_env.undefined = StrictUndefined
    app.extensions["config"] = config
    app.extensions["classifier"] = classifier
    app.extensions["ground_truth"] = ground_truth.read(config.ground_truth_csv)
    observability.init_app(app)
    metrics = app.extensions["metrics"]
    app.extensions["inference"] = inference.InferenceQueue(
        observability.timed(metrics, "network", lambda batch: judging.run(classifier, batch)),
        length=config.queue_length, batch_size=config.batch_size, deadline_s=config.deadline_s,
    )  # fmt: skip

    metrics.describe(classifier.bundle, app.extensions["inference"], config.queue_length)

    i18n.init_app(app)
    limits.init_app(app, config)
    places.init_app(app, config)
    security.init_app(app, config)
    problems.init_app(app)
    assets.init_app(app)
    app.register_blueprint(operations.blueprint)
    app.register_blueprint(patient.blueprint)
    # No cookie opens anything in the API, so nobody's browser can be made to misuse one.
    app.extensions["csrf"].exempt(api.blueprint)
    app.register_blueprint(api.blueprint)
    app.register_blueprint(clinician.blueprint)
    app.register_blueprint(model_page.blueprint)
    metrics.start_at_zero(app.view_functions, ("ok", *problems.FAULTS_OF_OURS))
    return app


def _engine_options(config: Config) -> engines.Options:
    return engines.Options(cache=config.cache, remote_url=config.remote_url, remote_timeout_s=config.remote_timeout_s)
