// The script tag of @whisperr/web, as its README has it but for the address: calls before the script arrives wait.
const snippet = (key, api) => `<script>
!function(){var w=window.whisperr=window.whisperr||[];w._opts={};w.load=function(k,o){w._key=k;w._opts=o||{};
var s=document.createElement("script");s.async=1;s.src="/node_modules/@whisperr/web/dist/whisperr.global.js";
document.head.appendChild(s)};["identify","track","page","flush","reset","optIn","optOut"].forEach(function(m){
w[m]=function(){w.push([m].concat([].slice.call(arguments)))}})}();
whisperr.load("${key}", { baseUrl: "${api}" });
const early = noting(whisperr);
early.optOut();
early.optIn();
early.track("early_bird");
early.identify("user_1", { traits: { plan: "pro" } });
early.page("Pricing");
early.reset();
early.track("anonymous_again");
early.flush();
</script>`;

export default async function ({ api, key, open }) {
  const page = await open(snippet(key, api));
  await page.evaluate(async () => {
    await window.whisperr.flush();
    window.whisperr.track("leaving");
  });
  await page.goto("about:blank");
}
