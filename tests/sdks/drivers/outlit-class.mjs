// The class of @outlit/browser behind a consent banner: nothing before consent, nothing after it is withdrawn.
export default async function ({ api, key, open }) {
  const page = await open("<h1>Consent</h1>");
  await page.evaluate(
    async ({ api, key }) => {
      const { Outlit } = await import("@outlit/browser");
      const client = noting(new Outlit({ publicKey: key, apiHost: api, autoTrack: false }));
      if (client.isEnabled() || client.getVisitorId()) throw new Error("tracking before consent");
      client.setUser({ userId: "usr_1" }); // kept until tracking starts
      client.enableTracking();
      client.track("consent_given");
      client.identify({ email: "jane@acme.example" });
      client.user.identify({ userId: "usr_1", traits: { customer: { plan: "pro" } } });
      client.user.activate();
      client.user.engaged({ milestone: "first_project" });
      client.user.inactive();
      client.customer.trialing({ domain: "acme.example" });
      client.customer.paid({ domain: "acme.example", customerId: "cust_1", properties: { mrr: 99 } });
      client.customer.churned({ domain: "acme.example", stripeCustomerId: "cus_1" });
      client.clearUser();
      await client.flush();
      client.track("consent_withdrawn");
      await client.disableTracking();
    },
    { api, key },
  );
  await page.reload();
  await page.evaluate(
    async ({ api, key }) => {
      const { Outlit } = await import("@outlit/browser");
      const client = noting(new Outlit({ publicKey: key, apiHost: api }));
      if (client.isEnabled()) throw new Error("tracking although consent was withdrawn");
      client.enableTracking();
      client.track("consent_given_again");
      await client.shutdown();
    },
    { api, key },
  );
  await page.close();
}
