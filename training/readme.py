"""Tables that commands write into a document for people, between two markers of their name."""

from pathlib import Path

from training.errors import TrainingError


def check(readme: Path, name: str) -> None:
    """Raise TrainingError where there is no such document, or where it lacks the markers of this table."""
    begin, end = _markers(name)
    content = readme.read_text(encoding="utf-8") if readme.is_file() else ""
    if not 0 <= content.find(begin) < content.find(end):
        raise TrainingError(f"{readme} is no document with the lines {begin} and {end}, between which the table goes")


def insert(readme: Path, name: str, text: str) -> None:
    """Replace what stands between `<!-- NAME: begin -->` and `<!-- NAME: end -->`. Raises as `check`."""
    check(readme, name)
    begin, end = _markers(name)
    head, rest = readme.read_text(encoding="utf-8").split(begin, 1)
    readme.write_text(f"{head}{begin}\n{text}{end}{rest.split(end, 1)[1]}", encoding="utf-8")


def _markers(name: str) -> tuple[str, str]:
    return f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
