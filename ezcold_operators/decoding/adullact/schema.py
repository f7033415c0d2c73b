"""Optional XSD validation against schemas that the administrator provides: none of them may be shipped here.

`EZCOLD_XSD_DIR` holds one `<root element>.xsd` per root to be checked (`PES_Aller.xsd`, `CPPFacturePivot.xsd`), and
`actesv1_1.xsd` for every ACTES message; a root without a schema is not checked.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, cast

from ezcold_operators.decoding.adullact.encoding import override
from ezcold_operators.decoding.adullact.recognise import Root
from ezcold_operators.decoding.adullact.tables import ACTES_NAMESPACE
from ezcold_operators.decoding.adullact.work import Member, Work
from ezcold_operators.decoding.base import Options
from ezcold_operators.errors import ConfigurationError
from ezcold_operators.i18n import _

DIRECTORY = "EZCOLD_XSD_DIR"
_MAX_BYTES = 50_000_000
"""Validation needs the whole document in memory; a larger one is not validated."""


def validate(member: Member, root: Root, work: Work, options: Options) -> None:
    """Name the first line at which a document departs from its schema.

    :raises ConfigurationError: validation is asked for, and there is no schema directory or a schema is wrong.
    """
    if not options.validate_xsd or member.blob.size > _MAX_BYTES:
        return
    path = _schema_path(root)
    if path is None:
        return
    from lxml import etree

    try:
        schema = etree.XMLSchema(etree.parse(str(path), etree.XMLParser(no_network=True, resolve_entities=False)))
    except (etree.XMLSchemaParseError, etree.XMLSyntaxError, OSError):
        raise ConfigurationError(
            _("The schema {path} cannot be read: correct it or remove it.").format(path=path)
        ) from None
    encoding = override(member.blob.file)
    parser = etree.XMLParser(
        encoding=encoding,
        no_network=True,
        resolve_entities="internal",  # type: ignore[arg-type]  # it has no DOCTYPE: the root was read before
        load_dtd=False,
        huge_tree=True,
    )
    try:
        document = etree.parse(str(member.blob.file), parser)
    except etree.XMLSyntaxError:
        return  # the reader names it
    if not schema.validate(document):
        line = next((entry.line for entry in cast(Any, schema.error_log)), 0)
        work.problem(
            _("{name} does not follow its schema {schema} (line {line})").format(
                name=member.name[:100], schema=path.name, line=line
            )
        )


def _schema_path(root: Root) -> Path | None:
    directory = os.environ.get(DIRECTORY, "")
    if not directory or not Path(directory).is_dir():
        raise ConfigurationError(
            _("Validation needs the schemas: set {directory} to the folder that holds them.").format(
                directory=DIRECTORY
            )
        )
    namespace, local = root
    name = "actesv1_1" if namespace.startswith(ACTES_NAMESPACE) else local
    path = Path(directory) / f"{name}.xsd"
    return path if path.is_file() else None
