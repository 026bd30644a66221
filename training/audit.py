"""What is wrong, or merely odd, in a data set: each check gives the rows to look at."""

import numpy as np
import pandas as pd

from model_store.classes import CODES

# PAD-UFES-20 gives one lesion's number to several patients.
_LESION = ["patient", "lesion"]


def unreadable(table: pd.DataFrame) -> pd.DataFrame:
    """Files that the serving code cannot open: columns image, source, kind, diagnosis."""
    rows = table[table.split == "unreadable"]
    return _described(rows)


def without_lesion(table: pd.DataFrame) -> pd.DataFrame:
    """Images whose lesion is not known, so that each counts as a lesion of its own: columns as `unreadable`."""
    return _described(table[table.lesion == "image_" + table.image])


def shared_lesion_ids(table: pd.DataFrame) -> pd.DataFrame:
    """Ids that several patients' lesions share, so that the id alone names no lesion: lesion, patients, images."""
    lesions = table.groupby("lesion").agg(patients=("patient", "nunique"), images=("image", "size"))
    return lesions[lesions.patients > 1].reset_index()


def lesions_with_several_labels(table: pd.DataFrame) -> pd.DataFrame:
    """Lesions whose images were labelled differently: patient, lesion, images, diagnoses (separated by spaces)."""
    lesions = table.groupby(_LESION).label.agg(images="size", labels=lambda labels: tuple(sorted(set(labels))))
    rows = lesions[lesions.labels.map(len) > 1].reset_index()
    return pd.DataFrame(
        {
            "patient": rows.patient,
            "lesion": rows.lesion,
            "images": rows.images,
            "diagnoses": [" ".join(CODES[k] for k in labels) for labels in rows.labels],
        }
    )


def duplicate_pairs(table: pd.DataFrame, pairs: pd.DataFrame) -> pd.DataFrame:
    """What is known of each near-identical pair.

    Args:
        table: from `dataset.read`, with `split`.
        pairs: columns first and second, image names, from `splits.near_duplicates`.

    Returns:
        A row a pair, those with two labels or lesions first: first, second, first_diagnosis, second_diagnosis,
        first_split, second_split, and the flags thumbnail (one of them is), same_lesion, same_label, same_split.
    """
    by_name = table.set_index("image")
    first, second = (by_name.loc[pairs[side]].reset_index() for side in ("first", "second"))
    described = pd.DataFrame(
        {
            "first": first.image,
            "second": second.image,
            "first_diagnosis": first.label.map(lambda k: CODES[k]),
            "second_diagnosis": second.label.map(lambda k: CODES[k]),
            "first_split": first.split,
            "second_split": second.split,
            "thumbnail": (first.kind == "thumbnail") | (second.kind == "thumbnail"),
            "same_lesion": first.lesion == second.lesion,
            "same_label": first.label == second.label,
            "same_split": first.split == second.split,
        }
    )
    return described.sort_values(["same_label", "same_lesion"], kind="stable", ignore_index=True)


def summary(table: pd.DataFrame, pairs: pd.DataFrame, rows_without_image: int) -> dict[str, int]:
    """Each finding as a number; `pairs` from `duplicate_pairs`."""
    kinds = table.kind.value_counts()
    full = pairs[~pairs.thumbnail]  # in 84 px, dark round frames on skin look alike
    return {
        "images": len(table),
        **{f"images, {kind}": int(kinds[kind]) for kind in sorted(kinds.index)},
        "lesions": int(table.groupby(_LESION).ngroups),
        "rows of the tables without an image": rows_without_image,
        "unreadable files": len(unreadable(table)),
        "images without a lesion's id": len(without_lesion(table)),
        "lesion ids that several patients share": len(shared_lesion_ids(table)),
        "lesions with several labels": len(lesions_with_several_labels(table)),
        "near-identical pairs": len(pairs),
        "near-identical pairs without thumbnails": len(full),
        "of these, of two lesions": int((~full.same_lesion).sum()),
        "of these, with two labels": int((~full.same_label).sum()),
        "near-identical pairs on two sides of the split": int((~pairs.same_split).sum()),
    }


def missing(table: pd.DataFrame) -> pd.DataFrame:
    """Share of the images without age, sex, site or skin type (columns) in each source (rows), in [0, 1]."""
    unknown = table[["age", "sex", "site", "skin_type"]].isna()
    unknown["lesion"] = table.lesion == "image_" + table.image
    return unknown.groupby(table.source).mean()


def _described(rows: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "image": rows.image,
            "source": rows.source,
            "kind": rows.kind,
            "diagnosis": np.array(CODES)[rows.label.to_numpy()],
        }
    ).reset_index(drop=True)
