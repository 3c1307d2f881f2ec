// Tells which bodies ajv, strict, takes: reads {schemas, lines} on stdin, each line names its schema.
import { readFileSync } from "node:fs";
import Ajv from "ajv/dist/2020.js";
import addFormats from "ajv-formats";

const { schemas, lines } = JSON.parse(readFileSync(0, "utf8"));
const ajv = new Ajv.default({ strict: true });
addFormats.default(ajv);
const judges = Object.fromEntries(Object.entries(schemas).map(([name, schema]) => [name, ajv.compile(schema)]));
process.stdout.write(JSON.stringify(lines.map(({ schema, body }) => judges[schema](body))));
