"""The model's own page says what the bundle's files say, whatever the evaluation wrote into them."""

import dataclasses
import html
import re
import shutil

import pytest

from app import model_page, versions
from app.i18n import LANGUAGES
from model_store.bundle import BUNDLES, available, find, read
from model_store.classes import CODES
from tests.app.test_patient import assert_is_whole, text_of

SHARE = {"value": 0.912, "low": 0.85, "high": 0.96, "images": 50, "lesions": 45}


def figures(**more) -> dict:
    """What the evaluation writes of one set of photos, as `training/evaluate.py` does."""
    return {
        "images": 1234,
        "lesions": 1000,
        "images_by_class": dict.fromkeys(CODES, 50),
        "seven_classes": {"balanced_accuracy": SHARE, "accuracy": SHARE},
        "eight_classes": {"balanced_accuracy": SHARE, "accuracy": SHARE},
        "malignancy_auc": SHARE,
        "melanoma_auc": SHARE,
        "calibration_error": SHARE,
        "recalls": dict.fromkeys(CODES, SHARE),
        "confusion": [[10 * row + column for column in range(8)] for row in range(8)],
        "operating_points": [
            {"name": "soon", "risk": "malignancy", "threshold": 0.1234, "sensitivity": SHARE, "specificity": 0.5}
        ],
        **more,
    }


FULL = figures(
    reliability={"MEL": [{"images": 40, "stated": 0.05, "true": 0.07}, {"images": 9, "stated": 0.15, "true": 0.33}]},
    subgroups={"age": {"under 30": {"images": 70, "soon_sensitivity": SHARE, "soon_specificity": SHARE},
                       "70 and over": {"images": 4}},
               "site": {"anterior torso": {"images": 80, "soon_sensitivity": SHARE, "soon_specificity": SHARE}}},
)  # fmt: skip
BY_ADVICE = {
    name: {"n": 500, "malignant": 20, "predictive_value": SHARE} for name in ("urgent", "soon", "unsure", "watch")
}
BY_SCORE = {str(k): {"n": 100, "malignant": 10 * k, "predictive_value": SHARE} for k in range(1, 11)}


@pytest.fixture
def show(make_app):
    """A function that gives the page of a bundle with this report: `show(report, language="kk")`."""

    def get(report: dict, language: str = "en") -> str:
        app = make_app()
        classifier = app.extensions["classifier"]
        bundle = dataclasses.replace(classifier.bundle, report=report)
        app.extensions["classifier"] = dataclasses.replace(classifier, bundle=bundle)
        response = app.test_client().get(f"/{language}/model")
        assert response.status_code == 200
        return response.text

    return get


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("report", [{}, {"sets": {"dermoscopy": figures()}},
                                    {"sets": {"dermoscopy": FULL, "phone": FULL},
                                     "answers": {"dermoscopy": {"set": "a test split", "by_advice": BY_ADVICE,
                                                                "by_score": BY_SCORE}}}],
                         ids=["nothing", "first", "full"])  # fmt: skip
def test_the_page_is_whole_with_whatever_was_measured(show, report, language):
    page = show(report, language)
    assert_is_whole(page, language)
    assert not re.search(r"%\(\w+\)|\bNone\b(?! of)|\bnan\b", page)


def test_a_patient_reads_counts_of_a_hundred_first(show):
    counted = {"urgent": (200, 60), "soon": (100, 20), "unsure": (10, 5), "watch": (690, 15)}
    by_advice = {name: {"n": n, "malignant": k, "predictive_value": SHARE} for name, (n, k) in counted.items()}
    answers = {"phone": {"set": "a test split", "by_advice": by_advice}}
    page = text_of(show({"sets": {"dermoscopy": FULL, "phone": FULL}, "answers": answers}))
    assert "Photos from a phone: of 100 spots that were cancer or could become it, the advice sent 80 to" in page
    assert "it sent 24 to a doctor too. Counted on 1,234 photos" in page
    assert "dermatoscope: of 100 spots" not in page  # of which nobody counted what the advice was worth
    assert page.index("of 100 spots") < page.index("Balanced accuracy")


def test_a_clinician_reads_every_table(show):
    answers = {"set": "a test split", "by_advice": BY_ADVICE, "by_score": BY_SCORE}
    page = show({"sets": {"dermoscopy": FULL}, "answers": {"dermoscopy": answers}})
    text = text_of(page)
    for said in ("Soon 12.3% 91% (85%–96%) 50%", "Melanoma 50 91% (85%–96%)", "Melanoma (MEL) 0 1 2 3 4 5 6 7",
                 "under 30 70 91% (85%–96%)", "70 and over 4 – –", "Front of the trunk 80",
                 "3 100 30 91% (85%–96%)", "Keep watching 500 20 91%",
                 "Cannot be judged: the model is not sure 500 20", "Melanoma 5% 7% 40"):  # fmt: skip
        assert said in text
    assert "33%" not in text  # a tenth with 9 photos
    assert re.findall("<circle .*?>", page.partition("plots")[2]) == ['<circle cx="5.0" cy="93.0" r="3.2"/>']


