"""The error that the caller of a step can mend."""


class TrainingError(Exception):
    """Root of them. The text says what is wrong and what to do; the command line shows it in a line."""
