// An edge node made with the npm package sparkplug-client, as its README shows it: births on the
// client's "birth" event and when a command asks for a rebirth, values and deaths on request.
//   node edge_node.js <url> <group> <edge node>
// Each line in is a request: {"do": "data" | "device_death" | "stop" | "drop", …};
// each line out says what happened: {"event": "birth" | "rebirth" | "ncmd" | "dcmd" | …}.
"use strict";
const readline = require("readline");
const client = require("sparkplug-client");

const [url, groupId, edgeNode] = process.argv.slice(2);
const DEVICE = "Filler 1";
const UNS = { uns: { type: "String", value: "acme/leeds/packaging/line1/filler/bowl_pressure" } };

const say = (event, more = {}) => process.stdout.write(JSON.stringify({ event, ...more }) + "\n");
const shown = {}; // births show what data said last
const metric = (name, type, value, more = {}) => ({
  name, type, value: name in shown ? shown[name] : value, timestamp: Date.now(), ...more,
});
const changed = (name, type, value) => {
  shown[name] = value;
  return metric(name, type, value);
};

function nodeBirth() {
  return {
    timestamp: Date.now(),
    metrics: [
      metric("Node Control/Rebirth", "Boolean", false),
      metric("Node Info/Hardware Make", "String", "Stahl & Söhne"),
      metric("Properties/Uptime", "UInt32", 4000000000),
    ],
  };
}

function deviceBirth() {
  const engineering = { engUnit: { type: "String", value: "bar" }, Quality: { type: "Int32", value: 192 } };
  return {
    timestamp: Date.now(),
    metrics: [
      metric("Inputs/PT 101", "Float", 2.5, { properties: { ...UNS, ...engineering } }),
      metric("Inputs/Good", "UInt32", 3000000000),
      metric("Inputs/Offset", "Int16", -30000),
      metric("Inputs/Total", "Int64", -5),
      metric("Inputs/Recipe", "String", "Größe 1"),
      metric("Outputs/Run", "Boolean", false),
      metric("Inputs/Unknown", "Double", null),
    ],
  };
}

const edge = client.newClient({
  serverUrl: url, username: "edge", password: "edge", groupId, edgeNode,
  clientId: `npm-${edgeNode}`, publishDeath: true, keepalive: 5,
});

function birth(event) {
  edge.publishNodeBirth(nodeBirth());
  edge.publishDeviceBirth(DEVICE, deviceBirth());
  say(event);
}

edge.on("birth", () => birth("birth"));
edge.on("error", (error) => say("error", { text: String(error) }));
edge.on("ncmd", (payload) => {
  const names = payload.metrics.map((one) => [one.name, one.value]);
  say("ncmd", { metrics: names });
  if (names.some(([name, value]) => name === "Node Control/Rebirth" && value)) birth("rebirth");
});
edge.on("dcmd", (device, payload) => {
  say("dcmd", { device, metrics: payload.metrics.map((one) => [one.name, one.value]) });
  const echo = payload.metrics.map((one) => changed(one.name, one.type, one.value));
  edge.publishDeviceData(device, { timestamp: Date.now(), metrics: echo });
});

const ACTIONS = {
  data: ({ metrics, compress }) => {
    const named = metrics.map((one) => changed(...one));
    const options = compress ? { compress: true, algorithm: compress } : {};
    edge.publishDeviceData(DEVICE, { timestamp: Date.now(), metrics: named }, options);
  },
  device_death: () => edge.publishDeviceDeath(DEVICE, { timestamp: Date.now() }),
  stop: () => edge.stop(),
  drop: () => edge.client.stream.destroy(), // as a broken cable: the broker sends the will
};

readline.createInterface({ input: process.stdin }).on("line", (line) => {
  const request = JSON.parse(line);
  ACTIONS[request.do](request);
  say("done", { of: request.do });
});
