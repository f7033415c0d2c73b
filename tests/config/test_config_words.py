"""A launcher in words, and as a JSON Schema."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from ezcold_operators.config.launcher import Launcher
from ezcold_operators.config.model import Model
from ezcold_operators.config.scenario import Scenario
from ezcold_operators.config.schema import launcher_schema
from ezcold_operators.config.words import code, escape, in_words

EXAMPLE: dict[str, Any] = {
    "launcher": "factures_mail",
    "title": "Factures <b>2026</b> [x](javascript:1)",
    "description": "*reçues*",
    "schedule": "*/5 * * * *",
    "source": {
        "protocol": "imap",
        "connection": "gmail",
        "path": "INBOX/Clients",
        "subfolders": True,
        "after": {"action": "move", "to": "Traité"},
        "rejected": {"action": "mark"},
    },
    "filters": [r"/.*\.(?!db).*/", "/a`b/"],
    "routes": [
        {"extensions": ["pdf"], "send_to": ["factures"]},
        {"extensions": ["*"], "send_to": ["factures", "inconnu"]},
    ],
    "backup": {"keep_days": 30},
}
SCENARIOS = {"factures": Scenario(id="factures", number=87, description="cold <i>", driver="folder", path="/w")}


def test_everything_that_matters_is_said() -> None:
    words = in_words(Launcher.model_validate(EXAMPLE), SCENARIOS)
    for part in (
        "IMAP, Connection `gmail`, `INBOX/Clients`, with subfolders",
        "moved to `Traité`",
        "marked as read",
        "`*/5 * * * *` (Europe/Paris)",
        r"`/.*\.(?!db).*/`, ``/a`b/``",
        "30 days",
        "- `pdf` → 87 factures (cold &lt;i\\>)",
        "- all files → 87 factures (cold &lt;i\\>), inconnu",
    ):
        assert part in words, words


def test_no_markup_gets_in() -> None:
    words = in_words(Launcher.model_validate(EXAMPLE), SCENARIOS)
    assert "<b>" not in words
    assert "[x](" not in words
    assert "\\*reçues\\*" in words


@pytest.mark.parametrize(
    ("more", "part"),
    [
        ({"schedule": None}, "by hand"),
        ({"source": {"protocol": "pop", "connection": "c", "after": {"action": "delete"}}}, "deleted"),
        ({"source": {"protocol": "o365", "connection": "c", "mailbox": "m@x"}}, "mailbox `m@x`"),
        ({"source": {"protocol": "folder", "path": "/in/*.*"}}, "folder, `/in/*.*`"),
        ({"reprise": {"every": "week"}}, "by backfills, one a week"),
    ],
)
def test_other_protocols(more: dict[str, Any], part: str) -> None:
    assert part in in_words(Launcher.model_validate({**EXAMPLE, **more}))


@given(st.text(max_size=30))
def test_escaped_text_has_no_tag_no_line_and_no_code(text: str) -> None:
    shown = escape(text)
    assert "<" not in shown
    assert "\n" not in shown
    assert "`" not in shown.replace("\\`", "")


@given(st.text("`a", max_size=12))
def test_code_is_closed_by_a_fence_that_it_does_not_hold(text: str) -> None:
    shown = code(text)
    fence = shown[: len(shown) - len(shown.lstrip("`"))] if "a" in text or not text else shown[:1]
    assert shown.startswith(fence)
    assert shown.endswith(fence)


def test_the_schema_is_one_and_takes_what_we_take() -> None:
    schema = launcher_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    jsonschema.validate(EXAMPLE, schema)
    jsonschema.validate({**EXAMPLE, "backup": False, "schedule": None}, schema)
    json.dumps(schema)


@pytest.mark.parametrize(
    "source",
    [
        {"protocol": "imapp"},
        {"protocol": "imap"},
        {"protocol": "folder"},
        {"protocol": "pop", "connection": "c", "path": "INBOX"},
        {"protocol": "pop", "connection": "c", "after": {"action": "move", "to": "x"}},
        {"protocol": "folder", "path": "/in", "rejected": {"action": "mark"}},
        {"protocol": "imap", "connection": "c", "password": "x"},
    ],
)
def test_the_schema_refuses(source: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**EXAMPLE, "source": source}, launcher_schema())


def test_every_field_is_described_in_both_languages() -> None:
    def models(model: type[BaseModel]) -> list[type[BaseModel]]:
        return [model, *(inner for child in model.__subclasses__() for inner in models(child))]

    bare = [
        f"{model.__name__}.{name}"
        for model in models(Model)
        if model.__module__.startswith("ezcold_operators.config")
        for name, field in model.model_fields.items()
        if name != "id" and "\n\n" not in (field.description or "")
    ]
    assert bare == []
