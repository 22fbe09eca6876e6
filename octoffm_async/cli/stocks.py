"""``octoffm stocks``: how many of each product lie in the warehouses."""

from __future__ import annotations

import click

group = click.Group("stocks", help="Stocks: list, show, export and watch them.")
