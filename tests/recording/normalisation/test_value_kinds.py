"""What a value is by its form and by the name of its member."""

from __future__ import annotations

import pytest

from mockserver.jsonkit import Json
from mockserver.recording.normalisation.value_kinds import kind_by_form

UUID = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff"


@pytest.mark.parametrize(
    ("value", "name", "kind"),
    [
        (UUID, "", "id"),
        (UUID.replace("-", ""), "", "id"),
        ("<id:3>", "", "id"),
        ("<text:1>", "", "id"),
        ("user-3@example.test", "", "id"),
        ("xxxx_4", "", "id"),
        ("Xxxxx-xxa", "", "id"),
        ("0000-xxxx1", "", "id"),
        ("xx", "", None),
        ("taxxx", "", None),
        ("0000", "", None),
        ("V1StGXR8_Z5jdHi6B-myT", "", "id"),
        ("8842", "order_id", "id"),
        (8842, "orderId", "id"),
        ("<credential:2>", "", "credential"),
        ("2026-06-14T12:00:00.123+02:00", "", "time"),
        ("20260614T120000Z", "", "time"),
        (1_781_438_400_000, "", "time"),
        (1_781_438_400, "created_at", "time"),
        (1_781_438_400, "amount", None),
        (35, "took_ms", "duration"),
        (35.5, "activeTimeMs", "duration"),
        ("pro", "plan_id", None),
        ("paid", "", None),
        (3, "paid", None),
        (3, "grid", None),
        (True, "id", None),
        (None, "id", None),
        ("", "id", None),
        ("a-long-name-of-a-feature-2", "", None),
        ("0.2.1", "sdk_version", None),
        ("x" * 10_000, "id", None),
    ],
)
def test_value_is_told_by_its_form_and_the_name_of_its_member(value: Json, name: str, kind: str | None) -> None:
    assert kind_by_form(value, name) == kind
