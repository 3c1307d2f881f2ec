// The client that @whisperr/web exports: anonymous, identified, opted out and in, reset, and gone with events queued.
export default async function ({ api, key, open, problem }) {
  const page = await open("<h1>Pricing</h1>", { path: "/pricing?utm_source=newsletter" });
  await page.exposeFunction("problem", problem);
  await page.evaluate(
    async ({ api, key }) => {
      const { Whisperr } = await import("@whisperr/web");
      const onError = ({ message }) => window.problem(message);
      const whisperr = noting(Whisperr.init({ apiKey: key, baseUrl: api, onError }));
      if (!Whisperr.instance.ready) throw new Error("the client is not ready");
      whisperr.track("signup_started", { plan: "pro", coupon: null });
      await whisperr.flush();
      whisperr.identify("user_1", {
        email: "zoe@brightdesk.example",
        phone: "+14155550123",
        pushToken: "token",
        preferredChannel: "email",
        traits: { plan: "pro" },
      });
      whisperr.page("Pricing", { plan: "pro" });
      whisperr.track("plan_chosen", { plan: "pro" }, { experiment: "b" });
      history.pushState({}, "", "/docs");
      history.replaceState({}, "", "/docs/start");
      history.back();
      await new Promise((moved) => window.addEventListener("popstate", moved, { once: true }));
      whisperr.identify("user_1", {
        channels: [{ type: "sms", address: "+81312345678", optedIn: false, verified: true }],
      });
      await whisperr.flush();
      whisperr.optOut();
      whisperr.track("never_sent");
      whisperr.optIn();
      whisperr.track("opted_in_again");
      whisperr.reset();
      whisperr.track("anonymous_again");
      await whisperr.flush();
      whisperr.track("leaving");
    },
    { api, key },
  );
  await page.close();
}
