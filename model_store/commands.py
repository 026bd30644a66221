"""What each command does: it prints or writes its result and gives the exit status."""

import argparse
import json
import sys
from itertools import chain

from tqdm import tqdm

from model_store import bundle, comparison, engines, photo_files, predictions_csv, upgrade, whole_files
from model_store.classifier import Classifier
from model_store.engines import cache
from model_store.photo_files import Problems


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
    problems = Problems()
    theirs = photo_files.opened(photo_files.find(options.photos, problems), problems)
    named = ((path.name, photo) for path, photo in theirs)
    changes = list(upgrade.compare(old, new, chain(upgrade.golden_photos((old, new)), named)))
    for change in changes:
        sides = " -> ".join(_side(reading) for reading in (change.old, change.new))
        mark = "!" if change.matters else " "
        print(f"{mark} {change.photo}: {sides}, probabilities differ by up to {change.difference:.4f}")
    print(f"{sum(change.matters for change in changes)} of {len(changes)} photos get another answer.")
    return 1 if problems.count else 0


def _side(reading: upgrade.Reading) -> str:
    reached = "+".join(reading.reached) or "nothing reached"
    return f"{reading.first} ({reached}{', refused: ' + reading.refusal if reading.refusal else ''})"


def compare_engines(options: argparse.Namespace) -> int:
    """Write the comparison as JSON and print its figures; 1 where they are not within the limits, or not of all."""
    options.output.parent.mkdir(parents=True, exist_ok=True)
    if reason := whole_files.reason_not_to_write(options.output, [options.photos]):
        print(f"error: {options.output} {reason}", file=sys.stderr)
        return 2
    problems = Problems()
    found = photo_files.find([options.photos], problems)
    if len(found) < options.count:
        print(f"error: {len(found)} photos are fewer than {options.count}", file=sys.stderr)
        return 2
    picked = [found[index * len(found) // options.count] for index in range(options.count)]
    photos = (photo for _, photo in photo_files.opened(tqdm(picked, unit="photo", disable=None), problems))
    first = next(photos, None)
    if first is None:  # each was named with its reason
        return 1
    with whole_files.opened(options.output) as file:
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
    if reason := whole_files.reason_not_to_write(options.output, options.paths):
        print(f"error: {options.output} {reason}", file=sys.stderr)
        return 2
    classifier = Classifier.load(bundle.find(options.bundle), options.engine, engines.Options(cache=options.cache))
    first, step = options.shard
    problems = Problems(shard=first)
    photos = photo_files.find(options.paths, problems)[first::step]
    with whole_files.opened(options.output) as file:
        predictions_csv.write(file, classifier, photos, problems, options.source, options.details)
    return 1 if problems.count else 0
