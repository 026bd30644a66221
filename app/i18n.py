"""Which language a page is in, and where its other languages are."""

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from urllib.parse import quote, urlencode

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import NullTranslations, Translations
from flask import Blueprint, Flask, Response, current_app, redirect, request, url_for
from flask_babel import Babel, Domain, get_locale
from werkzeug.datastructures import LanguageAccept
from werkzeug.exceptions import NotFound

# Code of the URL prefix, the catalogue and the `lang` attribute -> the language's own name. English is the source.
LANGUAGES = {"kk": "Қазақша", "ru": "Русский", "en": "English"}
DEFAULT_LANGUAGE = "en"
CATALOGUES = Path(__file__).parent / "translations"


@dataclass(frozen=True)
class LanguageLink:
    """One entry of the language switch: the same page in that language."""

    code: str
    name: str
    url: str
    current: bool


class Catalogues(Domain):
    """The translations, read from their .po files at the start: no compiled copy can be missing or out of date."""

    def __init__(self) -> None:
        super().__init__()
        translated = [language for language in LANGUAGES if language != DEFAULT_LANGUAGE]
        self._of_language = {language: _read(language) for language in translated}
        self._untranslated = NullTranslations()

    def get_translations(self) -> NullTranslations:
        """Those of the current language; of English, and outside a request, the texts as they stand in the source."""
        locale = get_locale()  # a page asks a hundred times; the locale's full name would be put together each time
        return self._of_language.get(locale.language, self._untranslated) if locale else self._untranslated


def _read(language: str) -> Translations:
    with (CATALOGUES / language / "LC_MESSAGES" / "messages.po").open("rb") as file:
        catalogue = read_po(file, locale=language, abort_invalid=True)
    compiled = BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return Translations(compiled)


def blueprint(name: str, import_name: str, path: str = "") -> Blueprint:
    """Make a blueprint of pages that exist in every language: their addresses are /LANGUAGE and this path.

    Its views need no `language` argument: `current_language` reads it from the address.
    """
    made = Blueprint(name, import_name, url_prefix=f"/<any({','.join(LANGUAGES)}):language>{path}")

    @made.url_value_preprocessor
    def drop_language(_endpoint: str | None, values: dict | None) -> None:
        if values:
            values.pop("language", None)

    return made


def init_app(app: Flask) -> None:
    """Set up the languages.

    Raises:
        OSError: a language of `LANGUAGES` has no catalogue.
        babel.messages.pofile.PoFileError: a catalogue cannot be read.
    """
    babel = Babel(app, locale_selector=current_language, default_locale=DEFAULT_LANGUAGE)
    babel.domain_instance = Catalogues()
    app.url_defaults(_stay_in_language)
    app.context_processor(lambda: {"language": current_language(), "language_links": language_links()})
    app.add_url_rule("/", "start", _start)
    app.before_request(_lead_into_a_language)


def current_language() -> str:
    """The language of this request.

    In this order:
    1. the first part of the path, where it is one of ours (`/kk/...`), also when the rest of the path is unknown;
    2. `?lang=`, with which the pages in a language lead to one whose address has none;
    3. what the browser asks for in Accept-Language;
    4. English.
    """
    first, _ = _parts_of_path()
    for said in (first, request.args.get("lang")):
        if said in LANGUAGES:
            return said
    return best_language(request.accept_languages, tuple(LANGUAGES))


def best_language(accepted: LanguageAccept, offered: tuple[str, ...]) -> str:
    """The offered language that the browser likes most, `DEFAULT_LANGUAGE` where it likes none; kk-KZ counts as kk.

    Werkzeug's own `best_match` would answer `kk-KZ,ru;q=0.8` with ru, since it looks for exact names first.
    """
    wishes = (name.lower().partition("-")[0] for name, quality in accepted if quality > 0)
    return next((wish for wish in wishes if wish in offered), DEFAULT_LANGUAGE)


def language_links() -> tuple[LanguageLink, ...]:
    """The language switch of the current page; a page that cannot be asked for again by its URL leads to the start."""
    return tuple(
        LanguageLink(code, name, _url_in(code), code == current_language()) for code, name in LANGUAGES.items()
    )


def _url_in(language: str) -> str:
    start = url_for("patient.upload", language=language)
    if request.method != "GET":
        return start
    if request.endpoint == "api.page":
        return url_for("api.page", lang=language)
    first, rest = _parts_of_path()
    if first not in LANGUAGES:
        return start
    asked = list(request.args.items(multi=True))
    return start + quote(rest) + (f"?{urlencode(asked)}" if asked else "")


def _parts_of_path() -> tuple[str, str]:
    """What may be a language, and the rest."""
    first, _, rest = request.path[1:].partition("/")
    return first, rest


def _stay_in_language(endpoint: str, values: dict) -> None:
    """A link leads to the language of the page that it stands on."""
    if current_app.url_map.is_endpoint_expecting(endpoint, "language"):
        values.setdefault("language", current_language())


def _start() -> Response:
    return _redirect_in_language(url_for("patient.upload"))


def _lead_into_a_language() -> Response | None:
    """An address that only lacks its language, such as `/clinician`, leads to the page in the visitor's."""
    if request.method not in ("GET", "HEAD") or not isinstance(request.routing_exception, NotFound):
        return None
    path = f"/{current_language()}{request.path}"
    if not current_app.create_url_adapter(request).test(path, "GET"):
        return None
    return _redirect_in_language(quote(path) + (f"?{request.query_string.decode()}" if request.query_string else ""))


def _redirect_in_language(address: str) -> Response:
    response = redirect(address)
    response.vary.add("Accept-Language")
    return response
