// The form of an opinion: texts to start a note from, and no work lost by leaving the page.
(() => {
  const note = document.getElementById("id_note_to_patient");
  for (const button of document.querySelectorAll("[data-use-text]")) {
    button.hidden = !note;
    button.addEventListener("click", () => {
      const text = button.previousElementSibling.innerText;
      note.value = note.value.trim() ? `${note.value.trim()}\n\n${text}` : text;
      note.focus();
      changed = true;
    });
  }

  // The pulse of the open page is refused: the person was logged out meanwhile.
  document.getElementById("hold")?.addEventListener("htmx:responseError", () => {
    document.querySelector("[data-session-over]").hidden = false;
  });

  const form = note?.form;
  let changed = false;
  if (!form) return;
  form.addEventListener("input", () => (changed = true));
  form.addEventListener("submit", () => (changed = false));
  window.addEventListener("beforeunload", (event) => changed && event.preventDefault());
})();
