// Plays golden cases and corpus lines against a running mockserver, as fixtures/README.md says. No dependencies.
//
//   node consumer.mjs URL FILE...
//
// Prints each difference and a last line with counts; the exit code is 1 if there are differences, 2 if it cannot play.

import { readFileSync } from "node:fs";
import http from "node:http";

const CLOCK = "2026-06-14T12:00:02.000Z";
const AT_ONCE = 8;

const [base, ...files] = process.argv.slice(2);
const { hostname, port } = new URL(base);
const agent = new http.Agent({ keepAlive: true, maxSockets: AT_ONCE });

function send(method, path, headers, body) {
  return new Promise((resolve, reject) => {
    const length = body.length ? { "content-length": body.length } : {};
    const options = { agent, hostname, port, method, path, headers: { ...headers, ...length } };
    const request = http.request(options, (reply) => {
      const chunks = [];
      reply.on("data", (chunk) => chunks.push(chunk));
      reply.on("error", reject);
      reply.on("end", () => resolve({ status: reply.statusCode, headers: reply.headers, text: Buffer.concat(chunks).toString() }));
    });
    request.on("error", reject);
    request.end(body);
  });
}

async function control(method, path, value) {
  const body = value === undefined ? Buffer.alloc(0) : Buffer.from(JSON.stringify(value));
  const reply = await send(method, path, { "content-type": "application/json" }, body);
  if (reply.status !== (method === "DELETE" ? 204 : 200)) throw new Error(`${method} ${path}: ${reply.status} ${reply.text}`);
  return reply.text && JSON.parse(reply.text);
}

// Notation

const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

function expand(value, copy) {
  if (typeof value === "string") return copy === undefined ? value : value.replaceAll("${i}", String(copy));
  if (Array.isArray(value)) {
    const repeat = value.length === 1 && isObject(value[0]) && value[0].$repeat;
    if (repeat) return Array.from({ length: repeat.times }, (_, number) => expand(repeat.value, number));
    return value.map((item) => expand(item, copy));
  }
  if (!isObject(value)) return value;
  if (Object.hasOwn(value, "$repeat")) return value.$repeat.text.repeat(value.$repeat.times);
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, expand(member, copy)]));
}

// Compare

function* differences(expected, got, place) {
  const told = () => `${place}: expected ${JSON.stringify(expected)}, got ${JSON.stringify(got)}`.slice(0, 500);
  if (isObject(expected) && Object.hasOwn(expected, "$match")) {
    if (typeof got !== "string" || !new RegExp(`^(?:${expected.$match})$`, "u").test(got)) yield told();
  } else if (isObject(expected) && Object.hasOwn(expected, "$number")) {
    if (typeof got !== "number") yield told();
  } else if (isObject(expected) && isObject(got)) {
    for (const name of new Set([...Object.keys(expected), ...Object.keys(got)])) {
      const inner = `${place}/${name}`;
      if (!Object.hasOwn(got, name)) yield `${inner}: missing`;
      else if (!Object.hasOwn(expected, name)) yield `${inner}: unexpected`;
      else yield* differences(expected[name], got[name], inner);
    }
  } else if (Array.isArray(expected) && Array.isArray(got) && expected.length === got.length) {
    for (const [index, item] of expected.entries()) yield* differences(item, got[index], `${place}/${index}`);
  } else if (expected !== got) yield told();
}

function* replyDifferences(expect, reply) {
  yield* differences(expect.status, reply.status, "/status");
  for (const [name, value] of Object.entries(expect.headers ?? {})) {
    const got = reply.headers[name.toLowerCase()] ?? null;
    yield* differences(value, got, `/headers/${name}`);
  }
  if (expect.text !== undefined) yield* differences(expand(expect.text), reply.text, "/text");
  if (expect.json === undefined) return;
  let body;
  try {
    body = JSON.parse(reply.text);
  } catch {
    yield `/json: not JSON: ${reply.text.slice(0, 300)}`;
    return;
  }
  yield* differences(expand(expect.json), body, "/json");
}

function* rowDifferences(expected, rows) {
  yield* differences(expected.length, rows.length, "/events");
  for (const [index, event] of expected.entries()) {
    const row = rows[index] ?? {};
    yield* differences(event.type, row.type, `/events/${index}/type`);
    yield* differences(event.verdict, row.verdict, `/events/${index}/verdict`);
    if (event.stored !== undefined) yield* differences(event.stored, row.stored, `/events/${index}/stored`);
    if (event.findings !== undefined) {
      const errors = (row.findings ?? []).filter((finding) => finding.severity === "error");
      const pointers = [...new Set(errors.map((finding) => finding.pointer))].sort();
      yield* differences([...event.findings].sort(), pointers, `/events/${index}/findings`);
    }
  }
}

// Play

function bodyOf(request) {
  if (request.json !== undefined) return Buffer.from(JSON.stringify(expand(request.json)));
  if (request.text !== undefined) return Buffer.from(expand(request.text));
  return Buffer.from(request.base64 ?? "", "base64");
}

async function play(entry, session) {
  const found = [];
  const own = `/_mock/sessions/${encodeURIComponent(session)}`;
  const { revision, patch } = entry;
  const protocols = revision || patch ? { protocols: { [entry.protocol]: { revision, patch } } } : {};
  await control("PATCH", own, { ...entry.settings, ...protocols });
  await control("PUT", `${own}/clock`, { now: entry.clock ?? CLOCK, frozen: true });
  const before = (entry.before ?? []).map((request) => ({ request }));
  const steps = entry.steps ?? [...before, { request: entry.request, expect: entry.expect }];
  let seq = 0;
  for (const [number, step] of steps.entries()) {
    if (step.advance_ms !== undefined) {
      await control("POST", `${own}/clock/advance`, { ms: step.advance_ms });
      continue;
    }
    const { method = "POST", path, json } = step.request;
    const headers = step.request.headers ?? (json === undefined ? {} : { "content-type": "application/json" });
    const reply = await send(method, `/_mock/s/${encodeURIComponent(session)}${path}`, headers, bodyOf(step.request));
    const told = step.expect ? [...replyDifferences(step.expect, reply)] : [];
    if (entry.steps) {
      const { events } = await control("GET", `${own}/events?limit=10000&after=${seq}`);
      seq = events.at(-1)?.seq ?? seq;
      if (step.expect.events) told.push(...rowDifferences(expand(step.expect.events), events));
    }
    found.push(...told.map((difference) => `step ${number} ${difference}`));
  }
  if (entry.stored !== undefined) {
    const { counts } = await control("GET", own);
    found.push(...differences(entry.stored, counts.accepted, "/stored"));
  }
  await control("DELETE", own);
  return found;
}

function* entries() {
  for (const file of files) {
    for (const [index, text] of readFileSync(file, "utf8").split("\n").entries()) {
      if (text.trim()) yield { place: `${file}:${index + 1}`, text };
    }
  }
}

let played = 0;
let wrong = 0;

async function worker(queue) {
  for (const { place, text } of queue) {
    const entry = JSON.parse(text);
    const found = await play(entry, `consumer-${played++}`);
    wrong += found.length > 0;
    for (const difference of found) console.log(`${place} ${entry.case ?? entry.operation}: ${difference}`);
  }
}

try {
  const queue = entries();
  await Promise.all(Array.from({ length: AT_ONCE }, () => worker(queue)));
  console.log(`${played} played, ${wrong} wrong`);
  process.exitCode = played === 0 ? 2 : wrong ? 1 : 0;
} catch (error) {
  console.error(error.message);
  process.exitCode = 2;
} finally {
  agent.destroy();
}
