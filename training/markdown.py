"""The few forms of Markdown that the model card is made of."""

from collections.abc import Iterable, Sequence


def table(head: tuple, rows: Iterable[tuple]) -> str:
    """A table; each row has a cell for every one of the head, whatever `str` makes of it."""
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def bullets(sentences: Sequence[str]) -> str:
    """A list, a sentence a line."""
    return "\n".join(f"- {sentence}" for sentence in sentences)
