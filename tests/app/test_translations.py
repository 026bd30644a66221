"""Every text has its Russian and its Kazakh, with the same placeholders and tags, and none of them calms anybody."""

import html
import re
import subprocess
import sys
from pathlib import Path

import polib
import pytest

from app import wording
from app.i18n import CATALOGUES, DEFAULT_LANGUAGE, LANGUAGES
from tests.app.conftest import SOON, STRANGE, URGENT, WATCH, send

ROOT = Path(__file__).parent.parent.parent
TRANSLATED = [language for language in LANGUAGES if language != DEFAULT_LANGUAGE]
PAGES = ["", "conditions", "conditions/melanoma", "signs", "about", "privacy", "terms", "nowhere"]

# What no page on the WATCH level may say, as the beginnings of words.
CALMING = {
    "en": r"\b(safe|healthy|clear|ok|okay|harmless|fine|good news|all right)\b",
    "ru": r"\b(безопасн|безвредн|здоров|чист|ок\b|окей|норм|хорош|отличн|в порядке|без опасений|неопасн)",
    "kk": r"\b(қауіпсіз|зиянсыз|сау\b|сау-саламат|саулық|таза|жақсы|қалыпты|дұрыс екен|окей|ок\b|қауіпті емес)",
}
# The advice itself says that it is no all-clear, in these words.
NO_ALL_CLEAR = {
    "en": "this is not an all-clear",
    "ru": "это не значит, что всё в порядке",
    "kk": "бұл бәрі жақсы деген сөз емес",
}
# Half a sentence of each page, to see that it is that language which stands there.
HEADINGS = {
    URGENT: ("Покажите это образование врачу в течение 2 недель.", "Бұл түзілімді 2 апта ішінде дәрігерге көрсетіңіз."),
    SOON: ("Покажите это образование врачу в течение 4 недель.", "Бұл түзілімді 4 апта ішінде дәрігерге көрсетіңіз."),
    WATCH: (
        "На этом фото срочных признаков не найдено. Это не значит, что всё в порядке: осматривайте раз в месяц, "
        "при изменениях идите к врачу.",
        "Бұл фотода шұғыл белгілер табылмады. Бұл бәрі жақсы деген сөз емес: айына бір рет қараңыз, өзгерсе, "
        "дәрігерге барыңыз.",
    ),
    STRANGE: (
        "По этому фото судить нельзя. Сделайте новое; если беспокоит, всё равно идите к врачу.",
        "Бұл фото бойынша баға беру мүмкін емес. Жаңасын түсіріңіз; алаңдасаңыз, бәрібір дәрігерге барыңыз.",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def template(tmp_path_factory) -> polib.POFile:
    """Every text in our sources, found as `make translations` finds them."""
    path = tmp_path_factory.mktemp("texts") / "messages.pot"
    command = ["babel.messages.frontend", "extract", "--mapping", "app/babel.cfg", "--keywords", "_l"]
    subprocess.run(
        [sys.executable, "-m", *command, "--keywords", "lazy_gettext", "--output", path, "."],
        cwd=ROOT, check=True, capture_output=True,
    )  # fmt: skip
    return polib.pofile(path)


@pytest.fixture(scope="module", params=TRANSLATED)
def catalogue(request) -> polib.POFile:
    return polib.pofile(CATALOGUES / request.param / "LC_MESSAGES" / "messages.po")


def texts(entry: polib.POEntry) -> list[tuple[str, str]]:
    """The pairs of an English text and its translation; each plural form is one."""
    if not entry.msgid_plural:
        return [(entry.msgid, entry.msgstr)]
    return [(entry.msgid_plural, form) for form in entry.msgstr_plural.values()]


def placeholders(text: str) -> list[str]:
    return sorted(re.findall(r"%\(\w+\)[a-z]|%[a-z]|\{\w*\}", text))


def tags(text: str) -> list[str]:
    return sorted(re.findall(r"</?\w[^>]*>|&\w+;", text))


def text_of(page: str) -> str:
    """What a page says to its reader, including what only a screen reader tells, in one line."""
    attributes = re.findall(r'(?:alt|aria-label|data-text-\w+|title)="([^"]*)"', page)
    spoken = re.sub(r"<[^>]+>", " ", page) + " " + " ".join(attributes)
    return re.sub(r"\s+", " ", html.unescape(spoken))


def test_texts_are_found_in_code_and_in_pages(template):
    found = {entry.msgid for entry in template}
    assert {"Show this spot to a doctor within 2 weeks.", "Send the photo"} <= found


def test_a_catalogue_has_every_text_of_the_sources_and_no_other(catalogue, template):
    def identities(file):
        return {(entry.msgctxt, entry.msgid, entry.msgid_plural) for entry in file if not entry.obsolete}

    assert identities(catalogue) == identities(template), "run `make translations`, then translate what is new"
    assert catalogue.obsolete_entries() == []


def test_every_text_is_translated_and_none_is_a_guess(catalogue):
    forms = int(re.match(r"nplurals=(\d)", catalogue.metadata["Plural-Forms"]).group(1))
    for entry in catalogue:
        assert not entry.fuzzy, entry.msgid
        assert len(texts(entry)) == (forms if entry.msgid_plural else 1), entry.msgid
        assert all(translation.strip() for _, translation in texts(entry)), entry.msgid


def test_placeholders_and_tags_are_those_of_the_source(catalogue):
    for entry in catalogue:
        for source, translation in texts(entry):
            assert placeholders(translation) == placeholders(source), source
            assert tags(translation) == tags(source), source


def test_a_translation_is_written_in_its_language(catalogue):
    for entry in catalogue:
        for source, translation in texts(entry):
            assert re.search(r"[а-яёәғқңөұүһі]", translation, re.IGNORECASE), source
            assert not re.search(r"[а-яё][a-z]|[a-z][а-яё]", translation, re.IGNORECASE), source  # a look-alike letter
            assert (source[-1] in ".:?") == (translation[-1] in ".:?"), source


def test_the_reader_is_addressed_politely_throughout(catalogue):
    for entry in catalogue:
        for _, translation in texts(entry):
            assert not re.search(r"\b(ты|тебя|тебе|твой|твоя|твоё|твои|сен|сенің|саған|сені)\b", translation.lower())
            assert not re.search(r"\b(вы|вас|вам|вами|ваш[а-яё]*|сіз|сіз[гдбс][а-яёәғқңөұүһі]*)\b", translation)


def test_no_kazakh_word_or_ending_has_to_rhyme_with_a_number_or_a_name():
    """The vowels of what follows depend on the last sound of what fills the placeholder."""
    for entry in polib.pofile(CATALOGUES / "kk" / "LC_MESSAGES" / "messages.po"):
        assert not re.search(r"%\(\w+\)s( ([мбп]ен|[дтмбп][ае])\b|-(?!фото))", entry.msgstr), entry.msgid


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("path", PAGES)
def test_every_page_is_in_the_language_of_its_address(client, language, path):
    page = client.get(f"/{language}/{path}").text
    assert page.count(f'<html lang="{language}">') == 1
    body = text_of(re.sub(r'<nav class="languages".*?</nav>', "", page, flags=re.DOTALL))  # it names all languages
    latin, cyrillic, kazakh = (
        len(re.findall(letter, body, re.IGNORECASE)) for letter in ("[a-z]", "[а-яё]", "[әғқңөұүһі]")
    )
    assert (cyrillic > latin) == (language != "en")
    assert (kazakh > 0) == (language == "kk")
    assert (cyrillic > 0) == (language != "en")


@pytest.mark.parametrize("answering", HEADINGS)
@pytest.mark.parametrize("language", TRANSLATED)
def test_the_advice_is_the_agreed_one(make_app, photo, language, answering):
    page = send(make_app(answering=answering).test_client(), photo, path=f"/{language}/result").text
    assert f'<html lang="{language}">' in page
    heading = re.search(r"<h1[^>]*>(.*?)</h1>", page).group(1)
    assert html.unescape(heading) == HEADINGS[answering][("ru", "kk").index(language)]


@pytest.mark.parametrize("language", LANGUAGES)
def test_nobody_is_calmed_by_a_word_in_any_language(make_app, photo, language):
    page = text_of(send(make_app(answering=WATCH).test_client(), photo, path=f"/{language}/result").text).lower()
    assert NO_ALL_CLEAR[language] in page
    assert re.findall(CALMING[language], page.replace(NO_ALL_CLEAR[language], "")) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_remark_on_a_photo_and_no_reason_to_go_calms_anybody(app, language):
    with app.test_request_context(f"/{language}/"):
        said = [*wording.GO_ANYWAY, *(text for issue in wording.ISSUES.values() for text in (issue.what, issue.to_do))]
        assert [text for text in map(str, said) if re.search(CALMING[language], text.lower())] == []


@pytest.mark.parametrize(
    ("language", "percent", "year"), [("en", "99%", r"\w+ \d+, \d{4} at"), ("ru", "99 %", r"\d+ [а-я]+ \d{4} г\."),
                                      ("kk", "99%", r"\d{4} ж\. \d+ \w+")])  # fmt: skip
def test_dates_and_percents_have_the_language_s_own_form(make_app, photo, language, percent, year):
    page = text_of(send(make_app(answering=URGENT).test_client(), photo, path=f"/{language}/result").text)
    assert percent.replace("99", "") in re.findall(r"\d+(\s?%)", page)
    assert re.search(year, page)
    assert ".." not in page  # an abbreviated date before a full stop


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_about_page_says_that_no_native_clinician_has_reviewed_the_translations(client, language):
    sentence = {
        "en": "no native clinician has reviewed the translations yet",
        "ru": "переводы ещё не проверил ни один врач, для которого этот язык родной",
        "kk": "аудармаларды осы тіл ана тілі болып табылатын бірде-бір дәрігер әлі тексерген жоқ",
    }[language]
    assert sentence in text_of(client.get(f"/{language}/about").text)
