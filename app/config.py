"""Every setting of the site: its type, default, environment variable and help, in one frozen dataclass."""

import dataclasses
import logging
import math
import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from model_store.bundle import DEFAULT_NAME
from model_store.errors import ModelStoreError

PREFIX = "SKIN_"

# Kubernetes gives every container such variables for each Service; one named skin-check makes them start with SKIN_.
_OF_A_SERVICE = re.compile(
    r".*(_SERVICE_HOST|_SERVICE_PORT(_[A-Z0-9_]+)?|_PORT(_\d+_(TCP|UDP|SCTP)(_(ADDR|PORT|PROTO))?)?)"
)

logger = logging.getLogger(__name__)


class ConfigError(ModelStoreError):
    """A setting is unknown or has a value that cannot be used; the operator can mend it."""


def _setting(default, variable: str, help_text: str, show: bool = True):
    return dataclasses.field(default=default, repr=show, metadata={"variable": PREFIX + variable, "help": help_text})


@dataclass(frozen=True)
class Config:
    """What the operator decides. `from_environment` reads it; tests make their own."""

    bundle: str = _setting(
        DEFAULT_NAME, "BUNDLE", "The model bundle that answers: NAME for its newest version, NAME/VERSION, or a folder."
    )
    secret_key: str = _setting(
        "",
        "SECRET_KEY",
        "Signs cookies and answers; at least 32 characters. Empty: generated once and kept.",
        show=False,
    )
    secret_key_file: Path = _setting(
        Path("~/.local/state/skin-check/secret_key"),
        "SECRET_KEY_FILE",
        "Where a generated key is kept, outside the project, readable by the server's user alone.",
    )
    hosts: tuple[str, ...] = _setting(
        ("localhost", "127.0.0.1", "[::1]"),
        "HOSTS",
        "Host names that the site answers to, separated by commas; `.example.org` means every name below it.",
    )
    proxies: int = _setting(
        0, "PROXIES", "How many reverse proxies stand in front; only their X-Forwarded-* headers are believed."
    )
    max_upload_mb: int = _setting(20, "MAX_UPLOAD_MB", "Largest upload, in megabytes of 1,000,000 bytes.")
    queue_length: int = _setting(8, "QUEUE_LENGTH", "How many photos may wait for the model; more are refused.")
    batch_size: int = _setting(4, "BATCH_SIZE", "How many waiting photos the model looks at together.")
    deadline_s: float = _setting(20.0, "DEADLINE_S", "How long a visitor's photo may wait for its answer, in seconds.")
    operator: str = _setting("", "OPERATOR", "Who runs this site and how to reach them; shown on its own pages.")
    where_to_turn: str = _setting("", "WHERE_TO_TURN", "A line about local care, shown below the general advice.")

    def __post_init__(self) -> None:
        for name in ("max_upload_mb", "queue_length", "batch_size", "deadline_s"):
            if not getattr(self, name) > 0:  # not a number is above nothing
                raise ConfigError("setting_invalid", variable=variable_of(name), must_be="above 0")
        if math.isinf(self.deadline_s):
            raise ConfigError("setting_invalid", variable=variable_of("deadline_s"), must_be="a finite number")
        if self.proxies < 0:
            raise ConfigError("setting_invalid", variable=variable_of("proxies"), must_be="0 or more")
        if not self.hosts:
            raise ConfigError("setting_invalid", variable=variable_of("hosts"), must_be="at least one name")
        if self.secret_key and len(self.secret_key) < 32:
            raise ConfigError("setting_invalid", variable=variable_of("secret_key"), must_be="32 characters or more")

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> "Config":
        """Read every setting that the environment gives.

        Raises:
            ConfigError: a variable that starts with SKIN_ is none of ours nor one that Kubernetes makes for a Service
                (a typing error would otherwise go unnoticed), or a value is of the wrong type or out of range.
        """
        fields = {field.metadata["variable"]: field for field in dataclasses.fields(cls)}
        given = {name: value for name, value in environ.items() if name.startswith(PREFIX)}
        for name in given:
            if name not in fields and not _OF_A_SERVICE.fullmatch(name):
                raise ConfigError("setting_unknown", variable=name)
        return cls(**{fields[name].name: _parse(fields[name], given[name]) for name in given if name in fields})


def variable_of(name: str) -> str:
    """The environment variable of a field of `Config`."""
    return Config.__dataclass_fields__[name].metadata["variable"]


def _parse(field: dataclasses.Field, text: str):
    if field.type == tuple[str, ...]:
        # The only lists are host names, which mean the same in any case.
        return tuple(part.strip().lower() for part in text.split(",") if part.strip())
    try:
        return field.type(text)
    except ValueError as error:
        must_be = {int: "a whole number", float: "a number"}[field.type]
        raise ConfigError("setting_invalid", variable=field.metadata["variable"], must_be=must_be) from error


def secret_key(config: Config) -> str:
    """The key to sign with: the given one, else the one kept from the last start, else a new one.

    A site whose key file cannot be written still starts, with a key that lasts until it stops: then a page that was
    open during the restart must be opened again.
    """
    if config.secret_key:
        return config.secret_key
    path = config.secret_key_file.expanduser()
    try:
        return _kept_key(path)
    except OSError as error:
        logger.warning(
            "%s is not set and %s cannot be used (%s): the key made now lasts until the site stops.",
            variable_of("secret_key"), path, error.strerror,
        )
        return secrets.token_hex(32)


def _kept_key(path: Path) -> str:
    if path.exists():
        key = path.read_text(encoding="ascii").strip()
        if len(key) < 32:
            raise ConfigError("setting_invalid", variable=variable_of("secret_key_file"), must_be="a whole key file")
        return key
    key = secrets.token_hex(32)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # Exclusive creation: of two servers that start together one wins, and the other reads the winner's key.
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return _kept_key(path)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(key)
    logger.warning("%s is not set: made a key and kept it in %s.", variable_of("secret_key"), path)
    return key
