"""Where on the body a spot may be: what the optional list of the start page offers."""

from dataclasses import dataclass

from flask_babel import lazy_gettext as _l
from flask_babel.speaklater import LazyString


@dataclass(frozen=True)
class Site:
    """One place on the body; `hardly_seen` where the training photos show next to none."""

    name: LazyString
    hardly_seen: bool = False


@dataclass(frozen=True)
class Region:
    """A part of the body that the list puts together; codes of `SITES`."""

    name: LazyString
    sites: tuple[str, ...]


SITES = {
    "scalp": Site(_l("Scalp")),
    "face": Site(_l("Face")),
    "eyelid": Site(_l("Eyelid or eye"), hardly_seen=True),
    "ear": Site(_l("Ear")),
    "lip": Site(_l("Lip or mouth"), hardly_seen=True),
    "neck": Site(_l("Neck")),
    "chest": Site(_l("Chest")),
    "belly": Site(_l("Belly")),
    "back": Site(_l("Back")),
    "genitals": Site(_l("Genitals or anus"), hardly_seen=True),
    "upper_arm": Site(_l("Shoulder or upper arm")),
    "forearm": Site(_l("Forearm")),
    "hand": Site(_l("Back of the hand or a finger")),
    "palm": Site(_l("Palm"), hardly_seen=True),
    "fingernail": Site(_l("Fingernail"), hardly_seen=True),
    "thigh": Site(_l("Buttock or thigh")),
    "lower_leg": Site(_l("Knee or lower leg")),
    "foot": Site(_l("Top of the foot or a toe")),
    "sole": Site(_l("Sole of the foot"), hardly_seen=True),
    "toenail": Site(_l("Toenail"), hardly_seen=True),
}

REGIONS = (
    Region(_l("Head and neck"), ("scalp", "face", "eyelid", "ear", "lip", "neck")),
    Region(_l("Trunk"), ("chest", "belly", "back", "genitals")),
    Region(_l("Arm"), ("upper_arm", "forearm", "hand", "palm", "fingernail")),
    Region(_l("Leg"), ("thigh", "lower_leg", "foot", "sole", "toenail")),
)


HARDLY_SEEN = tuple(code for code, site in SITES.items() if site.hardly_seen)


def hardly_seen(site: str) -> bool:
    """Whether the training photos show next to no spot at this place; never of one that we do not know."""
    return site in HARDLY_SEEN
