"""What each operating point is worth at the reader's prevalence."""

import dataclasses
import re

import pytest

from app.i18n import LANGUAGES
from app.points_at_prevalence import predictive_values
from model_store.classifier import Classifier
from tests.app.series import URL, serving
from tests.app.test_patient import assert_is_whole, text_of


def test_predictive_values_are_those_of_a_table_of_a_thousand_people():
    # 100 ill: 90 called, 10 left. 900 others: 180 called, 720 left.
    values = predictive_values(0.9, 0.8, 0.1)
    assert values.positive == pytest.approx(90 / 270)
    assert values.negative == pytest.approx(720 / 730)
    assert values.called == pytest.approx(270 / 1000)


def test_nothing_is_told_of_groups_that_are_empty():
    assert predictive_values(0.0, 1.0, 0.5).positive is None
    assert predictive_values(1.0, 0.0, 0.5).negative is None


def share(value: float, images: int) -> dict:
    """As the evaluation writes one."""
    return {"value": value, "low": value - 0.1, "high": value + 0.1, "images": images}


def point(name: str, risk: str, sensitivity: dict, specificity: dict) -> dict:
    return {"name": name, "risk": risk, "threshold": 0.3, "sensitivity": sensitivity, "specificity": specificity}


@pytest.fixture
def points_client(make_app, classifier):
    """A function that makes a client of a site whose evaluation of dermoscopy has these operating points."""

    def make(*points: dict):
        report = {"sets": {"dermoscopy": {"images": 100, "operating_points": points}}}
        bundle = dataclasses.replace(classifier.bundle, report=report)
        return serving(make_app(), Classifier(bundle, classifier.engine))

    return make


def table_rows(page: str) -> list[str]:
    return [
        text_of(row).strip()
        for row in re.findall(r"<tr.*?</tr>", page[page.index('<table class="figures"') :], re.DOTALL)
    ]


def test_operating_points_follow_the_prevalence(points_client):
    client = points_client(point("soon", "malignancy", share(0.9, 40), share(0.8, 60)))
    page = text_of(client.get(f"{URL}/operating-points?prevalence=10").text)
    assert "Positive predictive value 33.3%" in page
    assert "Negative predictive value 98.6%" in page
    assert "Positive predictive value 90.0%" not in page
    for wrong in ("?prevalence=nan", "?prevalence=-5&point=99", "?prevalence=1e999", "?point=x&source=y"):
        assert client.get(f"{URL}/operating-points{wrong}").status_code == 200
    assert "no photos of this kind" in text_of(client.get(f"{URL}/operating-points?source=phone").text)


@pytest.mark.parametrize(
    ("typed", "stated"),
    [("5", "5"), ("5 %", "5"), ("5%", "5"), ("\xa02,4\u202f% ", "2.4"), ("0", "0"), ("100", "100"), (None, "10")],
)
def test_the_prevalence_that_the_figures_are_for_stands_above_them(points_client, typed, stated):
    client = points_client(point("soon", "malignancy", share(0.9, 40), share(0.8, 60)))
    page = client.get(f"{URL}/operating-points", query_string={} if typed is None else {"prevalence": typed}).text
    assert f"At a prevalence of malignancy of {stated} percent" in text_of(page[: page.index("<table")])
    share_of_all = float(stated) / 100
    called = 0.9 * share_of_all + 0.2 * (1 - share_of_all)
    assert f"Called, of all photographed {100 * called:.1f}%" in text_of(page)


@pytest.mark.parametrize("typed", ["", "abc", "-3", "101", "5 6", "nan", "1e999", "5 % or so"])
def test_a_prevalence_that_is_none_gives_no_figures_for_another(points_client, typed):
    client = points_client(point("soon", "malignancy", share(0.9, 40), share(0.8, 60)))
    page = client.get(f"{URL}/operating-points", query_string={"prevalence": typed}).text
    assert "Enter a number from 0 to 100." in text_of(page)
    assert "At a prevalence" not in text_of(page)
    assert "Positive predictive value – Negative predictive value – Called, of all photographed –" in text_of(page)
    assert table_rows(page)[1].endswith("photos: 60 – –")
    assert f'name="prevalence" value="{typed}"' in page


def test_each_share_says_its_interval_and_its_photos_and_few_photos_give_no_predictive_value(points_client):
    client = points_client(
        point("soon", "malignancy", share(0.9, 20), share(0.8, 20)),
        point("malignancy_80", "malignancy", share(0.8, 40), share(0.9, 19)),
        point("urgent", "urgent", share(0.7, 400), share(0.6, 600)),
    )
    _, soon, few, urgent = table_rows(client.get(f"{URL}/operating-points?prevalence=10").text)
    assert "90.0% 80.0%–100.0%, photos: 20 80.0% 70.0%–90.0%, photos: 20 33.3% 98.6%" in soon
    assert "photos: 19 – Not computed: fewer than 20 test photos" in few
    # Those with melanoma or squamous cell carcinoma are fewer than those with malignancy, of which the prevalence is.
    assert "photos: 600 – Not computed: this point looks for fewer diagnoses" in urgent
    chosen = text_of(client.get(f"{URL}/operating-points?point=2").text)
    assert (
        "Positive predictive value – Negative predictive value – Called, of all photographed – Not computed" in chosen
    )


