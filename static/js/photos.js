// Preview and a first look at each photo before it is sent. The server looks again and decides.
(() => {
  const area = document.querySelector("[data-photos]");
  if (!area) return;
  const site = (window.smartderma = window.smartderma || {});
  const say = area.dataset;
  const SIDE = 256; // short side at which ml/quality.py measures
  const SMALL = 128;
  const form = area.closest("form");
  const offline = "offline" in form.dataset;
  const later = site.deliver?.possible; // photos can travel by themselves; else they go with the form
  const inputs = [...area.querySelectorAll("input[type=file]")];
  const cards = () => area.querySelectorAll("[data-photo-card]");
  let pending = []; // chosen here, not yet on the server

  for (const input of inputs) {
    offerCamera(input);
    input.addEventListener("change", () => choose(input));
  }
  window.addEventListener("online", () => !offline && form.querySelector("[data-sending]").hidden && pending.forEach(send));
  document.addEventListener("htmx:afterSwap", (event) => {
    offerDermatologist();
    const { verb, path } = event.detail.requestConfig;
    if (verb !== "post") return; // a button of a photo: it is gone, so the focus goes to what came instead
    const card = [...cards()].find((one) => path.includes(one.dataset.photo));
    (card || area.querySelector("[data-pick] button")).focus();
  });
  document.addEventListener("input", (event) => event.target.matches("[data-edge]") && shade(event.target.closest("[data-photo-card]")));

  site.photos = {
    // Photos that have not arrived, once those on their way have arrived or failed.
    async waiting() {
      await Promise.allSettled(pending.map((photo) => photo.job));
      return pending;
    },
    arrived(photo, card) {
      drop(photo);
      receive(photo, card);
    },
    clear: () => area.querySelectorAll("[data-shot]").forEach((shot) => shot.matches(".shot") && clear(shot.querySelector("[data-local]"), shot.dataset.shot)),
    count: () => cards().length + pending.length + inputs.reduce((sum, input) => sum + input.files.length, 0),
    check(quiet) {
      const count = site.photos.count();
      const problem = count === 0 ? say.textNone : count > Number(say.maxPhotos) ? say.textMany : "";
      inputs[0].setCustomValidity(problem);
      if (problem && !quiet) tell(area.querySelector("[data-local]"), problem, "alert", "photo-problem");
      return !problem;
    },
  };

  // The camera is offered, not forced: a second button opens it directly where the device is held in a hand.
  function offerCamera(input) {
    const pick = input.closest(".shot").querySelector("[data-pick]");
    const label = input.labels[0];
    label.id = `${input.id}-label`;
    const button = (text, capture) => {
      const made = document.createElement("button");
      Object.assign(made, { type: "button", className: "btn btn-secondary", textContent: text });
      made.setAttribute("aria-describedby", label.id);
      made.addEventListener("click", () => {
        input.toggleAttribute("capture", false);
        if (capture) input.setAttribute("capture", "environment");
        input.click();
      });
      pick.append(made);
    };
    if (matchMedia("(pointer: coarse)").matches) button(say.textCamera, true);
    button(say.textGallery, false);
    pick.hidden = false;
    input.classList.add("sr-only");
    input.tabIndex = -1;
  }

  async function choose(input) {
    const shot = input.closest(".shot");
    const local = shot.querySelector("[data-local]");
    const single = !input.multiple;
    inputs[0].setCustomValidity("");
    document.getElementById("photo-problem")?.remove();
    if (single || !later) clear(local, shot.dataset.shot);
    const files = [...input.files];
    if (later) input.value = "";
    for (const file of files) {
      const box = document.createElement("div");
      box.className = "stack";
      local.append(box);
      const usable = await judge(box, file);
      mark(shot);
      if (!later || !usable) continue;
      const photo = { id: crypto.randomUUID(), shot: shot.dataset.shot, name: file.name, blob: file, box };
      pending.push(photo);
      offerRemoval(photo);
      if (!offline) await send(photo);
    }
    mark(shot);
  }

  // A chosen photo takes the place of the drawing.
  function mark(shot) {
    const local = shot.querySelector("[data-local]");
    shot.classList.toggle("has-photo", local.children.length > 0);
    shot.querySelector(".shot-art")?.classList.toggle("hidden", Boolean(local.querySelector("img")));
  }

  function clear(local, shot) {
    local.querySelectorAll("img").forEach((old) => URL.revokeObjectURL(old.src));
    local.replaceChildren();
    pending = pending.filter((photo) => photo.shot !== shot);
  }

  function drop(photo) {
    pending = pending.filter((one) => one !== photo);
    const shot = photo.box.closest(".shot");
    photo.box.remove();
    mark(shot);
  }

  function offerRemoval(photo) {
    const button = document.createElement("button");
    Object.assign(button, { type: "button", className: "btn btn-quiet", textContent: say.textRemove });
    button.addEventListener("click", () => drop(photo));
    photo.box.append(button);
  }

  function send(photo) {
    photo.job = photo.job || travel(photo).finally(() => (photo.job = null));
    return photo.job;
  }

  async function travel(photo) {
    photo.box.querySelector("[data-note=travel]")?.remove();
    const bar = photo.box.appendChild(document.createElement("progress"));
    bar.max = 1;
    bar.setAttribute("aria-label", say.textSending);
    try {
      const key = form.elements.submission_key.value;
      const card = await site.deliver.sendPhoto(photo, key, say.uploads, async (share) => (bar.value = share));
      site.photos.arrived(photo, card);
    } catch (error) {
      const refused = error instanceof site.deliver.Refused;
      if (refused) {
        pending = pending.filter((one) => one !== photo);
        photo.box.querySelector("[data-note=unknown]")?.remove(); // it said that the photo can be sent
      }
      tell(photo.box, refused ? error.message : say.textWaiting, refused ? "alert" : "info", "", "travel");
    } finally {
      bar.remove();
    }
  }

  function receive(photo, card) {
    const place = area.querySelector(`[data-shot="${photo.shot}"] [data-cards]`);
    if (photo.shot !== "other") place.replaceChildren();
    place.insertAdjacentHTML("beforeend", card);
    window.htmx?.process(place.lastElementChild);
    offerDermatologist();
  }

  function offerDermatologist() {
    area.querySelector("[data-ask-dermatologist]").hidden = !area.querySelector("[data-poor]");
  }

  // What would be cut off is dark on the picture.
  function shade(card) {
    const frame = card.querySelector("[data-frame]").viewBox.baseVal;
    const edge = (name) => Math.min(90, Math.max(0, Number(card.querySelector(`[data-edge=${name}]`).value) || 0)) / 100;
    const [left, top] = [frame.width * edge("left"), frame.height * edge("top")];
    const [right, bottom] = [frame.width * (1 - edge("right")), frame.height * (1 - edge("bottom"))];
    const inner = right > left && bottom > top ? `M${left} ${top}H${right}V${bottom}H${left}z` : "";
    card.querySelector("[data-shade]").setAttribute("d", `M0 0H${frame.width}V${frame.height}H0z${inner}`);
  }

  // False for a file that is not even worth sending.
  async function judge(box, file) {
    if (file.size > Number(say.maxBytes)) return tell(box, say.textLarge, "warn");
    let picture;
    try {
      picture = await createImageBitmap(file);
    } catch {
      tell(box, say.textUnknown, "plain", "", "unknown");
      return true;
    }
    preview(box, file);
    const found = problems(picture);
    for (const text of found) tell(box, text, "warn");
    if (!found.length) tell(box, say.textGood, "good");
    picture.close();
    return true;
  }

  function preview(box, file) {
    const image = document.createElement("img");
    image.className = "shot-preview";
    image.alt = say.textPreview;
    image.src = URL.createObjectURL(file);
    box.prepend(image);
  }

  function tell(box, text, tone, id = "", kind = "") {
    document.getElementById(id || "-")?.remove();
    const line = document.createElement("p");
    line.className = `banner tone-${tone}`;
    line.setAttribute("role", "status");
    Object.assign(line, { textContent: text, id });
    line.dataset.note = kind;
    box.append(line);
    return false;
  }

  function problems(picture) {
    if (Math.min(picture.width, picture.height) < SMALL) return [say.textSmall];
    const luma = lumaOf(picture);
    const bright = [...luma.values].sort((a, b) => a - b)[Math.floor(luma.values.length * 0.98)];
    const burnt = luma.values.filter((value) => value >= 250).length / luma.values.length;
    return [
      bright < 72 && say.textDark, // the thresholds are those of ml/quality.py
      burnt > 0.3 && say.textBright,
      (blur(luma) > 0.81 || gradient(luma) < 0.8) && say.textBlurred,
    ].filter(Boolean);
  }

  function lumaOf(picture) {
    const scale = Math.min(1, SIDE / Math.min(picture.width, picture.height));
    const width = Math.round(picture.width * scale);
    const height = Math.round(picture.height * scale);
    const canvas = document.createElement("canvas");
    Object.assign(canvas, { width, height });
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.imageSmoothingQuality = "high";
    context.drawImage(picture, 0, 0, width, height);
    const pixels = context.getImageData(0, 0, width, height).data;
    const values = new Float32Array(width * height);
    for (let i = 0; i < values.length; i++) {
      values[i] = 0.299 * pixels[4 * i] + 0.587 * pixels[4 * i + 1] + 0.114 * pixels[4 * i + 2];
    }
    return { values, width, height };
  }

  // Share of fine contrast that a second blur leaves (Crete et al. 2007), as in ml/quality.py.
  function blur(luma) {
    const before = gradient(luma);
    return before > 1e-3 ? Math.min(1, gradient(smooth(smooth(luma, 1), luma.width)) / before) : 1;
  }

  function gradient({ values, width, height }) {
    let sum = 0;
    for (let y = 3; y < height - 3; y++) {
      for (let x = 3; x < width - 3; x++) {
        const i = y * width + x;
        sum += Math.abs(values[i] - values[i - 1]) + Math.abs(values[i] - values[i - width]);
      }
    }
    return sum / ((width - 6) * (height - 6));
  }

  function smooth({ values, width, height }, step) {
    const out = values.slice();
    for (let i = 2 * step; i < values.length - 2 * step; i++) {
      out[i] = (values[i - 2 * step] + 4 * values[i - step] + 6 * values[i] + 4 * values[i + step] + values[i + 2 * step]) / 16;
    }
    return { values: out, width, height };
  }
})();
