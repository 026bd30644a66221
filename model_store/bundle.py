"""A bundle is one version of the model with all that is needed to use and to judge it, as a directory of files.

NAME/VERSION/bundle.json     what it is: schema, classes, input, calibration, training, each file's SHA-256
             model.keras     the network; its outputs are logits and feature map
             golden.npz      a few photos with the prepared arrays and logits that they must give
             probes.npz      readings of the network's features: the photo's source, and whether it is a lesion
             report.json     the evaluation
             MODEL_CARD.md, LICENSE, figures/
"""

import hashlib
import json
import re
import shutil
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from zipfile import BadZipFile

import numpy as np

from model_store import engines
from model_store.classes import CODES
from model_store.engines.base import Engine
from model_store.errors import BundleError
from model_store.prediction import SOURCES, Calibration
from model_store.preprocessing import InputSpec, prepare
from model_store.probes import Probes

BUNDLES = Path(__file__).parent / "bundles"
DEFAULT_NAME = "efficientnet_b4_isic2019"
SCHEMA_VERSION = 2

MODEL, DOCUMENT, GOLDEN, PROBES, REPORT = "model.keras", "bundle.json", "golden.npz", "probes.npz", "report.json"
CARD, LICENCE, FIGURES = "MODEL_CARD.md", "LICENSE", "figures"
_REQUIRED_FILES = {MODEL, GOLDEN, PROBES, REPORT, CARD, LICENCE}
_FIELDS = {"schema_version", "name", "version", "classes", "input", "calibration", "training", "files"}


@dataclass(frozen=True)
class Bundle:
    """A bundle whose files are all there and unchanged.

    Attributes:
        name, version: as in its path; version is MAJOR.MINOR.PATCH.
        path: its directory.
        id: SHA-256 of `bundle.json`, which holds those of all other files: it names exactly this content.
        input: how photos are prepared for its network.
        calibrations: how its logits become a prediction, for each of `prediction.SOURCES`.
        probes: what its features say of a photo's source and strangeness.
        metadata: what training wrote about itself: data, recipe, starting weights, versions.
        report: the evaluation, from `report.json`.
    """

    name: str
    version: str
    path: Path
    id: str
    input: InputSpec
    calibrations: dict[str, Calibration]
    probes: Probes
    metadata: dict
    report: dict

    @property
    def label(self) -> str:
        """Name, version and the beginning of the id, for people."""
        return f"{self.name} {self.version} · {self.id[:12]}"


@dataclass(frozen=True)
class Golden:
    """Photos with the answers that every engine on every machine must give.

    Attributes:
        photos: each uint8 (H, W, 3); generated ones, since a real one would need its owner's licence here.
        prepared: shape (N, size_px, size_px, 3), uint8: what `preprocessing.prepare` makes of them, whole numbers.
        logits: shape (N, 8), float32.
    """

    photos: tuple[np.ndarray, ...]
    prepared: np.ndarray
    logits: np.ndarray


def available(root: Path = BUNDLES) -> list[Path]:
    """Give the directory of every bundle under a root, by name and then from the oldest version to the newest."""
    paths = [document.parent for document in root.glob(f"*/*/{DOCUMENT}") if _version_key(document.parent)]
    return sorted(paths, key=lambda path: (path.parent.name, _version_key(path)))


def find(reference: str = DEFAULT_NAME, root: Path = BUNDLES) -> Path:
    """Find a bundle's directory.

    Args:
        reference: NAME for its newest version, NAME/VERSION, or the path of a bundle's directory.
        root: where NAME is looked up.

    Raises:
        BundleError: `bundle_missing`.
    """
    for path in (Path(reference), root / reference):
        if (path / DOCUMENT).is_file():
            return path
    versions = [path for path in available(root) if path.parent.name == reference]
    if not versions:
        raise BundleError("bundle_missing", bundle=reference)
    return versions[-1]


