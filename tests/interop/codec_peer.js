// The npm package sparkplug-payload on a pipe: a JSON request on each line in, an answer on each out.
//   {"do": "encode", "payload": {…}}  ->  {"hex": "…"}
//   {"do": "decode", "hex": "…"}      ->  {"payload": {…}} or {"error": "…"}
// What JSON cannot say: {"$int": "12"}, {"$hex": "0aff"}, {"$float": "NaN"}, {"$undefined": true}.
"use strict";
const readline = require("readline");
const pako = require("pako");
const Long = require("long");
const codec = require("sparkplug-payload").get("spBv1.0");

function plain(value) {
  if (value === undefined) return { $undefined: true };
  if (Long.isLong(value)) return { $int: value.toString() };
  if (value instanceof Uint8Array) return { $hex: Buffer.from(value).toString("hex") };
  if (typeof value === "number" && !Number.isFinite(value)) return { $float: String(value) };
  if (Array.isArray(value)) return value.map(plain);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, plain(entry)]));
}

function rich(value) {
  if (Array.isArray(value)) return value.map(rich);
  if (value === null || typeof value !== "object") return value;
  if ("$int" in value) return Long.fromString(value.$int, !value.$int.startsWith("-"));
  if ("$hex" in value) return Buffer.from(value.$hex, "hex");
  if ("$float" in value) return Number(value.$float);
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, rich(entry)]));
}

// sparkplug-payload knows no envelopes; sparkplug-client and Node-RED open them with pako, thus
function decode(bytes) {
  const payload = codec.decodePayload(bytes);
  if (payload.uuid !== "SPBV1.0_COMPRESSED") return payload;
  const algorithm = (payload.metrics || []).find((metric) => metric.name === "algorithm");
  const open = algorithm && algorithm.value === "GZIP" ? pako.ungzip : pako.inflate;
  return { ...codec.decodePayload(open(payload.body)), envelope: algorithm ? algorithm.value : "DEFLATE" };
}

const ACTIONS = {
  encode: (request) => ({ hex: Buffer.from(codec.encodePayload(rich(request.payload))).toString("hex") }),
  decode: (request) => ({ payload: plain(decode(Buffer.from(request.hex, "hex"))) }),
};

readline.createInterface({ input: process.stdin }).on("line", (line) => {
  const request = JSON.parse(line);
  let answer;
  try {
    answer = ACTIONS[request.do](request);
  } catch (error) {
    answer = { error: String(error) };
  }
  process.stdout.write(JSON.stringify(answer) + "\n");
});
