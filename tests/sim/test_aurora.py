"""The demo project that ships is sound, big enough, and what the rest of the demo relies on."""

from __future__ import annotations

from uns.metric import DataType
from uns.sim.dirt import dirt_of
from uns.sim.move import is_here, moved


def test_it_is_big_and_speaks_eight_protocols(aurora):
    """At least 560 topics without a finding, over eight drivers, on two sites."""
    assert aurora.tag_count >= 560
    drivers = {"file", "http", "logix", "modbus", "mqtt", "opcua", "s7", "sql"}
    assert drivers == {link.driver for link in aurora.connections.values()}
    assert {machine.site for machine in aurora.machines} == {"leeds", "porto"}


def test_a_machine_type_is_the_same_on_both_sites(aurora):
    """A filler in Leeds and one in Porto have the same tags, units and types."""
    for kind in ("filler", "checkweigher", "labeller", "palletiser", "meter"):
        shapes = {
            tuple((tag.name, tag.datatype, tag.unit) for tag in machine.tags)
            for machine in aurora.machines
            if machine.type_name == kind
        }
        sites = {machine.site for machine in aurora.machines if machine.type_name == kind}
        assert (1, {"leeds", "porto"}) == (len(shapes), sites)


def test_fillers_have_what_an_order_confirmation_needs(aurora):
    """Counters, the order's id and its starts, none of them ever skipped."""
    wanted = {
        "good": DataType.UINT32,
        "bad": DataType.UINT32,
        "order/id": DataType.STRING,
        "order/start_good": DataType.UINT32,
        "order/start_bad": DataType.UINT32,
    }
    fillers = [machine for machine in aurora.machines if "filler" in machine.lineage]
    assert len(fillers) == 5
    for machine in fillers:
        tags = {name: machine.find_tag(name) for name in wanted}
        assert wanted == {name: tag.datatype for name, tag in tags.items()}
        assert all(tag.deliver_every for tag in tags.values())


def test_every_tag_has_a_source_or_a_formula(aurora):
    """Nothing is declared that nobody feeds."""
    lost = [
        tag.topic.text
        for machine in aurora.machines
        for tag in machine.tags
        if tag.source is None and not tag.calc
    ]
    assert lost == []


def test_moving_keeps_keys_and_shares_ports(aurora):
    """Every endpoint moves to a port of its own; keys and machines stay."""
    again = moved(aurora)
    assert list(aurora.connections) == list(again.connections)
    assert aurora.machines == again.machines
    ports, before = _ports(again), _ports(aurora)
    assert len(set(ports)) == len(ports) == len(before)
    assert set(ports).isdisjoint(before)


def _ports(project):
    places = [link.config.endpoint() for link in project.connections.values()]
    return [place[1] for place in places if place is not None]


def test_a_far_project_moves_here(far):
    """PLCs at other addresses come to 127.0.0.1, so anybody's project can be simulated."""
    assert not is_here(far)
    near = moved(far)
    assert is_here(near)
    assert list(far.connections) == list(near.connections)


def test_dirt_touches_no_counter_and_follows_the_seed(aurora):
    """One sensor fails per OPC UA server, one value strays per site; both are measured values."""
    dirt = dirt_of(aurora, 1)
    tags = {tag.topic.text: tag for machine in aurora.machines for tag in machine.tags}
    assert (len(dirt.failing), len(dirt.straying)) == (1, 2)
    for topic in (*dirt.failing, *dirt.straying):
        assert tags[topic].datatype.is_real
        assert not tags[topic].is_counter
    for topic in dirt.straying:
        assert dirt.outside(tags[topic]) > tags[topic].high
    assert dirt == dirt_of(aurora, 1)
    assert dirt != dirt_of(aurora, 2)
