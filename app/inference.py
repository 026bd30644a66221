"""The bounded queue in front of the engine: deadlines, small batches, and a refusal instead of an endless wait."""

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass, field

import numpy as np
from flask import current_app

from model_store.errors import EngineError, ModelStoreError

# When to come again after a refusal: a full queue is answered in about half a second (docs/operate/running.md,
# "Sizing"), and an upload over a phone takes a few. Sooner, the same crowd would meet; much later, a worried visitor
# would not come again.
COME_AGAIN_S = 5


class Overloaded(ModelStoreError):
    """Every place is taken, for uploads, for decoding, or in the queue."""

    def __init__(self) -> None:
        super().__init__("overloaded", seconds=COME_AGAIN_S)


class DeadlineExceeded(ModelStoreError):
    """The model did not answer in time."""

    def __init__(self) -> None:
        super().__init__("deadline_exceeded")


class ClientGone(ModelStoreError):
    """The client closed the connection before its answer was there; nobody will read what is answered."""

    def __init__(self) -> None:
        super().__init__("client_gone")


# How often a waiting photo's client is looked for, seconds.
LOOK_S = 0.25


@dataclass(frozen=True, eq=False)  # two photos are never the same job, and arrays have no one answer to ==
class _Job:
    array: np.ndarray
    expires_at: float  # on the monotonic clock, seconds
    answer: Future = field(default_factory=Future)


class InferenceQueue:
    """Photos wait here for the one thread that runs the model.

    Args:
        predict: called with float32 (N, H, W, 3), N from 1 to `batch_size`; gives N predictions in order.
        length: how many photos may wait.
        batch_size: how many waiting photos are taken together. Nobody waits for a batch to fill.
        deadline_s: how long a photo may wait for its answer, seconds.
    """

    def __init__(
        self, predict: Callable[[np.ndarray], Sequence], *, length: int, batch_size: int, deadline_s: float
    ) -> None:
        self._predict = predict
        self._jobs: queue.Queue[_Job | None] = queue.Queue(length)
        self._batch_size = batch_size
        self._deadline_s = deadline_s
        self._began: float | None = None  # when the model began with what it is looking at, monotonic seconds
        self._thread = threading.Thread(target=self._run, name="inference", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether the thread runs that answers photos."""
        return self._thread.is_alive()

    @property
    def answers(self) -> bool:
        """Whether photos are being answered: the model is not longer at the same ones than any visitor waits."""
        began = self._began
        return self.alive and (began is None or time.monotonic() - began < self._deadline_s)

    @property
    def waiting(self) -> int:
        """How many photos wait, those that the model is looking at left out."""
        return self._jobs.qsize()

    def submit(self, array: np.ndarray, client_is_there: Callable[[], bool] = lambda: True):
        """Wait for the prediction of one prepared photo, float32 (H, W, 3).

        Args:
            client_is_there: whether anybody still waits for the answer; asked every `LOOK_S` seconds.

        Raises:
            Overloaded: the queue is full.
            ClientGone: nobody waits any more; the photo's place is free again.
            DeadlineExceeded: no answer came in time; the photo is dropped without being computed, if still waiting.
            EngineError: the model failed.
        """
        job = _Job(array, time.monotonic() + self._deadline_s)
        try:
            self._jobs.put_nowait(job)
        except queue.Full:
            raise Overloaded() from None
        while (left_s := job.expires_at - time.monotonic()) > 0:
            # A future that holds a TimeoutError raises it as well, so waiting and asking are two steps.
            if wait([job.answer], timeout=min(LOOK_S, left_s)).done:
                return job.answer.result()
            if not client_is_there():
                self._give_up(job)
                raise ClientGone()
        self._give_up(job)
        raise DeadlineExceeded()

    def _give_up(self, job: _Job) -> None:
        """Leave the queue, so that another photo gets the place; one that is being computed is left to its end."""
        if job.answer.cancel():
            with self._jobs.mutex, contextlib.suppress(ValueError):  # the thread took it just now, and will drop it
                self._jobs.queue.remove(job)

    def close(self) -> None:
        """Answer what waits, then stop the thread; without effect on a closed one. For tests and an orderly end."""
        if self.alive:
            self._jobs.put(None)
            self._thread.join()

    def _run(self) -> None:
        while True:
            batch = self._take()
            jobs = [job for job in batch if job is not None and self._still_wanted(job)]
            if jobs:
                self._answer(jobs)
            if None in batch:
                return

    def _take(self) -> list[_Job | None]:
        """Wait for one job, then take those that wait beside it, up to the batch size."""
        batch = [self._jobs.get()]
        while len(batch) < self._batch_size and batch[-1] is not None:
            try:
                batch.append(self._jobs.get_nowait())
            except queue.Empty:
                break
        return batch

    @staticmethod
    def _still_wanted(job: _Job) -> bool:
        return time.monotonic() < job.expires_at and job.answer.set_running_or_notify_cancel()

    def _answer(self, jobs: list[_Job]) -> None:
        self._began = time.monotonic()
        try:
            predictions = self._predict(np.stack([job.array for job in jobs]))
            if len(predictions) != len(jobs):
                raise EngineError("engine_failed", expected=len(jobs), got=len(predictions))
        except Exception as error:  # whatever it was, the visitor gets an answer and the thread goes on
            for job in jobs:
                job.answer.set_exception(error)
            return
        finally:
            self._began = None
        for job, prediction in zip(jobs, predictions, strict=True):
            job.answer.set_result(prediction)


def submit(array: np.ndarray, client_is_there: Callable[[], bool] = lambda: True):
    """`InferenceQueue.submit` on the queue of the current application."""
    try:
        return current_app.extensions["inference"].submit(array, client_is_there)
    except Overloaded:
        current_app.extensions["metrics"].overloaded.labels("queue").inc()
        raise
