"""Research mode: the actual diagnoses of known images, from a table in the official ISIC layout."""

import csv
from pathlib import Path

from app.config import ConfigError, variable_of
from model_store.classes import CODES


def read(path: str) -> dict[str, str]:
    """Read image names and their diagnoses.

    Args:
        path: a CSV file with the column `image` and a column of 0 and 1 for each of the eight codes; a row with none
            of the eight, as UNK has, is left out. Empty for none.

    Returns:
        Code by image name, without the file's ending.

    Raises:
        ConfigError: the file cannot be read, or a column is missing.
    """
    if not path:
        return {}
    try:
        with Path(path).open(newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file)
            if missing := {"image", *CODES} - set(rows.fieldnames or ()):
                raise ValueError(f"no column {', '.join(sorted(missing))}")
            return {row["image"]: code for row in rows for code in CODES if float(row[code]) == 1}
    except (OSError, ValueError, TypeError) as error:
        variable = variable_of("ground_truth_csv")
        raise ConfigError("setting_invalid", variable=variable, must_be="a table in the official layout") from error
