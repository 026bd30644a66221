"""The plots of `eda`: each takes the table or the facts and gives a figure."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from model_store.classes import CODES
from training import plots  # noqa: F401  # sets the backend and the style

_AGE_BINS = np.arange(0, 96, 5)


def classes(table: pd.DataFrame) -> Figure:
    """Images a diagnosis, stacked by kind, on a logarithmic side panel too: the rare ones vanish otherwise."""
    counts = count(table, "kind").loc[list(CODES)]
    figure, (plain, log) = plt.subplots(1, 2, figsize=(9, 3.2))
    bottom = np.zeros(len(CODES))
    for kind in counts.columns:
        plain.bar(CODES, counts[kind], bottom=bottom, label=kind)
        bottom += counts[kind].to_numpy()
    for x, total in enumerate(bottom):
        plain.annotate(f"{int(total)}", (x, total), ha="center", va="bottom", fontsize=8)
    for offset, kind in enumerate(counts.columns):
        log.bar(np.arange(len(CODES)) + 0.27 * (offset - 1), counts[kind], width=0.27, label=kind)
    log.set(yscale="log", xticks=range(len(CODES)), xticklabels=CODES, ylabel="images, logarithmic")
    plain.set(ylabel="images", ylim=(0, 1.1 * bottom.max()))
    plain.legend()
    return figure


def heat_map(counts: pd.DataFrame, row_name: str, column_name: str) -> Figure:
    """Share of each row in its columns as a colour; the counts stand in the cells."""
    shares = counts.div(counts.sum(axis=1).clip(lower=1), axis=0)
    figure, axis = plt.subplots(figsize=(2.2 + 0.75 * counts.shape[1], 1.4 + 0.34 * counts.shape[0]))
    drawn = axis.imshow(shares, cmap="Blues", vmin=0, vmax=max(0.5, float(shares.max(axis=None))), aspect="auto")
    for (row, column), share in np.ndenumerate(shares.to_numpy()):
        colour = "white" if share > 0.6 * drawn.get_clim()[1] else "black"
        text = f"{counts.iat[row, column]}\n{share:.0%}"
        axis.text(column, row, text, ha="center", va="center", fontsize=6.5, color=colour)
    axis.set(xticks=range(counts.shape[1]), yticks=range(counts.shape[0]), xlabel=column_name, ylabel=row_name)
    axis.set_xticklabels(counts.columns, rotation=30, ha="right")
    axis.set_yticklabels(counts.index)
    figure.colorbar(drawn, label="share of the row")
    return figure


def ages(table: pd.DataFrame) -> Figure:
    """Histogram of the age for each kind, with mean and deviation."""
    figure, axis = plt.subplots(figsize=(6, 3))
    known = [(kind, rows.age.dropna()) for kind, rows in table.groupby("kind")]
    labels = [f"{kind}: mean {age.mean():.1f}, deviation {age.std():.1f}, n {len(age)}" for kind, age in known]
    axis.hist([age for _, age in known], bins=_AGE_BINS, stacked=True, label=labels)
    axis.set(xlabel="age, years", ylabel="images")
    axis.set_ylim(top=1.35 * axis.get_ylim()[1])  # room for the legend
    axis.legend(fontsize=7, loc="upper left")
    return figure


def ages_by_class(table: pd.DataFrame) -> Figure:
    """A box for each diagnosis: quartiles, whiskers at 5 % and 95 %, the mean as a point."""
    groups = {code: table.age[table.label == k].dropna() for k, code in enumerate(CODES)}
    return boxes({code: age for code, age in groups.items() if len(age)}, "age, years")


def boxes(groups: dict[str, pd.Series], ylabel: str) -> Figure:
    """A box for each group of values: quartiles, whiskers at 5 % and 95 %, the mean as a point, n below the name."""
    figure, axis = plt.subplots(figsize=(max(5, 0.75 * len(groups)), 3.2))
    names = [f"{name}\nn {len(values)}" for name, values in groups.items()]
    axis.boxplot(
        [values.to_numpy() for values in groups.values()],
        tick_labels=names,
        whis=(5, 95),
        showfliers=False,
        showmeans=True,
        meanprops={"marker": "o", "markersize": 3},
    )
    axis.set(ylabel=ylabel)
    axis.tick_params(axis="x", labelsize=7)
    return figure


def sites(table: pd.DataFrame) -> Figure:
    """Images an anatomical site, the most frequent on top; unknown ones are a bar of their own."""
    counts = table.groupby([table.site.fillna("unknown"), "kind"]).size().unstack(fill_value=0)
    counts = counts.loc[counts.sum(axis=1).sort_values().index]
    figure, axis = plt.subplots(figsize=(6.5, 0.6 + 0.22 * len(counts)))
    left = np.zeros(len(counts))
    for kind in counts.columns:
        axis.barh(counts.index, counts[kind], left=left, label=kind)
        left += counts[kind].to_numpy()
    axis.set(xlabel="images")
    axis.legend()
    return figure


def colours(table: pd.DataFrame, facts: pd.DataFrame) -> Figure:
    """The mean colour of each source's images of each diagnosis, shown as that colour; the count stands in it."""
    channels = ["square_red", "square_green", "square_blue"]
    groups = facts[channels].groupby([table.source, table.label])
    means, counts = groups.mean(), groups.size()
    sources = sorted(table.source.unique())
    shown = np.full((len(sources), len(CODES), 3), 255, np.uint8)
    for (source, label), mean in means.iterrows():
        shown[sources.index(source), label] = mean.fillna(255)
    figure, axis = plt.subplots(figsize=(7, 0.9 + 0.5 * len(sources)))
    axis.imshow(shown, aspect="auto")
    for (source, label), n in counts.items():
        axis.text(label, sources.index(source), n, ha="center", va="center", fontsize=7)
    axis.set(xticks=range(len(CODES)), xticklabels=CODES, yticks=range(len(sources)), yticklabels=sources)
    return figure


