// Keeps the reader's place. After a swap that took away the focused element, the focus goes to the same
// place in the list (the next row's control), else to the part that was swapped. An error summary takes
// the focus when it appears.
(() => {
  "use strict";
  let lost = null;

  function controls(root) {
    return [...root.querySelectorAll("a[href], button:not([disabled]), input:not([type=hidden]), select, textarea")];
  }

  document.addEventListener("htmx:before:swap", () => {
    const active = document.activeElement;
    const part = active && active !== document.body ? active.closest("[id]:not(a, button, input, select, textarea)") : null;
    lost = part ? { active, id: active.id, part: part.id, place: controls(part).indexOf(active) } : null;
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
    const part = document.getElementById(lost.part);
    const left = part ? controls(part) : [];
    const target = same || left[Math.min(Math.max(lost.place, 0), left.length - 1)] || part;
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
