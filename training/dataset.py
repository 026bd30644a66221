"""The official layouts of ISIC 2019 and PAD-UFES-20 as one table, a row an image."""

from pathlib import Path

import pandas as pd

from model_store.classes import CODES

COLUMNS = ("image", "path", "label", "lesion", "patient", "source", "kind", "age", "sex", "site", "skin_type")

PAD_TO_ISIC = {"BCC": "BCC", "ACK": "AK", "NEV": "NV", "SEK": "BKL", "SCC": "SCC", "MEL": "MEL"}

NO_LESION = "image_"  # an image whose lesion the tables do not name stands for one of its own
# Folders beside the official one that hold the same images in another form; see `read`.
INPUT_FOLDER, THUMBNAIL_FOLDER, PHONE_FOLDER = "ISIC_2019_Training_Input", "thumbnails_84", "PAD-UFES-20"


def read(folder: Path) -> pd.DataFrame:
    """Read every labelled image that a folder holds.

    Args:
        folder: the official ISIC 2019 training layout (`ISIC_2019_Training_GroundTruth.csv`,
            `ISIC_2019_Training_Metadata.csv`, `ISIC_2019_Training_Input/`); `thumbnails_84/` (further labelled images
            too small for anything but a first stage) and `PAD-UFES-20/` (official layout) are read when there.

    Returns:
        A row an image with the columns `COLUMNS`. `label` is the index into `classes.CODES`; `kind` is "dermoscopy",
        "thumbnail" or "phone"; `age` in years; unknown values are missing. `attrs["rows_without_image"]` counts the
        table rows whose image is not in the folder: normal for a part of the data set.

    Raises:
        FileNotFoundError: the ground truth or metadata table is missing, or no image of theirs is there.
    """
    tables = [_read_isic(folder)]
    if tables[0].path.isna().all():
        raise FileNotFoundError(f"no image of the ground truth lies in {folder / INPUT_FOLDER}")
    if (folder / PHONE_FOLDER / "metadata.csv").exists():
        tables.append(_read_pad(folder / PHONE_FOLDER))
    rows = pd.concat(tables, ignore_index=True)
    table = rows[rows.path.notna()].reset_index(drop=True)
    table.attrs["rows_without_image"] = int(rows.path.isna().sum())
    return table


def _read_pad(folder: Path) -> pd.DataFrame:
    """Read PAD-UFES-20: `metadata.csv` and PNG or JPEG images in `images/` or `imgs_part_1/` to `imgs_part_3/`."""
    files = {path.stem: str(path) for path in folder.rglob("*") if path.suffix.lower() in {".png", ".jpg", ".jpeg"}}
    rows = pd.read_csv(folder / "metadata.csv")
    image = rows.img_id.map(lambda name: Path(name).stem)
    return pd.DataFrame(
        {
            "image": image,
            "path": image.map(files),
            "label": rows.diagnostic.map(PAD_TO_ISIC).map(CODES.index),
            "lesion": "PAD_" + rows.lesion_id.astype(str),
            "patient": rows.patient_id,
            "source": "PAD-UFES-20",
            "kind": "phone",
            "age": rows.age.astype(float),
            "sex": rows.gender.str.lower(),
            "site": rows.region.str.lower(),
            "skin_type": rows.fitspatrick.astype(float),
        },
        columns=COLUMNS,
    )


def _read_isic(folder: Path) -> pd.DataFrame:
    truth = pd.read_csv(folder / "ISIC_2019_Training_GroundTruth.csv")
    rows = truth.merge(pd.read_csv(folder / "ISIC_2019_Training_Metadata.csv"), on="image", validate="one_to_one")
    full = _images(folder / INPUT_FOLDER)
    thumbnails = _images(folder / THUMBNAIL_FOLDER)
    labelled = rows[rows[list(CODES)].sum(axis=1) == 1]
    lesion = labelled.lesion_id.fillna(NO_LESION + labelled.image)
    return pd.DataFrame(
        {
            "image": labelled.image,
            "path": labelled.image.map({**thumbnails, **full}),
            "label": labelled[list(CODES)].to_numpy().argmax(axis=1),
            "lesion": lesion,
            "patient": lesion,  # ISIC 2019 names no patients
            "source": lesion.map(_source),
            "kind": labelled.image.isin(full.keys()).map({True: "dermoscopy", False: "thumbnail"}),
            "age": labelled.age_approx.astype(float),
            "sex": labelled.sex,
            "site": labelled.anatom_site_general,
            "skin_type": float("nan"),
        },
        columns=COLUMNS,
    )


def _images(folder: Path) -> dict[str, str]:
    if not folder.is_dir():
        return {}
    return {path.stem: str(path) for path in folder.iterdir() if path.suffix.lower() in {".jpg", ".jpeg", ".png"}}


def _source(lesion_id: str) -> str:
    return {"HAM": "HAM10000", "BCN": "BCN20000"}.get(lesion_id[:3], "MSK/UDA")
