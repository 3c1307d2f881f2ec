// Every function of @outlit/core; what the builders build is posted with Node's fetch.
import * as exported from "@outlit/core";

export default async function ({ api, key, problem }) {
  const core = noting(exported);
  const url = "https://brightdesk.example/pricing?utm_source=newsletter&utm_campaign=spring";
  const page = { url, referrer: "" };
  const properties = { plan: "pro", seats: 5, trial: true, coupon: null };
  const fields = { email: "lea@corp.example", name: "Lea Dupré", password: "hunter2", card: "4111 1111 1111 1111" };
  const lead = core.extractIdentityFromForm(fields, new Map([["email", "email"]]));
  const sessionId = crypto.randomUUID();

  const browser = [
    core.buildPageviewEvent({ ...page, title: "Pricing" }),
    core.buildCustomEvent({ ...page, eventName: "plan_chosen", properties }),
    core.buildFormEvent({ ...page, formId: "contact", formFields: core.sanitizeFormFields(fields) }),
    core.buildIdentifyEvent({ ...page, email: lead.email, traits: { name: lead.name, customer: { plan: "pro" } } }),
    core.buildEngagementEvent({ ...page, activeTimeMs: 1200, totalTimeMs: 4500, sessionId }),
    core.buildCalendarEvent({ ...page, provider: "calendly" }),
    ...["activated", "engaged", "inactive"].map((stage) => core.buildStageEvent({ ...page, stage, properties })),
    ...["trialing", "paid", "churned"].map((status) =>
      core.buildBillingEvent({ ...page, status, domain: "corp.example", customerId: "cust_1", stripeCustomerId: "cus_1" }),
    ),
  ];
  const known = { email: lead.email, userId: "usr_1" };
  const server = { url: "server://usr_1" }; // its path comes out empty
  core.validateServerIdentity(undefined, known.email, known.userId);
  const identity = { __email: known.email, __userId: known.userId, __fingerprint: null };
  const backend = [
    core.buildIdentifyEvent({ ...server, ...known, fingerprint: "device_1" }),
    core.buildCustomEvent({ ...server, eventName: "payment_received", properties: identity }),
    core.buildStageEvent({ ...server, stage: "engaged", properties: identity }),
  ];
  const invitee = { inviteeEmail: lead.email, inviteeName: lead.name };
  const booking = core.buildCalendarEvent({
    ...server,
    ...invitee,
    provider: "cal.com",
    eventType: "30 Minute Demo",
    startTime: "2026-03-15T10:00:00Z",
    endTime: "2026-03-15T10:30:00Z",
    duration: 30,
    isRecurring: false,
  });
  const many = Array.from({ length: 250 }, () => core.buildCustomEvent({ ...page, eventName: "row_imported" }));

  const visitor = crypto.randomUUID();
  const payloads = [
    core.buildIngestPayload(visitor, "client", browser, known, sessionId),
    core.buildIngestPayload(undefined, "server", backend, undefined, undefined, "device_1"),
    core.buildIngestPayload(undefined, "integration", [booking]),
    ...core.batchEvents(many).map((events) => core.buildIngestPayload(visitor, "client", events)),
  ];
  for (const payload of payloads) {
    const reply = await fetch(`${api}/api/i/v1/${key}/events`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(payload),
    });
    const { success, processed } = await reply.json();
    if (!success || processed !== payload.events.length) problem(`${reply.status}, ${processed} processed`);
  }
  return {
    payloads: payloads.map(({ events }) => events.length),
    utilities: [
      core.extractPathFromUrl(url),
      core.extractUtmParams(url),
      core.findEmailField(fields),
      core.findNameFields(fields),
      core.isFieldDenied("card_number", exported.DEFAULT_DENIED_FORM_FIELDS),
      core.isValidEmail(lead.email),
    ],
  };
}
