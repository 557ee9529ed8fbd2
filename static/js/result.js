// The slider that fades the heat map over each photo.
(() => {
  for (const slider of document.querySelectorAll("[data-heat-slider]")) {
    const heat = document.getElementById(slider.dataset.heatSlider);
    const set = () => (heat.style.opacity = slider.value / 100);
    slider.closest("[data-heat-control]").hidden = false;
    slider.addEventListener("input", set);
    set();
  }
})();
