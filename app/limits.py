"""How many photos one client may send: limits by address, counted in memory or, for several containers, in Redis.

What brings back an answer that the browser kept, and no photo, has a limit of its own, ten times as high: a clinician
who opens and exports what was answered is not taken for someone who sends photos. Each counts there
by the processor time that it takes, since a PDF takes ten times as much as a page.
"""

import hmac
import ipaddress
import logging
import math
import re
import time
from collections.abc import Callable

import limits
from flask import Flask, current_app, g, request
from flask_limiter import ApplicationLimit, Limiter

from app.config import Config

# A Redis that does not answer may not hold up a visitor.
REDIS_TIMEOUT_S = 0.5
# The memory's counts end at a time of day, so a clock that was put back would keep them for as long as that.
CLOCK_JUMP_S = 10
READING = ("GET", "HEAD", "OPTIONS")
WITHOUT_PHOTO_FACTOR = 10


def init_app(app: Flask, config: Config) -> None:
    """Limit what sends something; reading a page is free. Before CSRF, which would read the whole upload first.

    When Redis is gone, each process counts for itself until it is back, and says both once in the log.
    """
    # At a lower level the library writes each client's key into the log.
    logging.getLogger("flask-limiter").setLevel(logging.WARNING)
    in_redis = config.rate_limit_storage != "memory://"
    if not in_redis:
        app.extensions["clock_offset"] = _clock_offset()
        app.before_request(_forget_after_a_jump_of_the_clock)
    limiter = app.extensions["limiter"] = Limiter(
        client_key,
        app=app,
        enabled=bool(config.rate_limit),
        application_limits=_application_limits(config.rate_limit) if config.rate_limit else [],
        storage_uri=config.rate_limit_storage,
        storage_options={"socket_connect_timeout": REDIS_TIMEOUT_S, "socket_timeout": REDIS_TIMEOUT_S}
        if in_redis
        else {},
        in_memory_fallback_enabled=in_redis,
        key_prefix="skin-check",
    )
    # In the same bucket as the requests themselves, whose scope the library calls so.
    count_more = limiter.shared_limit(config.rate_limit, "global", cost=lambda: g.more_photos, override_defaults=False)
    app.extensions["count_more_photos"] = count_more(lambda: None)


def _application_limits(rate_limit: str) -> list[ApplicationLimit]:
    more = "; ".join(
        f"{item.amount * WITHOUT_PHOTO_FACTOR} per {item.multiples} {item.GRANULARITY.name}"
        for item in limits.parse_many(rate_limit)
    )
    return [
        ApplicationLimit(
            limit_provider=rate_limit, exempt_when=lambda: request.method in READING or _brings_no_photo()
        ),
        ApplicationLimit(
            limit_provider=more,
            scope="without photo",
            cost=_weight,
            exempt_when=lambda: request.method in READING or not _brings_no_photo(),
        ),
    ]


def without_photo(view: Callable) -> Callable:
    """Mark a view whose requests bring back answers alone."""
    view.without_photo = True
    return view


def weighs(weight: int) -> Callable:
    """Mark a view `without_photo` that takes longer than others: 1 for each 20 ms of processor time, as measured.

    At most `WITHOUT_PHOTO_FACTOR`, so that each is answered under every limit.
    """

    def mark(view: Callable) -> Callable:
        view.weight = weight
        return view

    return mark


def _weight() -> int:
    return getattr(current_app.view_functions[request.endpoint], "weight", 1)


def _brings_no_photo() -> bool:
    return hasattr(current_app.view_functions.get(request.endpoint), "without_photo")


def count_photos(photos: int) -> None:
    """Let a request with several photos count as so many: the first was counted with the request itself.

    Raises:
        RateLimitExceeded: its client has not so many left.
    """
    if photos > 1:
        g.more_photos = photos - 1
        current_app.extensions["count_more_photos"]()


def _clock_offset() -> float:
    return time.time() - time.monotonic()


def _forget_after_a_jump_of_the_clock() -> None:
    offset = _clock_offset()
    if abs(offset - current_app.extensions["clock_offset"]) > CLOCK_JUMP_S:
        current_app.extensions["limiter"].reset()
    current_app.extensions["clock_offset"] = offset


def client_key() -> str:
    """Stand in for the client's address: a keyed hash, which only this site's key connects with it.

    Of an IPv6 address the first 64 bits count, since one client has all the others. Clients whose address cannot be
    read share one key.
    """
    address = client_address()
    if address is not None and address.version == 6:
        address = ipaddress.ip_network((address, 64), strict=False).network_address
    key = str(current_app.secret_key).encode()
    return hmac.digest(key, b"rate limit " + (address.packed if address else b""), "sha256").hex()[:32]


def client_address() -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The client's address, without the port that some proxies add; None where it cannot be read.

    On a site that listens on `::`, those who come over IPv4 have theirs inside one of IPv6.
    """
    text = (request.remote_addr or "").partition("%")[0]
    if with_port := re.fullmatch(r"([\d.]+):\d+|\[([^]]+)\]:\d+", text):
        text = with_port[1] or with_port[2]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def seconds_to_wait() -> int:
    """After how many seconds the client that was just refused may come again; at least 1."""
    limit = current_app.extensions["limiter"].current_limit
    if limit is None:
        return 60
    return max(1, min(math.ceil(limit.reset_at - time.time()), limit.limit.get_expiry()))
