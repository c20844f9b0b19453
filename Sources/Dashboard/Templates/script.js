(() => {
  "use strict";
  const address = document.body.dataset.stream;
  const state = document.getElementById("state");
  if (!address || !state || !window.EventSource) return;
  let stream, again, heard = Date.now(), isOver = false, pressed = null;
  const waiting = new Map();

  // Puts a part in its place; who has the focus keeps it. What is being selected or pressed stays for now: a press whose
  // element goes before the release is no click.
  const show = (name, html) => {
    const place = document.getElementById(name);
    if (!place) return;
    const selection = document.getSelection();
    const isSelected = selection && !selection.isCollapsed && place.contains(selection.anchorNode);
    if (isSelected || place.contains(pressed)) return waiting.set(name, html);
    waiting.delete(name);
    const focused = place.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    place.innerHTML = html;
    if (!focused) return;
    for (const link of place.querySelectorAll("a")) {
      if (link.getAttribute("href") === focused) return link.focus({ preventScroll: true });
    }
  };
  const showWaiting = () => { for (const [name, html] of [...waiting]) show(name, html); };
  document.addEventListener("selectionchange", () => { if (document.getSelection().isCollapsed) showWaiting(); });
  document.addEventListener("pointerdown", (event) => { pressed = event.target; });
  // The click comes after the release.
  for (const end of ["pointerup", "pointercancel"]) {
    document.addEventListener(end, () => setTimeout(() => { pressed = null; showWaiting(); }));
  }

  const open = () => {
    clearTimeout(again);
    stream = new EventSource(address);
    stream.addEventListener("fragment", (event) => {
      const end = event.data.indexOf("\n");
      show(event.data.slice(0, end), event.data.slice(end + 1));
    });
    stream.addEventListener("tick", () => {
      heard = Date.now();
      // Back on the same stream, which sends again only what has changed: a new one sends all.
      if (state.querySelector("[data-lost]")) { stream.close(); open(); }
    });
    stream.addEventListener("end", () => { isOver = true; stream.close(); });
    // Some answers end an EventSource for good: a new one is made.
    stream.onerror = () => { if (!isOver && stream.readyState === EventSource.CLOSED) again = setTimeout(open, 3000); };
  };
  open();

  setInterval(() => {
    if (isOver || document.hidden || Date.now() - heard < 7000 || state.querySelector("[data-lost]")) return;
    const lost = document.createElement("strong");
    lost.className = "bad";
    lost.dataset.old = lost.dataset.lost = "";
    lost.textContent = "No connection to this process since " + new Date(heard).toISOString().slice(11, 19) + " UTC. Trying again; the figures are old.";
    state.replaceChildren(lost);
  }, 1000);

  // Nobody looks at a hidden page.
  document.addEventListener("visibilitychange", () => {
    if (isOver) return;
    clearTimeout(again);
    stream.close();
    if (!document.hidden) { heard = Date.now(); open(); }
  });
})();
