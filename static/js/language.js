// Another language loads the page anew. What was typed goes along in this tab and is forgotten right after;
// passwords and photos never do.
(() => {
  const KEY = "typed-before-another-language";
  const page = location.pathname + location.search;
  const fields = () =>
    [...document.querySelectorAll("main form")]
      .flatMap((form) => [...form.elements])
      .filter((field) => field.matches("input, select, textarea") && !field.matches("[type=password], [type=file], [type=hidden]"));
  const isTicked = (field) => field.matches("[type=checkbox], [type=radio]");

  for (const menu of document.querySelectorAll("[data-language-menu]")) {
    menu.addEventListener("submit", () => {
      const typed = fields().map((field) => (isTicked(field) ? field.checked : field.value));
      sessionStorage.setItem(KEY, JSON.stringify({ page, typed }));
    });
  }

  const kept = JSON.parse(sessionStorage.getItem(KEY) || "null");
  sessionStorage.removeItem(KEY);
  if (!kept || kept.page !== page || kept.typed.length !== fields().length) return;
  fields().forEach((field, index) => {
    const before = isTicked(field) ? field.checked : field.value;
    if (before === kept.typed[index]) return;
    field[isTicked(field) ? "checked" : "value"] = kept.typed[index];
    field.dispatchEvent(new Event("change", { bubbles: true }));
  });
})();
