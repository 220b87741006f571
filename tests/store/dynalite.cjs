// A DynamoDB that lives in one process, from the package dynalite. Prints its port; ends when its input is closed, so that it
// cannot outlive whoever started it.
const server = require("dynalite")({ createTableMs: 0, deleteTableMs: 0, updateTableMs: 0 });
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
process.stdin.on("end", () => process.exit(0)).resume();
