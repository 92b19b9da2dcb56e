// Load a node set into node-opcua, and print what it makes of one variable.
const { AddressSpace, nodesets } = require("node-opcua");
const { generateAddressSpace } = require("node-opcua-address-space/nodeJS");

async function main([file, uri, path]) {
  const space = AddressSpace.create();
  await generateAddressSpace(space, [nodesets.standard, file]);
  const node = space.findNode(`ns=${space.getNamespaceIndex(uri)};s=${path}`);
  const value = (name) => node.getPropertyByName(name).readValue().value.value;
  const unit = value("EngineeringUnits");
  const told = {
    type: node.typeDefinitionObj.browseName.name,
    owner: node.parent.typeDefinitionObj.browseName.name,
    range: [value("EURange").low, value("EURange").high],
    unit: [unit.unitId, unit.displayName.text],
  };
  console.log(JSON.stringify(told));
  space.dispose();
}

main(process.argv.slice(2)).catch((error) => {
  console.error(String(error));
  process.exit(1);
});
