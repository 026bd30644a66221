"""For the operator's probes: is the process alive, is it ready."""

from flask import Blueprint, Response, current_app, jsonify

blueprint = Blueprint("operations", __name__)


@blueprint.get("/livez")
def livez() -> Response:
    """The process answers; says nothing about the model."""
    return jsonify(status="alive")


@blueprint.get("/readyz")
def readyz() -> tuple[Response, int]:
    """The model was loaded and verified, and photos are being answered; 503 otherwise."""
    ready = current_app.extensions["inference"].alive
    bundle = current_app.extensions["classifier"].bundle
    answer = jsonify(
        status="ready" if ready else "not ready", bundle=bundle.name, version=bundle.version, bundle_id=bundle.id
    )
    return answer, 200 if ready else 503
