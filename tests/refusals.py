"""To see that a file is refused before a decoder has worked at it for seconds."""

import time

import pytest

from model_store.errors import PhotoError
from model_store.images import open_photo


def refuse_at_once(data: bytes) -> None:
    """Refuse a photo as damaged, in far less time than a decoder takes to find damage.

    The quickest of three tries counts: in a process that many tests have filled, collecting garbage may take as long.
    """
    assert min(_seconds_to_refuse(data) for _ in range(3)) < 0.7


def _seconds_to_refuse(data: bytes) -> float:
    started = time.process_time()
    with pytest.raises(PhotoError) as caught:
        open_photo(data)
    assert caught.value.code == "damaged_image"
    return time.process_time() - started
