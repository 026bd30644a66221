"""A command that is stopped, by Ctrl-C or by the system, ends in one line."""

import os
import signal
import sys
from collections.abc import Callable
from typing import NoReturn


def run(command: Callable[[], int]) -> None:
    """Run what gives this process its exit status, so that Ctrl-C and SIGTERM (of an evicted pod) leave no draft."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        sys.exit(command())
    except KeyboardInterrupt:
        _end_stopped(128 + signal.SIGINT)
    except SystemExit as end:
        if end.code == 128 + signal.SIGTERM:
            _end_stopped(end.code)
        raise


def _end_stopped(status: int) -> NoReturn:
    """End without Python's clean-up: OpenVINO's threads still compute, and abort the process when that meets them."""
    print("error: stopped before the end", file=sys.stderr)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
