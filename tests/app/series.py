"""A clinician's series as a browser sends it: photos in, the fields that the table's form carries out."""

import io
import re

from werkzeug.datastructures import FileStorage, MultiDict
from werkzeug.test import encode_multipart

from model_store.classifier import Classifier
from tests.app.conftest import token

URL = "/en/clinician"


def send_files(client, files: dict[str, bytes], path: str = URL, **fields):
    form = MultiDict([("csrf_token", token(client)), *fields.items()])
    for name, content in files.items():
        form.add("photo", FileStorage(io.BytesIO(content), name))
    boundary, body = encode_multipart(form)
    return client.post(path, data=body, content_type=f"multipart/form-data; boundary={boundary}")


def serving(app, classifier: Classifier):
    """A client of the site once it answers from another bundle."""
    app.extensions["classifier"] = classifier
    return app.test_client()


def fields_of(page: str, name: str) -> list[str]:
    return re.findall(rf'name="{name}" form="cases" value="([^"]*)"', page)


def failed_of(page: str) -> str:
    """What the table's form carries of the files without an answer."""
    (value,) = re.findall(r'name="failed" value="([^"]*)"', page)
    return value.replace("&#10;", "\n")


def post(client, path: str, *pairs: tuple[str, str]):
    return client.post(path, data=MultiDict([("csrf_token", token(client)), *pairs]))


def series(client, files, **fields) -> list[tuple[str, str]]:
    """Send photos, and give the fields that the answer's form carries."""
    page = send_files(client, files, **fields).text
    return [(name, value) for name in ("number", "case", "detail") for value in fields_of(page, name)]
