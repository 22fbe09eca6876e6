"""pandas: rows of answers are a data frame as they are, and its time stamps are times."""

from __future__ import annotations

import pandas as pd
import pytest

from octoffm_async import FulfillmentClient, InboundShipmentRequest, ShipmentLine, ValidationError
from octoffm_async.sandbox import Sandbox
from octoffm_async.tabular import as_rows

LINES = [ShipmentLine(quantity=1, seller_product_reference="SKU-00001")]


async def test_all_stocks_are_a_frame() -> None:
    async with Sandbox(seed=7, catalogue=5, stock=4) as sandbox, FulfillmentClient(sandbox.config()) as client:
        frame = pd.DataFrame(await client.stocks.list().rows())
        assert list(frame.columns[:2]) == ["id", "product_id"]
        assert (len(frame), frame["available"].sum()) == (5, 20)
        assert str(frame["updated_at"].dt.tz) == "UTC"
        assert frame["gtin"].map(type).eq(str).all() or frame["gtin"].isna().all()
        everything = as_rows(await client.stocks.list().collect())
        assert pd.DataFrame(everything).equals(frame)
        assert pd.DataFrame(everything).convert_dtypes()["available"].dtype == "Int64"


async def test_a_timestamp_is_a_time() -> None:
    noon = pd.Timestamp("2026-01-01 12:00", tz="Europe/Paris")
    async with Sandbox(seed=7, catalogue=5, stock=4) as sandbox, FulfillmentClient(sandbox.config()) as client:
        assert len(await client.stocks.list(updated_at_min=noon).collect()) == 5
        assert len([change async for change in client.changes(since=noon, kinds=["stocks"])]) == 5
        request = InboundShipmentRequest(
            reference="I-1", storage_country="FR", lines=LINES, expected_delivery_date=noon + pd.Timedelta(days=999)
        )
        shipment = await client.inbound.get(await client.inbound.create(request))
    assert shipment.expected_delivery_date == noon + pd.Timedelta(days=999)


async def test_no_time_and_a_time_without_a_zone_are_refused() -> None:
    async with Sandbox(seed=7) as sandbox, FulfillmentClient(sandbox.config()) as client:
        with pytest.raises(ValidationError, match="updated_at_min = NaT: is no time"):
            client.stocks.list(updated_at_min=pd.NaT)
        with pytest.raises(ValidationError, match="has no time zone"):
            client.stocks.list(updated_at_min=pd.Timestamp("2026-01-01"))
        wrong = InboundShipmentRequest(
            reference="I-1", storage_country="FR", lines=LINES, expected_delivery_date=pd.NaT
        )
        with pytest.raises(ValidationError, match="expected_delivery_date = NaT: is no time"):
            await client.inbound.create(wrong)
