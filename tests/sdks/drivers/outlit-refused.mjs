// Two batches of @outlit/browser, each by its flush timer; the server has its way with the first one.
export default async function ({ api, key, open, arrived }) {
  const page = await open("<h1>Pricing</h1>", { path: "/pricing", heldClock: true });
  await page.evaluate(
    async ({ api, key }) => {
      window.outlit = await import("@outlit/browser");
      window.outlit.init({ publicKey: key, apiHost: api, trackEngagement: false });
      window.outlit.track("refused");
      window.outlit.track("kept");
    },
    { api, key },
  );
  await page.clock.runFor(6_000);
  await arrived(2);
  await page.evaluate(() => window.outlit.track("later"));
  await page.clock.runFor(6_000);
  await arrived(3);
  await page.clock.runFor(20_000); // time enough to send anything again
  await page.close();
}
