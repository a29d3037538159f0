// Keeps the reader's place. After a swap that took away the focused element, the focus goes to the same
// place in the list (the next row's control), else to the part that was swapped. An error summary takes
// the focus when it appears.
(() => {
  "use strict";
  let lost = null;

  function controls(root) {
    return [...root.querySelectorAll("a[href], button:not([disabled]), input:not([type=hidden]), select, textarea")];
  }

  function ancestors(element) {
    const found = [];
    for (let part = element.parentElement; part; part = part.parentElement) {
      if (part.id) found.push({ id: part.id, place: controls(part).indexOf(element) });
    }
    return found;
  }

  document.addEventListener("htmx:before:swap", () => {
    const active = document.activeElement;
    lost = active && active !== document.body ? { active, id: active.id, parts: ancestors(active) } : null;
  });

  document.addEventListener("htmx:after:swap", () => {
    const summary = document.querySelector("[data-focus]");
    if (summary && !summary.dataset.seen) {
      summary.dataset.seen = "1";
      summary.focus();
      return;
    }
    if (!lost || (lost.active.isConnected && document.activeElement === lost.active)) return;
    const same = lost.id && document.getElementById(lost.id);
    // The innermost part that is still there; its row may have gone with the control.
    const kept = lost.parts.find(({ id }) => document.getElementById(id));
    const part = kept && document.getElementById(kept.id);
    const left = part ? controls(part) : [];
    const target = same || left[Math.min(Math.max(kept?.place ?? 0, 0), left.length - 1)] || part;
    if (target) {
      if (target === part && !part.hasAttribute("tabindex")) part.tabIndex = -1;
      target.focus({ preventScroll: true });
    }
    lost = null;
  });

  const summary = document.querySelector("[data-focus]");
  if (summary) {
    summary.dataset.seen = "1";
    summary.focus();
  }
})();
