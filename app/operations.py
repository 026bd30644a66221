"""For the operator's probes and monitoring: is the process alive, is it ready, what is it doing."""

import ipaddress

from flask import Blueprint, Response, abort, current_app, jsonify
from prometheus_client import CONTENT_TYPE_LATEST

from app import limits

blueprint = Blueprint("operations", __name__)


@blueprint.get("/livez")
def livez() -> Response:
    """The process answers; says nothing about the model."""
    return jsonify(status="alive")


@blueprint.get("/readyz")
def readyz() -> tuple[Response, int]:
    """The model was loaded and verified, and photos are being answered; 503 otherwise."""
    ready = current_app.extensions["inference"].answers
    bundle = current_app.extensions["classifier"].bundle
    answer = jsonify(
        status="ready" if ready else "not ready", bundle=bundle.name, version=bundle.version, bundle_id=bundle.id
    )
    return answer, 200 if ready else 503


@blueprint.get("/metrics")
def metrics() -> Response:
    """The figures of `observability.Metrics`, for those whom the operator's networks include."""
    networks = current_app.extensions["config"].metrics_allow
    address = limits.client_address()
    if address is None or not any(address in ipaddress.ip_network(network) for network in networks):
        abort(404)
    return Response(current_app.extensions["metrics"].text(), content_type=CONTENT_TYPE_LATEST)
