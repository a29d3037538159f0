import pytest
from cryptography.fernet import Fernet

from polku_runtime.settings import Settings, SettingsError, load


def test_a_missing_setting_is_one_line_that_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("POLKU_SESSION_KEYS", raising=False)
    with pytest.raises(SettingsError) as stopped:
        load(Settings)
    assert "POLKU_SESSION_KEYS" in str(stopped.value)
    assert "\n" not in str(stopped.value)


def test_a_wrong_setting_is_named_and_its_value_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLKU_SESSION_KEYS", Fernet.generate_key().decode())
    monkeypatch.setenv("POLKU_PORT", "secret-value")
    with pytest.raises(SettingsError) as stopped:
        load(Settings)
    assert "POLKU_PORT" in str(stopped.value)
    assert "secret-value" not in str(stopped.value)
