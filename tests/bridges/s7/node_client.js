// Reads and writes a CPU with node-snap7, which is the real Snap7: node node_client.js PORT
// Prints one JSON object: what it read of DB10, and what our server answered to its requests.
const snap7 = require("node-snap7");

const client = new snap7.S7Client();
const said = (ok) => (ok === false ? client.ErrorText(client.LastError()) : "ok");
client.SetParam(client.RemotePort, Number(process.argv[2]));
const found = { connect: said(client.ConnectTo("127.0.0.1", 0, 1)) };
const block = client.DBRead(10, 0, 400);
found.real = block.readFloatBE(0);
found.int = block.readInt16BE(4);
found.bit = (block[6] >> 1) & 1;
found.text = block.toString("latin1", 12, 12 + block[11]);
const both = client.ReadMultiVars([
  { Area: client.S7AreaDB, WordLen: client.S7WLByte, DBNumber: 10, Start: 4, Amount: 2 },
  { Area: client.S7AreaDB, WordLen: client.S7WLByte, DBNumber: 11, Start: 0, Amount: 2 },
  { Area: client.S7AreaMK, WordLen: client.S7WLBit, DBNumber: 0, Start: 8 * 20 + 3, Amount: 1 },
]);
found.many = both.map((one) => (one.Result === 0 ? one.Data.toString("hex") : client.ErrorText(one.Result)));
const beyond = client.DBRead(10, 398, 4);
found.beyond = beyond === false ? client.ErrorText(client.LastError()) : "read";
found.write = said(client.DBWrite(10, 8, 2, Buffer.from([0x12, 0x34])));
found.writeBit = said(client.WriteArea(client.S7AreaMK, 0, 8 * 20 + 5, 1, client.S7WLBit, Buffer.from([1])));
found.state = client.PlcStatus() === false ? "not told" : "told";
client.Disconnect();
console.log(JSON.stringify(found));
