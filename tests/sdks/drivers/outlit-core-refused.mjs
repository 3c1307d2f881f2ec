// A batch of @outlit/core's builders, posted once; what a caller of its own would read is answered.
import { buildCustomEvent, buildIdentifyEvent, buildIngestPayload } from "@outlit/core";

export default async function ({ api, key }) {
  const page = { url: "https://brightdesk.example/pricing", referrer: "" };
  const events = [
    buildIdentifyEvent({ ...page, email: "jane@acme.example" }),
    buildCustomEvent({ ...page, eventName: "refused" }),
    buildCustomEvent({ ...page, eventName: "kept" }),
  ];
  const reply = await fetch(`${api}/api/i/v1/${key}/events`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(buildIngestPayload(crypto.randomUUID(), "client", events)),
  });
  return { status: reply.status, body: await reply.json() };
}
