// One screen at a time without asking the server. Without this script each screen is a request of its own.
(() => {
  const form = document.querySelector("[data-steps]");
  if (!form) return;
  const site = (window.smartderma = window.smartderma || {});
  const steps = [...form.querySelectorAll("[data-step]")];
  const marks = form.querySelector("[data-steps-bar]");
  const text = form.querySelector("[data-steps-text]");
  const [back, next, send] = ["back", "next", "send"].map((name) => form.querySelector(`[data-${name}]`));
  let now = Math.max(0, steps.findIndex((step) => !step.hidden));

  steps.forEach(() => marks.append(document.createElement("span")));
  back.addEventListener("click", (event) => turn(event, now - 1));
  next.addEventListener("click", (event) => (isAnswered(steps[now]) ? turn(event, now + 1) : event.preventDefault()));
  form.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !event.target.matches("input:not([type=file])")) return;
    event.preventDefault();
    if (!event.target.matches("[data-edge]")) (send.hidden ? next : send).click();
  });
  document.addEventListener("click", (event) => {
    const link = event.target.closest("#error-summary a");
    const field = link && document.querySelector(link.getAttribute("href"));
    const index = steps.findIndex((step) => step.contains(field));
    if (index >= 0) {
      event.preventDefault();
      show(index);
      field.focus();
    }
  });

  site.steps = {
    // True when every screen is answered; else the first open one is shown.
    complete() {
      const open = steps.findIndex((step) => !isAnswered(step, true));
      if (open < 0) return true;
      show(open);
      isAnswered(steps[open]);
      return false;
    },
    restart: () => show(0),
  };

  function isAnswered(step, quiet = false) {
    if (step.dataset.screen === "photos") return site.photos.check(quiet);
    const missing = [...step.querySelectorAll("input, select")].find((input) => !input.checkValidity());
    if (missing && !quiet) missing.reportValidity();
    return !missing && !(site.emergency?.stops(step, quiet));
  }

  function turn(event, index) {
    event.preventDefault();
    show(index);
  }

  function show(index, focus = true) {
    now = Math.max(0, Math.min(index, steps.length - 1));
    steps.forEach((step, i) => (step.hidden = i !== now));
    if (form.elements.screen) form.elements.screen.value = steps[now].dataset.screen; // for the language menu
    [...marks.children].forEach((mark, i) => mark.classList.toggle("is-done", i <= now));
    text.textContent = text.dataset.text.replace("{now}", now + 1).replace("{all}", steps.length);
    back.hidden = now === 0;
    next.hidden = now === steps.length - 1;
    send.hidden = now !== steps.length - 1;
    if (focus) {
      window.scrollTo({ top: 0 });
      steps[now].querySelector("[tabindex='-1']").focus({ preventScroll: true });
    }
  }

  show(now, false);
})();
