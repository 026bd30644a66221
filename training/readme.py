"""Tables that commands write into a document for people, between two markers of their name."""

from pathlib import Path


def insert(readme: Path, name: str, text: str) -> None:
    """Replace what stands between `<!-- NAME: begin -->` and `<!-- NAME: end -->`.

    Raises:
        ValueError: the document lacks them.
    """
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    content = readme.read_text(encoding="utf-8")
    if begin not in content or end not in content:
        raise ValueError(f"{readme} lacks the lines {begin} and {end}")
    head, rest = content.split(begin, 1)
    readme.write_text(f"{head}{begin}\n{text}{end}{rest.split(end, 1)[1]}", encoding="utf-8")
