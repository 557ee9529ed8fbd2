// The drawing of the body: a touch chooses the radio button of that place, and the chosen place is shown on it.
(() => {
  for (const map of document.querySelectorAll("[data-body-map]")) {
    const radios = [...map.querySelectorAll("input[type=radio]")];
    const zones = [...map.querySelectorAll("[data-site]")];
    const paint = () => {
      const chosen = radios.find((radio) => radio.checked)?.value;
      for (const zone of zones) zone.classList.toggle("is-chosen", zone.dataset.site === chosen);
    };
    map.querySelector("[data-map]").hidden = map.querySelector("[data-map-hint]").hidden = false;
    map.addEventListener("change", paint);
    map.addEventListener("click", (event) => {
      const zone = event.target.closest("[data-site]");
      if (!zone) return;
      const radio = radios.find((one) => one.value === zone.dataset.site);
      radio.checked = true;
      radio.dispatchEvent(new Event("change", { bubbles: true }));
    });
    paint();
  }
})();
