// The functions that @outlit/browser exports, the autocapture of a page that nothing configures, and its exit.
const html = `
<script>window.Cal = (_on, { callback }) => { window.calBooked = callback; };</script>
<form id="contact-form" onsubmit="event.preventDefault()">
  <input name="email" type="email"> <input name="name"> <input name="password" type="password">
  <textarea name="message"></textarea> <button>Send</button>
</form>`;

export default async function ({ api, key, open }) {
  const page = await open(html, { path: "/pricing?utm_source=google&utm_medium=cpc&plan=pro", heldClock: true });
  const visitor = await page.evaluate(
    async ({ api, key }) => {
      const outlit = noting(await import("@outlit/browser"));
      const properties = { plan: "pro", seats: 5, trial: true, coupon: null };
      const customer = { domain: "acme.example", customerId: "cust_1", stripeCustomerId: "cus_1" };
      outlit.init({ publicKey: key, apiHost: api });
      if (!outlit.isTrackingEnabled()) throw new Error("tracking is off");
      outlit.track("plan_chosen", properties);
      outlit.user().activate({ flow: "onboarding" }); // held back until somebody is known
      outlit.identify({ email: "jane@acme.example", userId: "usr_1", traits: { name: "Jane", seats: 5 } });
      outlit.customer().trialing({ ...customer, properties });
      outlit.clearUser();
      outlit.track("logged_out");
      outlit.setUser({ email: "joe@acme.example", traits: { plan: null } });
      window.calBooked({
        detail: {
          data: {
            uid: "booking_1",
            title: "30 Minute Demo between Ann Host and Bob Guest",
            startTime: "2026-03-15T10:00:00Z",
            endTime: "2026-03-15T10:30:00Z",
            isRecurring: false,
          },
        },
      });
      const booked = { event: "calendly.event_scheduled", payload: {} };
      window.dispatchEvent(new MessageEvent("message", { origin: "https://calendly.com", data: booked }));
      return outlit.getInstance().getVisitorId();
    },
    { api, key },
  );

  await page.fill("[name=email]", "lead@corp.example");
  await page.fill("[name=name]", "Lea Dupré");
  await page.fill("[name=password]", "hunter2");
  await page.fill("[name=message]", "Bonjour,\n👋");
  await page.click("button");

  await page.clock.runFor(1_000); // a page seen for less than 500 ms is not engagement
  await page.evaluate(() => history.pushState({}, "", "/docs"));
  await page.clock.runFor(10_000); // the new page's view, then the flush timer

  await page.evaluate(async () => {
    const outlit = noting(await import("@outlit/browser"));
    await outlit.disableTracking();
    outlit.enableTracking();
    outlit.track("leaving");
  });
  await page.clock.runFor(1_000);
  await page.close();
  return { visitor };
}
