"""A run's report as one HTML page that needs nothing beside it: the plots lie inline."""

import base64
from pathlib import Path

import jinja2

from model_store.classes import CODES
from training.card_results import CHOICES
from training.figures import number, with_interval

PAGE = "report.html"
_TEMPLATE = Path(__file__).with_name(PAGE)


def write(report: dict, recipe: dict, folder: Path) -> Path:
    """Write `report.html` into a run's folder.

    Args:
        report: what `report.json` holds.
        recipe: what `recipe.json` holds.
        folder: the run's; `figures/*.svg` and `worst_mistakes.jpg` are taken from it.

    Returns:
        The page's file.
    """
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    environment.filters |= {"figure": with_interval, "number": number}
    page = environment.from_string(_TEMPLATE.read_text(encoding="utf-8")).render(
        report=report,
        recipe=recipe,
        codes=CODES,
        choices=CHOICES,
        plots={file.stem: _inline(file, "image/svg+xml") for file in sorted((folder / "figures").glob("*.svg"))},
        mistakes=_inline(folder / "worst_mistakes.jpg", "image/jpeg"),
    )
    file = folder / PAGE
    file.write_text(page, encoding="utf-8")
    return file


def _inline(file: Path, media_type: str) -> str:
    return f"data:{media_type};base64,{base64.b64encode(file.read_bytes()).decode()}"
