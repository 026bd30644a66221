"""Style sheet, scripts and drawings: cached by the browser for a year, under a URL that changes with the content."""

import hashlib
import posixpath
from functools import cache
from pathlib import Path

from flask import Flask, Response, request

ONE_YEAR_S = 31_536_000


def init_app(app: Flask) -> None:
    """Let `url_for("static", ...)` carry the file's hash, and let what carries it be cached."""

    @app.url_defaults
    def add_version(endpoint: str, values: dict) -> None:
        if endpoint == "static":
            values.setdefault("v", _version(Path(app.static_folder) / values["filename"]))

    @app.after_request
    def cache_versioned(response: Response) -> Response:
        # OPTIONS is answered without a look at the path, which may name any file of this machine, or an endless one.
        sends_file = request.endpoint == "static" and request.method in ("GET", "HEAD") and response.status_code < 400
        if sends_file and _names_its_version(app):
            response.headers["Cache-Control"] = f"public, max-age={ONE_YEAR_S}, immutable"
        return response


def _names_its_version(app: Flask) -> bool:
    """Whether a file is asked for under its own address.

    While an old version of the site and a new one answer side by side, a browser may ask the one for what a page of the
    other names, and would keep the wrong file for a year.
    """
    # One file has endlessly many names, as `tips/../site.css`; each would stay in memory with its version.
    name = posixpath.normpath(request.view_args["filename"])
    return request.args.get("v") == _version(Path(app.static_folder) / name)


@cache
def _version(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]
