"""Ask a real server for many answers at once: `make load`, or `python -m tests.load --requests 10000 --clients 64`.

Photos and broken files come mixed, from Locust's clients. Each answer must be the one that the same file got when it
was the only one, or "overloaded"; no status of 500; memory may not grow. It starts only if every good photo got its
diagnoses then, else there would be nothing to compare. Writes what was measured to a JSON file, and
ends with status 1 if something else happened.
"""

from gevent import monkey

monkey.patch_all()  # before anything else takes sockets and threads as they are

import argparse  # noqa: E402
import datetime  # noqa: E402
import itertools  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402
import re  # noqa: E402
import subprocess  # noqa: E402
import sys  # noqa: E402
import tempfile  # noqa: E402
import time  # noqa: E402
from collections import Counter  # noqa: E402
from dataclasses import dataclass, field  # noqa: E402
from pathlib import Path  # noqa: E402

import gevent  # noqa: E402
import requests  # noqa: E402
from locust import HttpUser, task  # noqa: E402
from locust.env import Environment  # noqa: E402

from tests.load import figures, photos  # noqa: E402
from tests.load.answers import TOLERANCE, Answer, read, unfit  # noqa: E402

ROOT = Path(__file__).parent.parent.parent
PATH = "/api/v1/answer"
WARM_UP = 0.1  # of all requests; memory is measured from then on
# A refused visitor comes again after this; the site asks for more, but this is a test of its strength.
PAUSE_AFTER_REFUSAL_S = 1.0


@dataclass
class Record:
    """What happened so far."""

    expected: dict[str, tuple[bytes, Answer]]
    wanted: int
    statuses: Counter = field(default_factory=Counter)
    answered_s: list[float] = field(default_factory=list)
    refused_s: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    largest_difference: float = 0.0

    @property
    def done(self) -> int:
        return sum(self.statuses.values())

    def note(self, name: str, response: requests.Response, seconds: float) -> None:
        """Compare an answer with the one that the same file got alone."""
        self.statuses[str(response.status_code)] += 1
        got = read(response.status_code, response.json()) if response.status_code else Answer(0, "no answer", {})
        if got.said == "overloaded":
            self.refused_s.append(seconds)
            return
        self.answered_s.append(seconds)
        difference = got.differs_from(self.expected[name][1])
        if difference > TOLERANCE:
            self.wrong.append(f"{name}: {got}")
        else:
            self.largest_difference = max(self.largest_difference, difference)


def visitor(record: Record) -> type[HttpUser]:
    """The class of clients that send one file after the other, in turn."""
    turns = itertools.cycle(record.expected)

    class Visitor(HttpUser):
        @task
        def ask(self) -> None:
            if record.done >= record.wanted:
                gevent.sleep(1)
                return
            name = next(turns)
            started = time.monotonic()
            with self.client.post(
                PATH, files={"photo": (name, record.expected[name][0])}, catch_response=True
            ) as answer:
                record.note(name, answer, time.monotonic() - started)
                answer.success()  # what is a failure is said by the record
            if answer.status_code == 503:
                gevent.sleep(PAUSE_AFTER_REFUSAL_S)

    return Visitor


def start(log: Path) -> tuple[subprocess.Popen, str]:
    """Serve the site as `make serve` does, on a free port, without a limit on how much one address may send."""
    environment = {**os.environ, "HOST": "127.0.0.1", "PORT": "0", "SKIN_RATE_LIMIT": ""}
    with log.open("wb") as output:
        server = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "--config", "gunicorn.conf.py", "wsgi"],
            cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
    while server.poll() is None:
        if ready := re.search(r"Ready: (http[^\s\",]+)", log.read_text()):
            return server, ready[1]
        time.sleep(0.2)
    raise SystemExit(f"the site did not start:\n{log.read_text()}")


def ask_alone(url: str) -> dict[str, tuple[bytes, Answer]]:
    """Each file with the answer that it gets while nobody else asks; ends the test where that is none to compare."""
    good, alone = photos.good(), {}
    for name, data in {**good, **photos.bad()}.items():
        response = requests.post(url + PATH, files={"photo": (name, data)}, timeout=120)
        alone[name] = data, read(response.status_code, response.json())
    if complaints := unfit({name: alone[name][1] for name in good}):
        raise SystemExit("Not started, since a wrong answer would not be seen:\n" + "\n".join(complaints))
    return alone


def resident_mb(server: subprocess.Popen) -> float:
    """Memory of the server's worker, megabytes."""
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
    pages = sum(int(Path(f"/proc/{child}/statm").read_text().split()[1]) for child in children)
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def run(url: str, server: subprocess.Popen, record: Record, clients: int, seconds: float) -> dict:
    """Let the clients ask until the wanted number of requests is done, or the time is over; the figures."""
    environment = Environment(user_classes=[visitor(record)], host=url)
    runner = environment.create_local_runner()
    started, samples = time.monotonic(), []
    runner.start(clients, spawn_rate=clients)
    while record.done < record.wanted and time.monotonic() - started < seconds and server.poll() is None:
        gevent.sleep(1)
        if record.done >= WARM_UP * record.wanted:
            samples.append(resident_mb(server))
    took = time.monotonic() - started
    runner.quit()
    return {
        "requests": record.done,
        "requests_wanted": record.wanted,
        "clients": clients,
        "seconds": round(took, 1),
        "statuses": dict(record.statuses),
        "wrong_answers": len(record.wrong),
        "largest_probability_difference": record.largest_difference,
        "answered_p50_s": figures.percentile(record.answered_s, 0.5),
        "answered_p99_s": figures.percentile(record.answered_s, 0.99),
        "refused_p99_s": figures.percentile(record.refused_s, 0.99),
        **figures.growth(samples),
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.load", description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=10_000, help="how many (10000)")
    parser.add_argument("--clients", type=int, default=64, help="how many at once (64)")
    parser.add_argument("--seconds", type=float, default=3600, help="stop after this, however many are done (3600)")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/load.json", help="where the figures go")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        server, url = start(Path(folder) / "log")
        try:
            alone = ask_alone(url)
            served = requests.get(url + "/readyz", timeout=120).json()
            record = Record(alone, arguments.requests)
            measured = run(url, server, record, arguments.clients, arguments.seconds)
        finally:
            server.terminate()
            status = server.wait(timeout=120)
    results = {
        "date": datetime.date.today().isoformat(),
        "bundle": f"{served['bundle']}/{served['version']}",
        "bundle_id": served["bundle_id"],
        "processors": os.cpu_count(),
        **measured,
        "exit_status": status,
    }
    complaints = record.wrong[:20] + figures.judge(results)
    arguments.out.parent.mkdir(exist_ok=True)
    arguments.out.write_text(json.dumps(results, indent=2) + "\n")
    print(json.dumps(results, indent=2))
    print("\n".join(complaints) or "No mistake of the site, no wrong answer, no growing memory.")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
