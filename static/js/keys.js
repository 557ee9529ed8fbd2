// Single-key shortcuts of the desk, shown with "?". They can be switched off on this device (WCAG 2.1.4).
(() => {
  const box = document.querySelector("[data-keys]");
  if (!box) return;
  const STORE = "smartderma-keys";
  const dialog = box.querySelector("dialog");
  const on = box.querySelector("[data-keys-on]");
  const viewers = [...document.querySelectorAll("[data-viewer]")];
  const rows = [...document.querySelectorAll("[data-rows] a.card-link")];
  const DO = { "+": "zoom-in", "=": "zoom-in", "-": "zoom-out", 0: "reset", r: "turn", m: "measure", h: "heat" };
  const GO = { d: "#id_diagnosis", n: "#id_note_to_patient", "/": "#id_q" };

  box.hidden = false;
  on.checked = localStorage.getItem(STORE) !== "off";
  on.addEventListener("change", () => localStorage.setItem(STORE, on.checked ? "on" : "off"));
  box.querySelector("[data-keys-open]").addEventListener("click", () => dialog.showModal());

  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input, select, textarea, [contenteditable]");
    if (event.ctrlKey || event.metaKey || event.altKey || typing || dialog.open) return;
    if (event.key === "?") return handled(event, () => dialog.showModal());
    if (!on.checked) return;
    const key = event.key.toLowerCase();
    if (DO[key] && viewers.length) return handled(event, () => send(DO[key]));
    if (/^[1-9]$/.test(key) && viewers[key - 1]) return handled(event, () => stage(viewers[key - 1]).focus());
    if ((key === "j" || key === "k") && rows.length) return handled(event, () => step(key === "j" ? 1 : -1));
    if (GO[key] && document.querySelector(GO[key])) return handled(event, () => go(GO[key]));
    const target = document.querySelector(`[data-key="${CSS.escape(key)}"]`);
    if (target) handled(event, () => (key === "s" ? target.focus() : target.click()));
  });

  function handled(event, what) {
    event.preventDefault();
    what();
  }

  function stage(viewer) {
    return viewer.querySelector("[data-stage]");
  }

  function send(what) {
    const viewer = viewers.find((one) => one.contains(document.activeElement)) || viewers[0];
    stage(viewer).focus();
    viewer.dispatchEvent(new CustomEvent("viewer:do", { detail: what }));
  }

  function step(by) {
    const here = rows.indexOf(document.activeElement);
    rows[Math.min(rows.length - 1, Math.max(0, here + by))].focus();
  }

  function go(selector) {
    const target = document.querySelector(selector);
    target.closest("details")?.setAttribute("open", "");
    target.focus();
  }
})();
