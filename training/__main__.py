"""From ISIC data to a bundle, step by step or all at once.

Every step takes up where it was stopped: call it again with the same arguments.
"""

import argparse
import os
import sys
import time
from pathlib import Path

from training import arguments
from training.errors import TrainingError


def main(given: list[str] | None = None) -> int:
    """Run a step; returns the exit status: 1 where it cannot be done, 2 where the command is wrong."""
    began = time.monotonic()
    options = arguments.read(__doc__, given)
    try:
        return _run(options, began)
    except TrainingError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except FileNotFoundError as error:
        if not error.filename or not Path(error.filename).is_relative_to(options.folder):
            raise  # a mistake of ours, which its traceback shows
        print(f"error: {error.filename} is missing: call the steps before `{options.step}` first", file=sys.stderr)
        return 1


def _run(options: argparse.Namespace, began: float) -> int:
    if options.data is None and options.config != "smoke":
        print("--data is needed: the folder with the ISIC 2019 tables and images", file=sys.stderr)
        return 2
    arguments.refuse_wrong(options)
    # Imported where they are needed: Keras takes seconds, and neither `--help` nor a wrong folder should.
    from training import dataset

    try:
        if options.data:
            dataset.read(options.data)
    except OSError as error:
        print(f"{options.data} does not hold ISIC 2019: {error}", file=sys.stderr)
        return 2
    if options.step == "export":
        os.environ["KERAS_BACKEND"] = "tensorflow"  # its answers are the bundle's golden ones, whatever trained
    from training import commands

    return commands.run(options, began)


if __name__ == "__main__":
    sys.exit(main())
