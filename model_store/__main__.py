"""The command line: which bundles there are, whether they are sound, and predictions for folders of photos."""

import argparse
import contextlib
import csv
import errno
import json
import os
import re
import signal
import stat
import sys
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import NoReturn, TextIO

import numpy as np
from tqdm import tqdm

from model_store import bundle, comparison, engines, upgrade
from model_store.classes import CODES
from model_store.classifier import Classifier, refusal
from model_store.engines import cache
from model_store.errors import ModelStoreError, PhotoError
from model_store.images import SIGNATURE_BYTES, Photo, is_known, open_photo
from model_store.prediction import SOURCES, Prediction
from model_store.quality import Quality, assess

# What is taken from a folder by its name alone; of other files their first bytes decide.
SUFFIXES = {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".heic", ".heif", ".avif", ".dcm"}
# Pictures that cannot be read here: named, since whoever sends a folder of them expects a row for each.
OTHER_PICTURES = {".tif", ".tiff", ".bmp", ".gif", ".jp2", ".jxl", ".dng", ".cr2", ".nef", ".arw", ".raw", ".psd"}
# What hospitals export beside their pictures: a table of contents, itself in DICOM (PS3.10, section 8.6).
DICOM_INDEX = "DICOMDIR"
BATCH = 16
COLUMNS = ("image", *CODES, "UNK")  # the official ISIC 2019 ones
DETAILS = ("malignancy", "prediction_set", "ood_score", "accepted", "refusal", "source")
_CSV = {"newline": "", "encoding": "utf-8", "errors": "surrogateescape"}  # a file's name need not be text
LIMIT_BYTES = 256 * 2**20  # no photo within the pixel limit needs more, and a file is read as a whole

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


