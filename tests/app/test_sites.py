"""The list of places on the body."""

from app.sites import REGIONS, SITES


def test_every_place_stands_in_one_region():
    assert sorted(code for region in REGIONS for code in region.sites) == sorted(SITES)


def test_what_the_go_anyway_list_names_is_known_as_hardly_seen_and_so_is_an_eye():
    hardly = {code for code, site in SITES.items() if site.hardly_seen}
    assert hardly == {"palm", "sole", "lip", "genitals", "fingernail", "toenail", "eyelid"}
