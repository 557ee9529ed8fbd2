// Sending: shows how far the upload is, and keeps everything on the page when the connection breaks.
(() => {
  const form = document.querySelector("[data-steps]");
  if (!form) return;
  const box = form.querySelector("[data-sending]");
  const text = form.querySelector("[data-sending-text]");
  const bar = form.querySelector("progress");
  const button = form.querySelector("[data-send]");

  form.addEventListener("htmx:beforeRequest", () => state(true, text.dataset.sendingLabel));
  form.addEventListener("htmx:xhr:progress", (event) => {
    if (!event.detail.lengthComputable || !event.detail.total) return;
    bar.value = (100 * event.detail.loaded) / event.detail.total;
    if (bar.value >= 100) text.textContent = text.dataset.receivedLabel;
  });
  form.addEventListener("htmx:afterRequest", (event) => {
    if (event.detail.xhr.status > 0 && event.detail.xhr.status < 400) return; // the browser is on its way to the result
    state(false, "");
    box.hidden = true;
  });
  for (const lost of ["htmx:sendError", "htmx:timeout", "htmx:responseError"]) {
    form.addEventListener(lost, (event) => {
      if (event.detail.xhr?.status === 422) return;
      state(false, text.dataset.lostLabel);
    });
  }

  function state(busy, label) {
    box.hidden = false;
    bar.hidden = !busy;
    bar.value = 0;
    text.textContent = label;
    button.disabled = busy;
  }
})();
