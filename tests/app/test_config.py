"""Settings come from the environment, checked at the start."""

import logging
import os
import stat
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.config import Config, ConfigError, secret_key
from app.i18n import LANGUAGES


def test_without_variables_every_setting_has_its_default():
    assert Config.from_environment({"HOME": "/somewhere", "PORT": "8000"}) == Config()


def test_a_variable_sets_its_field_in_the_field_s_type():
    config = Config.from_environment(
        {"SKIN_MAX_UPLOAD_MB": "7", "SKIN_DEADLINE_S": "2.5", "SKIN_HOSTS": "a.example, .b.test", "SKIN_BUNDLE": "x/1"}
    )
    assert (config.max_upload_mb, config.deadline_s, config.bundle) == (7, 2.5, "x/1")
    assert config.hosts == ("a.example", ".b.test")


def test_every_language_has_a_line_about_local_care_of_its_own_or_the_general_one():
    config = Config.from_environment({f"SKIN_WHERE_TO_TURN_{language.upper()}": language for language in LANGUAGES})
    assert [config.where_to_turn_in(language) for language in LANGUAGES] == list(LANGUAGES)
    assert Config(where_to_turn="here").where_to_turn_in("kk") == "here"


def test_a_mistyped_variable_stops_the_start_and_is_named():
    with pytest.raises(ConfigError, match="setting_unknown variable=SKIN_MAX_UPLOADS_MB"):
        Config.from_environment({"SKIN_MAX_UPLOADS_MB": "7"})


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("SKIN_MAX_UPLOAD_MB", "many"), ("SKIN_MAX_UPLOAD_MB", "0"), ("SKIN_MAX_UPLOAD_MB", "1.5"),
        ("SKIN_DEADLINE_S", "soon"), ("SKIN_DEADLINE_S", "-1"), ("SKIN_DEADLINE_S", "nan"),
        ("SKIN_DEADLINE_S", "inf"), ("SKIN_DEADLINE_S", "0"), ("SKIN_PROXIES", "-1"),
        ("SKIN_ENGINE", "warp"), ("SKIN_REMOTE_TIMEOUT_S", "0"),
        ("SKIN_QUEUE_LENGTH", "0"), ("SKIN_BATCH_SIZE", ""), ("SKIN_HOSTS", " , "), ("SKIN_SECRET_KEY", "too short"),
        ("SKIN_RATE_LIMIT", "a lot"), ("SKIN_RATE_LIMIT_STORAGE", "ftp://x"), ("SKIN_API_TOKENS", "hunter2"),
        ("SKIN_METRICS_ALLOW", "everybody"), ("SKIN_HOSTS", "skin.example:8443"), ("SKIN_HOSTS", "[::1]:8000"),
        ("SKIN_HOSTS", "::1"), ("SKIN_HOSTS", "localhost,https://skin.example"),
        ("SKIN_SECRET_KEY", "...        # a comment behind the value belongs to it"),
        ("SKIN_RATE_LIMIT", "0 per minute"), ("SKIN_RATE_LIMIT_STORAGE", "redis://redis:port"),
    ],
)  # fmt: skip
def test_a_value_that_cannot_be_used_stops_the_start_and_its_variable_is_named(variable, value):
    with pytest.raises(ConfigError, match=variable):
        Config.from_environment({variable: value})


@pytest.mark.parametrize(
    "variable",
    [
        "SKIN_CHECK_SERVICE_HOST", "SKIN_CHECK_SERVICE_PORT", "SKIN_CHECK_SERVICE_PORT_HTTP", "SKIN_CHECK_PORT",
        "SKIN_CHECK_PORT_8000_TCP", "SKIN_CHECK_PORT_8000_TCP_ADDR", "SKIN_CHECK_PORT_8000_TCP_PORT",
        "SKIN_CHECK_PORT_8000_TCP_PROTO", "SKIN_CHECK_PORT_53_UDP",
    ],
)  # fmt: skip
def test_what_kubernetes_sets_for_a_service_is_passed_over(variable):
    kubernetes = {"SKIN_CHECK_SERVICE_HOST": "10.0.0.1", variable: "tcp://10.0.0.1:8000"}
    assert Config.from_environment(kubernetes) == Config()


@pytest.mark.parametrize("variable", ["SKIN_METRICS_PORT", "SKIN_CHECK_PORT", "SKIN_HOSTS_SERVICE_PORT"])
def test_a_mistyped_setting_that_only_ends_like_one_of_a_service_stops_the_start(variable):
    with pytest.raises(ConfigError, match=f"setting_unknown variable={variable}"):
        Config.from_environment({variable: "8000", "SKIN_OTHER_SERVICE_HOST": "10.0.0.1"})


def test_the_remote_engine_needs_an_address():
    with pytest.raises(ConfigError, match="SKIN_REMOTE_URL"):
        Config.from_environment({"SKIN_ENGINE": "remote"})


def test_host_names_are_the_same_in_any_case():
    assert Config.from_environment({"SKIN_HOSTS": "Spot.Example, .B.TEST"}).hosts == ("spot.example", ".b.test")


def test_no_error_and_no_representation_quotes_the_secret_key():
    with pytest.raises(ConfigError) as caught:
        Config.from_environment({"SKIN_SECRET_KEY": "hunter2"})
    assert "hunter2" not in str(caught.value)
    assert "hunter2" not in repr(Config(secret_key="hunter2" * 8))


def test_a_given_key_is_used_and_written_nowhere(tmp_path):
    config = Config(secret_key="k" * 32, secret_key_file=tmp_path / "key")
    assert secret_key(config) == "k" * 32
    assert list(tmp_path.iterdir()) == []


def test_without_a_key_one_is_made_kept_for_its_owner_alone_and_used_again(tmp_path, caplog):
    config = Config(secret_key_file=tmp_path / "state" / "key")
    made = secret_key(config)
    assert len(made) == 64
    assert stat.S_IMODE(os.stat(config.secret_key_file).st_mode) == 0o600
    assert "SKIN_SECRET_KEY is not set" in caplog.text
    assert made not in caplog.text
    assert secret_key(config) == made


def test_servers_that_start_together_share_one_whole_key(tmp_path):
    config = Config(secret_key_file=tmp_path / "key")
    with ThreadPoolExecutor(16) as servers:
        keys = set(servers.map(lambda _: secret_key(config), range(64)))
    assert keys == {config.secret_key_file.read_text()}
    assert [path.name for path in tmp_path.iterdir()] == ["key"]


def test_two_sites_make_different_keys(tmp_path):
    assert secret_key(Config(secret_key_file=tmp_path / "a")) != secret_key(Config(secret_key_file=tmp_path / "b"))


def test_where_no_key_can_be_kept_the_site_starts_and_says_so(tmp_path, caplog):
    (tmp_path / "file").touch()
    config = Config(secret_key_file=tmp_path / "file" / "key")
    with caplog.at_level(logging.WARNING):
        assert len(secret_key(config)) == 64
    assert "lasts until the site stops" in caplog.text


@pytest.mark.parametrize("content", [b"", b"\xff" * 64, "ключ".encode() * 16])
def test_a_broken_key_file_stops_the_start_rather_than_signing_with_it(tmp_path, content):
    (tmp_path / "key").write_bytes(content)
    with pytest.raises(ConfigError, match="SKIN_SECRET_KEY_FILE"):
        secret_key(Config(secret_key_file=tmp_path / "key"))
