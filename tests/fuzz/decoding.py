"""One damaged photo goes the way of an upload, up to the network, and is watched."""

import ctypes
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

from model_store import quality
from model_store.errors import PhotoError
from model_store.images import open_photo
from model_store.preprocessing import InputSpec, prepare
from tests.fuzz.inputs import make


@dataclass(frozen=True)
class Outcome:
    """What one damaged photo led to: "read", a refusal's code, or the class of an error that is a defect."""

    number: int
    kind: str
    said: str
    defect: bool
    seconds: float
    megabytes: float


def look(number: int, seed: int) -> Outcome:
    """Do with one damaged photo what the site does with an upload, up to the network."""
    kind, data = make(number, seed)
    before = _start_measuring()
    started, defect = time.process_time(), False  # of all threads; waiting for a busy machine does not count
    try:
        photo = open_photo(data)
        quality.assess(photo)
        prepare(photo.rgb, InputSpec())
        said = "read"
    except PhotoError as error:
        said = error.code
    except Exception as error:  # on the site this would be a status of 500
        said, defect = repr(error), True
    return Outcome(number, kind, said, defect, time.process_time() - started, _peak_megabytes() - before)


def look_at_many(numbers: range, seed: int) -> list[Outcome]:
    """`look` at each; in a process of its own, since a decoder may crash."""
    warnings.simplefilter("ignore")
    return [look(number, seed) for number in numbers]


def _start_measuring() -> float:
    """Forget the highest memory so far (man 5 proc_pid_clear_refs), and give what is in use, megabytes."""
    ctypes.CDLL(None).malloc_trim(0)  # what was freed and kept would hide what is taken next
    Path("/proc/self/clear_refs").write_text("5")
    return _status_megabytes("VmRSS")


def _peak_megabytes() -> float:
    return _status_megabytes("VmHWM")


def _status_megabytes(name: str) -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) * 1024 / 1e6
    raise LookupError(name)
