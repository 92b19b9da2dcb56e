"""An edge node made with pysparkplug, as its documentation shows it; runs in a venv of its own.

python pysparkplug_edge.py <port> <group> <edge node>; a JSON request on each line in:
{"do": "connect" | "data" | "node_data" | "no_data" | "remove" | "disconnect" | "kill"}.
"""

from __future__ import annotations

import json
import os
import sys

import pysparkplug as psp

DEVICE = "Filler 1"


def metric(name, datatype, value, alias=None):
    now = psp.get_current_timestamp()
    return psp.Metric(timestamp=now, name=name, datatype=datatype, value=value, alias=alias)


def pressure(value):
    return metric("Inputs/PT 101", psp.DataType.FLOAT, value)


def device():
    return psp.Device(
        DEVICE,
        [
            pressure(2.5),
            metric("Inputs/Good", psp.DataType.UINT32, 3_000_000_000),
            metric("Inputs/Offset", psp.DataType.INT16, -30_000),
            metric("Inputs/Total", psp.DataType.INT64, -5),
            metric("Inputs/Recipe", psp.DataType.STRING, "Größe 1"),
            metric("Inputs/Profile", psp.DataType.INT16_ARRAY, (-1, 2, 300)),
            metric("Inputs/Unknown", psp.DataType.DOUBLE, None),
        ],
    )


def main(port, group, edge_node):
    edge = psp.EdgeNode(group, edge_node, [metric("Load", psp.DataType.DOUBLE, 0.5)])
    edge.register(device())
    actions = {
        "connect": lambda: edge.connect("127.0.0.1", port=port, keepalive=5),
        "data": lambda value: edge.update_device(DEVICE, [pressure(value)]),
        "node_data": lambda value: edge.update([metric("Load", psp.DataType.DOUBLE, value)]),
        # its `update` walks its argument twice, and a generator is empty the second time
        "no_data": lambda value: edge.update(
            metric("Load", psp.DataType.DOUBLE, v) for v in (value,)
        ),
        "remove": lambda: edge.deregister(DEVICE),
        "disconnect": edge.disconnect,
        "kill": lambda: os._exit(1),
    }
    for line in sys.stdin:
        request = json.loads(line)
        actions[request.pop("do")](**request)
        print(json.dumps({"event": "done"}), flush=True)


main(int(sys.argv[1]), *sys.argv[2:4])
