"""Validation against schemas of the administrator's; none is shipped."""

from __future__ import annotations

from pathlib import Path

import pytest

from ezcold_operators.decoding.adullact import decode_envelope
from ezcold_operators.decoding.adullact.schema import DIRECTORY
from ezcold_operators.decoding.base import Decoded, Options
from ezcold_operators.errors import ConfigurationError
from tests.decoding.adullact import corpus
from tests.decoding.adullact.corpus import ChorusPj

SCHEMA = """<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"><xs:element name="CPPFacturePivot"><xs:complexType>
<xs:sequence><xs:any processContents="skip" maxOccurs="{most}"/></xs:sequence></xs:complexType></xs:element>
</xs:schema>"""


def decode(place: Path, raw: bytes) -> Decoded | None:
    source, work = place / "raw", place / "work"
    source.write_bytes(raw)
    work.mkdir()
    return decode_envelope(source, work, Options(kind="adullact", name="p.xml", validate_xsd=True))


@pytest.fixture
def schemas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "xsd"
    folder.mkdir()
    monkeypatch.setenv(DIRECTORY, str(folder))
    return folder


PIVOT = corpus.pivot({"F-1": [ChorusPj()]})


@pytest.mark.parametrize(
    ("most", "says"), [(2, None), (1, "p.xml does not follow its schema CPPFacturePivot.xsd (line 2)")]
)
def test_a_document_is_held_against_the_schema_of_its_root(schemas: Path, tmp_path: Path, most: int, says: str) -> None:
    (schemas / "CPPFacturePivot.xsd").write_text(SCHEMA.format(most=most))
    found = decode(tmp_path, PIVOT)
    assert found is not None
    assert found.quarantined == says
    assert len(found.documents) == 2


def test_a_root_without_schema_is_not_validated(schemas: Path, tmp_path: Path) -> None:
    found = decode(tmp_path, PIVOT)
    assert found is not None
    assert found.quarantined is None


@pytest.mark.parametrize("folder", ["", "/nowhere"])
def test_validation_without_schemas_is_a_wrong_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    monkeypatch.setenv(DIRECTORY, folder)
    with pytest.raises(ConfigurationError, match=DIRECTORY):
        decode(tmp_path, PIVOT)


def test_a_broken_schema_is_a_wrong_configuration(schemas: Path, tmp_path: Path) -> None:
    (schemas / "CPPFacturePivot.xsd").write_text("<xs:schema>")
    with pytest.raises(ConfigurationError, match=r"CPPFacturePivot\.xsd"):
        decode(tmp_path, PIVOT)
