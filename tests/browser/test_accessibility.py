"""axe-core's rules for WCAG 2.2 A and AA find nothing on any page, in light and dark colours."""

import pytest
from axe_playwright_python.sync_playwright import Axe

RULES = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}}


def violations(page) -> list[str]:
    found = Axe().run(page, options=RULES).response["violations"]
    return [f"{rule['id']}: {node['html']}" for rule in found for node in rule["nodes"]]


@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("path", ["/", "/en/conditions", "/en/conditions/melanoma", "/en/signs", "/en/about",
                                  "/en/privacy", "/en/terms", "/en/no-such-page"])  # fmt: skip
def test_a_page_is_accessible(visit, path, colours):
    phone = visit()
    phone.page.emulate_media(color_scheme=colours)
    phone.open(path)
    assert violations(phone.page) == []


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_the_answer_is_accessible(visit, send_photo, colours):
    phone = visit()
    phone.page.emulate_media(color_scheme=colours)
    send_photo(phone)
    assert violations(phone.page) == []