def read(path: Path) -> Bundle:
    """Read a bundle after checking that it is of this schema and that no file is missing or changed.

    Args:
        path: its directory.

    Raises:
        BundleError: `bundle_missing`; `bundle_schema_unknown` with `found` and `supported`;
            `bundle_metadata_invalid`; `bundle_file_missing` or `bundle_file_changed` with `file`.
    """
    if not (path / DOCUMENT).is_file():
        raise BundleError("bundle_missing", bundle=path.name)
    content = (path / DOCUMENT).read_bytes()
    try:
        document = json.loads(content)
        _check_schema(document)
        spec, calibrations = InputSpec(**document["input"]), _calibrations(document["calibration"])
        files = {str(PurePosixPath(name)): str(digest) for name, digest in document["files"].items()}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BundleError("bundle_metadata_invalid") from error
    for name, digest in files.items():
        _check_file(path, name, digest)
    try:
        probes = Probes.read(path / PROBES)
    except ValueError as error:
        raise BundleError("bundle_metadata_invalid") from error
    return Bundle(
        name=document["name"],
        version=document["version"],
        path=path,
        id=hashlib.sha256(content).hexdigest(),
        input=spec,
        calibrations=calibrations,
        probes=probes,
        metadata=document["training"],
        report=json.loads((path / REPORT).read_bytes()),
    )


def verify(path: Path) -> Bundle:
    """Read a bundle and replay its golden photos through TensorFlow, which wrote them.

    Raises:
        BundleError: as `read` and `replay_golden`; `model_unreadable`.
        EngineError: TensorFlow cannot be used here.
    """
    bundle = read(path)
    replay_golden(bundle, engines.load("tensorflow", path / MODEL))
    return bundle


def read_golden(bundle: Bundle) -> Golden:
    """Read the golden photos and answers of a bundle.

    Raises:
        BundleError: `golden_unreadable`.
    """
    try:
        with np.load(bundle.path / GOLDEN, allow_pickle=False) as arrays:
            prepared, logits = arrays["prepared"], arrays["logits"]
            photos = tuple(arrays[f"photo_{index}"] for index in range(len(logits)))
    except (OSError, KeyError, ValueError, BadZipFile) as error:
        raise BundleError("golden_unreadable") from error
    if not len(photos) == len(prepared) > 0:
        raise BundleError("golden_unreadable")
    return Golden(photos, prepared, logits)


def record_golden(photos: tuple[np.ndarray, ...], spec: InputSpec, engine: Engine) -> Golden:
    """Let an engine answer a few photos, for `write`.

    Args:
        photos: at least one, each uint8 (H, W, 3); see `Golden`.
        spec: the bundle's.
        engine: the reference engine on the model file that goes into the bundle.
    """
    prepared = np.stack([prepare(photo, spec) for photo in photos])
    return Golden(photos, prepared.astype(np.uint8), engine.run(prepared).logits)


def replay_golden(bundle: Bundle, engine: Engine) -> None:
    """Check that photos are prepared bit for bit as when the bundle was written, and answered alike.

    Args:
        bundle: from `read`.
        engine: running this bundle's network; its `tolerance` bounds the difference of a logit.

    Raises:
        BundleError: `golden_unreadable`; `golden_preprocessing_differs` with `photo`, its index;
            `golden_logits_differ` with `difference` and `tolerance`.
    """
    golden = read_golden(bundle)
    for index, (photo, expected) in enumerate(zip(golden.photos, golden.prepared, strict=True)):
        if not np.array_equal(prepare(photo, bundle.input), expected):
            raise BundleError("golden_preprocessing_differs", photo=index)
    difference = float(np.abs(engine.run(golden.prepared.astype(np.float32)).logits - golden.logits).max())
    if difference > engine.tolerance:
        raise BundleError("golden_logits_differ", difference=round(difference, 4), tolerance=engine.tolerance)


def is_name_and_version(name: str, version: str) -> bool:
    """Whether a bundle can be called so: lower-case letters, digits and underscores; MAJOR.MINOR.PATCH."""
    return bool(re.fullmatch(r"[a-z0-9_]+", name) and _version_key(Path(version)))