def test_no_predictive_value_is_whole_because_no_test_photo_was_missed_or_called_in_vain(points_client):
    client = points_client(
        point("soon", "malignancy", share(1, 43), share(0.3, 60)),
        point("malignancy_80", "malignancy", share(0.8, 43), share(1, 22)),
        point("malignancy_90", "malignancy", share(0.95, 400), share(0.6, 600)),
    )
    _, soon, sure, low = table_rows(client.get(f"{URL}/operating-points?prevalence=0.5").text)
    assert "photos: 60 0.7% – Not computed: none of the 43 test photos with malignancy was missed" in soon
    assert "photos: 22 – Not computed: none of the 22 test photos without malignancy was called" in sure
    assert sure.endswith("99.9%")
    assert low.endswith("photos: 600 1.2% > 99.9%")
    chosen = text_of(client.get(f"{URL}/operating-points?point=0").text)
    assert "Negative predictive value – Not computed: none of the 43" in chosen


def with_curve() -> dict:
    """A report with a curve for dermoscopy, as the evaluation writes it; for phone photos the named points alone."""
    curve = [{"threshold": k / 100, "sensitivity": 1 - k / 100, "specificity": k / 100} for k in range(1, 100)]
    soon = {"name": "soon", "risk": "malignancy", "threshold": 0.304, "sensitivity": 0.7, "specificity": 0.3}
    urgent = {"name": "urgent", "risk": "urgent", "threshold": 0.2, "sensitivity": 0.9, "specificity": 0.8}
    points = {"images": 100, "malignant": 50, "operating_points": [soon, urgent]}
    return {"sets": {"dermoscopy": {**points, "curve": curve}, "phone": points}}


@pytest.fixture
def curve_client(make_app, classifier):
    """A client of a site whose evaluation has a curve."""
    bundle = dataclasses.replace(classifier.bundle, report=with_curve())
    return serving(make_app(), Classifier(bundle, classifier.engine))


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_slider_moves_over_every_threshold_that_the_evaluation_measured(curve_client, language):
    url = f"/{language}/clinician/operating-points"
    page = curve_client.get(f"{url}?source=dermoscopy&threshold=75&prevalence=50").text
    assert_is_whole(page, language)
    assert 'type="range" name="threshold" min="1" max="99" step="1" value="75"' in page
    chosen = text_of(page[page.index('id="chosen"') : page.index('id="curve"')])
    shares = [float(share.replace(",", ".")) for share in re.findall(r"\d+[.,]\d", chosen)]
    assert shares == [75, 75, 25, 75, 50, 50, 25]  # threshold twice, sensitivity, specificity, both values, called


def test_the_named_points_are_marked_on_the_slider_and_on_the_chart(curve_client):
    page = curve_client.get(f"{URL}/operating-points?source=dermoscopy").text
    assert re.findall(r'<option value="(\d+)" label="([^"]+)">', page) == [("30", "Soon")]  # the other is another risk
    assert 'name="threshold" min="1" max="99" step="1" value="30"' in page
    assert "the whole percent next to the operating point “Soon”" in text_of(page)
    assert re.findall(r'class="chosen-row" aria-current="true"><th scope="row">(\w+) <', page) == ["Soon"]
    assert re.findall(r'cx="30.4" cy="([\d.]+)"', page) == ["30.0", "70.0"]
    assert re.search(r'<polyline class="curve-sensitivity" points="1.0,1.0 2.0,2.0 [^"]* 99.0,99.0"/>', page)


def test_a_source_without_a_curve_has_the_named_points_alone(curve_client):
    page = curve_client.get(f"{URL}/operating-points?source=phone&point=1&threshold=75").text
    assert 'type="range" name="point" min="0" max="1" step="1" value="1"' in page
    assert "<polyline" not in page
    assert re.findall(r'class="chosen-row" aria-current="true"><th scope="row">(\w+) <', page) == ["Urgent"]


@pytest.mark.parametrize(("asked", "stands_at"), [("0", "1"), ("100", "99"), ("x", "30"), ("-5", "1"), ("²", "30")])
def test_a_threshold_that_no_slider_has_is_brought_to_one(curve_client, asked, stands_at):
    page = curve_client.get(f"{URL}/operating-points", query_string={"source": "dermoscopy", "threshold": asked}).text
    assert f'step="1" value="{stands_at}"' in page
