// The page without a connection: help in an emergency, a check that is kept on the device, and the list of waiting ones.
(() => {
  const site = window.smartderma;
  const list = document.querySelector("[data-checks]");
  const form = document.querySelector("[data-steps]");
  if (!list || !form || !site.deliver.possible) return;
  const help = form.querySelector("[data-emergency]");
  const numbers = JSON.parse(help.dataset.numbers);
  let accepted = false; // "I already have medical help"

  form.hidden = false;
  form.elements.submission_key.value = crypto.randomUUID();
  document.addEventListener("change", () => site.emergency.show()); // after choices.js has kept "none" apart
  help.querySelector("[data-go-on]").addEventListener("click", () => {
    accepted = true;
    form.querySelector("[data-next]").click();
  });
  window.addEventListener("smartderma:checks", show);
  window.addEventListener("online", show);
  window.addEventListener("offline", show);

  site.emergency = {
    show() {
      const signs = [...form.querySelectorAll("[name=red_flags]:checked")].filter((box) => box.value !== "none");
      const country = form.elements.country.value;
      const number = numbers[country] || help.dataset.fallback;
      help.hidden = !signs.length;
      const words = numbers[country] ? help.dataset.certain : help.dataset.uncertain;
      help.querySelector("[data-sentence]").textContent = words.replace("{number}", number);
      const link = help.querySelector("[data-call]");
      link.href = `tel:${number}`;
      link.textContent = help.dataset.call.replace("{number}", number);
    },
    stops(step, quiet) {
      if (step.dataset.screen !== "emergency") return false;
      const boxes = [...step.querySelectorAll("[name=red_flags]")];
      const open = !boxes.some((box) => box.checked);
      boxes[0].setCustomValidity(open ? help.dataset.open : "");
      if (open && !quiet) boxes[0].reportValidity();
      return open || (!help.hidden && !accepted);
    },
  };

  // A check was kept: the form is ready for another one.
  site.kept = () => {
    form.reset();
    site.photos.clear();
    form.elements.submission_key.value = crypto.randomUUID();
    form.querySelector("[data-kept]").hidden = false;
    form.querySelector("[data-sending]").hidden = true;
    accepted = false;
    site.emergency.show();
    site.steps.restart();
  };

  async function show() {
    const checks = await site.device.all().catch(() => []);
    list.replaceChildren(...checks.map(row));
    document.querySelector("[data-no-checks]").hidden = checks.length > 0;
  }

  function row(check) {
    const made = document.getElementById("check-row").content.firstElementChild.cloneNode(true);
    const when = new Date(check.created).toLocaleString(`${document.documentElement.lang}-u-nu-latn`, { dateStyle: "medium", timeStyle: "short" });
    made.querySelector("[data-when]").textContent = when;
    made.querySelector("[data-photos-count]").textContent = check.photos.length;
    const unclaimed = !check.person && Boolean(site.person());
    made.querySelector("[data-state]").textContent = list.dataset[`${unclaimed ? "unclaimed" : check.state || "waiting"}Label`];
    const mine = made.querySelector("[data-claim]");
    mine.hidden = !unclaimed;
    mine.addEventListener("click", () => site.claim(check));
    made.querySelector("[data-delete]").addEventListener("click", () => site.device.forget(check.key));
    const open = made.querySelector("[data-open]");
    open.hidden = unclaimed || check.state !== "stopped" || !navigator.onLine;
    open.addEventListener("click", () => finish(check));
    return made;
  }

  // The server has something to say about it: its own page says it, with all answers in place.
  function finish(check) {
    const post = document.createElement("form");
    Object.assign(post, { method: "post", action: check.action, hidden: true });
    const token = document.cookie.match(/(?:^|; )csrftoken=([^;]+)/)?.[1] || "";
    for (const [name, value] of [...check.answers, ["csrfmiddlewaretoken", token]]) {
      post.append(Object.assign(document.createElement("input"), { type: "hidden", name, value }));
    }
    document.body.append(post);
    post.submit();
  }

  show();
})();
