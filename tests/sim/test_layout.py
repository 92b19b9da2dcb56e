"""Which machines make pieces, on which line, under which order numbers."""

from __future__ import annotations

from dataclasses import replace

from uns.sim.layout import lines_of
from uns.topic import Topic


def test_only_machines_that_make_something_stand_on_a_line(aurora):
    """Five packaging lines of four machines, in the order they are written; a mill alone.

    Meters, tanks and order desks make nothing.
    """
    lines = lines_of(aurora.machines, 1)
    mill = lines.pop("aurora/leeds/workshop/parts")
    assert ["aurora/leeds/workshop/parts/mill"] == list(mill.machines)
    assert len(lines) == 5
    for topic, line in lines.items():
        names = ("filler", "checkweigher", "labeller", "palletiser")
        assert [f"{topic}/{name}" for name in names] == list(line.machines)


def test_what_makes_nothing_sees_the_first_machine_of_its_line(aurora):
    """An order desk tells the order that the filler works on."""
    line = lines_of(aurora.machines, 1)["aurora/leeds/packaging/line1"]
    filler = line.machines["aurora/leeds/packaging/line1/filler"]
    assert filler is line.seen_from("aurora/leeds/packaging/line1/order_desk")
    assert filler is line.seen_from("aurora/leeds/packaging/line1/filler")


def test_each_machine_is_a_little_faster_than_the_one_before(aurora):
    """Queues drain: a line is as slow as its first machine."""
    for line in lines_of(aurora.machines, 1).values():
        rates = [machine.nominal_per_h for machine in line.machines.values()]
        assert sorted(rates) == rates
        assert len(rates) == 1 or rates[0] == 30_000


def test_order_numbers_differ_between_lines_of_like_names(aurora):
    """Lines that abbreviate alike still never share an order number."""
    machine = next(one for one in aurora.machines if one.type_name == "filler")
    paths = ("leeds/hall/line1", "leek/hall/line1", "leeds/yard/line1", "porto/hall/line1")
    twins = [replace(machine, topic=Topic(f"aurora/{path}/filler")) for path in paths]
    lines = lines_of(twins, 1)
    ids = set()
    for line in lines.values():
        line.power_up(0)
        ids.add(line.order.id)
    assert len(ids) == 4
