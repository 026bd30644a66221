"""What the pages say about an advice level, a quality issue and a confidence; the rules are in `advice`."""

from dataclasses import dataclass

from flask_babel import lazy_gettext as _l
from flask_babel.speaklater import LazyString

from app.advice import HARDLY_SEEN_SITE, OUT_OF_DISTRIBUTION, UNSURE, Advice, Level
from model_store.prediction import UNSURE_BELOW
from model_store.quality import FIRST_OF_SEVERAL


@dataclass(frozen=True)
class LevelText:
    """One advice level in words.

    Attributes:
        word: stands beside the icon, so that the level is never told by colour alone.
        heading: the advice itself, the page's first heading.
        where: where to go; may name the last day as `%(date)s`.
        within_days: how soon; None where no date applies.
    """

    word: LazyString
    heading: LazyString
    where: LazyString
    within_days: int | None = None


_SOON_WHERE = _l(
    "By %(date)s at the latest, turn to your family doctor at the polyclinic that you are attached to, or to a "
    "dermatologist. Take this page with you."
)
LEVELS = {
    Level.URGENT: LevelText(
        _l("Urgent"),
        _l("Show this spot to a doctor within 2 weeks."),
        _l("By %(date)s at the latest, turn to your family doctor at the polyclinic that you are attached to, or "
           "directly to a dermatologist or an oncologist, and say that it is about a spot that may be skin cancer. "
           "Take this page with you."),
        within_days=14,
    ),
    Level.SOON: LevelText(
        _l("Soon"),
        _l("See a doctor about this spot within 4 weeks."),
        _SOON_WHERE,
        within_days=28,
    ),
    Level.WATCH: LevelText(
        _l("Keep watching"),
        _l("No urgent signs were found in this photo. This is not an all-clear: check it every month, go if it "
           "changes."),
        _l("Look at the spot again by %(date)s, in the same light, and keep a photo of your own to compare. If it has "
           "changed, or if anything in the list on this page is true, go to your family doctor or a dermatologist."),
        within_days=30,
    ),
    Level.CANNOT_JUDGE: LevelText(
        _l("Cannot be judged"),
        _l("This photo cannot be judged. Take a new one; if you are worried, see a doctor anyway."),
        _l("A photo that cannot be judged says nothing about the spot, neither good nor bad. If a new photo does not "
           "work either, show the spot to your family doctor or a dermatologist."),
    ),
}  # fmt: skip

# A photo unlike all that the model knows, which would alarm if it does show a spot. A picture of something else gets no
# diagnosis, and a spot that the model does not recognise still gets its date.
_IF_A_SPOT_WHERE = _l(
    "The photo is unlike those that the model has learned from, so the model may be wrong about it. If it does show a "
    "spot on skin, show the spot to your family doctor at the polyclinic that you are attached to, or to a "
    "dermatologist, by %(date)s at the latest. Do not wait for a better photo."
)
IF_A_SPOT = {
    Level.URGENT: LevelText(
        _l("Cannot be judged"),
        _l("This photo cannot be judged. If it shows a spot on skin, show the spot to a doctor within 2 weeks."),
        _IF_A_SPOT_WHERE,
        within_days=14,
    ),
    Level.SOON: LevelText(
        _l("Cannot be judged"),
        _l("This photo cannot be judged. If it shows a spot on skin, show the spot to a doctor within 4 weeks."),
        _IF_A_SPOT_WHERE,
        within_days=28,
    ),
}


# Where the model has hardly ever seen a spot, a calm answer would be a guess, and a better photo would not help.
HARDLY_SEEN = LevelText(
    _l("Cannot be judged"),
    _l("The model cannot judge a spot at this place. Show it to a doctor within 4 weeks."),
    _SOON_WHERE,
    within_days=28,
)


def of_advice(advice: Advice) -> LevelText:
    """What a page says of an advice."""
    if HARDLY_SEEN_SITE in advice.reasons:
        return HARDLY_SEEN
    return IF_A_SPOT[advice.if_a_spot] if advice.if_a_spot else LEVELS[advice.level]


# The same on every level. It is no setting: nobody can switch it off.
GO_ANYWAY = (
    _l("It changes in size, shape or colour."),
    _l("It bleeds, crusts, or does not heal within 4 to 6 weeks."),
    _l("It is new and growing."),
    _l("It is raised and firm, and has been growing for more than a month."),
    _l("It looks unlike your other moles."),
    _l("It is a dark band under a nail, or a spot on a palm, a sole, a lip or the genitals."),
    _l("It itches or hurts."),
    _l("Your immune system is weakened, or you or a close relative have had melanoma."),
    _l("You are worried."),
)


@dataclass(frozen=True)
class IssueText:
    """One reason not to rely on an answer, most of them findings of `model_store.quality`: what it is, what to do."""

    what: LazyString
    to_do: LazyString