@pytest.mark.parametrize(
    ("language", "name", "threshold"),
    [
        ("ru", "Злокачественность, порог для чувствительности 90 процентов", "12,3 %"),
        ("kk", "Қатерлілік, шегі 90 пайыз сезімталдыққа таңдалған", "12,3%"),
    ],
)
def test_operating_points_stand_in_the_reader_s_words_and_percents_in_one_form(show, language, name, threshold):
    (soon,) = figures()["operating_points"]
    page = show({"sets": {"dermoscopy": figures(operating_points=[soon, {**soon, "name": "malignancy_90"}])}}, language)
    assert name in page
    assert "malignancy_90" not in page
    assert page.count(f">{threshold}<") == 2


def test_every_group_of_people_in_the_shipped_report_has_a_name_in_each_language(app):
    report = read(find()).report
    parts = {
        part
        for figures in report["sets"].values()
        for heading in ("age", "sex", "site")
        for part in figures["subgroups"][heading]
    }
    names = {}
    for language in LANGUAGES:
        with app.test_request_context(f"/{language}/"):
            names[language] = {part: str(model_page._PARTS[part]) for part in parts}
    for part in parts - {"30 to 49", "50 to 69"}:
        assert len({names[language][part] for language in LANGUAGES}) == len(LANGUAGES), part


def test_the_card_is_shown_with_its_html_as_text(app, tmp_path):
    (tmp_path / "MODEL_CARD.md").write_text(
        "# Card\n\n<script>alert(1)</script>\n\n| a | b |\n| - | - |\n| 1 | 2 |\n\n![Curve](figures/roc.svg)\n"
    )
    card = model_page._card(tmp_path, "/en/model/figures/")
    assert "<script>" not in card
    assert html.escape("<script>") in card
    assert "<h2>Card</h2>" in card
    assert 'src="/en/model/figures/roc.svg"' in card
    assert re.search(r'<div class="scroll"[^>]*><table>', card)


def test_a_figure_comes_from_the_bundle_and_nothing_else_does(client):
    with client.get("/en/model/figures/reliability.png") as response:
        assert response.status_code == 200
        assert response.content_type == "image/png"
    for name in ("none.svg", "..%2fbundle.json", "../bundle.json", "model.keras", ""):
        assert client.get(f"/en/model/figures/{name}").status_code == 404


def test_every_version_beside_the_served_one_is_listed_the_newest_first(make_app, tiny_bundle, tmp_path):
    shipped = tmp_path / "bundles" / "tiny"
    shutil.copytree(tiny_bundle, shipped / "1.0.0")
    shutil.copytree(tiny_bundle, shipped / "1.10.0")
    app = make_app()
    classifier = app.extensions["classifier"]
    app.extensions["classifier"] = dataclasses.replace(classifier, bundle=read(shipped / "1.0.0"))
    page = app.test_client().get("/en/model").text
    assert re.findall(r'<th scope="row">([\d.]+)</th>', page) == ["1.10.0", "1.0.0"]


def test_a_version_that_is_no_longer_shipped_is_listed_too(make_app):
    app = make_app()
    classifier = app.extensions["classifier"]
    bundle = dataclasses.replace(classifier.bundle, name="efficientnet_b4_isic2019")
    app.extensions["classifier"] = dataclasses.replace(classifier, bundle=bundle)
    page = text_of(app.test_client().get("/en/model").text)
    reached = versions.noted(bundle.name)["2.0.0"]["phone"]["eight_classes"]["balanced_accuracy"]["value"]
    assert f"2.0.0 {reached:.3f} (" in page


@pytest.mark.parametrize("path", available(BUNDLES), ids=lambda path: path.name)
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_shipped_bundles_fill_the_page(make_app, path, language):
    app = make_app()
    classifier = app.extensions["classifier"]
    app.extensions["classifier"] = dataclasses.replace(classifier, bundle=read(path))
    client = app.test_client()
    page = client.get(f"/{language}/model").text
    assert_is_whole(page, language)
    assert page.count('class="measured"') == len(read(path).report["sets"])
    for figure in set(re.findall(r'src="(/[^"]+/figures/[^"]+)"', page)):
        with client.get(figure) as response:
            assert response.status_code == 200, figure
