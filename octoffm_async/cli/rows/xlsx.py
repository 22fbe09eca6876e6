"""A workbook of one sheet, written as rows come: text stays text (leading zeros too), numbers and times are such.

Cells hold their text themselves (``inlineStr``), so that nothing has to be kept until the end.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias
from xml.sax.saxutils import escape
from zipfile import ZIP_DEFLATED, ZipFile

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping

    from ...tabular.flat_rows import ColumnTypes

RowWriter: TypeAlias = "Callable[[Iterable[Mapping[str, Any]]], None]"
"""A function that writes some rows: values by column, ``None`` for an empty cell."""
MOST_ROWS = 1_048_576
MOST_LETTERS = 32_767
_EPOCH = datetime(1899, 12, 30, tzinfo=UTC)
_HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_MAIN = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_PARTS = {
    "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    f'<Override PartName="/xl/workbook.xml" ContentType="{_TYPE}.sheet.main+xml"/>'
    f'<Override PartName="/xl/styles.xml" ContentType="{_TYPE}.styles+xml"/>'
    f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{_TYPE}.worksheet+xml"/></Types>',
    "_rels/.rels": f'<Relationships xmlns="{_PACKAGE}/relationships">'
    f'<Relationship Id="rId1" Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
    "xl/workbook.xml": f'<workbook {_MAIN} xmlns:r="{_OFFICE}"><sheets><sheet name="rows" sheetId="1" r:id="rId1"/>'
    "</sheets></workbook>",
    "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_PACKAGE}/relationships">'
    f'<Relationship Id="rId1" Type="{_OFFICE}/worksheet" Target="worksheets/sheet1.xml"/>'
    f'<Relationship Id="rId2" Type="{_OFFICE}/styles" Target="styles.xml"/></Relationships>',
    "xl/styles.xml": f'<styleSheet {_MAIN}><numFmts count="1"><numFmt numFmtId="164" '
    'formatCode="yyyy\\-mm\\-dd hh:mm:ss"/></numFmts><fonts count="1"><font/></fonts><fills count="1"><fill/></fills>'
    '<borders count="1"><border/></borders><cellStyleXfs count="1"><xf/></cellStyleXfs><cellXfs count="2"><xf/>'
    '<xf numFmtId="164" applyNumberFormat="1"/></cellXfs></styleSheet>',
}
_NOT_IN_XML = re.compile("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]|_(?=x[0-9A-Fa-f]{4}_)")


@contextmanager
def xlsx_rows(file: BinaryIO, columns: ColumnTypes) -> Generator[RowWriter]:
    """Begin a workbook; its first row has the columns' names."""
    names, count = tuple(columns), 0
    with ZipFile(file, "w", ZIP_DEFLATED) as package:
        for name, content in _PARTS.items():
            package.writestr(name, _HEAD + content)
        with package.open("xl/worksheets/sheet1.xml", "w", force_zip64=True) as sheet:

            def write(rows: Iterable[Mapping[str, Any]]) -> None:
                nonlocal count
                for row in rows:
                    count += 1
                    if count > MOST_ROWS:
                        raise click.ClickException(f"a workbook has {MOST_ROWS:,} rows at most: write .csv or .parquet")
                    sheet.write(f"<row>{''.join([_cell(row.get(name)) for name in names])}</row>".encode())

            sheet.write(f"{_HEAD}<worksheet {_MAIN}><sheetData>".encode())
            write([{name: name for name in names}])
            yield write
            sheet.write(b"</sheetData></worksheet>")


def _cell(value: Any) -> str:
    match value:
        case None:
            return "<c/>"
        case bool():
            return f'<c t="b"><v>{value:d}</v></c>'
        case int() if abs(value) < 10**15:  # a spreadsheet keeps 15 digits
            return f"<c><v>{value}</v></c>"
        case float():
            return f"<c><v>{value!r}</v></c>"
        case datetime():
            days = (value.astimezone(UTC) - _EPOCH).total_seconds() / 86400
            return f'<c s="1"><v>{days!r}</v></c>'
        case _:
            text = _NOT_IN_XML.sub(lambda found: f"_x{ord(found[0]):04X}_", str(value)[:MOST_LETTERS])
            return f'<c t="inlineStr"><is><t xml:space="preserve">{escape(text)}</t></is></c>'