def sharpness(table: pd.DataFrame, facts: pd.DataFrame, column: str, by: str) -> Figure:
    """Boxes of a sharpness column by "source" (with kind) or by diagnosis."""
    return _boxes_by(table, facts[column], by, "log(1 + variance of Laplacian)")


def sizes(table: pd.DataFrame, facts: pd.DataFrame, by: str) -> Figure:
    """Boxes of the files' sizes, by "source" (with kind) or by diagnosis."""
    return _boxes_by(table, np.sqrt(facts.file_width * facts.file_height), by, "root of the area, pixels")


def _boxes_by(table: pd.DataFrame, values: pd.Series, by: str, ylabel: str) -> Figure:
    names = table.source + "\n" + table.kind if by == "source" else table.label.map(lambda k: CODES[k])
    order = sorted(names.unique()) if by == "source" else [code for code in CODES if (names == code).any()]
    groups = {name: values[names == name].dropna() for name in order}
    return boxes({name: group for name, group in groups.items() if len(group)}, ylabel)


def missing(shares: pd.DataFrame) -> Figure:
    """Share of images without each fact (columns) in each source (rows)."""
    figure, axis = plt.subplots(figsize=(6, 0.9 + 0.4 * len(shares)))
    drawn = axis.imshow(shares, cmap="Oranges", vmin=0, vmax=1, aspect="auto")
    for (row, column), share in np.ndenumerate(shares.to_numpy()):
        axis.text(column, row, f"{share:.1%}", ha="center", va="center", fontsize=7)
    axis.set(xticks=range(shares.shape[1]), xticklabels=shares.columns)
    axis.set(yticks=range(len(shares)), yticklabels=shares.index)
    figure.colorbar(drawn, label="share missing")
    return figure


def probes(rows: pd.DataFrame, chance: float) -> Figure:
    """Balanced accuracy of each shortcut probe, before and after preparation, against chance."""
    names = [f"{row.set_name}, {row.when}: {row.what}" for row in rows.itertuples()]
    figure, axis = plt.subplots(figsize=(7, 0.8 + 0.2 * len(rows)))
    colours_of = rows.when.map({"before": "C1", "after": "C0"})
    axis.barh(names, rows.balanced_accuracy, xerr=rows.deviation, color=colours_of)
    axis.axvline(chance, color="black", linewidth=0.8)
    axis.invert_yaxis()
    axis.tick_params(axis="y", labelsize=7)
    axis.set(xlabel="balanced accuracy (line: chance)", xlim=(0, max(0.5, 1.1 * rows.balanced_accuracy.max())))
    return figure


def count(table: pd.DataFrame, column: str) -> pd.DataFrame:
    """Images by diagnosis (rows, all eight) and by a column's values; unknown ones stand last."""
    values = table[column].fillna("unknown").astype(str)
    counts = table.groupby([table.label, values]).size().unstack(fill_value=0)
    counts = counts.reindex(range(len(CODES)), fill_value=0).set_axis(list(CODES))
    known = [name for name in counts.columns if name != "unknown"]
    return counts[known + ["unknown"] * ("unknown" in counts.columns)]
