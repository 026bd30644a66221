"""`python -m app note BUNDLE ...` notes what bundles reached in versions.json, before newer ones take their place."""

import argparse
from pathlib import Path

from app import versions

parser = argparse.ArgumentParser(prog="python -m app", description=__doc__)
commands = parser.add_subparsers(required=True)
note = commands.add_parser("note", help="note what bundles reached, for the history on the model's page")
note.add_argument(
    "bundles", metavar="BUNDLE", nargs="+", type=Path, help="a bundle's folder: model_store/bundles/NAME/VERSION"
)
versions.note(parser.parse_args().bundles, versions.HISTORY)
