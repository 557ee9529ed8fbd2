// One screen at a time. Without this script the form is one long page that works the same.
(() => {
  const form = document.querySelector("[data-steps]");
  if (!form) return;
  const steps = [...form.querySelectorAll("[data-step]")];
  const bar = form.querySelector("[data-steps-bar]");
  const text = form.querySelector("[data-steps-text]");
  const [back, next, send] = ["back", "next", "send"].map((name) => form.querySelector(`[data-${name}]`));
  let now = 0;

  steps.forEach(() => bar.lastElementChild.append(document.createElement("span")));
  bar.hidden = false;
  form.noValidate = true;
  back.addEventListener("click", () => show(now - 1));
  next.addEventListener("click", () => isAnswered(steps[now]) && show(now + 1));
  form.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && event.target.matches("input:not([type=file])") && now < steps.length - 1) {
      event.preventDefault();
      next.click();
    }
  });
  form.addEventListener("htmx:confirm", (event) => {
    const open = steps.findIndex((step) => !isAnswered(step, true));
    if (open < 0) return;
    event.preventDefault();
    show(open);
    isAnswered(steps[open]);
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

  function isAnswered(step, quiet = false) {
    if ("stepPhotos" in step.dataset) return window.smartderma.hasPhotos(quiet);
    const missing = [...step.querySelectorAll("input, select")].find((input) => !input.checkValidity());
    if (missing && !quiet) missing.reportValidity();
    return !missing;
  }

  function show(index, focus = true) {
    now = Math.max(0, Math.min(index, steps.length - 1));
    steps.forEach((step, i) => (step.hidden = i !== now));
    [...bar.lastElementChild.children].forEach((mark, i) => mark.classList.toggle("is-done", i <= now));
    text.textContent = text.dataset.text.replace("{now}", now + 1).replace("{all}", steps.length);
    back.hidden = now === 0;
    next.hidden = now === steps.length - 1;
    send.hidden = now !== steps.length - 1;
    if (focus) {
      window.scrollTo({ top: 0 });
      steps[now].querySelector("[tabindex='-1']").focus({ preventScroll: true });
    }
  }

  const faulty = steps.findIndex((step) => step.querySelector(".field-error"));
  show(faulty < 0 ? 0 : faulty, false);
})();
