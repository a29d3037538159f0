// Fills <… data-person="ID"> with names that the reader may see, asked from the referral service in one go.
// When it does not answer, people stay shown by their case codes, and one polite note says so.
(() => {
  "use strict";
  const BATCH = 100;
  const known = new Map();
  const pending = new Set();
  let timer = null;
  let told = false;

  function fill() {
    for (const element of document.querySelectorAll("[data-person]")) {
      const id = element.dataset.person;
      if (!id) continue;
      if (known.has(id)) {
        const name = known.get(id);
        if (element.textContent !== name) element.textContent = name;
      } else {
        pending.add(id);
      }
    }
    if (pending.size && !timer) timer = setTimeout(ask, 30);
  }

  async function ask() {
    timer = null;
    const ids = [...pending].slice(0, BATCH);
    ids.forEach((id) => pending.delete(id));
    const query = new URLSearchParams(ids.map((id) => ["person", id]));
    try {
      const answer = await fetch(`/referral/api/v1/names?${query}`, {
        headers: { Accept: "application/json" },
        signal: AbortSignal.timeout(5000),
      });
      if (!answer.ok) throw new Error(String(answer.status));
      const { names } = await answer.json();
      for (const id of ids) known.set(id, names[id] || "");
    } catch {
      // Not asked again for these on this page load: the case codes are there already.
      ids.forEach((id) => known.set(id, ""));
      tell();
    }
    fill();
  }

  function tell() {
    const notices = document.getElementById("notices");
    if (told || !notices) return;
    told = true;
    const note = document.createElement("p");
    note.className = "notice";
    note.textContent = document.getElementById("texts").dataset.names;
    notices.append(note);
  }

  document.addEventListener("htmx:after:swap", fill);
  fill();
})();
