"""What the command line understands: each command with its arguments and their help."""

import argparse
import re
from pathlib import Path

from model_store import bundle, commands, engines
from model_store.engines import cache
from model_store.prediction import SOURCES

EXAMPLES = """\
examples:
  python -m model_store list
  python -m model_store verify efficientnet_b4_isic2019
  python -m model_store build
  python -m model_store predict photos/ --output predictions.csv
  python -m model_store predict photos/ --output predictions.csv --source phone --details
  python -m model_store predict a.jpg b.heic --output predictions.csv --bundle /srv/bundles/new
  python -m model_store predict archive/ --output part-3.csv --shard 3/8
  python -m model_store compare efficientnet_b4_isic2019 /srv/bundles/new photos/
  python -m model_store compare-engines photos/ --output benchmarks/engines.json
"""


def parser() -> argparse.ArgumentParser:
    """Make what reads the arguments; `run` in its result is the function of `commands` that was asked for."""
    made = argparse.ArgumentParser(
        prog="python -m model_store",
        description="Skin-lesion diagnoses by a stored model. An estimate, not a diagnosis.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    adds = made.add_subparsers(required=True, metavar="COMMAND")

    show = adds.add_parser("list", help="name the bundles that are here")
    show.set_defaults(run=commands.list_bundles)

    check = adds.add_parser("verify", help="check files, hashes and schema, and replay the golden photos")
    check.add_argument("bundle", nargs="?", metavar="BUNDLE", help="NAME, NAME/VERSION or a directory (default: all)")
    check.set_defaults(run=commands.verify_bundles)

    chosen = argparse.ArgumentParser(add_help=False)
    chosen.add_argument(
        "--bundle",
        default=bundle.DEFAULT_NAME,
        help="NAME, NAME/VERSION or a directory (default: the newest %(default)s)",
    )
    chosen.add_argument(
        "--cache",
        type=Path,
        default=cache.DEFAULT_ROOT,
        metavar="DIR",
        help="keeps networks converted for OpenVINO (default: %(default)s)",
    )

    build = adds.add_parser(
        "build", parents=[chosen], help="convert a bundle's network for OpenVINO, unless that was done before"
    )
    build.set_defaults(run=commands.build_engine)

    upgraded = adds.add_parser(
        "compare",
        help="show what changes for the same photos from one bundle to another",
        description="Answers the golden photos of both bundles, and photos of yours, with both, a line each: the first "
        "diagnosis, the operating points reached, the gate's refusal, and the largest difference of a probability.",
    )
    upgraded.add_argument("old", metavar="OLD", help="NAME, NAME/VERSION or a directory")
    upgraded.add_argument("new", metavar="NEW", help="the same")
    upgraded.add_argument("photos", nargs="*", type=Path, metavar="PHOTO", help="photos and folders of yours, if any")
    upgraded.set_defaults(run=commands.compare_bundles)

    compare = adds.add_parser(
        "compare-engines",
        parents=[chosen],
        help="hold the answers of OpenVINO against those of TensorFlow on real photos",
        description="Prints and writes how often the first diagnosis agrees and how far probabilities differ. The exit "
        "status is 1 where that is not within the limits, or where a photo cannot be read.",
    )
    compare.add_argument("photos", type=Path, metavar="DIR", help="a folder searched to its depth")
    compare.add_argument("--output", required=True, type=Path, metavar="FILE.json", help="replaced if it exists")
    compare.add_argument(
        "--count", type=_count, default=500, metavar="N", help="how many photos, evenly picked (default: %(default)s)"
    )
    compare.set_defaults(run=commands.compare_engines)

    predict = adds.add_parser(
        "predict",
        parents=[chosen],
        help="write the probabilities of the eight diagnoses for photos, as the official ISIC 2019 CSV",
        description="Photos and folders in, the official ISIC 2019 columns out. In a folder, photos are found by name "
        "or, under any other name, by content. Of a file with several pictures the first counts. A file that is no "
        "usable photo is named on stderr with its reason, gets no row, and makes the exit status 1.",
    )
    predict.add_argument(
        "paths", nargs="+", type=Path, metavar="PATH", help="a photo, or a folder searched to its depth"
    )
    predict.add_argument(
        "--output",
        required=True,
        type=Path,
        metavar="FILE.csv",
        help="replaced if it exists; what is no regular file, such as a pipe or /dev/stdout, is written to",
    )
    predict.add_argument(
        "--engine",
        choices=(engines.AUTO, *engines.LOCAL),
        default=engines.AUTO,
        help="what runs the network (default: OpenVINO, or TensorFlow where that cannot be used)",
    )
    predict.add_argument(
        "--source",
        choices=SOURCES,
        help="what took all of these photos: say so where you know it (default: the bundle tells it from each photo, "
        "and is sometimes wrong: its card says how often)",
    )
    predict.add_argument(
        "--shard",
        type=_shard,
        default=(0, 1),
        metavar="I/N",
        help="only every N-th photo, beginning with number I, counted from 0: N commands share an archive; what "
        "all of them find in it that is no photo, number 0 alone says",
    )
    predict.add_argument(
        "--details",
        action="store_true",
        help="add columns: malignancy (MEL + BCC + AK + SCC), prediction_set (codes, separated by spaces), ood_score, "
        "accepted (0 or 1), refusal (the reason's code, empty where accepted), source (dermoscopy or phone: whose "
        "calibration was used), source_is_sure (1 where --source said it or the bundle is sure of it, 0 where it "
        "guesses: by the other calibration such a photo may alarm)",
    )
    predict.set_defaults(run=commands.predict_photos)
    return made


def _shard(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d+)/(\d+)", text)
    if not match or not int(match[1]) < int(match[2]):
        raise argparse.ArgumentTypeError(f"not I/N with I from 0 to N - 1: {text}")
    return int(match[1]), int(match[2])


def _count(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"not a number of photos from 1 on: {text}")
    return int(text)
