"""An edge node and a device made with mqtt-spb-wrapper; runs in a venv of its own.

python mqtt_spb_wrapper_edge.py <port> <group> <edge node>; a JSON request on each line in:
{"do": "connect" | "data"}. Each answer counts the MQTT threads that are alive.
"""

from __future__ import annotations

import json
import sys
import threading
import time

from mqtt_spb_wrapper import MqttSpbEntityDevice, MqttSpbEntityEdgeNode

DEVICE = "Filler 1"


def main(port, group, edge_node):
    edge = MqttSpbEntityEdgeNode(group, edge_node)
    edge.data.set_value("load", 0.5)
    device = MqttSpbEntityDevice(group, edge_node, DEVICE)
    device.data.set_value("speed", 1.5)

    def connect():
        for entity in (edge, device):
            entity.connect(host="127.0.0.1", port=port)
        edge.publish_birth()
        time.sleep(0.3)  # a connection each: nothing else keeps their births in order
        device.publish_birth()

    def data(value):
        device.data.set_value("speed", value)
        device.publish_data()

    actions = {"connect": connect, "data": data}
    for line in sys.stdin:
        request = json.loads(line)
        actions[request.pop("do")](**request)
        print(json.dumps({"event": "done", "threads": threading.active_count() - 1}), flush=True)


main(int(sys.argv[1]), *sys.argv[2:4])
