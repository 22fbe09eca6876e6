import csv
import random

import pytest

from octoffm_async.tabular.batch_reader import ReadRows
from octoffm_async.tabular.cells.readers import ReadingOptions
from octoffm_async.tabular.column_plan import plan_for
from octoffm_async.tabular.formats import csv_table
from octoffm_async.tabular.formats.csv_table import CsvTable
from octoffm_async.tabular.item_reader import ItemReader
from octoffm_async.tabular.item_types import ORDERS, PRODUCTS

ODD = (
    "", "nan", "N/A", " x ", "=1+1", '="007"', "007", "1001.0", "1.5", "1,5", "1.234", "1E+12", "2024-01-02", "'5", "été",
    "\u200bA-1", "M&uuml;ller", "RenÃ©", "a,b", 'say "x"', " b", "two\nlines", "#REF!", "Nan", "12345678901234567000", "idem", "0",
    "1.23457E+12",
)  # fmt: skip
"""Cells that need a look, each of another kind."""
ORDER = {
    "reference": "CMD-{0:05}", "delivery_mode": "Standard", "storage_country": "FR", "first_name": "Zoé",
    "last_name": "Martin", "address_line1": "{0} rue de la Paix", "address_line2": "", "postal_code": "75002", "city": "Paris",
    "country_code": "FR", "seller_product_reference": "SKU-{0:05}", "quantity": "2",
}  # fmt: skip
PRODUCT = {
    "seller_product_reference": "SKU-{0:05}", "gtin": "4006381333931", "title": "Pen no. {0}, blue", "length_cm": "12.5",
    "width_cm": "3", "height_cm": "2", "weight_g": "250", "is_traceable": "yes",
}  # fmt: skip


def _write(path, usual, seed):
    draw = random.Random(seed)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=draw.choice(",;\t"))
        writer.writerow(usual)
        number = 0
        for _ in range(draw.randrange(1, 150)):
            number += draw.random() < 0.8
            row = [text.format(number) for text in usual.values()]
            if draw.random() < 0.15:
                row[draw.randrange(len(row))] = draw.choice(ODD)
            if draw.random() < 0.03:
                row = row[: draw.randrange(len(row))]
            writer.writerow(row)


def _read(path, target, options, *, together):
    """Return everything that a pass over a file gives, and the number of items that were read column by column."""
    table = CsvTable(path)
    rejected = []
    items = ItemReader(table, plan_for(table, target, {}, {}, options), rejected.append, keep=True)
    items.prepare()
    if not together:
        items._batch_reader = None
    found = [(item, items.line, items.notes.line) for item in items]
    kept = [[row[:-1] for row in items.release(items._key_of(item))] for item, _, _ in found]
    seen = sum(isinstance(row, ReadRows) for batch in table.rows().batches() for row in _rows(items, batch))
    counts = items.rows, items.good, items.faulty, items.faulty_rows
    refused = [(item.key, [row[:-1] for row in item.rows], item.problems) for item in rejected]
    return (found, kept, refused, counts, items.notes.as_fields()), seen


def _rows(items, batch):
    reader = items._batch_reader
    return reader.read(batch) if reader is not None and isinstance(batch, csv_table.PlainRows) else ()


@pytest.mark.parametrize("target", [ORDERS, PRODUCTS], ids=["orders", "products"])
def test_rows_are_read_together_as_each_is_by_itself(tmp_path, monkeypatch, target):
    monkeypatch.setattr(csv_table, "_FETCHED", 1500)  # many batches in a small file
    options = [
        ReadingOptions(),
        ReadingOptions(decimal=","),
        ReadingOptions(fill_down=True, fill_zeros=True, literal=frozenset({target.key})),
    ]
    together = 0
    for seed in range(36):
        _write(path := tmp_path / "file.csv", ORDER if target is ORDERS else PRODUCT, seed)
        whole, seen = _read(path, target, options[seed % 3], together=True)
        assert whole == _read(path, target, options[seed % 3], together=False)[0], seed
        together += seen
    assert together > 300
