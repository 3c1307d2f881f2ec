// The control surface from a page of its own origin, with tokens right, wrong and absent.
export default async function ({ api, key, token, open }) {
  const page = await open("");
  await page.goto(`${api}/`);
  return page.evaluate(
    async ({ session, token }) => {
      const status = async (headers) => (await fetch(session, { headers })).status;
      return {
        none: await status({}),
        wrong: await status({ Authorization: `Bearer not-${token}` }),
        otherScheme: await status({ Authorization: `Basic ${btoa(`:${token}`)}` }),
        right: await status({ Authorization: `Bearer ${token}` }),
      };
    },
    { session: `/_mock/sessions/${key}`, token },
  );
}
