"""``octoffm products``: the seller's products, and registering them."""

from __future__ import annotations

import click

group = click.Group("products", help="Register products, and list what is registered.")
