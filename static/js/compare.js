// Two photos that zoom and move together, side by side or one over the other. Without this script they are two photos.
(() => {
  const root = document.querySelector("[data-compare]");
  if (!root) return;
  const part = (name) => root.querySelector(`[data-compare-${name}]`);
  const frames = [...root.querySelectorAll("[data-compare-frame]")];
  const pictures = frames.map((frame) => frame.querySelector("img"));
  const stage = part("stage");
  const zoom = part("zoom");
  const blend = part("blend");
  const mode = part("mode");
  const MAX = 6;
  const view = { scale: 1, x: 0, y: 0 }; // x, y: how far the middle is moved, in shares of a frame
  const fingers = new Map();
  let spread = 0;

  function show() {
    const room = (view.scale - 1) / 2; // half of what hangs over: no photo leaves its frame
    view.x = Math.max(-room, Math.min(room, view.x));
    view.y = Math.max(-room, Math.min(room, view.y));
    for (const picture of pictures) {
      picture.style.transform = `translate(${view.x * 100}%, ${view.y * 100}%) scale(${view.scale})`;
    }
    zoom.value = Math.round(view.scale * 100);
  }

  function scaleTo(scale) {
    const before = view.scale;
    view.scale = Math.max(1, Math.min(MAX, scale));
    view.x *= view.scale / before;
    view.y *= view.scale / before;
    show();
  }

  function move(x, y) {
    view.x += x;
    view.y += y;
    show();
  }

  const isOver = () => mode.getAttribute("aria-pressed") === "true";
  const showBlend = () => (pictures[1].style.opacity = isOver() ? blend.value / 100 : 1);

  function reset() {
    Object.assign(view, { scale: 1, x: 0, y: 0 });
    show();
  }

  function onKey(event) {
    const step = 0.1;
    const keys = {
      ArrowLeft: () => move(step, 0),
      ArrowRight: () => move(-step, 0),
      ArrowUp: () => move(0, step),
      ArrowDown: () => move(0, -step),
      "+": () => scaleTo(view.scale * 1.2),
      "=": () => scaleTo(view.scale * 1.2),
      "-": () => scaleTo(view.scale / 1.2),
      0: reset,
    };
    if (!keys[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    keys[event.key]();
  }

  function onDown(event) {
    event.currentTarget.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, event);
    spread = 0;
  }

  function onMove(event) {
    const before = fingers.get(event.pointerId);
    if (!before) return;
    const box = event.currentTarget.getBoundingClientRect();
    fingers.set(event.pointerId, event);
    if (fingers.size === 1) return move((event.clientX - before.clientX) / box.width, (event.clientY - before.clientY) / box.height);
    const [one, two] = [...fingers.values()];
    const now = Math.hypot(one.clientX - two.clientX, one.clientY - two.clientY);
    if (spread) scaleTo((view.scale * now) / spread);
    spread = now;
  }

  function onUp(event) {
    fingers.delete(event.pointerId);
    spread = 0;
  }

  for (const frame of frames) {
    frame.tabIndex = 0;
    frame.setAttribute("role", "group");
    frame.setAttribute("aria-label", frame.querySelector("img").alt);
    frame.addEventListener("keydown", onKey);
    frame.addEventListener("pointerdown", onDown);
    frame.addEventListener("pointermove", onMove);
    for (const end of ["pointerup", "pointercancel"]) frame.addEventListener(end, onUp);
    frame.addEventListener("wheel", (event) => {
      event.preventDefault();
      scaleTo(view.scale * (event.deltaY < 0 ? 1.1 : 1 / 1.1));
    }, { passive: false });
  }
  zoom.addEventListener("input", () => scaleTo(zoom.value / 100));
  blend.addEventListener("input", showBlend);
  part("reset").addEventListener("click", reset);
  mode.addEventListener("click", () => {
    const over = !isOver();
    mode.setAttribute("aria-pressed", String(over));
    stage.classList.toggle("is-over", over);
    blend.disabled = !over;
    showBlend();
  });
  part("tools").hidden = false;
  root.classList.add("is-live");
})();
