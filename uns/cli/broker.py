"""`uns broker`: what a broker needs to carry a plant."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["broker"]


@click.group(short_help="Write a broker's configuration.")
def broker() -> None:
    """What a broker needs to carry a plant."""


@broker.command(short_help="Print a mosquitto.conf that loses nothing silently.")
@click.option("--port", type=click.IntRange(1, 65535), default=1883, show_default=True)
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="The address to listen on. Beyond this machine only with passwords and access lists.",
)
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("/var/lib/mosquitto"),
    show_default=True,
    help="Where it keeps retained and waiting messages.",
)
def config(port: int, host: str, folder: Path) -> None:
    """Print a mosquitto.conf: Mosquitto's defaults drop data silently when a line is busy.

        uns broker config > /etc/mosquitto/conf.d/uns.conf

    Each setting and its reason: docs/reference/brokers.md.
    """
    from uns.service.broker import mosquitto_conf

    click.echo(mosquitto_conf(port, folder, host=host), nl=False)
