"""The errors that callers may expect. Each carries a code, never a text for the reader."""


class ModelStoreError(Exception):
    """Root of this project's expected errors.

    Args:
        code: a stable name in snake_case; `app.problems` has one row for each.
        **details: numbers and short names for the message. Never a file name or bytes of an upload.
    """

    def __init__(self, code: str, **details: int | float | str) -> None:
        super().__init__(code)
        self.code = code
        self.details = details

    def __str__(self) -> str:
        return " ".join([self.code, *(f"{name}={value}" for name, value in self.details.items())])


class PhotoError(ModelStoreError):
    """The photo cannot be used; its sender can mend it by sending another."""


class BundleError(ModelStoreError):
    """The bundle is missing, damaged or of another version; the operator can mend it."""


class EngineError(ModelStoreError):
    """The network gave no usable answer; nobody can mend it during the request."""
