// Reads a Logix controller with st-ethernet-ip: node st_ethernet_ip.js PORT; JSON on stdout
require("st-ethernet-ip/dist/config").EIP_PORT = Number(process.argv[2]);
const { Controller, Tag, Structure } = require("st-ethernet-ip");

async function main() {
  const plc = new Controller(true);
  await plc.connect("127.0.0.1", 0); // uploads tags and templates too
  const found = { name: plc.properties.name, tags: plc.tagList.map((tag) => tag.name), values: {} };
  const read = async (name, tag) => {
    await plc.readTag(tag);
    found.values[name] = typeof tag.value === "bigint" ? String(tag.value) : tag.value;
  };
  for (const name of ["Speed", "Small", "Middle", "Good", "Running", "Counts[9]", "Grid[2,3]", "Filler.Drive.Temp"]) {
    await read(name, new Tag(name));
  }
  await read("Program:Main.Step", new Tag("Step", "Main"));
  await read("Status.5", new Tag("Status.5"));
  const structure = new Structure("Filler", plc.state.tagList);
  await plc.readTag(structure);
  found.structure = structure.value;
  const text = new Structure("Recipe", plc.state.tagList);
  await plc.readTag(text);
  found.values.Recipe = text.value;
  const written = new Tag("Good");
  await plc.readTag(written);
  written.value = 4711;
  await plc.writeTag(written);
  console.log(JSON.stringify(found));
  process.exit(0);
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
