// Fetches the page again every few seconds and puts its part in place; not while nobody looks. Grey: it could not.
"use strict";
(() => {
  const part = () => document.getElementById("pipeline");
  const every = Number(part().dataset.refreshSeconds) * 1000;
  const refresh = async () => {
    if (document.hidden || !window.getSelection().isCollapsed) return;
    try {
      const answer = await fetch(location.href, { credentials: "same-origin", redirect: "error" });
      if (!answer.ok) throw new Error(answer.status);
      const found = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("pipeline");
      part().replaceWith(found);
    } catch {
      part().classList.add("stale");
    }
  };
  setInterval(refresh, every);
  document.addEventListener("visibilitychange", refresh);
})();
