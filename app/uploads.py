"""An upload's way into memory, and nowhere else."""

import io
import string
from urllib.parse import quote, unquote_to_bytes

from flask import Request
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge

from model_store.errors import ModelStoreError

# Beside the photo a form holds a few short fields; an answer shown again holds its sealed photo of 380 x 380 pixels.
FORM_FIELDS_BYTES = 1_000_000
URL_ENCODED = "application/x-www-form-urlencoded"
URL_ENCODED_BYTES = 2 * FORM_FIELDS_BYTES  # letters other than Latin ones are three times as long there
FORM_S = 60  # for all photos of one form, which holds a thread meanwhile
MAX_FORM_PARTS = 300  # a clinician's table of 50 photos, with a handful of fields for each


class MissingPhoto(ModelStoreError):
    """The form was sent without a photo."""

    def __init__(self) -> None:
        super().__init__("missing_photo")


class BodyCutOff(ModelStoreError):
    """Less of a form came than was announced: the connection broke, or is so slow that the worker stopped waiting."""

    def __init__(self) -> None:
        super().__init__("body_cut_off")


class UploadRequest(Request):
    """A request whose files stay in memory; Werkzeug would write those over 500 kB to a temporary file.

    Its query is ASCII alone: other bytes are there in percent-encoded form, as browsers send them.
    """

    max_form_memory_size = FORM_FIELDS_BYTES
    max_form_parts = MAX_FORM_PARTS

    def __init__(self, *arguments, **options) -> None:
        super().__init__(*arguments, **options)
        # Bytes that are no UTF-8 would raise wherever the query is read, in the page about the error too.
        self.query_string = quote(self.query_string, safe=string.punctuation).encode()

    def _load_form_data(self) -> None:
        is_new = "form" not in self.__dict__
        if is_new and self.mimetype == URL_ENCODED:
            self._check_url_encoded()
        super()._load_form_data()
        # Werkzeug gives what came of a form as an empty one, which would read as a form without its token or photo.
        if is_new and self.mimetype in ("multipart/form-data", URL_ENCODED):
            body = self.environ["wsgi.input"]
            # gunicorn's reader of a body whose length was announced counts down what is still to come.
            left_bytes = getattr(getattr(body, "reader", None), "length", 0)
            if left_bytes and not body.read(1):
                raise BodyCutOff()

    def _check_url_encoded(self) -> None:
        """Hold a form without files to the limits above, which Werkzeug has for those with files alone.

        An upload of nothing but short fields took it 17 seconds and 900 MB. What is no UTF-8 takes it a microsecond a
        byte; no browser sends such.
        """
        self.max_content_length = URL_ENCODED_BYTES
        body = self.get_data()
        if body.count(b"&") >= MAX_FORM_PARTS:
            raise RequestEntityTooLarge()
        try:
            unquote_to_bytes(body).decode()
        except UnicodeDecodeError:
            raise BadRequest() from None

    def _get_file_stream(self, total_content_length, content_type, filename=None, content_length=None) -> io.BytesIO:
        return io.BytesIO()


def read_sealed(request: Request, name: str) -> list[str]:
    """What a form brings back of the answers that its page carried, in the form's order.

    They are fields or, from static/sealed.js, files, which no browser writes to its disk.
    """
    files = request.files.getlist(name)
    return [file.stream.getvalue().decode("utf-8", "replace") for file in files] or request.form.getlist(name)


def read_one_sealed(request: Request, name: str) -> str:
    """As `read_sealed`, of a form that carries one; empty where it carries none."""
    return next(iter(read_sealed(request, name)), "")


def read_photo(request: Request) -> bytes:
    """The bytes of the photo that a form carries in a field named `photo`.

    The page has two such fields, camera and file; the first one that was filled in counts.

    Raises:
        MissingPhoto: no file was chosen.
    """
    for file in request.files.getlist("photo"):
        if file.filename:
            return file.stream.getvalue()
    raise MissingPhoto()
