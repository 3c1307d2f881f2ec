// What a page of another origin learns of a request that is too long for the server.
const outcome = async (url) => ({ status: (await fetch(url, { credentials: "include" })).status });

export default async function ({ api, open }) {
  const page = await open("");
  return page.evaluate(outcome, `${api}/?q=${"a".repeat(20_000)}`);
}
