// Finder page: asks for the position on a click only, and draws the map where one is configured.
(() => {
  "use strict";

  const round = (degrees) => degrees.toFixed(3);

  function watchPositionForm(form) {
    if (!("geolocation" in navigator)) return;
    const status = document.getElementById("position-status");
    const button = form.querySelector("button");
    const radius = document.getElementById("id_radius");
    form.hidden = false;

    const fail = (error) => {
      button.disabled = false;
      status.textContent = error.code === error.PERMISSION_DENIED ? form.dataset.denied : form.dataset.failed;
    };
    const send = ({ coords }) => {
      form.elements.latitude.value = round(coords.latitude);
      form.elements.longitude.value = round(coords.longitude);
      form.elements.radius.value = radius ? radius.value : "";
      form.submit();
    };
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      button.disabled = true;
      status.textContent = form.dataset.asking;
      navigator.geolocation.getCurrentPosition(send, fail, { timeout: 15000, maximumAge: 300000 });
    });
    // Back from the results: the browser may restore the page as it was left.
    window.addEventListener("pageshow", () => {
      button.disabled = false;
      status.textContent = "";
    });
  }

  function drawMap(box, data) {
    box.hidden = false;
    const map = L.map(box, { scrollWheelZoom: false });
    L.tileLayer(data.tiles.url, { attribution: data.tiles.attribution, maxZoom: 19 }).addTo(map);
    const points = data.places.map(({ name, position }) => {
      const label = document.createElement("span");
      label.textContent = name;
      return L.circleMarker(position, { radius: 9, color: "#0b6a5e", fillOpacity: 0.7 }).bindPopup(label).addTo(map);
    });
    map.fitBounds(L.featureGroup(points).getBounds(), { padding: [30, 30], maxZoom: 15 });
  }

  function start() {
    const form = document.getElementById("position-form");
    if (form) watchPositionForm(form);
    const box = document.getElementById("finder-map");
    const data = document.getElementById("finder-map-data");
    if (box && data && window.L) drawMap(box, JSON.parse(data.textContent));
  }

  document.addEventListener("DOMContentLoaded", start);
})();
