"""``octoffm auth``: whether the credentials are good, and for whom."""

from __future__ import annotations

import click

group = click.Group("auth", help="Check the credentials.")
