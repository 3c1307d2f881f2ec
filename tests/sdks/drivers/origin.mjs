// The origin of the pages here, which a server may have to know before it starts.
export default async function ({ open }) {
  const page = await open("");
  return { origin: new URL(page.url()).origin };
}
