// Photos under the eyes of a dermatologist: zoom, move, turn, heat maps, and measuring against something of known size.
(() => {
  const MOST = 12;
  for (const viewer of document.querySelectorAll("[data-viewer]")) start(viewer);

  function start(viewer) {
    const find = (name) => viewer.querySelector(`[data-${name}]`);
    const stage = find("stage");
    const canvas = find("canvas");
    const photo = canvas.querySelector("img");
    const marks = find("marks");
    const say = viewer.dataset;
    const at = { zoom: 1, turn: 0, x: 0, y: 0 };
    let measuring = false;
    let points = [];
    let cross = null;
    let drag = null;

    find("tools").hidden = false;
    viewer.addEventListener("click", (event) => {
      const button = event.target.closest("[data-do]");
      if (button) act(button.dataset.do);
    });
    viewer.addEventListener("viewer:do", (event) => act(event.detail));
    stage.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && at.zoom === 1 && event.deltaY > 0) return; // the page scrolls on
      if (!event.ctrlKey && document.activeElement !== stage) return;
      event.preventDefault();
      zoom(Math.exp(-event.deltaY / 400), offset(event));
    }, { passive: false });
    stage.addEventListener("dblclick", (event) => !measuring && zoom(2, offset(event)));
    stage.addEventListener("pointerdown", down);
    stage.addEventListener("pointermove", move);
    stage.addEventListener("pointerup", up);
    stage.addEventListener("pointercancel", () => (drag = null));
    stage.addEventListener("keydown", key);
    find("known").addEventListener("change", show);
    find("known-mm").addEventListener("input", show);
    find("heat-choice")?.addEventListener("change", heat);

    function act(what) {
      if (what === "zoom-in") zoom(1.5);
      if (what === "zoom-out") zoom(1 / 1.5);
      if (what === "turn") at.turn = (at.turn + 90) % 360;
      if (what === "reset") Object.assign(at, { zoom: 1, turn: 0, x: 0, y: 0 });
      if (what === "measure") measure(!measuring);
      if (what === "again") measure(true);
      if (what === "heat") nextHeat();
      place();
    }

    function zoom(factor, point = { x: 0, y: 0 }) {
      const wanted = Math.min(MOST, Math.max(1, at.zoom * factor));
      const grown = wanted / at.zoom;
      at.x = point.x - (point.x - at.x) * grown; // what is under the pointer stays there
      at.y = point.y - (point.y - at.y) * grown;
      at.zoom = wanted;
      if (wanted === 1) at.x = at.y = 0;
      place();
    }

    function place() {
      // A photo on its side is made small enough to be seen whole.
      const side = at.turn % 180 ? Math.min(1, canvas.offsetHeight / canvas.offsetWidth, canvas.offsetWidth / canvas.offsetHeight) : 1;
      canvas.style.transform = `translate(${at.x}px, ${at.y}px) rotate(${at.turn}deg) scale(${at.zoom * side})`;
      stage.classList.toggle("is-zoomed", at.zoom > 1);
      stage.classList.toggle("is-measuring", measuring);
    }

    // Pixels from the middle of the stage, where the canvas lies without its transform.
    function offset(event) {
      const box = stage.getBoundingClientRect();
      return { x: event.clientX - box.left - box.width / 2, y: event.clientY - box.top - box.height / 2 };
    }

    function inPhoto(point) {
      const inverse = new DOMMatrix(getComputedStyle(canvas).transform).inverse();
      const there = inverse.transformPoint(new DOMPoint(point.x, point.y));
      const [width, height] = [marks.viewBox.baseVal.width, marks.viewBox.baseVal.height];
      return { x: (there.x / canvas.offsetWidth + 0.5) * width, y: (there.y / canvas.offsetHeight + 0.5) * height };
    }

    function down(event) {
      if (event.button !== 0) return;
      stage.focus({ preventScroll: true });
      drag = { x: event.clientX - at.x, y: event.clientY - at.y, fromX: event.clientX, fromY: event.clientY };
      if (at.zoom > 1 || measuring) stage.setPointerCapture(event.pointerId);
    }

    function move(event) {
      if (!drag || at.zoom === 1) return;
      at.x = event.clientX - drag.x;
      at.y = event.clientY - drag.y;
      place();
    }

    function up(event) {
      const still = drag && Math.hypot(event.clientX - drag.fromX, event.clientY - drag.fromY) < 5;
      drag = null;
      if (measuring && still) add(inPhoto(offset(event)));
    }

    function key(event) {
      const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      if (measuring && event.key === "Enter") {
        add({ ...cross });
      } else if (measuring && event.key === "Escape") {
        measure(false);
      } else if (measuring && step) {
        const length = (event.shiftKey ? 0.05 : 0.01) * marks.viewBox.baseVal.width;
        cross.x += step[0] * length;
        cross.y += step[1] * length;
      } else if (step && at.zoom > 1) {
        at.x -= step[0] * 40;
        at.y -= step[1] * 40;
        place();
      } else return;
      event.preventDefault();
      draw();
    }

    function measure(on) {
      measuring = on;
      points = [];
      cross = { x: marks.viewBox.baseVal.width / 2, y: marks.viewBox.baseVal.height / 2 };
      find("measure").hidden = !on;
      viewer.querySelector('[data-do="measure"]').setAttribute("aria-pressed", on);
      place();
      draw();
      show();
    }

    function add(point) {
      points = points.length === 4 ? [points[0], points[1], point] : [...points, point];
      draw();
      show();
    }

    function show() {
      const known = Number(find("known").value || find("known-mm").value);
      find("known-mm").disabled = find("known").value !== "";
      const [a, b, c, d] = points;
      const text = find("measured");
      if (!measuring) text.textContent = "";
      else if (!b) text.textContent = say.textFirst;
      else if (!d || !known) text.textContent = say.textSecond;
      else text.textContent = say.textResult.replace("%s", ((length(c, d) / length(a, b)) * known).toFixed(1));
    }

    function length(a, b) {
      return Math.hypot(a.x - b.x, a.y - b.y);
    }

    function draw() {
      marks.replaceChildren();
      if (!measuring) return;
      const arm = marks.viewBox.baseVal.width / 50;
      for (let i = 0; i < points.length; i += 2) {
        const end = points[i + 1];
        if (end) line(points[i], end, i === 0);
      }
      for (const point of [...points, cross]) {
        line({ x: point.x - arm, y: point.y }, { x: point.x + arm, y: point.y }, false);
        line({ x: point.x, y: point.y - arm }, { x: point.x, y: point.y + arm }, false);
      }
    }

    function line(from, to, known) {
      for (const name of ["is-edge", known ? "is-known" : ""]) {
        const one = document.createElementNS("http://www.w3.org/2000/svg", "line");
        one.setAttribute("class", name);
        for (const [attribute, value] of [["x1", from.x], ["y1", from.y], ["x2", to.x], ["y2", to.y]]) {
          one.setAttribute(attribute, value);
        }
        marks.append(one);
      }
    }

    function heat() {
      const image = find("heat");
      const address = find("heat-choice").value;
      image.hidden = !address;
      if (address) image.src = address;
    }

    function nextHeat() {
      const choice = find("heat-choice");
      if (!choice) return;
      choice.selectedIndex = (choice.selectedIndex + 1) % choice.options.length;
      heat();
    }

    photo.addEventListener("load", place);
  }
})();
