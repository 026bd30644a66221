"""The eight diagnoses in plain words: what each is, how common, what a doctor does."""

from dataclasses import dataclass

from flask_babel import lazy_gettext as _l
from flask_babel.speaklater import LazyString

from model_store.classes import Group


@dataclass(frozen=True)
class Condition:
    """One diagnosis, as its page and the list of results name it.

    Attributes:
        slug: last part of its page's address, the same in every language.
        name: what people call it.
        medical_name: what doctors call it.
        what: what it is.
        looks: what it often looks like.
        common: how common it is, without figures.
        doctor: what a doctor does about it.
        go: when to see a doctor.
    """

    slug: str
    name: LazyString
    medical_name: LazyString
    what: LazyString
    looks: LazyString
    common: LazyString
    doctor: LazyString
    go: LazyString


GROUPS = {
    Group.MALIGNANT: _l("Skin cancer"),
    Group.PRECURSOR: _l("Can become skin cancer"),
    Group.BENIGN: _l("Not cancer"),
}

CONDITIONS = {
    "MEL": Condition(
        "melanoma",
        _l("Melanoma"),
        _l("Cutaneous melanoma"),
        _l("A skin cancer that starts in the cells that give skin its colour. It can spread to other parts of the "
           "body. Found and removed early, it can usually be cured."),
        _l("Often a dark spot with an uneven shape, an uneven edge or several colours, or a spot that changes. It can "
           "also be pink, or a firm lump that grows within weeks."),
        _l("It is rarer than the other skin cancers named here, but more dangerous. It can appear on any skin, also "
           "where the sun does not reach."),
        _l("Looks at it through a dermatoscope, checks the rest of the skin, and has the whole spot cut out so that a "
           "laboratory can examine it. What follows depends on how deep it has grown."),
        _l("Show a spot that could be melanoma to a doctor within 2 weeks."),
    ),
    "SCC": Condition(
        "squamous-cell-carcinoma",
        _l("Squamous cell carcinoma"),
        _l("Cutaneous squamous cell carcinoma"),
        _l("A skin cancer that grows from the upper layers of the skin. It can spread if it is left alone. Treated "
           "early, it can usually be cured."),
        _l("A rough, scaly or crusted patch, or a firm lump that grows. It may be sore or bleed. It is often on the "
           "face, ears, lips, scalp or the backs of the hands."),
        _l("It is one of the most common skin cancers. It becomes more frequent with age, with many years of sun, and "
           "when the immune system is weakened."),
        _l("Takes a sample or cuts it out, and a laboratory examines it. Sometimes the lymph nodes are checked as "
           "well."),
        _l("Show a spot that could be squamous cell carcinoma to a doctor within 2 weeks."),
    ),
    "BCC": Condition(
        "basal-cell-carcinoma",
        _l("Basal cell carcinoma"),
        _l("Basal cell carcinoma (basalioma)"),
        _l("A skin cancer that grows slowly. It hardly ever spreads to other parts of the body, but it destroys the "
           "skin around it if it is left alone."),
        _l("A shiny or pearly bump, often with fine blood vessels; a sore that does not heal, or heals and comes back; "
           "or a flat, pink, scaly patch. It is mostly on the face, head or neck."),
        _l("It is the most common skin cancer. It becomes more frequent with age and with many years of sun."),
        _l("Confirms it with a dermatoscope or a small sample, then removes it, usually by surgery. Some shallow ones "
           "are treated with a cream, light or cold."),
        _l("Show a spot that could be basal cell carcinoma to a doctor within 4 weeks."),
    ),
    "AK": Condition(
        "actinic-keratosis",
        _l("Sun-damaged rough patch"),
        _l("Actinic (solar) keratosis"),
        _l("A rough patch where many years of sun have damaged the skin. It is not cancer, but some of these patches "
           "turn into squamous cell carcinoma."),
        _l("A dry, rough, pink or skin-coloured patch that feels like sandpaper, on the face, scalp, ears, forearms or "
           "hands. It is often easier to feel than to see."),
        _l("It is common in older people with light skin who have spent much time in the sun."),
        _l("Looks at it and feels it, takes a sample if it is thick, sore or growing, and treats it with cold, a cream "
           "or light."),
        _l("Show a patch that could be actinic keratosis to a doctor within 4 weeks."),
    ),
    "NV": Condition(
        "mole",
        _l("Mole"),
        _l("Melanocytic naevus"),
        _l("A group of the cells that give skin its colour. A mole is not cancer. A melanoma can start in a mole or "
           "look like one, so show a mole that changes to a doctor."),
        _l("Round or oval, of one or two even shades of brown, with an even edge, and much like the other moles of the "
           "same person."),
        _l("Almost everybody has some."),
        _l("Looks at it through a dermatoscope and compares it with the others. It is removed only when there is "
           "doubt."),
        _l("See a doctor if it changes, is new and growing, bleeds, itches, or looks unlike your other moles."),
    ),
    "BKL": Condition(
        "seborrhoeic-keratosis",
        _l("Age spot or wart-like growth"),
        _l("Benign keratosis (seborrhoeic keratosis, solar lentigo, lichen-planus-like keratosis)"),
        _l("A thickening of the upper skin, or a flat brown spot, that comes with age and sun. It is not cancer, but "
           "it can look like melanoma, and melanoma can look like it."),
        _l("A brown, grey or yellowish growth that seems stuck on, often with a rough or waxy surface; or a flat, even "
           "brown spot."),
        _l("It is very common after middle age; many people have several."),
        _l("Looks at it through a dermatoscope. It needs no treatment unless there is doubt or it gets in the way."),
        _l("See a doctor if it is new, changes, or looks unlike the rest."),
    ),
    "DF": Condition(
        "dermatofibroma",
        _l("Firm knot in the skin"),
        _l("Dermatofibroma"),
        _l("A small, firm knot of scar-like tissue in the skin, sometimes after an insect bite or a small injury. It "
           "is not cancer."),
        _l("A firm, pink or brown button, a few millimetres wide, that dimples when it is pinched; mostly on the "
           "legs."),
        _l("It is common in adults."),
        _l("Looks at it and feels it. It needs no treatment unless there is doubt or it gets in the way."),
        _l("See a doctor if it grows, changes or bleeds."),
    ),
    "VASC": Condition(
        "vascular-lesion",
        _l("Blood vessel spot"),
        _l("Vascular lesion (angioma, angiokeratoma, pyogenic granuloma, bleeding in the skin)"),
        _l("A growth of small blood vessels, or a little blood under the skin. It is not cancer, but a melanoma "
           "without colour can look like it."),
        _l("A red, purple or almost black spot with an even edge."),
        _l("Small red ones are very common, and people get more of them with age."),
        _l("Looks at it through a dermatoscope, and removes it if there is doubt or if it keeps bleeding."),
        _l("If it bleeds or grows fast, see a doctor within 4 weeks."),
    ),
}  # fmt: skip

CODE_OF_SLUG = {condition.slug: code for code, condition in CONDITIONS.items()}
