"""What gunicorn serves: `gunicorn --config gunicorn.conf.py wsgi`."""

import ctypes
import resource

from app import create_app
from gunicorn_worker import refuse_to_start
from model_store.errors import ModelStoreError

# A block of memory from this size on goes back to the system as soon as it is freed. Left alone, glibc raises this
# bound with the first large photo that is freed, and from then on keeps Pillow's blocks of 16 MB for each thread that
# ever decoded one: ten large photos, one after the other, fill a container of 2 GB. Not lower: a block that the system
# takes back is cleared when it is given again, which made a 1-megapixel photo's answer a tenth slower at 1 MB.
KEPT_BELOW_BYTES = 8 << 20
M_MMAP_THRESHOLD = -3  # malloc.h


def give_memory_back() -> None:
    """Hold glibc to `KEPT_BELOW_BYTES`; other C libraries have no such setting."""
    if mallopt := getattr(ctypes.CDLL(None), "mallopt", None):
        mallopt(M_MMAP_THRESHOLD, KEPT_BELOW_BYTES)


def leave_no_core() -> None:
    """Let no crash write the memory, with the photos in it, to a disk.

    Not 0 but 1 byte: at 0 Linux still gives the memory to the program that /proc/sys/kernel/core_pattern may name, and
    at 1 to none.
    """
    _, most = resource.getrlimit(resource.RLIMIT_CORE)
    bytes_kept = min(most, 1) if most != resource.RLIM_INFINITY else 1
    resource.setrlimit(resource.RLIMIT_CORE, (bytes_kept, bytes_kept))


leave_no_core()
give_memory_back()
try:
    application = create_app()
except ModelStoreError as error:
    refuse_to_start(error)
