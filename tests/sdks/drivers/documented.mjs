// A page that the documentation shows: opened, and left again.
export default async function ({ html, open }) {
  const page = await open(html);
  await page.goto("about:blank");
}
