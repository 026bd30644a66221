"""What a clinician's form brings: photos to answer, or a series that was answered before, as `cases` sealed it."""

from collections.abc import Iterator

from flask import abort, current_app, request

from app import archives, cases
from app.case_rows import ANSWERS, Item
from app.uploads import read_one_sealed, read_sealed
from model_store.errors import ModelStoreError, PhotoError
from model_store.prediction import SOURCES

LIMIT = 50  # photos of a series that the browser sends one by one
MOST_FAILED = 1000  # files without an answer that a form brings back; an archive lists up to 500
MOST_NUMBER = 999  # of a row, or of files without an answer
UNPACKED_FACTOR = 5  # how much larger the content of all archives of a form may be than an upload


class OwnFirst(ModelStoreError):
    """What was asked for shows the model's answers, while their reader has to give a diagnosis of some photos first."""

    def __init__(self) -> None:
        super().__init__("own_first")


def listed_photos() -> int:
    """How many photos the form holds, those that its archives list among them, before any is unpacked."""
    contents = [file.stream.getvalue() for file in request.files.getlist("photo") if file.filename]
    return sum(archives.listed(data) if archives.is_archive(data) else 1 for data in contents)


def photos() -> Iterator[tuple[str, bytes | ModelStoreError]]:
    """Name and content of each photo in the form, those inside archives among them; or what is wrong with it.

    All archives share one budget; one that passes it is told once, and not read on.
    """
    budget = archive_budget()
    for file in request.files.getlist("photo"):
        if not file.filename:
            continue
        data = file.stream.getvalue()
        if not archives.is_archive(data):
            yield file.filename, data
            continue
        try:
            yield from archives.photos(data, budget)
        except PhotoError as error:
            yield file.filename, error


def archive_budget() -> archives.Budget:
    """How much all archives of one form may hold."""
    return archives.Budget(
        UNPACKED_FACTOR * current_app.config["MAX_CONTENT_LENGTH"], current_app.extensions["config"].max_upload_mb
    )


def shown_items() -> list[Item]:
    """The cases of a form, for a page or a file that shows what the model says of all of them.

    Raises:
        AnswerExpired: an answer is too old.
        OwnFirst: some photos wait for their reader's diagnosis.
    """
    items = all_items()
    _demand_own(items)
    return items


def all_items() -> list[Item]:
    """The cases of a form, in the order of their rows.

    What stands beside them is aligned by position: each list has a value for every case, or is missing. With another
    length a diagnosis, a picture or a number would go to another photo, so the form is refused.

    Raises:
        AnswerExpired: an answer is too old.
    """
    form = request.form
    sealed = read_sealed(request, "case")
    details = _pictures(len(sealed)) if "pictures" in request.files else read_sealed(request, "detail")
    owns, numbers = form.getlist("own"), _numbers("number")
    if any(len(beside) not in (0, len(sealed)) for beside in (details, owns, form.getlist("number"), numbers)):
        abort(400)
    marked = _numbers("marked")
    items = []
    for index, text in enumerate(sealed[:LIMIT]):
        case = cases.unseal(text)
        detail = cases.unseal_detail(details[index], case) if details and details[index] else None
        own = owns[index] if owns and owns[index] in ANSWERS else ""
        number = numbers[index] if numbers else index + 1
        items.append(Item(number, case, detail, own, number in marked))
    return items


def opened_item() -> Item:
    """The one photo of a form, with its pictures; raises as `shown_items`."""
    case, own = cases.unseal(read_one_sealed(request, "case")), request.form.get("own", "")
    detail = cases.unseal_detail(read_one_sealed(request, "detail"), case)
    item = Item(number(), case, detail, own if own in ANSWERS else "")
    _demand_own([item])
    return item


def failed() -> list[tuple[str, str]]:
    """Name and code of each file without an answer, as the form brought them back: a line `code name` each."""
    pairs = [line.rstrip("\r").partition(" ") for line in read_one_sealed(request, "failed").split("\n")[:MOST_FAILED]]
    return [(name, code) for code, _, name in pairs]


def said_source(field: str = "source") -> str:
    """The source that a form's field says; "" where it says none of `SOURCES`."""
    said = request.form.get(field, "")
    return said if said in SOURCES else ""


def number(field: str = "number") -> int:
    """The first number of a form's field; 0 without one."""
    return next(iter(_numbers(field)), 0)


def _demand_own(items: list[Item]) -> None:
    if "own_first" in request.form and not all(item.own for item in items):
        raise OwnFirst()


def _pictures(cases: int) -> list[str]:
    """The details of a form's cases, one a line: a script sends them as a file, since a form's fields have a limit.

    Of a file with more lines than cases, the rest is one line more: as many lines as bytes take nine times its memory.
    """
    text = request.files["pictures"].stream.getvalue().decode("ascii", "replace")
    return text.split("\n", cases) if text else []


def _numbers(field: str) -> list[int]:
    """The whole numbers of a form's field, brought into what a table can have; what is none is left out."""
    return [min(max(number, 0), MOST_NUMBER) for number in request.form.getlist(field, type=int)]
