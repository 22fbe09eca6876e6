"""``octoffm returns``: parcels that come back to the warehouse."""

from __future__ import annotations

import click

group = click.Group("returns", help="Returns: parcels that come back to the warehouse.")
