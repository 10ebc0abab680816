// Makes a form's page more comfortable: fields come and go, mistakes show at
// once, uploads show how far they are. Everything is decided again by the server.
(() => {
  "use strict";
  const root = document.documentElement;
  root.classList.add("scripted");

  // The page around us is told how high we are, when it is one we know.
  const parentOrigin = document.body.dataset.parent;
  const tell = (more) => {
    if (parentOrigin && parent !== window) parent.postMessage({ type: "switchboard-form", form: document.body.dataset.form, height: root.offsetHeight, ...more }, parentOrigin);
  };
  if (parentOrigin) {
    new ResizeObserver(() => tell()).observe(document.body);
    tell({ moved: document.querySelector(".done, .summary:not([hidden])") !== null });
  }

  const form = document.querySelector("form[data-words]");
  if (!form) return;
  const words = JSON.parse(form.dataset.words);
  const limits = JSON.parse(form.dataset.limits);
  const say = (key, ...args) => args.reduce((s, a, i) => s.replaceAll("{" + i + "}", a), words[key] || key);
  const all = (selector, from = form) => [...from.querySelectorAll(selector)];

  const fields = all("[data-field]").map((box) => ({
    box,
    name: box.dataset.field,
    kind: box.dataset.kind,
    label: box.dataset.label,
    needed: box.dataset.needed === "true",
    when: box.dataset.when ? JSON.parse(box.dataset.when) : null,
    pattern: box.dataset.pattern,
    inputs: box.matches("input") ? [box] : all("[name]", box).filter((i) => i.name === box.dataset.field),
    kept: all("[name=_kept]", box),
    problem: box.querySelector(".problem"),
    shown: true,
  }));
  const named = new Map(fields.map((f) => [f.name, f]));

  // What a field holds, as the server gets it.
  const values = (f) => {
    switch (f.kind) {
      case "checkbox": return [String(f.inputs[0].checked)];
      case "choices": return f.inputs.filter((i) => i.checked).map((i) => i.value);
      case "file": return [...f.inputs[0].files].map((x) => x.name).concat(f.kept.filter((k) => k.checked).map(() => "kept"));
    }
    return f.inputs.map((i) => i.value.trim()).filter((v) => v !== "");
  };

  // The same decision as condition.go.
  const holds = (when) => {
    const on = named.get(when.field);
    if (!on || !on.shown) return false;
    const held = values(on);
    if (when.notEmpty) return on.kind === "checkbox" ? held[0] === "true" : held.length > 0;
    const same = on.kind === "number" ? (a, b) => a !== "" && Number(a) === Number(b) : (a, b) => a === b;
    return held.some((v) => when.in.some((w) => same(v, w)));
  };
  const show = () => {
    for (const f of fields) {
      f.shown = !f.when || holds(f.when);
      if (f.kind === "hidden") continue;
      f.box.hidden = !f.shown;
      for (const i of [...f.inputs, ...f.kept]) i.disabled = !f.shown;
      if (!f.shown) mark(f, "");
    }
  };

  // What is wrong with a field, in words; "" is nothing. The same as value.go.
  const length = (s) => [...s].length;
  const wrong = (f) => {
    if (!f.shown || f.kind === "hidden") return "";
    const held = values(f);
    const input = f.inputs[0];
    if (f.kind === "file") return wrongFiles(f, held);
    if (f.kind === "checkbox") return f.needed && held[0] !== "true" ? say("required checkbox") : "";
    if (input && input.validity && input.validity.badInput) return say(f.kind === "date" ? "date" : "number");
    if (held.length === 0) return f.needed ? say(f.kind === "choice" ? "required choice" : f.kind === "choices" ? "required choices" : "required") : "";
    const value = held[0];
    switch (f.kind) {
      case "email":
        if (!/^[^\s@]+@[^\s@]+$/.test(value) || input.validity.typeMismatch) return say("email");
        break;
      case "phone":
        if (!/^[\d +()\-/.#x\u00a0]+$/.test(value) || value.replace(/\D/g, "").length < 4 || value.replace(/\D/g, "").length > 21) return say("phone");
        break;
      case "number":
        if (input.min !== "" && Number(value) < Number(input.min)) return say("min", input.min);
        if (input.max !== "" && Number(value) > Number(input.max)) return say("max", input.max);
        break;
      case "date":
        if (input.min && value < input.min) return say("date min", input.min);
        if (input.max && value > input.max) return say("date max", input.max);
        break;
      case "text":
      case "longtext":
        if (input.maxLength > 0 && length(value) > input.maxLength) return say("long", input.maxLength);
    }
    if (f.pattern) {
      try {
        if (!new RegExp(f.pattern, "u").test(value)) return say("pattern");
      } catch {
        // the server knows more patterns than we do
      }
    }
    return "";
  };
  const wrongFiles = (f, held) => {
    if (held.length === 0) return f.needed ? say("required file") : "";
    const files = [...f.inputs[0].files];
    const accept = f.inputs[0].accept.split(",").filter((a) => a);
    for (const x of files) {
      if (x.size > limits.fileBytes) return say("file too large", x.name, limits.fileSize);
      if (x.size === 0) return say("file empty", x.name);
      if (accept.length > 0 && !accept.some((a) => x.name.toLowerCase().endsWith(a))) return say("file type", x.name);
    }
    const every = fields.filter((o) => o.kind === "file" && o.shown);
    if (every.reduce((n, o) => n + values(o).length, 0) > limits.files) return say("too many files", limits.files);
    if (every.reduce((n, o) => n + [...o.inputs[0].files].reduce((m, x) => m + x.size, 0), 0) > limits.totalBytes) return say("files too large", limits.totalSize);
    return "";
  };

  const mark = (f, text) => {
    if (!f.problem || f.problem.textContent === text) return;
    f.problem.textContent = text;
    f.box.classList.toggle("wrong", text !== "");
    for (const i of f.inputs) {
      if (text && f.kind !== "choices") i.setAttribute("aria-invalid", "true");
      else i.removeAttribute("aria-invalid");
    }
  };

  // The summary names every field that is wrong, takes the focus and leads there.
  const summary = document.getElementById("summary");
  const title = document.title.replace(new RegExp("^" + words.error + ": "), "");
  const report = (text, list) => {
    document.getElementById("summary-title").textContent = text;
    summary.querySelector("ul").replaceChildren(...list.map((f) => {
      const item = document.createElement("li");
      const link = document.createElement("a");
      link.href = "#" + place(f).id;
      link.textContent = f.label;
      item.append(link, " – " + f.problem.textContent);
      return item;
    }));
    summary.hidden = false;
    document.title = words.error + ": " + title;
    summary.focus();
    tell({ moved: true });
  };
  const place = (f) => f.box.querySelector("fieldset") || f.inputs[0];
  summary.addEventListener("click", (event) => {
    const link = event.target.closest("a");
    if (!link) return;
    event.preventDefault();
    const to = document.getElementById(link.hash.slice(1));
    to.focus();
    to.closest(".field").scrollIntoView({ block: "nearest" });
    // The Enter that followed the link must not send the form from its field.
    const swallow = (e) => e.preventDefault();
    const end = () => removeEventListener("keypress", swallow, true);
    addEventListener("keypress", swallow, true);
    addEventListener("keydown", end, { capture: true, once: true });
  });

  const find = (target) => fields.find((f) => f.inputs.includes(target) || f.kept.includes(target));
  form.addEventListener("input", (event) => {
    const f = find(event.target);
    if (f && f.problem && f.problem.textContent) mark(f, wrong(f));
    show();
  });
  form.addEventListener("change", (event) => {
    const f = find(event.target);
    show();
    if (f && (f.kind === "file" || values(f).length > 0)) mark(f, wrong(f));
  });

  form.noValidate = true;
  for (const f of fields) for (const i of f.inputs) if (f.needed && i.required !== undefined && f.kind !== "choices") i.setAttribute("aria-required", "true");
  const button = document.getElementById("send");
  const sending = document.getElementById("sending");
  const bar = document.getElementById("progress");
  const status = document.getElementById("progress-text");
  const busy = (on) => {
    button.disabled = on;
    sending.hidden = !on;
    if (on) {
      bar.removeAttribute("value");
      status.textContent = say("sending");
    }
  };

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (button.disabled) return;
    show();
    const bad = fields.filter((f) => {
      const text = wrong(f);
      mark(f, text);
      return text !== "";
    });
    if (bad.length > 0) {
      report(bad.length === 1 ? say("summary one") : say("summary", bad.length), bad);
      return;
    }
    send();
  });

  // A CAPTCHA's answer is good once. Once it was sent another is asked for, in the
  // way of the services that have one for that.
  const askAgain = () => {
    const drawn = form.querySelector("[data-sitekey]");
    if (!drawn) return;
    for (const service of [window.turnstile, window.hcaptcha, window.grecaptcha]) {
      try {
        if (service) service.reset(...(service === window.turnstile ? [drawn] : []));
      } catch {
        // it was not drawn yet, or by itself
      }
    }
  };

  const send = () => {
    const request = new XMLHttpRequest();
    request.open("POST", form.dataset.json);
    request.responseType = "json";
    const body = new FormData(form);
    busy(true);
    request.upload.addEventListener("progress", (event) => {
      if (!event.lengthComputable || event.total < 65536) return;
      const percent = Math.round((100 * event.loaded) / event.total);
      bar.value = percent;
      status.textContent = say("progress", percent);
    });
    request.addEventListener("load", () => {
      const answer = request.response || {};
      if (request.status === 202 && answer.url) {
        location.assign(answer.url);
        return;
      }
      busy(false);
      if (answer.token) form.elements._token.value = answer.token;
      const bad = [];
      for (const e of answer.errors || []) {
        const f = named.get(e.field);
        if (!f || !f.problem) continue;
        mark(f, e.message);
        bad.push(f);
      }
      if (bad.length === 0) askAgain(); // mistakes are found before the CAPTCHA is looked at
      report(answer.detail || say("generic"), bad);
    });
    for (const end of ["error", "abort", "timeout"]) {
      request.addEventListener(end, () => {
        busy(false);
        askAgain();
        report(say("network"), []);
      });
    }
    request.send(body);
  };

  // A page that comes back from the history is ready again.
  addEventListener("pageshow", (event) => {
    busy(false);
    if (event.persisted) askAgain();
    show();
  });
  show();
})();
