// A small plant on node-opcua: node node_server.js PORT
const { OPCUAServer, DataType, VariantArrayType, StatusCodes, MessageSecurityMode, SecurityPolicy } = require("node-opcua");

async function main(port) {
  const server = new OPCUAServer({
    port,
    hostname: "127.0.0.1",
    resourcePath: "/UA/Plant",
    allowAnonymous: true,
    securityModes: [MessageSecurityMode.None, MessageSecurityMode.SignAndEncrypt],
    securityPolicies: [SecurityPolicy.None, SecurityPolicy.Basic256Sha256],
    serverCapabilities: { maxMonitoredItemsPerSubscription: 150, operationLimits: { maxMonitoredItemsPerCall: 50, maxNodesPerRead: 50, maxNodesPerWrite: 50 } },
  });
  await server.initialize();
  const space = server.engine.addressSpace;
  const plant = space.registerNamespace("urn:plant");
  const line = plant.addObject({ organizedBy: space.rootFolder.objects, browseName: "Line1" });
  const variable = (name, type, value, status = StatusCodes.Good) => {
    const node = plant.addVariable({
      componentOf: line, browseName: name, nodeId: `s=${name}`, dataType: type,
      minimumSamplingInterval: 0, accessLevel: "CurrentRead | CurrentWrite",
    });
    node.setValueFromSource({ dataType: DataType[type], arrayType: VariantArrayType.Scalar, value }, status);
    return node;
  };
  variable("Bool", "Boolean", true);
  variable("Int16", "Int16", -5);
  variable("UInt32", "UInt32", 4000000000);
  variable("Int64", "Int64", [0, 77]);
  variable("Float", "Float", 1.5);
  variable("String", "String", "Größe 1");
  variable("Setpoint", "Double", 1);
  variable("Bad", "Double", 1, StatusCodes.BadSensorFailure);
  variable("Uncertain", "Double", 2, StatusCodes.UncertainLastUsableValue);
  for (let n = 0; n < 200; n++) variable(`T${n}`, "Double", n);
  const counter = variable("Counter", "UInt32", 0);
  let count = 0;
  setInterval(() => counter.setValueFromSource({ dataType: DataType.UInt32, value: ++count }), 100);
  const lanes = plant.addVariable({
    componentOf: line, browseName: "Lanes", nodeId: "s=Lanes", dataType: "Double", valueRank: 1,
    arrayDimensions: [3], minimumSamplingInterval: 0, accessLevel: "CurrentRead | CurrentWrite",
  });
  lanes.setValueFromSource({
    dataType: DataType.Double, arrayType: VariantArrayType.Array, value: new Float64Array([1.5, 2.5, 3.5]),
  });
  const method = plant.addMethod(line, {
    browseName: "Scale", nodeId: "s=Scale",
    inputArguments: [
      { name: "factor", dataType: DataType.Int16 },
      { name: "word", dataType: DataType.String },
    ],
    outputArguments: [
      { name: "scaled", dataType: DataType.Double },
      { name: "words", dataType: DataType.String, valueRank: 1 },
    ],
  });
  method.bindMethod((inputs, context, done) => {
    if (inputs[0].value < 0) return done(null, { statusCode: StatusCodes.BadOutOfRange });
    done(null, {
      statusCode: StatusCodes.Good,
      outputArguments: [
        { dataType: DataType.Double, value: inputs[0].value * 1.5 },
        { dataType: DataType.String, arrayType: VariantArrayType.Array, value: [inputs[1].value, "ö"] },
      ],
    });
  });
  const past = variable("Past", "Double", 0);
  space.installHistoricalDataNode(past, { maxOnlineValues: 30000 });
  for (let n = 1; n <= 12000; n++) {
    past.setValueFromSource({ dataType: DataType.Double, value: n }, StatusCodes.Good, new Date(1767868200000 + n));
  }
  const counters = [...Array(100).keys()].map((n) => variable(`C${n}`, "UInt32", 0));
  // Ten steps a second, also after a stall, but never two between two samples: node-opcua takes
  // one every 50 ms at best, in a setImmediate, and would see one of them.
  let round = 0;
  let due = Date.now();
  const step = () => {
    round += 1;
    for (const one of counters) one.setValueFromSource({ dataType: DataType.UInt32, value: round });
    due += 100;
    setTimeout(() => setImmediate(step), Math.max(due - Date.now(), 80));
  };
  step();
  await server.start();
  console.log("READY");
}

main(Number(process.argv[2]));
