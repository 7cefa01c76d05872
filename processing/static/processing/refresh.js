// Fetches a part of the page again every few seconds and puts it in place; not while nobody looks, text is selected, or
// it is paused. Grey: it could not. Rows that were not there before are marked as new.
"use strict";
(() => {
  const PART = "[data-refresh-seconds]";
  const TOO_MANY = 429; // its answer says so, in place of the rows
  const part = () => document.querySelector(PART);
  const pause = document.querySelector("[data-refresh-pause]");
  const isPaused = () => pause?.getAttribute("aria-pressed") === "true";
  const rows = (within) => [...within.querySelectorAll("[data-id]")];
  let asking = false;

  const put = (found) => {
    const known = new Set(rows(part()).map((row) => row.dataset.id));
    for (const row of rows(found)) row.classList.toggle("new", !known.has(row.dataset.id));
    part().replaceWith(found);
  };
  const refresh = async () => {
    if (asking || document.hidden || isPaused() || !window.getSelection().isCollapsed) return;
    asking = true;
    try {
      const address = part().dataset.refreshUrl || location.href;
      const answer = await fetch(address, { credentials: "same-origin", redirect: "error" });
      if (!answer.ok && answer.status !== TOO_MANY) throw new Error(answer.status);
      const found = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector(PART);
      if (!isPaused()) put(found);
    } catch {
      part().classList.add("stale");
    } finally {
      asking = false;
    }
  };
  pause?.addEventListener("click", () => {
    pause.setAttribute("aria-pressed", String(!isPaused()));
    pause.textContent = isPaused() ? "Go on" : "Pause";
    refresh();
  });
  setInterval(refresh, Number(part().dataset.refreshSeconds) * 1000);
  document.addEventListener("visibilitychange", refresh);
})();
