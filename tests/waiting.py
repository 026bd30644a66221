"""To wait for what another thread or process does, and no longer than a test may take."""

import time
from collections.abc import Callable

import pytest


def wait_until(condition: Callable[[], object], seconds: float = 30) -> None:
    """Return once the condition is true; fail the test where it is not within so many seconds."""
    given_up = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > given_up:
            pytest.fail(f"waited {seconds} s in vain")
        time.sleep(0.005)
