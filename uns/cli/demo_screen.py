"""The live summary of `uns demo`: the tree's sites and lines, and what the ERP was told."""

from __future__ import annotations

from rich.console import Group
from rich.table import Table
from rich.text import Text

from uns.sim.demo import Demo, Summary

__all__ = ["screen"]


WIDE = 100  # columns of a terminal that has room for everything


def screen(now: Summary, running: Demo, width: int = WIDE) -> Group:
    """One picture of the running demo, 15 lines high; on a narrow terminal with fewer columns."""
    lines = _lines(running, is_wide=width >= WIDE)
    return Group(_numbers(now), Text(), lines, Text(), _verdict(now))


def _numbers(now: Summary) -> Text:
    flow = (
        f"{now.metrics_in} metrics in, {now.values_out} values out, "
        f"{now.flagged} flagged, {now.quarantined} quarantined, "
        f"{now.confirmations} confirmations of {now.orders} orders"
    )
    return Text.assemble(
        ("uns demo  ", "bold"),
        f"{now.seconds:.0f} s   ",
        (f"{now.machines_online}", "green"),
        f"/{now.machines} machines, {now.sites} sites, {len(now.protocols)} protocols   ",
        (f"{now.topics_live}", "green"),
        f"/{now.topics} topics live\n",
        (flow, "dim"),
    )


def _lines(running: Demo, *, is_wide: bool) -> Table:
    """Each line's order: what its filler has made, and what the ERP was told of it."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("line", "state", "order", *(("product",) if is_wide else ())):
        table.add_column(heading, no_wrap=True)
    for heading in ("good", "bad", "ERP good", "ERP bad", *(("messages",) if is_wide else ())):
        table.add_column(heading, justify="right")
    namespace = running.runtime.namespace
    for line, record in running.plant.truth()["lines"].items():
        filler, made = next(iter(record["machines"].items()))
        if not made["orders"] or filler not in running.confirmed:
            continue
        order = list(made["orders"].values())[-1]
        told = running.erp.machines_of(order["id"]).get(filler)
        state = namespace.value_of(f"{filler}/state") if namespace else None
        table.add_row(
            line.partition("/")[2],
            str(state or "-"),
            order["id"],
            *((order["product"],) if is_wide else ()),
            str(order["good"]),
            str(order["bad"]),
            Text(str(told.good if told else "-"), style="cyan"),
            Text(str(told.bad if told else "-"), style="cyan"),
            *((str(told.confirmations if told else 0),) if is_wide else ()),
        )
    return table


def _verdict(now: Summary) -> Text:
    if not now.differences:
        return Text(now.verdict, style="green")
    waiting = len(now.differences)
    return Text(
        f"{waiting} order{'s' * (waiting > 1)} counting; confirmations are on their way", "dim"
    )