def write(
    root: Path,
    *,
    name: str,
    version: str,
    model: Path,
    spec: InputSpec,
    calibrations: dict[str, Calibration],
    probes: Probes,
    metadata: dict,
    report: dict,
    golden: Golden,
    card: str,
    licence: str,
    figures: Path | None = None,
) -> Bundle:
    """Write a bundle; it appears complete or not at all.

    Args:
        root: `BUNDLES`, or another directory; NAME/VERSION is created in it.
        name: lower-case letters, digits and underscores.
        version: MAJOR.MINOR.PATCH; a version is never overwritten.
        model: a `.keras` file, usually after `half_precision.store_half_precision`; it is copied as it is.
        spec, calibrations, probes, metadata, report: as in `Bundle`; the last two hold what JSON holds, None for NaN.
        golden: from `record_golden` with the same model and spec.
        card, licence: texts of MODEL_CARD.md and LICENSE.
        figures: a directory whose files are copied.

    Returns:
        The bundle as read back.

    Raises:
        FileExistsError: this version exists.
        ValueError: a name, a version or a value is not as described.
        BundleError: what was written does not read back.
    """
    if not is_name_and_version(name, version):
        raise ValueError(f"not a bundle name and version: {name} {version}")
    target = root / name / version
    if target.exists():
        raise FileExistsError(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{version}-", dir=target.parent))
    try:
        shutil.copyfile(model, draft / MODEL)
        _write_golden(draft / GOLDEN, golden)
        probes.write(draft / PROBES)
        (draft / REPORT).write_text(_json(report), encoding="utf-8")
        (draft / CARD).write_text(card, encoding="utf-8")
        (draft / LICENCE).write_text(licence, encoding="utf-8")
        if figures is not None:
            shutil.copytree(figures, draft / FIGURES, copy_function=shutil.copyfile)
        files = sorted(path for path in draft.rglob("*") if path.is_file())
        document = {
            "schema_version": SCHEMA_VERSION,
            "name": name,
            "version": version,
            "classes": list(CODES),
            "input": asdict(spec),
            "calibration": {source: calibrations[source].to_dict() for source in SOURCES},
            "training": metadata,
            "files": {path.relative_to(draft).as_posix(): _sha256(path) for path in files},
        }
        (draft / DOCUMENT).write_text(_json(document), encoding="utf-8")
        read(draft)
        draft.chmod(0o755)  # mkdtemp gives 0700, and the site runs as another user
        draft.rename(target)
    except BaseException:
        shutil.rmtree(draft)
        raise
    return read(target)


def _check_schema(document: dict) -> None:
    if document["schema_version"] != SCHEMA_VERSION:
        raise BundleError("bundle_schema_unknown", found=document["schema_version"], supported=SCHEMA_VERSION)
    if document.keys() != _FIELDS:
        raise ValueError(f"missing or unknown fields: {sorted(document.keys() ^ _FIELDS)}")
    if document["classes"] != list(CODES):
        raise ValueError("the classes are others, or in another order")
    if not isinstance(document["training"], dict):
        raise ValueError("training must be an object")
    if missing := _REQUIRED_FILES - document["files"].keys():
        raise ValueError(f"no SHA-256 for {sorted(missing)}")
    if any(PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts for name in document["files"]):
        raise ValueError("a file lies outside the bundle")


def _calibrations(values: dict) -> dict[str, Calibration]:
    if values.keys() != set(SOURCES):
        raise ValueError("a calibration is needed for each source, and for no other")
    return {source: Calibration.from_dict(values[source]) for source in SOURCES}


def _check_file(path: Path, name: str, digest: str) -> None:
    if not (path / name).is_file():
        raise BundleError("bundle_file_missing", file=name)
    if _sha256(path / name) != digest:
        raise BundleError("bundle_file_changed", file=name)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_golden(path: Path, golden: Golden) -> None:
    photos = {f"photo_{index}": photo for index, photo in enumerate(golden.photos)}
    np.savez_compressed(path, prepared=golden.prepared, logits=golden.logits, **photos)


def _json(content: dict) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _version_key(path: Path) -> tuple[int, ...]:
    """Give (2, 0, 1) for a directory named 2.0.1, and () for any other name."""
    return tuple(map(int, path.name.split("."))) if re.fullmatch(r"\d+\.\d+\.\d+", path.name) else ()
