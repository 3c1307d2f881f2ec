// @whisperr/node, and its Express middleware.
import { createWhisperr } from "@whisperr/node";
import { whisperrExpress } from "@whisperr/node/express";

export default async function ({ api, key, problem }) {
  const client = createWhisperr({ apiKey: key, baseUrl: api, onError: ({ message }) => problem(message) });
  const whisperr = noting(client);

  whisperr.track("user_8842", "payment_failed", { amount_cents: 4900, reason: "card_declined", retry: null });
  whisperr.identify("user_9917", {
    traits: { plan: "pro", referrer: null, tags: ["design"], address: { city: "København" } },
    preferredChannel: "sms",
    channels: [
      { type: "email", address: "kenji@example.jp", verified: true },
      { type: "sms", address: "+81312345678", optedIn: false },
    ],
  });
  whisperr.track("user_9917", "trial_expired", {}, { region: "eu", $message_id: "overridden-by-the-sdk" });
  whisperr.identify("user_1", { email: "ada@acme.example", phone: "+14155550123", pushToken: "token" });
  await whisperr.flush();

  for (let n = 0; n < 1203; n++) whisperr.track("user_8842", "row_imported", { n }); // three requests: 500 at most
  await whisperr.flush();

  const request = { user: { id: "user_express" } };
  whisperrExpress(client)(request, {}, () => {});
  request.whisperr.track("plan_upgraded", { plan: "pro" });
  request.whisperr.identify({ traits: { plan: "pro" } });
  await whisperr.shutdown();
  return { ready: whisperr.ready };
}
