"""How many photos a second get an answer, with several clients that each send one after another."""

import threading
import time
from collections.abc import Callable

import numpy as np

from app.config import Config
from app.inference import InferenceQueue, Overloaded
from benchmarks.site import Site
from model_store.engines.base import Engine

REFUSED_WAIT_S = 0.05  # a refused client comes again, as Retry-After asks, if sooner


def of_queue(engine: Engine, photo: np.ndarray, clients: int, seconds: float) -> tuple[float, float]:
    """Let clients hand in a prepared photo, float32 (H, W, 3), at the queue that the site has before its engine.

    Returns:
        How many a second were answered, and how many refused.
    """
    config = Config()
    queue = InferenceQueue(
        lambda batch: engine.run(batch).logits,
        length=config.queue_length, batch_size=config.batch_size, deadline_s=config.deadline_s,
    )  # fmt: skip

    def make_client() -> Callable[[], bool]:
        def send() -> bool:
            try:
                queue.submit(photo)
            except Overloaded:
                return False
            return True

        return send

    try:
        return _measure(make_client, clients, seconds)
    finally:
        queue.close()


def of_site(site: Site, photo: bytes, clients: int, seconds: float) -> tuple[float, float]:
    """Let clients send a JPEG by the form and read the page; they share the processors with the site.

    Returns:
        How many a second were answered with 200, and how many with 503.

    Raises:
        RuntimeError: another status came.
    """

    def make_client() -> Callable[[], bool]:
        client = site.connect()

        def send() -> bool:
            status = client.send_form(photo)
            if status not in (200, 503):
                raise RuntimeError(f"status {status}")
            return status == 200

        return send

    return _measure(make_client, clients, seconds)


def _measure(make_client: Callable[[], Callable[[], bool]], clients: int, seconds: float) -> tuple[float, float]:
    outcomes: list[bool] = []
    failures: list[Exception] = []
    barrier = threading.Barrier(clients + 1)

    def work() -> None:
        send = make_client()
        barrier.wait()
        end = time.perf_counter() + seconds
        try:
            while time.perf_counter() < end:
                outcomes.append(send())
                if not outcomes[-1]:
                    time.sleep(REFUSED_WAIT_S)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(clients)]
    for thread in threads:
        thread.start()
    barrier.wait()
    start = time.perf_counter()
    for thread in threads:
        thread.join()
    taken = time.perf_counter() - start
    if failures:
        raise failures[0]
    return outcomes.count(True) / taken, outcomes.count(False) / taken
