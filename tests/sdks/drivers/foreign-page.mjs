// What a page of another origin can do to the server: every way to its control surface, and one vendor request.
const outcomes = async ({ api, key }) => {
  const session = `${api}/_mock/sessions/${key}`;
  const attempt = (url, options) =>
    fetch(url, options).then(
      (reply) => `${reply.type} ${reply.status}`,
      (error) => error.name,
    );
  const step = JSON.stringify({ reply: { status: 503 } });
  const event = {
    external_user_id: "user_1",
    event_type: "page_viewed",
    occurred_at: new Date().toISOString(),
    context: { $message_id: key },
  };
  return {
    read: await attempt(session),
    readOpaquely: await attempt(session, { mode: "no-cors" }),
    readWithToken: await attempt(session, { headers: { Authorization: "Bearer secret" } }),
    forget: await attempt(session, { method: "DELETE" }),
    steer: await attempt(`${session}/faults`, { method: "POST", body: step }),
    steerOpaquely: await attempt(`${session}/faults`, { method: "POST", mode: "no-cors", body: step }),
    beacon: navigator.sendBeacon(`${session}/faults`, step),
    frame: await new Promise((loaded) => {
      const frame = document.createElement("iframe");
      frame.onload = () => loaded(frame.contentDocument ? "readable" : "hidden");
      frame.src = session;
      document.body.append(frame);
    }),
    track: await attempt(`${api}/v1/events/batch`, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-API-Key": key },
      body: JSON.stringify({ events: [event] }),
    }),
  };
};

/** A page of the origin that all pages here have, or, where `from` is another, the one that stands at its root. */
export default async function ({ api, key, from, open }) {
  const page = await open("<h1>Somebody's page</h1>");
  if (from) await page.goto(`${from}/`);
  return page.evaluate(outcomes, { api, key });
}
