"""Know the data first: one HTML page of plots, an audit and the shortcut probe, with every table as CSV beside it."""

import base64
import io
import json
from pathlib import Path

import jinja2
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from model_store.classes import CODES
from model_store.preprocessing import InputSpec
from training import audit, eda_plots, image_facts, prepare, shortcuts, splits
from training.prepare import Data

_TEMPLATE = Path(__file__).with_name("eda.html")


def run(folder: Path, spec: InputSpec, cache: Path, out: Path, seed: int = 0) -> dict:
    """Explore and audit a data set.

    Args:
        folder: see `dataset.read`.
        spec: how images are prepared.
        cache: see `prepare.run`; what was measured in each file is kept there.
        out: gets `report.html` (self-contained), `summary.json` and `summary.md`, every plot as SVG and PNG in
            `figures/` and every table as CSV in `tables/`.
        seed: of the split and of the probe's folds.

    Returns:
        What `summary.json` holds.
    """
    data = prepare.run(folder, spec, cache, seed)
    readable = (data.table.split != "unreadable").to_numpy()
    facts = image_facts.measure(list(data.table.path), data.pixels, readable, spec, cache)
    table = data.table.reset_index(drop=True)
    counts = json.loads((cache / prepare.COUNTS).read_text())
    pairs = audit.duplicate_pairs(table, pd.read_csv(cache / "near_duplicates.csv"))
    probed = _probe(data, facts, spec, cache, seed)
    tables = {
        "summary": pd.Series(audit.summary(table, pairs, counts["rows_without_image"]), name="count").to_frame(),
        **_tables(table, facts),
        "unreadable": audit.unreadable(table),
        "without_lesion_id": audit.without_lesion(table),
        "label_conflicts": audit.lesions_with_several_labels(table),
        "shared_lesion_ids": audit.shared_lesion_ids(table),
        "near_duplicates": pairs,
        "shortcut_probe": probed,
    }
    _write_tables(tables, out / "tables")
    images = {name: _write_figure(figure, out / "figures", name) for name, figure in _figures(table, facts, probed)}
    summary = _summary(tables)
    (out / "summary.json").write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    (out / "summary.md").write_text(_markdown(tables), encoding="utf-8")
    (out / "report.html").write_text(_page(images, tables), encoding="utf-8")
    return summary


def _probe(data: Data, facts: pd.DataFrame, spec: InputSpec, cache: Path, seed: int) -> pd.DataFrame:
    """The shortcut probe on what trains at full size, and on everything that the thumbnails' stage sees."""
    table = data.table
    dermoscopy = ((table.kind == "dermoscopy") & (table.split != "unreadable")).to_numpy()
    sets = {"dermoscopy": (facts, dermoscopy)}
    if (table.kind == "thumbnail").any():
        everything = ((table.kind != "phone") & (table.split != "unreadable")).to_numpy()
        sets["with thumbnails"] = (_at_thumbnail_size(data, facts, spec, cache), everything)
    duplicates = _numbers(table, pd.read_csv(cache / "near_duplicates.csv"))
    groups = splits.group(table.reset_index(drop=True), duplicates)
    rows = []
    for name, (measured, inside) in sets.items():
        measured = measured.assign(source=table.source)[inside]
        rows.append(shortcuts.probe(measured, table.label.to_numpy()[inside], groups[inside], seed))
        rows[-1].insert(0, "set_name", name)
    return pd.concat(rows, ignore_index=True)


def _at_thumbnail_size(data: Data, facts: pd.DataFrame, spec: InputSpec, cache: Path) -> pd.DataFrame:
    readable = (data.table.split != "unreadable").to_numpy()
    small = image_facts.measure(
        list(data.table.path), data.thumbnails, readable, prepare.thumbnail_spec(spec), cache, squares_only=True
    )
    return pd.concat([facts.filter(like="file_"), small], axis=1)


def _numbers(table: pd.DataFrame, pairs: pd.DataFrame) -> np.ndarray:
    number = pd.Series(range(len(table)), index=table.image)
    return np.column_stack([number.loc[pairs["first"]], number.loc[pairs["second"]]])


def _tables(table: pd.DataFrame, facts: pd.DataFrame) -> dict[str, pd.DataFrame]:
    diagnosis = table.label.map(lambda k: CODES[k]).rename("diagnosis")
    dermoscopy = table.kind == "dermoscopy"
    return {
        "classes": eda_plots.count(table, "kind"),
        "sex": eda_plots.count(table, "sex"),
        "site": eda_plots.count(table, "site"),
        "age": table.groupby(diagnosis).age.agg(["count", "mean", "std", "min", "median", "max"]).round(1),
        "sizes": facts.groupby([table.source, table.kind, "file_width", "file_height"]).size().to_frame("images"),
        "by_source": facts.groupby([table.source, table.kind]).mean(numeric_only=True).round(3),
        "dermoscopy_by_class": facts[dermoscopy].groupby(diagnosis[dermoscopy]).mean(numeric_only=True).round(3),
        "missing": audit.missing(table).round(4),
    }


