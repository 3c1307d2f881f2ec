// Runs clients of @whisperr/node: one JSON line in is a call to a client, one JSON line out its end. Many run at once;
// whoever writes the lines waits for an answer before it sends what comes after.
import { createInterface } from "node:readline";
import { createWhisperr } from "@whisperr/node";

class Client {
  errors = [];
  #whisperr;

  constructor({ api, key, flush_at, interval_ms, batch, retries, timeout_ms }) {
    this.#whisperr = createWhisperr({
      apiKey: key,
      baseUrl: api,
      flushAt: flush_at,
      flushIntervalMs: interval_ms,
      maxBatchSize: batch,
      maxRetries: retries,
      requestTimeoutMs: timeout_ms,
      onError: ({ type }) => this.errors.push(type),
    });
  }

  track({ events }) {
    for (const { type, n } of events) this.#whisperr.track("user_1", type, { n });
  }

  identify({ user }) {
    this.#whisperr.identify(user, { traits: { plan: "pro" } });
  }

  flush() {
    return this.#whisperr.flush();
  }

  shutdown() {
    return this.#whisperr.shutdown();
  }
}

const clients = new Map();

async function carryOut(order) {
  if (order.call === "open") clients.set(order.key, new Client(order));
  else await clients.get(order.key)[order.call](order);
  return { errors: clients.get(order.key).errors };
}

for await (const line of createInterface({ input: process.stdin })) {
  const order = JSON.parse(line);
  carryOut(order)
    .catch((error) => ({ failure: error.stack }))
    .then((told) => process.stdout.write(`${JSON.stringify({ id: order.id, ...told })}\n`));
}
