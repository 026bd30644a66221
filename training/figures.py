"""Measured figures as texts, for the model card and the report's page alike."""


def number(value: float | None, digits: int = 3) -> str:
    """So many decimals, or "not measurable"."""
    return "not measurable" if value is None else f"{value:.{digits}f}"


def interval(figure: dict) -> str:
    """The limits of a figure {"value", "low", "high"}: "0.790 to 0.834"; empty where it has none."""
    return "" if figure["low"] is None else f"{number(figure['low'])} to {number(figure['high'])}"


def with_interval(figure: dict) -> str:
    """A figure and its limits in one cell: "0.812 (0.790 to 0.834)"."""
    if figure["value"] is None or figure["low"] is None:
        return number(figure["value"])
    return f"{number(figure['value'])} ({interval(figure)})"
