"""``octoffm orders``: shipping orders to customers."""

from __future__ import annotations

import click

group = click.Group("orders", help="Shipping orders: list, show, cancel and follow them.")
