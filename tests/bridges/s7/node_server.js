// A Siemens CPU on node-snap7, which is the real Snap7: node node_server.js PORT
const snap7 = require("node-snap7");

const server = new snap7.S7Server();
const block = Buffer.alloc(400);
for (let at = 0; at < 50; at++) block.writeFloatBE(at * 1.5, at * 4);
block.writeInt16BE(-5, 200);
block[202] = 0b10;
block[210] = 20;
server.RegisterArea(server.srvAreaDB, 1, block);
server.RegisterArea(server.srvAreaDB, 2, Buffer.alloc(4000));
server.RegisterArea(server.srvAreaMK, Buffer.alloc(256));
server.RegisterArea(server.srvAreaPA, Buffer.alloc(256));
server.RegisterArea(server.srvAreaPE, Buffer.alloc(256));
server.SetParam(server.LocalPort, Number(process.argv[2]));
if (server.StartTo("127.0.0.1") === false) throw new Error(server.ErrorText(server.LastError()));
console.log("READY");
setInterval(() => server.ServerStatus(), 1000); // and keeps it from being collected
