// Shows a form of ours inside another page: a frame that is as high as the form.
(() => {
  "use strict";
  const settings = /*settings*/ {};
  const script = document.currentScript;
  if (!script || !script.src) return;

  const page = new URL(script.src);
  page.pathname = page.pathname.replace(/\/embed\.js$/, "");
  page.search = "";
  const fields = { ...script.dataset };
  const known = (l) => settings.languages.includes(l);
  const lang = [fields.lang, document.documentElement.lang.slice(0, 2)].find(known) || "";
  const target = fields.target ? document.querySelector(fields.target) : null;
  delete fields.lang;
  delete fields.target;
  for (const [name, value] of Object.entries(fields)) page.searchParams.set(name, value);
  if (lang) page.searchParams.set("lang", lang);
  const words = lang || settings.languages[0];
  const put = (node) => (target ? target.append(node) : script.after(node));

  if (!settings.origins.includes(location.origin)) {
    console.warn("This form does not name " + location.origin + " among its origins; it cannot be shown here.");
    const link = document.createElement("a");
    link.href = page.href;
    link.textContent = settings.open[words] + ": " + settings.title[words];
    put(link);
    return;
  }
  page.searchParams.set("embed", "1");
  page.searchParams.set("origin", location.origin);
  const frame = document.createElement("iframe");
  frame.src = page.href;
  frame.title = settings.title[words];
  frame.style.cssText = "display:block;width:100%;height:40rem;border:0";
  addEventListener("message", (event) => {
    if (event.source !== frame.contentWindow || event.origin !== page.origin) return;
    const message = event.data;
    if (!message || message.type !== "switchboard-form" || !Number.isFinite(message.height)) return;
    frame.style.height = Math.min(Math.max(Math.ceil(message.height), 100), 20000) + "px";
    if (message.moved) frame.scrollIntoView({ block: "nearest" });
  });
  put(frame);
})();
