// @whisperr/web 0.1.0: event type "$pageview", no $message_id, channels with `type`.
export default async function ({ api, key, open }) {
  const page = await open("<h1>Pricing</h1>");
  const identified = page.waitForResponse(`${api}/v1/identify`);
  await page.evaluate(
    async ({ api, key }) => {
      const { Whisperr } = await import("whisperr-web-0.1.0");
      const whisperr = Whisperr.init({ apiKey: key, baseUrl: api });
      whisperr.track("signup_started", { plan: "pro" }); // held back, like the page view, until identify
      whisperr.identify("user_1", { email: "zoe@brightdesk.example" });
    },
    { api, key },
  );
  await identified;
  await page.close();
}
