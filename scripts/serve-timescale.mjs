// The full edition of TimescaleDB for a test: PGlite (PostgreSQL in WebAssembly), on a free port of the loopback address.
// One session, so one client at a time; its port is printed. tests/integration/test_compression.py fetches and starts it.
//   node serve-timescale.mjs FOLDER_OF_THE_PACKAGE
import { constants } from "node:fs";
import { createServer } from "node:net";
import { pathToFileURL } from "node:url";

// Node's permissions, which keep a foreign package to its folder, refuse this; Emscripten asks it for these alone.
process.binding = () => ({ fs: constants });
const folder = pathToFileURL(`${process.argv[2]}/dist/`);
const { PGlite } = await import(new URL("index.js", folder));
const { timescaledb } = await import(new URL("timescaledb/index.js", folder));
const database = await PGlite.create({ extensions: { timescaledb } });
await database.exec("CREATE EXTENSION timescaledb");

const SSL = 80877103, GSS = 80877104, TERMINATE = 0x58;
const PARAMETERS = {
  server_version: "17.5", server_encoding: "UTF8", client_encoding: "UTF8", DateStyle: "ISO, MDY", TimeZone: "UTC",
  integer_datetimes: "on", standard_conforming_strings: "on", IntervalStyle: "postgres",
};

function message(type, body) {
  const head = Buffer.alloc(5);
  head.write(type);
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}

// The session exists already and trusts us: whoever comes is greeted.
const greeting = Buffer.concat([
  message("R", Buffer.alloc(4)),
  ...Object.entries(PARAMETERS).map(([name, value]) => message("S", Buffer.from(`${name}\0${value}\0`))),
  message("K", Buffer.alloc(8)),
  message("Z", Buffer.from("I")),
]);

// What the session of a client would have taken with it.
async function forget() {
  for (const statement of ["ROLLBACK", "DISCARD ALL", "SET search_path TO public"]) await database.exec(statement);
}

// One after the other, whoever they come from.
let turn = Promise.resolve();
const next = (work) => (turn = turn.then(work, work));

createServer((client) => {
  let waiting = Buffer.alloc(0), isGreeted = false;

  function take() {
    const at = isGreeted ? 1 : 0;
    if (waiting.length < at + 4) return null;
    const length = waiting.readInt32BE(at) + at;
    if (waiting.length < length) return null;
    const taken = waiting.subarray(0, length);
    waiting = waiting.subarray(length);
    return taken;
  }

  async function answer() {
    for (let taken = take(); taken; taken = take()) {
      if (isGreeted && taken[0] === TERMINATE) client.end();
      else if (isGreeted) client.write(await database.execProtocolRaw(taken));
      else if ([SSL, GSS].includes(taken.readInt32BE(4))) client.write("N");
      else (isGreeted = true) && client.write(greeting);
    }
  }

  client.on("data", (data) => {
    waiting = Buffer.concat([waiting, data]);
    next(answer);
  });
  client.on("error", () => client.destroy());
  client.on("close", () => next(forget));
}).listen(0, "127.0.0.1", function () {
  console.log(this.address().port);
});
