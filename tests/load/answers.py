"""What the site said of a file, and whether two answers say the same."""

import itertools
from dataclasses import dataclass

# Each photo is computed by itself, in float32, so it gets the same answer to the last bit whoever else asks
# (docs/decisions/0006-openvino-in-float32.md). TensorFlow, where it has to answer, rounds a batch in its own way.
TOLERANCE = 1e-5


@dataclass(frozen=True)
class Answer:
    """What matters of an answer: its status and either the problem's code or the probability of each class."""

    status: int
    said: str
    probabilities: dict[str, float]

    def differs_from(self, other: "Answer") -> float:
        """The largest difference of a probability; infinity where anything else differs."""
        if (self.status, self.said, self.probabilities.keys()) != (
            other.status,
            other.said,
            other.probabilities.keys(),
        ):
            return float("inf")
        return max(
            (abs(self.probabilities[code] - other.probabilities[code]) for code in self.probabilities), default=0
        )


def read(status: int, content: dict) -> Answer:
    """Read an answer of the API: its status and its JSON."""
    if status != 200:
        return Answer(status, content["code"], {})
    prediction = content["prediction"] or {"ranking": []}
    return Answer(200, content["advice"]["level"], {row["code"]: row["probability"] for row in prediction["ranking"]})


def unfit(good: dict[str, Answer]) -> list[str]:
    """Why comparing with these answers to good photos would show nothing, a sentence each."""
    complaints = [
        f"{name}: no diagnoses, but {answer.status} {answer.said}"
        for name, answer in good.items()
        if answer.said == "cannot_judge" or not answer.probabilities
    ]
    return complaints or [
        f"{one} and {other} get the same answer, so one in the other's place would go unseen"
        for one, other in itertools.combinations(good, 2)
        if good[one].differs_from(good[other]) <= TOLERANCE
    ]
