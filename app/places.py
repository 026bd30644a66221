"""How many uploads are under way at once, and how many photos are decoded at once; more are refused or wait.

Uploads may not take every thread, so that pages and probes are answered while they all are slow; and decoding may not
take all memory, since one photo of 50 megapixels needs 300 MB for a moment.
"""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

from flask import Flask, current_app, g, request

from app.config import Config
from app.inference import LOOK_S, ClientGone, Overloaded

SMALL_BYTES = 100_000  # an answer shown again, or a form without a file; such are here before a thread is given
_TCP_ESTABLISHED = 1


def init_app(app: Flask, config: Config) -> None:
    """Give each upload for which a thread may wait a place before its body is read; before CSRF, which reads it."""
    app.extensions["upload_places"] = threading.BoundedSemaphore(config.uploads)
    app.extensions["decoding_places"] = threading.BoundedSemaphore(config.decoding)
    app.before_request(_admit)
    app.teardown_request(_free_upload_place)


def _admit() -> None:
    if request.method not in ("GET", "HEAD", "OPTIONS") and _may_keep_a_thread_waiting():
        _take_upload_place()


def _may_keep_a_thread_waiting() -> bool:
    length = request.content_length
    # A client that waits for `100 Continue` has sent nothing of its body yet, however small it is.
    return length is None or length > SMALL_BYTES or "Expect" in request.headers


def _take_upload_place() -> None:
    if "upload_place" in g:
        return
    places = current_app.extensions["upload_places"]
    if not places.acquire(blocking=False):
        raise _overloaded("uploads")
    g.upload_place = places


def _free_upload_place(_error: BaseException | None) -> None:
    if places := g.pop("upload_place", None):
        places.release()


@contextlib.contextmanager
def decoding() -> Iterator[None]:
    """Wait for one of the places in which a photo may be decoded and prepared: `with places.decoding(): ...`.

    A small upload that holds a photo takes its upload place here: many of them would keep every thread busy too.

    Raises:
        Overloaded: all upload places are taken, or no place for decoding became free within the deadline.
        ClientGone: nobody waits for the answer any more.
    """
    _take_upload_place()
    places = current_app.extensions["decoding_places"]
    _wait_for(places)
    try:
        yield
    finally:
        places.release()


def _wait_for(places: threading.BoundedSemaphore) -> None:
    until = time.monotonic() + current_app.extensions["config"].deadline_s
    while (left_s := until - time.monotonic()) > 0:
        if places.acquire(timeout=min(LOOK_S, left_s)):
            return
        if not client_is_there():
            raise ClientGone()
    raise _overloaded("decoding")


def client_is_there() -> bool:
    """Whether the client of this request still waits for the answer; yes where that cannot be told."""
    connection = request.environ.get("gunicorn.socket")
    try:
        # The first byte of struct tcp_info is the state, in linux/tcp.h; after a client's FIN or RST it is another.
        return connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == _TCP_ESTABLISHED
    except (AttributeError, OSError):  # no socket, no Linux, or no TCP
        return True


def _overloaded(places: str) -> Overloaded:
    """Count a refusal by the places that are all taken, and give it; `inference.submit` counts those of the queue."""
    current_app.extensions["metrics"].overloaded.labels(places).inc()
    return Overloaded()
