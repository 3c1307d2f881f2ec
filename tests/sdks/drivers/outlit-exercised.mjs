// @outlit/browser on a page of a shop, for a score: what it sends by itself and what it is told to, and the time to try
// again. The clock of the page is held, so that half a minute takes none.
const html = `
<script>window.Cal = (_on, { callback }) => { window.calBooked = callback; };</script>
<form id="contact-form" onsubmit="event.preventDefault()">
  <input name="email" type="email"> <input name="password" type="password"> <button>Send</button>
</form>`;

export default async function ({ api, key, open, quiet }) {
  const page = await open(html, { path: "/pricing?utm_source=google&plan=pro", heldClock: true });
  await page.evaluate(
    async ({ api, key }) => {
      const outlit = await import("@outlit/browser");
      outlit.init({ publicKey: key, apiHost: api });
      outlit.track("plan_chosen", { plan: "pro", seats: 5 });
      outlit.identify({ email: "jane@acme.example", userId: "usr_1", traits: { name: "Jane" } });
      outlit.user().activate({ flow: "onboarding" });
      const title = "30 Minute Demo between Ann Host and Bob Guest";
      const times = { startTime: "2026-03-15T10:00:00Z", endTime: "2026-03-15T10:30:00Z" };
      window.calBooked({ detail: { data: { uid: "booking_1", title, ...times, isRecurring: false } } });
    },
    { api, key },
  );
  await page.fill("[name=email]", "lead@corp.example");
  await page.fill("[name=password]", "hunter2");
  await page.click("button");
  await page.clock.runFor(6_000); // the flush timer
  await quiet();

  await page.evaluate(async () => {
    const outlit = await import("@outlit/browser");
    history.pushState({}, "", "/docs");
    outlit.track("docs_opened");
    outlit.track("docs_searched", { words: 2 });
  });
  await page.clock.runFor(30_000); // time to send what failed once more
  await quiet();
  await page.close();
  await quiet();
}