def _figures(table: pd.DataFrame, facts: pd.DataFrame, probed: pd.DataFrame) -> list[tuple[str, Figure]]:
    dermoscopy = table.kind == "dermoscopy"
    isic = table.kind != "phone"
    return [
        ("classes", eda_plots.classes(table)),
        ("diagnosis_by_sex", eda_plots.heat_map(eda_plots.count(table, "sex"), "diagnosis", "sex")),
        ("age", eda_plots.ages(table)),
        ("age_by_diagnosis", eda_plots.ages_by_class(table)),
        ("site", eda_plots.sites(table)),
        ("diagnosis_by_site", eda_plots.heat_map(eda_plots.count(table[isic], "site"), "diagnosis", "site")),
        ("colour_by_source_and_diagnosis", eda_plots.colours(table, facts)),
        ("size_of_files_by_source", eda_plots.sizes(table, facts, "source")),
        ("size_of_files_by_diagnosis", eda_plots.sizes(table[dermoscopy], facts[dermoscopy], "diagnosis")),
        ("sharpness_of_files_by_source", eda_plots.sharpness(table, facts, "file_sharpness", "source")),
        ("sharpness_of_squares_by_source", eda_plots.sharpness(table, facts, "square_sharpness", "source")),
        (
            "sharpness_of_files_by_diagnosis",
            eda_plots.sharpness(table[dermoscopy], facts[dermoscopy], "file_sharpness", "diagnosis"),
        ),
        (
            "sharpness_of_squares_by_diagnosis",
            eda_plots.sharpness(table[dermoscopy], facts[dermoscopy], "square_sharpness", "diagnosis"),
        ),
        ("missing", eda_plots.missing(audit.missing(table))),
        ("shortcut_probe", eda_plots.probes(probed, shortcuts.CHANCE)),
    ]


def _summary(tables: dict[str, pd.DataFrame]) -> dict:
    """The audit's counts and the probe's figures, for others to read."""
    return {
        "audit": {name: int(value) for name, value in tables["summary"]["count"].items()},
        "chance": shortcuts.CHANCE,
        "shortcut_probe": tables["shortcut_probe"].round(4).to_dict("records"),
    }


def _markdown(tables: dict[str, pd.DataFrame]) -> str:
    probed = tables["shortcut_probe"]
    lines = ["# The data, as `python -m training eda` found it", "", "| what | count |", "|---|---|"]
    lines += [f"| {name} | {value} |" for name, value in tables["summary"]["count"].items()]
    lines += ["", "## Shortcut probe", "", *_explained(), ""]
    lines += ["| images | preparation | looks at | balanced accuracy | deviation over folds |", "|---|---|---|---|---|"]
    for row in probed.itertuples():
        figures = f"{row.balanced_accuracy:.3f} | {row.deviation:.3f}"
        lines.append(f"| {row.set_name} ({row.images}) | {row.when} | {row.what} | {figures} |")
    return "\n".join([*lines, "", *_remains(probed), ""])


def _explained() -> list[str]:
    return [
        "Boosted trees tell the class from facts that have nothing to do with the lesion, on lesions that they did not",
        f"learn from ({shortcuts.FOLDS} folds). Chance is {shortcuts.CHANCE:.3f}. Before: the files as they lie",
        'there. After: the square that the network sees ("with thumbnails": at their size).',
    ]


def _remains(probed: pd.DataFrame) -> list[str]:
    """What a network could still cheat with, in words, for each set."""
    sentences = []
    for name, rows in probed.groupby("set_name", sort=False):
        everything = rows[rows.what == "all of these"].set_index("when").balanced_accuracy
        before, after = (everything[when] - shortcuts.CHANCE for when in ("before", "after"))
        strongest = (
            rows[(rows.when == "after") & (rows.what != "all of these")].nlargest(1, "balanced_accuracy").iloc[0]
        )
        sentences.append(
            f"Above chance ({name}): {before:.3f} before preparation, {after:.3f} after it; most of it from "
            f"{strongest.what} ({strongest.balanced_accuracy:.3f} alone). Some of that is the lesion's own look."
        )
    return sentences


def _write_tables(tables: dict[str, pd.DataFrame], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        table.to_csv(folder / f"{name}.csv", index=not isinstance(table.index, pd.RangeIndex))


def _write_figure(figure: Figure, folder: Path, name: str) -> str:
    """Write a figure as SVG and PNG; returns the SVG as a data address."""
    folder.mkdir(parents=True, exist_ok=True)
    svg = io.BytesIO()
    figure.savefig(svg, format="svg", metadata={"Date": None})
    (folder / f"{name}.svg").write_bytes(svg.getvalue())
    figure.savefig(folder / f"{name}.png", format="png", dpi=130)
    plt.close(figure)
    return "data:image/svg+xml;base64," + base64.b64encode(svg.getvalue()).decode()


def _page(images: dict[str, str], tables: dict[str, pd.DataFrame]) -> str:
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    shown = {
        name: table.head(60).to_html(border=0, na_rep="", float_format="{:.4g}".format)
        for name, table in tables.items()
    }
    return environment.from_string(_TEMPLATE.read_text(encoding="utf-8")).render(
        images=images,
        tables=shown,
        lengths={name: len(table) for name, table in tables.items()},
        explained=" ".join(_explained()),
        remains=_remains(tables["shortcut_probe"]),
    )
