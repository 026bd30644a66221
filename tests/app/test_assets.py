"""Files that never change are kept by the browser; changed ones get another address."""

import re
from pathlib import Path

import pytest

from app import assets


def test_a_page_names_its_files_by_their_content_and_they_may_be_kept(client):
    addresses = re.findall(r'(?:href|src)="(/static/[^"]+)"', client.get("/en/").text)
    assert len(addresses) >= 7
    for address in addresses:
        assert re.search(r"\?v=[0-9a-f]{12}$", address)
        with client.get(address) as response:
            assert response.headers["Cache-Control"] == "public, max-age=31536000, immutable"
            assert response.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("version", ["0123456789ab", ""])
def test_a_file_under_the_address_of_another_version_is_not_kept(client, version):
    with client.get(f"/static/upload.js?v={version}") as response:
        assert response.status_code == 200
        assert response.headers["Cache-Control"] == "no-cache"


@pytest.mark.parametrize(("name", "kind"), [("site.css", "text/css"), ("upload.js", "text/javascript"),
                                            ("tips/light.svg", "image/svg+xml")])  # fmt: skip
def test_each_kind_of_file_says_what_it_is(client, name, kind):
    with client.get(f"/static/{name}") as response:
        assert response.mimetype == kind
        assert "immutable" not in response.headers["Cache-Control"]


@pytest.mark.parametrize("method", ["OPTIONS", "GET", "HEAD", "POST", "TRACE"])
@pytest.mark.parametrize("name", ["nothing.css", "../wsgi.py", "../../../../../../../../etc/passwd"])
def test_no_method_opens_a_file_outside_the_folder_or_fails_at_one_that_is_missing(client, monkeypatch, method, name):
    """Of /dev/zero, opened to compute its version, one request filled the memory of the machine."""
    opened = []
    monkeypatch.setattr(Path, "read_bytes", lambda path: opened.append(path) or b"")
    response = client.open(f"/static/{name}", method=method)
    assert [path for path in opened if str(path).endswith(name)] == []  # the page about the error has files too
    assert response.status_code < 500
    assert "immutable" not in response.headers["Cache-Control"]


def test_the_many_names_of_one_file_do_not_fill_the_memory(client):
    with client.get("/static/site.css"):
        known = assets._version.cache_info().currsize
    for name in ("tips/../site.css", "fonts/../site.css", "tips/../fonts/../site.css"):
        with client.get(f"/static/{name}") as response:
            assert response.status_code == 200
    assert assets._version.cache_info().currsize == known
