"""Files that appear complete or not at all, and never in place of a photo."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from model_store.photo_files import OTHER_PICTURES, SUFFIXES, is_photo

# As the csv module wants it; and the name of a file, which may stand in it, need not be text.
_FORM = {"newline": "", "encoding": "utf-8", "errors": "surrogateescape"}


def reason_not_to_write(output: Path, inputs: list[Path]) -> str:
    """Say why an output is none, before any work: of `--output *.jpg` without the CSV's name, the first is a photo."""
    target = output.resolve()
    if target.is_dir() or not target.parent.is_dir():
        return "cannot be written"
    if target in (path.resolve() for path in inputs):
        return "is one of the inputs: it would be overwritten"
    if target.suffix.lower() in SUFFIXES | OTHER_PICTURES or (target.is_file() and is_photo(target)):
        return "is a photo by its name or its content: it would be overwritten"
    return ""


@contextlib.contextmanager
def opened(path: Path) -> Iterator[TextIO]:
    """Open a file that appears complete or not at all; a pipe or a device can only be written to as it is."""
    target = path.resolve()  # a link stays, and what it leads to is replaced
    if path.exists() and not target.is_file():
        with path.open("w", **_FORM) as file:
            yield file
        return
    draft = target.with_name(f".{target.name}.partial")
    try:
        with draft.open("w", **_FORM) as file:
            yield file
        os.replace(draft, target)
    finally:
        draft.unlink(missing_ok=True)
