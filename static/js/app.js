// On every page: installs the service worker, sends checks that wait on this device, and clears them at sign-out.
(() => {
  const site = (window.smartderma = window.smartderma || {});
  const { person = "", worker } = document.body.dataset;
  const PERSON = "smartderma-person";
  const note = document.querySelector("[data-checks-note]");
  let leaving = false;

  site.person = () => person || localStorage.getItem(PERSON) || "";
  if (person) localStorage.setItem(PERSON, person);
  if (worker && "serviceWorker" in navigator) {
    window.addEventListener("load", () => navigator.serviceWorker.register(worker, { updateViaCache: "none" }).catch(() => {}));
  }
  document.addEventListener("submit", signOut);
  if (note && site.deliver?.possible) {
    window.addEventListener("smartderma:checks", show);
    window.addEventListener("online", sendAll);
    show().then(sendAll);
  }

  async function mine() {
    const checks = await site.device.all().catch(() => []);
    for (const check of checks) {
      if (check.person && site.person() && check.person !== site.person()) await site.device.forget(check.key); // of somebody else
    }
    return checks.filter((check) => !check.person || !site.person() || check.person === site.person());
  }

  async function show() {
    const count = (await mine()).length;
    note.hidden = !count || "listHere" in note.dataset;
    note.querySelector("[data-count]").textContent = count;
  }

  // One tab sends; a check that is being written on this page is sent by its page. One that was taken while nobody was
  // logged in is nobody's: it waits until somebody says on the page of waiting checks that it is theirs.
  async function sendAll() {
    if (!navigator.onLine || !site.person()) return;
    const here = document.querySelector("[data-steps] [name=submission_key]")?.value;
    const work = async () => {
      for (const check of await mine()) if (check.person && check.key !== here) await sendOne(check);
    };
    if (!navigator.locks) return work();
    await navigator.locks.request("smartderma-checks", { ifAvailable: true }, (lock) => lock && work());
  }

  async function sendOne(check) {
    if (leaving) return;
    await site.device.keep({ ...check, state: "sending" });
    const result = await site.deliver.sendCheck(check);
    if (leaving) return; // kept now, it would outlive the wiping of the device
    if (result.state !== "received") return site.device.keep({ ...check, state: result.state });
    await site.device.forget(check.key);
    const link = note.parentElement.querySelector("[data-received-link]");
    link.href = result.url;
    link.closest("[data-received-note]").hidden = false;
  }

  site.sendAll = sendAll;
  site.claim = async (check) => {
    await site.device.keep({ ...check, person: site.person() });
    await sendAll();
  };

  async function signOut(event) {
    if (!note || new URL(event.target.action).pathname !== note.dataset.logout) return;
    event.preventDefault();
    const checks = await site.device.all().catch(() => []);
    if (checks.length && !window.confirm(note.dataset.logoutQuestion)) return;
    leaving = true;
    await site.device.wipe().catch(() => {});
    localStorage.removeItem(PERSON);
    event.target.submit();
  }
})();
