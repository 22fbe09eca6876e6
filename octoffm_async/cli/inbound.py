"""``octoffm inbound``: supply orders sent in to the warehouse."""

from __future__ import annotations

import click

group = click.Group("inbound", help="Supply orders: goods sent in to the warehouse.")
