"""Every setting of the site: its type, default, environment variable and help, in one frozen dataclass."""

import dataclasses
import ipaddress
import logging
import math
import os
import re
import secrets
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import limits

from model_store import engines
from model_store.bundle import DEFAULT_NAME
from model_store.engines.cache import DEFAULT_ROOT
from model_store.errors import ModelStoreError

PREFIX = "SKIN_"

# Kubernetes gives every container such variables for each Service; one named skin-check makes them start with SKIN_.
_OF_A_SERVICE = re.compile(
    r"(.*?)(_SERVICE_HOST|_SERVICE_PORT(_[A-Z0-9_]+)?|_PORT(_\d+_(TCP|UDP|SCTP)(_(ADDR|PORT|PROTO))?)?)"
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
    engine: str = _setting(
        engines.AUTO,
        "ENGINE",
        "What runs the network: `openvino`, `tensorflow`, `remote`, or `auto` for OpenVINO, and TensorFlow where that "
        "cannot be used.",
    )
    cache: Path = _setting(
        DEFAULT_ROOT, "CACHE", "Folder that keeps networks converted for OpenVINO; about 70 MB for each."
    )
    remote_url: str = _setting(
        "",
        "REMOTE_URL",
        "For the engine `remote`: the model's address in the Open Inference Protocol, "
        "`http://HOST:8080/v2/models/NAME`.",
    )
    remote_timeout_s: float = _setting(
        5.0, "REMOTE_TIMEOUT_S", "How long the remote engine may take for one photo, in seconds."
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
        "Host names that the site answers to on any port, separated by commas; `.example.org` means every name below "
        "it.",
    )
    proxies: int = _setting(
        0, "PROXIES", "How many reverse proxies stand in front; only their X-Forwarded-* headers are believed."
    )
    max_upload_mb: int = _setting(
        20,
        "MAX_UPLOAD_MB",
        "Largest upload, in megabytes of 1,000,000 bytes. Above 20 the proxy must take more too: `request_buffers` in "
        "deploy/compose/Caddyfile, `proxy-body-size` and `client-body-buffer-size` in deploy/kubernetes/site.yaml.",
    )
    queue_length: int = _setting(8, "QUEUE_LENGTH", "How many photos may wait for the model; more are refused.")
    batch_size: int = _setting(4, "BATCH_SIZE", "How many waiting photos the model looks at together.")
    deadline_s: float = _setting(20.0, "DEADLINE_S", "How long a visitor's photo may wait for its answer, in seconds.")
    uploads: int = _setting(
        12,
        "UPLOADS",
        "How many uploads may be under way at once, each held in memory; more are refused. Must be below `THREADS`, so "
        "that pages and probes are answered meanwhile.",
    )
    decoding: int = _setting(
        2, "DECODING", "How many photos are decoded at once; a large one takes 300 MB of memory for a moment."
    )
    rate_limit: str = _setting(
        "60 per minute",
        "RATE_LIMIT",
        "How many photos one address may send, as `60 per minute; 600 per hour`. Of what brings an answer back and "
        "no photo, such as another language or a table as CSV, ten times as many; of these a letter or a summary as "
        "PDF counts 10, a photo's page as PDF 5, a clinician's table shown again 4. A mobile network may hide many "
        "people behind one address. Below 20 a request with more photos than that is "
        "never answered. Empty: no limit.",
    )
    rate_limit_storage: str = _setting(
        "memory://",
        "RATE_LIMIT_STORAGE",
        "Where that is counted: `memory://`, or `redis://HOST:6379/0` for several containers together.",
    )
    api_tokens: tuple[str, ...] = _setting(
        (),
        "API_TOKENS",
        "SHA-256 of each bearer token that may use `/api/v1/`, in hexadecimal, separated by commas. Empty: no token "
        "is needed.",
    )
    metrics_allow: tuple[str, ...] = _setting(
        ("127.0.0.0/8", "::1/128"),
        "METRICS_ALLOW",
        "Networks whose addresses may read `/metrics`, separated by commas; for others there is no such page.",
    )
    ground_truth_csv: str = _setting(
        "",
        "GROUND_TRUTH_CSV",
        "Research mode: a table in the official ISIC layout whose diagnoses stand beside the predicted ones on the "
        "clinicians' pages. Empty: off.",
    )
    operator: str = _setting("", "OPERATOR", "Who runs this site and how to reach them; shown on its own pages.")
    where_to_turn: str = _setting(
        "",
        "WHERE_TO_TURN",
        "A line about local care, shown below the general advice; in every language that has none of its own.",
    )
    where_to_turn_kk: str = _setting("", "WHERE_TO_TURN_KK", "The same line on the Kazakh pages.")
    where_to_turn_ru: str = _setting("", "WHERE_TO_TURN_RU", "The same line on the Russian pages.")
    where_to_turn_en: str = _setting("", "WHERE_TO_TURN_EN", "The same line on the English pages.")

    def __post_init__(self) -> None:
        above_0 = (
            "max_upload_mb",
            "queue_length",
            "batch_size",
            "deadline_s",
            "uploads",
            "decoding",
            "remote_timeout_s",
        )
        for name in above_0:
            if not getattr(self, name) > 0:  # not a number is above nothing
                raise ConfigError("setting_invalid", variable=variable_of(name), must_be="above 0")
        for name in ("deadline_s", "remote_timeout_s"):
            if math.isinf(getattr(self, name)):
                raise ConfigError("setting_invalid", variable=variable_of(name), must_be="a finite number")
        if self.engine not in (engines.AUTO, *engines.NAMES):
            must_be = ", ".join((engines.AUTO, *engines.NAMES))
            raise ConfigError("setting_invalid", variable=variable_of("engine"), must_be=must_be)
        if self.engine == "remote" and not self.remote_url.startswith(("http://", "https://")):
            raise ConfigError("setting_invalid", variable=variable_of("remote_url"), must_be="http://...")
        if self.proxies < 0:
            raise ConfigError("setting_invalid", variable=variable_of("proxies"), must_be="0 or more")
        if not self.hosts:
            raise ConfigError("setting_invalid", variable=variable_of("hosts"), must_be="at least one name")
        if any(re.search(r"[:/]", re.sub(r"^\[.*\]$", "", host)) for host in self.hosts):
            must_be = "names without a scheme or port, an IPv6 address in brackets"
            raise ConfigError("setting_invalid", variable=variable_of("hosts"), must_be=must_be)
        # With a comment behind it, an example's value would be long enough; and everybody knows it.
        if self.secret_key and (len(self.secret_key) < 32 or re.search(r"\s#", self.secret_key)):
            must_be = "32 characters or more, and no comment"
            raise ConfigError("setting_invalid", variable=variable_of("secret_key"), must_be=must_be)
        if not all(re.fullmatch(r"[0-9a-f]{64}", digest) for digest in self.api_tokens):
            raise ConfigError("setting_invalid", variable=variable_of("api_tokens"), must_be="SHA-256 in hexadecimal")
        _check("rate_limit_storage", _storage, self.rate_limit_storage, "memory:// or redis://HOST:PORT/0")
        if self.rate_limit:
            _check("rate_limit", _limits, self.rate_limit, "such as 60 per minute")
        for network in self.metrics_allow:
            _check("metrics_allow", ipaddress.ip_network, network, "networks such as 10.0.0.0/8")

    def where_to_turn_in(self, language: str) -> str:
        """The line about local care for the pages in a language, a code of `i18n.LANGUAGES`."""
        return getattr(self, f"where_to_turn_{language}") or self.where_to_turn

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
            if name not in fields and not _is_of_a_service(name, given):
                raise ConfigError("setting_unknown", variable=name)
        return cls(**{fields[name].name: _parse(fields[name], given[name]) for name in given if name in fields})


def _is_of_a_service(name: str, given: Mapping[str, str]) -> bool:
    """Kubernetes always names the Service's host too; a mistyped setting that ends like one of these has no host."""
    match = _OF_A_SERVICE.fullmatch(name)
    return match is not None and f"{match[1]}_SERVICE_HOST" in given


def _storage(address: str) -> None:
    parts = urlsplit(address)
    if address != "memory://" and parts.scheme not in ("redis", "rediss"):
        raise ValueError("nothing counts there")
    parts.port  # noqa: B018, since asking for it raises ValueError where it is none


def _limits(text: str) -> None:
    if not all(limit.amount > 0 for limit in limits.parse_many(text)):
        raise ValueError("nobody could send anything")


def _check(name: str, parse: Callable, text: str, must_be: str) -> None:
    try:
        parse(text)
    except ValueError as error:
        raise ConfigError("setting_invalid", variable=variable_of(name), must_be=must_be) from error


def variable_of(name: str) -> str:
    """The environment variable of a field of `Config`."""
    return Config.__dataclass_fields__[name].metadata["variable"]


def _parse(field: dataclasses.Field, text: str):
    if field.type == tuple[str, ...]:
        # The lists are names, networks and hexadecimal digits, which mean the same in any case.
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
            variable_of("secret_key"),
            path,
            error.strerror,
        )
        return secrets.token_hex(32)


def _kept_key(path: Path) -> str:
    if path.exists():
        key = path.read_text(encoding="ascii", errors="replace").strip()
        if len(key) < 32 or not key.isascii():
            raise ConfigError("setting_invalid", variable=variable_of("secret_key_file"), must_be="a whole key file")
        return key
    key = secrets.token_hex(32)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # Written aside and then linked, which fails if the name is taken: of two servers that start together one wins, and
    # the other reads the winner's key, which is whole as soon as it has its name.
    descriptor, draft = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(key)
        os.link(draft, path)
    except FileExistsError:
        return _kept_key(path)
    finally:
        os.unlink(draft)
    logger.warning("%s is not set: made a key and kept it in %s.", variable_of("secret_key"), path)
    return key
