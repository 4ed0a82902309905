"""Every setting is read, and a malformed one is named."""

from __future__ import annotations

import re

import pytest

from whatsapp_pipeline.errors import SettingError
from whatsapp_pipeline.settings import PROJECT_ROOT, Settings, from_mapping, variable_of


def test_defaults_need_no_environment() -> None:
    assert from_mapping({}) == Settings()


def test_values_are_typed() -> None:
    settings = from_mapping(
        {"MULTITENANT_ENABLED": "yes", "WHATSAPP_APP_SECRET": "one, two,", "PIPELINE_LOCAL_DIR": "elsewhere"}
    )
    assert settings.multitenant_enabled is True
    assert settings.whatsapp_app_secrets == ("one", "two")
    assert settings.local_dir == PROJECT_ROOT / "elsewhere"


def test_an_empty_variable_counts_as_not_set() -> None:
    assert from_mapping({"FIRST_MONTH": " "}).first_month == Settings().first_month


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("FIRST_MONTH", "2025-13"),
        ("CHAT_TIME_ZONE", "America/Nowhere"),
        ("DEFAULT_AREA_CODE", "041"),
        ("MULTITENANT_ENABLED", "perhaps"),
        ("LOG_FORMAT", "xml"),
    ],
)
def test_a_malformed_value_names_its_variable(variable: str, value: str) -> None:
    with pytest.raises(SettingError, match=re.escape(f"{variable}={value!r}")):
        from_mapping({variable: value})


def test_secrets_are_not_in_the_repr() -> None:
    settings = from_mapping(
        {
            "WHATSAPP_APP_SECRET": "hush",
            "DATABASE_URL": "postgresql://u:hush@h/d",
            "ASSISTANT_API_KEY": "hush",
        }
    )
    assert "hush" not in repr(settings)


def test_the_example_file_lists_every_variable() -> None:
    documented = set(re.findall(r"^#? ?([A-Z][A-Z_]+)=", (PROJECT_ROOT / ".env.example").read_text(), re.M))
    known = {variable_of(name) for name in Settings.__dataclass_fields__} - {"PIPELINE_LOCAL_DIR"}
    assert known <= documented
    assert documented <= known
