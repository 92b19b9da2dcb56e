"""The live summary of `uns demo`: the tree's sites and lines, and what the ERP was told."""

from __future__ import annotations

from rich.console import Group
from rich.table import Table
from rich.text import Text

from uns.sim.demo import Demo, Summary

__all__ = ["screen"]

_SHOWN_ORDERS = 8


def screen(now: Summary, running: Demo) -> Group:
    """One picture of the running demo, at most 30 lines high."""
    return Group(_numbers(now), _lines(running), _orders(running), _verdict(now))


def _numbers(now: Summary) -> Text:
    return Text.assemble(
        ("uns demo", "bold"),
        f"  {now.seconds:.0f} s   ",
        (f"{now.machines_online}", "green"),
        f"/{now.machines} machines at {now.sites} sites over {' and '.join(now.protocols)}   ",
        (f"{now.topics_live}", "green"),
        f"/{now.topics} topics live   {now.values_out} values   "
        f"{now.flagged} flagged   {now.quarantined} quarantined",
    )


def _lines(running: Demo) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("line", "state", "order", "product", "good", "bad"):
        table.add_column(heading, justify="right" if heading in ("good", "bad") else "left")
    truth = running.plant.truth()["lines"]
    namespace = running.runtime.namespace
    for line, record in truth.items():
        filler, made = next(iter(record["machines"].items()))
        order = list(made["orders"].values())[-1] if made["orders"] else None
        state = namespace.value_of(f"{filler}/state") if namespace else None
        table.add_row(
            line.partition("/")[2],
            str(state or "-"),
            order["id"] if order else "-",
            order["product"] if order else "-",
            str(made["good"]),
            str(made["bad"]),
        )
    return table


def _orders(running: Demo) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("confirmed to the ERP", "state", "good", "bad", "messages"):
        table.add_column(heading, justify="left" if heading == "state" else "right")
    for order_id in list(running.erp.orders())[-_SHOWN_ORDERS:]:
        for told in running.erp.machines_of(order_id).values():
            table.add_row(
                order_id, told.state, str(told.good), str(told.bad), str(told.confirmations)
            )
    return table


def _verdict(now: Summary) -> Text:
    if not now.differences:
        return Text("the ERP knows exactly what the plant made", style="green")
    waiting = len(now.differences)
    return Text(f"{waiting} order{'s' * (waiting > 1)} on the way to the ERP", style="dim")
