"""The queue in front of the engine answers, batches, refuses, and gives up in time."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from app.inference import ClientGone, DeadlineExceeded, InferenceQueue, Overloaded
from model_store.errors import EngineError
from tests.waiting import wait_until


def photo(value: float) -> np.ndarray:
    return np.full((2, 2, 3), value, np.float32)


class Gate:
    """Stands in for a model: holds each batch until it is opened, and remembers what it was given."""

    def __init__(self, opened: bool = False) -> None:
        self.batches: list[list[float]] = []
        self.entered = threading.Semaphore(0)
        self.open = threading.Event()
        if opened:
            self.open.set()

    def __call__(self, batch: np.ndarray) -> list[float]:
        self.batches.append([float(one[0, 0, 0]) for one in batch])
        self.entered.release()
        assert self.open.wait(30)
        return self.batches[-1]


@pytest.fixture
def start():
    """A function that starts a queue; what it holds is let through at the end."""
    queues = []

    def start_queue(predict, length=8, batch_size=4, deadline_s=30.0):
        queues.append((InferenceQueue(predict, length=length, batch_size=batch_size, deadline_s=deadline_s), predict))
        return queues[-1][0]

    yield start_queue
    for queue, predict in queues:
        if isinstance(predict, Gate):
            predict.open.set()
        queue.close()


def test_every_visitor_gets_the_answer_to_their_own_photo(start):
    queue = start(Gate(opened=True), length=50)
    with ThreadPoolExecutor(16) as visitors:
        assert list(visitors.map(queue.submit, map(photo, range(40)))) == list(range(40))


def fill(queue, pool, gate, values):
    """Let one photo reach the model, and the others wait behind it."""
    answers = [pool.submit(queue.submit, photo(values[0]))]
    assert gate.entered.acquire(timeout=30)
    for value in values[1:]:
        before = queue.waiting
        answers.append(pool.submit(queue.submit, photo(value)))
        wait_until(lambda before=before: queue.waiting != before)
    return answers


def test_what_waits_is_taken_together_up_to_the_batch_size(start):
    gate = Gate()
    queue = start(gate, batch_size=3)
    with ThreadPoolExecutor(8) as pool:
        answers = fill(queue, pool, gate, [0, 1, 2, 3, 4])
        gate.open.set()
        assert [answer.result(30) for answer in answers] == [0, 1, 2, 3, 4]
    assert gate.batches == [[0], [1, 2, 3], [4]]


def test_a_full_queue_refuses_at_once_and_says_when_to_come_back(start):
    gate = Gate()
    queue = start(gate, length=2, deadline_s=20.0)
    with ThreadPoolExecutor(8) as pool:
        answers = fill(queue, pool, gate, [0, 1, 2])
        with pytest.raises(Overloaded) as caught:
            queue.submit(photo(3))
        assert caught.value.details == {"seconds": 5}
        gate.open.set()
        assert [answer.result(30) for answer in answers] == [0, 1, 2]


def test_a_photo_past_its_deadline_is_given_up_and_never_computed(start):
    gate = Gate()
    queue = start(gate, deadline_s=0.2)
    with ThreadPoolExecutor(8) as pool:
        answers = fill(queue, pool, gate, [0, 1])
        for answer in answers:
            with pytest.raises(DeadlineExceeded):
                answer.result(30)
    gate.open.set()
    queue.close()
    assert gate.batches == [[0]]


def test_a_client_that_hangs_up_gives_its_place_to_another(start):
    gate, gone = Gate(), threading.Event()
    queue = start(gate, length=1)
    with ThreadPoolExecutor(8) as pool:
        first = fill(queue, pool, gate, [0])
        leaving = pool.submit(queue.submit, photo(1), lambda: not gone.is_set())
        wait_until(lambda: queue.waiting)
        gone.set()
        with pytest.raises(ClientGone):
            leaving.result(30)
        assert queue.waiting == 0
        next_one = pool.submit(queue.submit, photo(2))
        wait_until(lambda: queue.waiting)
        gate.open.set()
        assert [first[0].result(30), next_one.result(30)] == [0, 2]
    assert gate.batches == [[0], [2]]


def test_a_failing_model_fails_its_batch_and_goes_on_with_the_next(start):
    def predict(batch):
        if batch.max() > 0:
            raise EngineError("engine_failed")
        return [0.0]

    queue = start(predict)
    with pytest.raises(EngineError):
        queue.submit(photo(1))
    assert queue.submit(photo(0)) == 0.0
    assert queue.alive


def test_a_model_that_loses_an_answer_is_an_error_and_no_mix_up(start):
    queue = start(lambda batch: [])
    with pytest.raises(EngineError, match="expected=1 got=0"):
        queue.submit(photo(1))


def test_a_closed_queue_is_not_alive_and_answers_nothing(start):
    queue = start(Gate(opened=True))
    assert queue.answers
    queue.close()
    assert not queue.alive
    assert not queue.answers


def test_a_model_that_hangs_is_seen_and_seen_to_come_back(start):
    gate = Gate()
    queue = start(gate, deadline_s=2.0)
    with pytest.raises(DeadlineExceeded):
        queue.submit(photo(0))
    assert queue.alive
    wait_until(lambda: not queue.answers)  # the model began a little after its visitor came
    gate.open.set()
    assert queue.submit(photo(1)) == 1
    assert queue.answers


def test_a_clock_that_jumps_while_a_photo_waits_changes_nothing(start, monkeypatch):
    gate, now = Gate(), time.time
    queue = start(gate)
    with ThreadPoolExecutor(8) as pool:
        answers = fill(queue, pool, gate, [0, 1])
        for jump_s in (86_400, -86_400):
            monkeypatch.setattr(time, "time", lambda jump_s=jump_s: now() + jump_s)
            time.sleep(0.3)
        gate.open.set()
        assert [answer.result(30) for answer in answers] == [0, 1]
