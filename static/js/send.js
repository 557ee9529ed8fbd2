// Sending a check: kept on the device first, then sent; kept there until it is received.
(() => {
  const form = document.querySelector("[data-steps]");
  const site = window.smartderma || {};
  if (!form || !site.deliver?.possible) return; // an old browser sends the form with its photos
  const box = form.querySelector("[data-sending]");
  const text = form.querySelector("[data-sending-text]");
  const bar = form.querySelector("[data-sending] progress");
  const button = form.querySelector("[data-send]");
  const FILES = /^(photo_|csrfmiddlewaretoken|screen|step)/;
  let busy = false;

  form.addEventListener("submit", (event) => {
    if (event.submitter && event.submitter !== button) return;
    event.preventDefault();
    if (!busy && site.steps.complete()) send();
  });
  window.addEventListener("online", () => !("offline" in form.dataset) && box.dataset.state === "waiting" && send());

  // A photo that is being covered or cut goes as it will be, not as it was.
  const photosAtRest = () =>
    form.querySelector("[data-photo-card] .htmx-request") &&
    new Promise((resolve) => document.addEventListener("htmx:afterRequest", resolve, { once: true })).then(photosAtRest);

  async function send() {
    busy = button.disabled = true;
    await photosAtRest();
    const check = await written();
    const kept = await site.device.keep(check).then(() => true, () => false);
    state("sending");
    const shares = new Map(check.photos.map((photo) => [photo, 0]));
    const progress = (share, photo) => {
      shares.set(photo, share);
      bar.value = (100 * [...shares.values()].reduce((sum, one) => sum + one, 0)) / shares.size;
    };
    const result = navigator.onLine ? await site.deliver.sendCheck(check, progress, site.photos.arrived) : { state: "waiting" };
    busy = button.disabled = false;
    if (result.state === "received") return received(check, result.url);
    if (result.state === "stopped") return stopped(check, result);
    state(kept ? result.state : "stopped");
    if (kept) site.kept?.(check);
  }

  // Everything that is needed to send it from another page, or tomorrow.
  async function written() {
    const answers = [...new FormData(form).entries()].filter(([name, value]) => typeof value === "string" && !FILES.test(name));
    return {
      key: form.elements.submission_key.value,
      person: document.body.dataset.person || site.person?.() || "",
      created: new Date().toISOString(),
      action: form.action,
      uploads: form.querySelector("[data-photos]").dataset.uploads,
      answers: [...answers, ["step", "send"]],
      photos: [...(await site.photos.waiting())],
    };
  }

  async function received(check, url) {
    await site.device.forget(check.key).catch(() => {});
    state("received");
    bar.value = 100;
    window.location.assign(url);
  }

  // The page still has everything: the person can put it right here.
  async function stopped(check, result) {
    await site.device.forget(check.key).catch(() => {});
    state("stopped");
    const errors = document.getElementById("form-errors");
    errors.innerHTML = result.html || "";
    if (result.sentence) text.textContent = result.sentence;
    errors.querySelector("[data-focus]")?.focus();
  }

  function state(name) {
    box.hidden = false;
    box.dataset.state = name;
    bar.hidden = name !== "sending" && name !== "received";
    text.textContent = text.dataset[`${name}Label`];
  }
})();
