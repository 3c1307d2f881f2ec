// The script tag of @outlit/browser, in real time: its own flush timer, and the beacon of a page that is left.
export default async function ({ api, key, open, arrived }) {
  const page = await open(
    `<script>window.outlit = { _q: [["track", ["before_the_script"]], ["user.activate", []]] };</script>
     <script src="/node_modules/@outlit/browser/dist/outlit.global.js"
             data-public-key="${key}" data-api-host="${api}"></script>`,
  );
  const methods = await page.evaluate(async () => {
    const outlit = noting(window.outlit);
    const customer = { domain: "acme.example" };
    await outlit.disableTracking();
    outlit.enableTracking();
    if (!outlit.isTrackingEnabled() || !outlit.getVisitorId()) throw new Error("tracking is off");
    outlit.setUser({ email: "jane@acme.example" });
    outlit.clearUser();
    outlit.identify({ userId: "usr_1" });
    outlit.track("plan_chosen", { plan: "pro" });
    outlit.user.identify({ email: "jane@acme.example" });
    outlit.user.activate();
    outlit.user.engaged();
    outlit.user.inactive();
    outlit.customer.trialing(customer);
    outlit.customer.paid(customer);
    outlit.customer.churned(customer);
    const names = (object) => Object.keys(object).filter((name) => typeof object[name] === "function");
    return [
      ...names(window.outlit),
      ...["user", "customer"].flatMap((space) => names(window.outlit[space]).map((name) => `${space}.${name}`)),
    ];
  });
  await arrived(13); // the last of them by the timer, after five seconds
  await page.evaluate(() => window.outlit.track("leaving"));
  await page.goto("about:blank");
  return { methods };
}