def main(arguments: list[str] | None = None) -> int:
    """Run one command; gives 0 where all went well, 1 where something is wrong with a bundle or a photo.

    Raises:
        SystemExit: with status 2 where the command itself is wrong, and 0 after `--help`.
    """
    options = _parser().parse_args(arguments)
    try:
        return options.run(options)
    except ModelStoreError as error:
        cause = f" ({error.__cause__})" if error.__cause__ else ""
        print(f"error: {error}{cause}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m model_store",
        description="Skin-lesion diagnoses by a stored model. An estimate, not a diagnosis.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    show = commands.add_parser("list", help="name the bundles that are here")
    show.set_defaults(run=list_bundles)

    check = commands.add_parser("verify", help="check files, hashes and schema, and replay the golden photos")
    check.add_argument("bundle", nargs="?", metavar="BUNDLE", help="NAME, NAME/VERSION or a directory (default: all)")
    check.set_defaults(run=verify_bundles)

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

    build = commands.add_parser(
        "build", parents=[chosen], help="convert a bundle's network for OpenVINO, unless that was done before"
    )
    build.set_defaults(run=build_engine)

    upgraded = commands.add_parser(
        "compare",
        help="show what changes for the same photos from one bundle to another",
        description="Answers the golden photos of both bundles, and photos of yours, with both, a line each: the first "
        "diagnosis, the operating points reached, the gate's refusal, and the largest difference of a probability.",
    )
    upgraded.add_argument("old", metavar="OLD", help="NAME, NAME/VERSION or a directory")
    upgraded.add_argument("new", metavar="NEW", help="the same")
    upgraded.add_argument("photos", nargs="*", type=Path, metavar="PHOTO", help="photos and folders of yours, if any")
    upgraded.set_defaults(run=compare_bundles)

    compare = commands.add_parser(
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
    compare.set_defaults(run=compare_engines)

    predict = commands.add_parser(
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
        "calibration was used)",
    )
    predict.set_defaults(run=predict_photos)
    return parser


def _shard(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d+)/(\d+)", text)
    if not match or not int(match[1]) < int(match[2]):
        raise argparse.ArgumentTypeError(f"not I/N with I from 0 to N - 1: {text}")
    return int(match[1]), int(match[2])


def _count(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"not a number of photos from 1 on: {text}")
    return int(text)


def list_bundles(options: argparse.Namespace) -> int:
    """Print a line for each bundle: NAME/VERSION, the first digits of its id, megabytes."""
    for path in bundle.available():
        found = bundle.read(path)
        megabytes = sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) / 1e6
        print(f"{found.name}/{found.version}  {found.id[:12]}  {megabytes:.1f} MB")
    return 0


def verify_bundles(options: argparse.Namespace) -> int:
    """Verify one bundle or all; the first that is not sound raises, and so does it if there is none at all."""
    paths = [bundle.find(options.bundle)] if options.bundle else bundle.available() or [bundle.find()]
    for path in paths:
        sound = bundle.verify(path)
        print(f"{sound.name}/{sound.version}  {sound.id[:12]}  files and golden answers as they were written")
    return 0


def build_engine(options: argparse.Namespace) -> int:
    """Convert a bundle's network for OpenVINO into the cache, or say that it is there."""
    found = bundle.read(bundle.find(options.bundle))
    folder = cache.folder_for(found.path / bundle.MODEL, options.cache)
    if not cache.is_whole(folder):
        print(f"Converting {found.name}/{found.version} for OpenVINO, once; this takes up to a minute ...", flush=True)
    print(
        f"{found.name}/{found.version} is ready for OpenVINO in {cache.get(found.path / bundle.MODEL, options.cache)}"
    )
    return 0


def compare_bundles(options: argparse.Namespace) -> int:
    """Print what each photo gets from either bundle, and how many differ; 1 if a photo is unusable."""
    old, new = (Classifier.load(bundle.find(name)) for name in (options.old, options.new))
    problems = _Problems()
    photos = chain(upgrade.golden_photos((old, new)), _opened(_photos(options.photos, problems), problems))
    changes = list(upgrade.compare(old, new, photos))
    for change in changes:
        sides = " -> ".join(_side(reading) for reading in (change.old, change.new))
        mark = "!" if change.matters else " "
        print(f"{mark} {change.photo}: {sides}, probabilities differ by up to {change.difference:.4f}")
    print(f"{sum(change.matters for change in changes)} of {len(changes)} photos get another answer.")
    return 1 if problems.count else 0


def _side(reading: upgrade.Reading) -> str:
    reached = "+".join(reading.reached) or "nothing reached"
    return f"{reading.first} ({reached}{', refused: ' + reading.refusal if reading.refusal else ''})"


def _opened(paths: Iterable[Path], problems: "_Problems") -> Iterator[tuple[str, Photo]]:
    for path in paths:
        try:
            yield path.name, open_photo(_read(path))
        except PhotoError as error:
            problems.say(path, str(error))
        except OSError as error:
            problems.say(path, error.strerror or "cannot be read")


def compare_engines(options: argparse.Namespace) -> int:
    """Write the comparison as JSON and print its figures; 1 where they are not within the limits, or not of all."""
    options.output.parent.mkdir(parents=True, exist_ok=True)
    if reason := _reason_not_to_write(options.output, [options.photos]):
        print(f"error: {options.output} {reason}", file=sys.stderr)
        return 2
    problems = _Problems()
    found = _photos([options.photos], problems)
    if len(found) < options.count:
        print(f"error: {len(found)} photos are fewer than {options.count}", file=sys.stderr)
        return 2
    picked = [found[index * len(found) // options.count] for index in range(options.count)]
    photos = (photo for _, photo in _opened(tqdm(picked, unit="photo", disable=None), problems))
    first = next(photos, None)
    if first is None:  # each was named with its reason
        return 1
    with _written_whole(options.output) as file:
        result = comparison.compare(bundle.read(bundle.find(options.bundle)), chain([first], photos), options.cache)
        file.write(json.dumps(result, indent=2) + "\n")
    for name, figures in result["precisions"].items():
        print(
            f"{name}: same first diagnosis {100 * figures['top_1_agreement']:.2f} %, "
            f"largest difference of a probability {figures['largest_probability_difference']:.5f}"
        )
    return 0 if comparison.is_within_limits(result) and not problems.count else 1


def predict_photos(options: argparse.Namespace) -> int:
    """Write one CSV row for each usable photo; the file appears complete or not at all."""
    if reason := _reason_not_to_write(options.output, options.paths):
        print(f"error: {options.output} {reason}", file=sys.stderr)
        return 2
    classifier = Classifier.load(bundle.find(options.bundle), options.engine, engines.Options(cache=options.cache))
    first, step = options.shard
    problems = _Problems(shard=first)
    photos = _photos(options.paths, problems)[first::step]
    with _written_whole(options.output) as file:
        writer = csv.writer(file)
        writer.writerow([*COLUMNS, *(DETAILS if options.details else ())])
        with tqdm(total=len(photos), unit="photo", disable=None) as progress:
            for name, quality, prediction in _predictions(classifier, photos, options.source, problems, progress):
                row = [name, *map(float, prediction.probabilities), 0.0]
                writer.writerow([*row, *(_details(quality, prediction) if options.details else ())])
    return 1 if problems.count else 0


def _reason_not_to_write(output: Path, inputs: list[Path]) -> str:
    """Say why an output is none, before any work: of `--output *.jpg` without the CSV's name, the first is a photo."""
    target = output.resolve()
    if target.is_dir() or not target.parent.is_dir():
        return "cannot be written"
    if target in (path.resolve() for path in inputs):
        return "is one of the inputs: it would be overwritten"
    if target.suffix.lower() in SUFFIXES | OTHER_PICTURES or (target.is_file() and _is_photo(target)):
        return "is a photo by its name or its content: it would be overwritten"
    return ""


@contextlib.contextmanager
def _written_whole(path: Path) -> Iterator[TextIO]:
    """Open a file that appears complete or not at all; a pipe or a device can only be written to as it is."""
    target = path.resolve()  # a link stays, and what it leads to is replaced
    if path.exists() and not target.is_file():
        with path.open("w", **_CSV) as file:
            yield file
        return
    draft = target.with_name(f".{target.name}.partial")
    try:
        with draft.open("w", **_CSV) as file:
            yield file
        os.replace(draft, target)
    finally:
        draft.unlink(missing_ok=True)


class _Problems:
    """Names what could not be used, at once and above the progress bar, and counts it.

    Args:
        shard: the number of this command among those that share an archive.
    """

    def __init__(self, shard: int = 0) -> None:
        self.count = 0
        self._shard = shard

    def say(self, path: Path, reason: str) -> None:
        self.count += 1
        tqdm.write(f"{path}: {reason}", file=sys.stderr)

    def say_once(self, path: Path, reason: str) -> None:
        """Say what every command finds in the archive, whichever photos are its own: the first one does.

        What cannot be read is not said so: it may be this machine's disk, and moves photos between the shares.
        """
        if self._shard == 0:
            self.say(path, reason)


def _photos(paths: list[Path], problems: _Problems) -> list[Path]:
    """Give every photo once, sorted by the name that its row gets; the order of the arguments does not matter."""
    found = [file for path in paths for file in (_photos_inside(path, problems) if path.is_dir() else [path])]
    photos: dict[str, Path] = {}
    for file in sorted(found, key=lambda file: (_name(file), str(file))):
        other = photos.setdefault(_name(file), file)
        if os.path.realpath(other) != os.path.realpath(file):
            problems.say_once(file, f"another photo has this name: {other}")
    return list(photos.values())


def _name(photo: Path) -> str:
    """What a row is called: without the ending, but a DICOM file's 1.2.840.10008 has none."""
    return photo.stem if photo.suffix.lower() in SUFFIXES | OTHER_PICTURES else photo.name


def _photos_inside(folder: Path, problems: _Problems) -> list[Path]:
    photos, before = [], problems.count
    for file in sorted(_files_inside(folder, problems)):
        try:
            if _is_photo(file):
                photos.append(file)
            elif file.suffix.lower() in OTHER_PICTURES:
                problems.say_once(file, "unsupported_format")
        except FileNotFoundError as error:  # a link to nowhere
            problems.say_once(file, error.strerror)
        except OSError as error:  # a file of somebody else's
            problems.say(file, error.strerror or "cannot be read")
    if not photos and problems.count == before:
        problems.say_once(folder, "no photo in this folder")
    return photos


def _files_inside(folder: Path, problems: _Problems) -> Iterator[Path]:
    """Search a folder to its depth, and say where that was not possible: photos may lie there."""
    for place, folders, files in os.walk(folder, onerror=lambda error: problems.say(error.filename, error.strerror)):
        for linked in filter(Path.is_symlink, (Path(place, name) for name in folders)):
            problems.say_once(linked, "a link to a folder is not followed: name the folder itself")
        yield from (Path(place, name) for name in files)


def _is_photo(file: Path) -> bool:
    """Tell a photo by its name, or else by its first bytes: DICOM files often have no suffix."""
    if not stat.S_ISREG(file.stat().st_mode) or file.name.upper() == DICOM_INDEX:
        return False
    if file.suffix.lower() in SUFFIXES:
        return True
    with file.open("rb") as opened:
        return is_known(opened.read(SIGNATURE_BYTES))


def _predictions(
    classifier: Classifier, photos: list[Path], source: str | None, problems: _Problems, progress: tqdm
) -> Iterator[tuple[str, Quality, Prediction]]:
    """Predict in batches, so that memory does not grow with the number of photos."""
    prepared = _prepared(classifier, photos, problems, progress)
    while batch := list(islice(prepared, BATCH)):
        names, qualities, arrays = zip(*batch, strict=True)
        predictions, _ = classifier.predict(np.stack(arrays), [source] * len(names))
        yield from zip(names, qualities, predictions, strict=True)


def _prepared(
    classifier: Classifier, photos: list[Path], problems: _Problems, progress: tqdm
) -> Iterator[tuple[str, Quality, np.ndarray]]:
    for path in photos:
        try:
            photo = open_photo(_read(path))
            yield _name(path), assess(photo), classifier.prepare(photo)
        except PhotoError as error:
            problems.say(path, str(error))
        except OSError as error:
            problems.say(path, error.strerror or "cannot be read")
        progress.update()


def _details(quality: Quality, prediction: Prediction) -> list[float | int | str]:
    reason = refusal(quality.severe, prediction)
    codes = " ".join(prediction.prediction_set)
    return [prediction.malignancy, codes, prediction.ood_score, int(not reason), reason, prediction.source]


def _read(path: Path) -> bytes:
    if path.stat().st_size > LIMIT_BYTES:
        raise OSError(errno.EFBIG, f"larger than {LIMIT_BYTES // 2**20} MiB")
    return path.read_bytes()


def _run_as_a_process() -> None:
    """Run `main` so that Ctrl-C and SIGTERM (of an evicted pod, say) end it in a line and leave no draft."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        _end_stopped(128 + signal.SIGINT)
    except SystemExit as end:
        if end.code == 128 + signal.SIGTERM:
            _end_stopped(end.code)
        raise


def _end_stopped(status: int) -> NoReturn:
    """End without Python's clean-up: OpenVINO's threads still compute, and abort the process when that meets them."""
    print("error: stopped before the end", file=sys.stderr)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    _run_as_a_process()
