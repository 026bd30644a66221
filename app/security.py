"""Headers of every answer, cookies, and which host names and proxies are believed."""

import re

from flask import Flask, Response, request
from flask.sessions import SecureCookieSessionInterface
from flask_wtf import CSRFProtect
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.sansio.utils import host_is_trusted

from app import observability, problems
from app.config import Config, secret_key

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        # data: is the photo on the result page, blob: the preview before sending; neither can run anything.
        "img-src 'self' data: blob:",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
TWO_YEARS_S = 63_072_000
# A visitor may leave the page open while taking the photo, but hardly longer than this.
CSRF_TOKEN_S = 12 * 3600


class _SessionInterface(SecureCookieSessionInterface):
    """Marks the session cookie Secure whenever the visitor came over TLS, without a setting that could be forgotten."""

    def get_cookie_secure(self, app: Flask) -> bool:
        return request.is_secure


def init_app(app: Flask, config: Config) -> None:
    """Set up everything that this file's first line names; before the blueprints, so that no view comes first."""
    app.secret_key = secret_key(config)
    app.session_interface = _SessionInterface()
    app.config.update(
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        WTF_CSRF_TIME_LIMIT=CSRF_TOKEN_S,
        # It demands a Referer over TLS, which our own Referrer-Policy tells browsers not to send; the token suffices.
        WTF_CSRF_SSL_STRICT=False,
    )
    if config.proxies:
        app.wsgi_app = ProxyFix(
            app.wsgi_app, x_for=config.proxies, x_proto=config.proxies, x_host=config.proxies, x_prefix=0
        )
    app.before_request(lambda: _refuse_unknown_host(config.hosts))
    app.after_request(_add_headers)
    CSRFProtect(app)


def _refuse_unknown_host(hosts: tuple[str, ...]) -> Response | None:
    """Answer only to our own names, so that nobody can have the site speak under another one.

    Probes come by address, not by name, and learn nothing, so `operations` is left out. People get plain text: under
    an unknown name a page of ours would come without its style sheet, and its links would lead back here.
    """
    if request.blueprint == "operations" or _is_ours(request.environ.get("HTTP_HOST", ""), hosts):
        return None
    if problems.wants_json():
        raise problems.HostUnknown()
    observability.note_problem("host_unknown")
    return Response(
        "This site does not answer to this host name. Its operator can add it to SKIN_HOSTS.\n",
        status=400,
        mimetype="text/plain",
    )


def _is_ours(host: str, hosts: tuple[str, ...]) -> bool:
    if not host_is_trusted(host):  # without a list it checks the form; its own list knows no IPv6 address
        return False
    name = re.sub(r":\d+$", "", host).lower()
    return any(name == own or (own.startswith(".") and name.endswith(own)) for own in hosts)


def _add_headers(response: Response) -> Response:
    for name, value in HEADERS.items():
        response.headers[name] = value
    if request.is_secure:
        response.headers["Strict-Transport-Security"] = f"max-age={TWO_YEARS_S}"
    # An answer to an upload is the visitor's own: no cache, the browser's included, keeps it.
    if request.method not in ("GET", "HEAD") or response.status_code >= 400:
        response.headers["Cache-Control"] = "no-store"
    elif request.endpoint != "static":
        response.headers.setdefault("Cache-Control", "private, no-cache")
    return response
