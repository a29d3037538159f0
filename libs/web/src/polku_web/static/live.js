// Says in words whether the page is live, lets the reader pause it, and what to do when the session is over.
(() => {
  "use strict";
  const texts = document.getElementById("texts").dataset;
  const stream = document.getElementById("live");
  const state = document.querySelector(".connection .state");
  const pause = document.querySelector(".connection .pause");
  const STALE_MS = 60000;
  const FIRST_RETRY_MS = 3000;
  let paused = false;
  let ended = false;
  let broken = null;
  let updated = document.querySelector(".connection")?.dataset.rendered || "";

  function clock() {
    const options = { hour: "numeric", minute: "2-digit", timeZone: "Europe/Helsinki" };
    const lang = document.documentElement.lang;
    const text = new Date().toLocaleTimeString(lang === "en" ? "en-GB" : "fi-FI", options);
    return lang === "en" ? text : text.replace(":", ".");
  }

  function show(kind, text) {
    if (!state) return;
    state.hidden = false;
    state.dataset.state = kind;
    state.textContent = updated ? `${text} · ${texts.updated} ${updated}` : text;
  }

  function tell(text, link) {
    const notices = document.getElementById("notices");
    const note = document.createElement("p");
    note.className = "notice alert";
    note.textContent = `${text} `;
    if (link) {
      const anchor = document.createElement("a");
      anchor.href = `/referral/sign-in?next=${encodeURIComponent(location.pathname + location.search)}`;
      anchor.textContent = link;
      note.append(anchor);
    }
    notices.replaceChildren(note);
  }

  function end() {
    if (ended) return;
    ended = true;
    show("off", texts.ended);
    if (pause) pause.hidden = true;
    document.body.classList.add("stale");
    tell(texts.ended, texts.signIn);
  }

  function connected() {
    clearTimeout(broken);
    broken = null;
    document.body.classList.remove("stale");
    show(paused ? "off" : "live", paused ? texts.paused : texts.connected);
  }

  function reconnecting() {
    if (ended) return;
    show("waiting", texts.reconnecting);
    broken ||= setTimeout(() => document.body.classList.add("stale"), STALE_MS);
  }

  function isLivePart(element) {
    return element instanceof Element && element.hasAttribute("data-live");
  }

  // The extension reconnects by itself, but not when the very first try fails.
  function connectLater() {
    if (!ended) setTimeout(() => htmx.trigger(stream, "polku:connect"), FIRST_RETRY_MS);
  }

  // This runs before htmx does; without htmx there is nothing to pause.
  document.addEventListener("DOMContentLoaded", () => {
    if (!stream || !pause || !window.htmx) return;
    pause.hidden = false;
    pause.textContent = texts.pause;
    pause.addEventListener("click", () => {
      paused = !paused;
      pause.setAttribute("aria-pressed", String(paused));
      pause.textContent = paused ? texts.resume : texts.pause;
      show(paused ? "off" : "live", paused ? texts.paused : texts.connected);
      // What came meanwhile is fetched at once.
      if (!paused) htmx.trigger(stream, "polku:reset");
    });
  });

  document.addEventListener("htmx:sse:after:connection", connected);
  document.addEventListener("htmx:sse:before:connection", (event) => {
    if (ended) event.preventDefault();
    else if (event.detail.connection.attempt > 0) reconnecting();
  });
  document.addEventListener("htmx:sse:error", (event) => {
    if (event.detail.status === 401) end();
    else reconnecting();
  });
  // Only parts that renew themselves wait while paused; what the reader does always goes through.
  document.addEventListener("htmx:before:request", (event) => {
    const source = event.detail.ctx?.sourceElement;
    if (isLivePart(source) && (paused || ended)) event.preventDefault();
  });
  document.addEventListener("htmx:after:request", (event) => {
    const { ctx } = event.detail;
    const status = ctx?.response?.raw?.status ?? ctx?.response?.status ?? 0;
    if (status === 401) end();
    else if (ctx?.sourceElement === stream && status >= 400) {
      reconnecting();
      connectLater();
    } else if (status >= 500 && !isLivePart(ctx.sourceElement)) tell(texts.failed);
    else if (status === 200 && isLivePart(ctx.sourceElement)) {
      updated = clock();
      if (!paused && !ended && !broken) show("live", texts.connected);
    }
  });
  document.addEventListener("htmx:error", (event) => {
    const source = event.detail.ctx?.sourceElement;
    if (source === stream) {
      reconnecting();
      connectLater();
    } else if (isLivePart(source)) reconnecting();
    else tell(texts.failed);
  });
})();