ISSUES = {
    "too_dark": IssueText(
        _l("The photo is too dark."),
        _l("Take it in daylight near a window, so that no shadow falls on the spot."),
    ),
    "too_bright": IssueText(
        _l("The photo is too bright."),
        _l("Move out of direct sun or lamp light, and take it without a flash."),
    ),
    "no_colour": IssueText(
        _l("The photo has no colours."),
        _l("Take a photo in colour, without a filter."),
    ),
    "not_skin": IssueText(
        _l("The photo does not seem to show skin."),
        _l("Photograph one spot from close by, with plain skin around it."),
    ),
    "not_a_close_up": IssueText(
        _l("The photo seems to show more than one spot and the skin around it."),
        _l("Go closer, 10 to 15 cm away, so that the spot and plain skin fill the picture."),
    ),
    "featureless": IssueText(
        _l("There is no spot to be seen in the photo."),
        _l("Bring the spot to the middle of the picture, and tap on it so that the camera focuses on it."),
    ),
    "blurred": IssueText(
        _l("The photo is blurred."),
        _l("Wipe the lens, tap on the spot so that the camera focuses on it, and hold still until the photo is taken."),
    ),
    "glare": IssueText(
        _l("Light is reflected in the photo."),
        _l("Switch off the flash, and turn the phone a little until the shine is gone."),
    ),
    "low_resolution": IssueText(
        _l("The photo has few pixels."),
        _l("Send the original photo from the camera, not a thumbnail or a screenshot."),
    ),
    FIRST_OF_SEVERAL: IssueText(
        _l("The file holds several pictures. Only the first one was looked at: send the others one by one."),
        _l("To do so, save each of them as a photo of its own."),
    ),
    OUT_OF_DISTRIBUTION: IssueText(
        _l("The photo is unlike the spots that the model has learned from."),
        _l("Photograph one spot from close by, in the middle of the picture, with plain skin around it."),
    ),
    UNSURE: IssueText(
        _l("The model is not sure what this spot is."),
        _l("Take another photo, sharp, from close by and in even light. If the model stays unsure, show the spot to a "
           "doctor."),
    ),
}  # fmt: skip

# Lower bound of the probability -> the sentence, from the highest. The bounds are a choice of words, not a measurement.
CONFIDENCE = (
    (0.85, _l("The model's confidence in this is high: %(percent)s.")),
    (UNSURE_BELOW, _l("The model's confidence in this is moderate: %(percent)s.")),
    (0.40, _l("The model's confidence in this is low: %(percent)s.")),
    (0.00, _l("The model's confidence in this is very low: %(percent)s.")),
)


def confidence(probability: float) -> LazyString:
    """The sentence for a calibrated probability of the most likely diagnosis."""
    return next(sentence for bound, sentence in CONFIDENCE if probability >= bound)


# What a bundle's evaluation calls the photos that it counted on.
TEST_SETS = {
    "ISIC 2019 dermoscopy, lesions held out for the test": _l("ISIC 2019 dermoscopy, lesions held out for the test"),
    "PAD-UFES-20 phone photos, patients held out for the test": _l(
        "PAD-UFES-20 phone photos, patients held out for the test"
    ),
}


def test_set(name: str) -> LazyString | str:
    """The name of an evaluation's photos in the visitor's language; one that we do not know as the bundle gives it."""
    return TEST_SETS.get(name, name)


# How the photo was taken, as the upload form asks and the answer says: codes of `model_store.prediction.SOURCES`.
SOURCES = {
    "phone": _l("With a phone or camera"),
    "dermoscopy": _l("Through a dermatoscope"),
}
# Where nobody said it, and the advice rests on another source than the one that the model took the photo for.
CAUTIOUS_SOURCES = {
    "phone": _l("Not said: judged as a phone photo, out of caution"),
    "dermoscopy": _l("Not said: judged as a photo through a dermatoscope, out of caution"),
}
# The button of who knows better; by what the photo really is.
SOURCE_IS_WRONG = {
    "phone": _l("This is wrong: it was taken with a phone or camera"),
    "dermoscopy": _l("This is wrong: it was taken through a dermatoscope"),
}


# The button of a clinician who knows it of all photos that are compared.
ALL_TAKEN = {
    "phone": _l("All were taken with a phone or camera"),
    "dermoscopy": _l("All were taken through a dermatoscope"),
}
# Where nobody said it and the model is not sure: a clinician's table rests on what the model takes the photo for.
SOURCE_UNSURE = _l(
    "The model is not sure how the photo was taken. Choose it above the table, and send the photo again."
)
SOURCE_DECIDES = {
    "phone": _l(
        "The model is not sure how the photo was taken. If it was with a phone or camera, the advice is: %(level)s. "
        "Choose it above the table, and send the photo again."
    ),
    "dermoscopy": _l(
        "The model is not sure how the photo was taken. If it was through a dermatoscope, the advice is: %(level)s. "
        "Choose it above the table, and send the photo again."
    ),
}


# The clinicians' table: how its rows are ordered, and which are shown.
ORDERS = {
    "number": _l("As sent"),
    "name": _l("File name"),
    "malignancy": _l("Malignancy, highest first"),
    "urgent": _l("Urgent risk, highest first"),
}
FILTERS = {
    "all": _l("All photos"),
    "urgent": _l("At or above the operating point: urgent"),
    "soon": _l("At or above an operating point of the advice"),
    "remarks": _l("Photos with remarks"),
    "disagree": _l("Where you and the model differ"),
    "wrong": _l("Where the model differs from the actual diagnosis"),
}

# The summed risks that operating points are set on: keys of `model_store.prediction.RISKS`.
RISKS = {
    "malignancy": _l("malignancy (melanoma, carcinomas, actinic keratosis)"),
    "urgent": _l("urgent (melanoma, squamous cell carcinoma)"),
}
POINTS = {
    "urgent": _l("Urgent"),
    "soon": _l("Soon"),
    "malignancy_90": _l("Malignancy, set for 90 percent sensitivity"),
    "malignancy_80": _l("Malignancy, set for 80 percent sensitivity"),
}


def point(name: str) -> LazyString | str:
    """An operating point in the reader's language; one that we do not know as the bundle names it."""
    return POINTS.get(name, name)
