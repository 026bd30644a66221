"""What the tests of several pages do and look for in the same way."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page

WITH_AND_WITHOUT_JAVASCRIPT = pytest.mark.parametrize("javascript", [True, False], ids=["javascript", "plain"])
WCAG = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}}
BROKEN_WORDS = """nodes => nodes.flatMap(node => {
    const broken = [];
    const walker = document.createTreeWalker(node, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const text = walker.currentNode;
        if (!text.parentElement.checkVisibility()) continue;
        for (const word of text.data.matchAll(/\\p{L}{4,}/gu)) {
            const range = document.createRange();
            range.setStart(text, word.index);
            range.setEnd(text, word.index + word[0].length);
            if (new Set([...range.getClientRects()].map(box => Math.round(box.top))).size > 1) broken.push(word[0]);
        }
    }
    return broken;
})"""


def violations(page: Page) -> list[str]:
    """What axe-core finds against WCAG 2.2 A and AA: each rule with the element that breaks it."""
    found = Axe().run(page, options=WCAG).response["violations"]
    return [f"{rule['id']}: {node['html']}" for rule in found for node in rule["nodes"]]


def follow(page: Page, leads_on: Locator) -> None:
    """Click what leads to another page, and wait until that is whole: its first element is there before its last.

    The page that is being left may have the same elements, so waiting for one of the next page's is not enough.
    """
    with page.expect_navigation():
        leads_on.click()


def opened_by(page: Page, leads_on: Locator) -> Page:
    """The new tab that a click opens, whole."""
    with page.context.expect_page() as opening:
        leads_on.click()
    opening.value.wait_for_load_state()
    return opening.value
