// Preview and a first look at each photo before it is sent. The server looks again and decides.
(() => {
  const area = document.querySelector("[data-photos]");
  if (!area) return;
  const say = area.dataset;
  const SIDE = 256; // short side at which ml/quality.py measures
  const SMALL = 128;
  const inputs = [...area.querySelectorAll("input[type=file]")];

  for (const input of inputs) input.addEventListener("change", () => look(input));

  window.smartderma = {
    hasPhotos(quiet) {
      const count = inputs.reduce((sum, input) => sum + input.files.length, 0);
      const problem = count === 0 ? say.textNone : count > Number(say.maxPhotos) ? say.textMany : "";
      inputs[0].setCustomValidity(problem);
      if (problem && !quiet) inputs[0].reportValidity();
      return !problem;
    },
  };

  async function look(input) {
    const shot = input.closest(".shot");
    inputs[0].setCustomValidity("");
    shot.querySelectorAll(".shot-preview").forEach((old) => {
      URL.revokeObjectURL(old.src);
      old.remove();
    });
    shot.querySelector(".shot-notes").replaceChildren();
    shot.classList.toggle("has-photo", input.files.length > 0);
    const art = shot.querySelector(".shot-art");
    if (art) art.classList.toggle("hidden", input.files.length > 0);
    for (const file of input.files) await judge(shot, file);
  }

  async function judge(shot, file) {
    if (file.size > Number(say.maxBytes)) return note(shot, say.textLarge, "warn");
    let picture;
    try {
      picture = await createImageBitmap(file);
    } catch {
      return note(shot, say.textUnknown, "plain");
    }
    preview(shot, file);
    const found = problems(picture);
    for (const text of found) note(shot, text, "warn");
    if (!found.length) note(shot, say.textGood, "good");
    picture.close();
  }

  function preview(shot, file) {
    const image = document.createElement("img");
    image.className = "shot-preview";
    image.alt = say.textPreview;
    image.src = URL.createObjectURL(file);
    shot.prepend(image);
  }

  function note(shot, text, tone) {
    const line = document.createElement("p");
    line.className = `banner tone-${tone}`;
    line.textContent = text;
    shot.querySelector(".shot-notes").append(line);
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
