"""The command line: which bundles there are, whether they are sound, and predictions for folders of photos."""

import sys

from model_store import stopping
from model_store.arguments import parser
from model_store.errors import ModelStoreError


def main(arguments: list[str] | None = None) -> int:
    """Run one command; gives 0 where all went well, 1 where something is wrong with a bundle or a photo.

    Raises:
        SystemExit: with status 2 where the command itself is wrong, and 0 after `--help`.
    """
    options = parser().parse_args(arguments)
    try:
        return options.run(options)
    except ModelStoreError as error:
        cause = f" ({error.__cause__})" if error.__cause__ else ""
        print(f"error: {error}{cause}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    stopping.run(main)
