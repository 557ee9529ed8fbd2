// Sends photos in parts that can go on after a lost connection (tus 1.0), and whole checks. One check is never doubled:
// its submission key goes with every request.
(() => {
  const site = (window.smartderma = window.smartderma || {});
  const PART = 512 * 1024;
  const PAUSES = [500, 1000, 2000, 4000]; // milliseconds before each new try; a longer gap is for later
  const TUS = { "Tus-Resumable": "1.0.0" };

  class Lost extends Error {} // no connection: later
  class Login extends Error {} // the session is over
  class Refused extends Error {} // the message is the server's sentence

  const wait = (time) => new Promise((resolve) => setTimeout(resolve, time));
  const token = () => document.cookie.match(/(?:^|; )csrftoken=([^;]+)/)?.[1] || document.querySelector("[name=csrfmiddlewaretoken]")?.value || "";

  async function ask(url, options) {
    for (let attempt = 0; ; attempt++) {
      try {
        const headers = { "X-CSRFToken": token(), ...options.headers };
        const answer = await fetch(url, { ...options, headers, cache: "no-store" });
        if (answer.redirected || answer.status === 403) throw new Login();
        if (answer.status < 500) return answer;
      } catch (error) {
        if (error instanceof Login) throw error;
      }
      if (attempt >= PAUSES.length || !navigator.onLine) throw new Lost();
      await wait(PAUSES[attempt]);
    }
  }

  async function begin(photo, uploads) {
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", await photo.blob.arrayBuffer()));
    const hex = [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    const headers = { ...TUS, "Upload-Length": String(photo.blob.size), "Upload-Metadata": `sha256 ${btoa(hex)}` };
    const answer = await ask(uploads, { method: "POST", headers });
    if (answer.status !== 201) throw new Refused(await answer.text());
    photo.url = answer.headers.get("Location");
    return 0;
  }

  // Where the server is; null when it knows nothing of this upload any more.
  async function position(photo) {
    const answer = await ask(photo.url, { method: "HEAD", headers: TUS });
    return answer.ok ? Number(answer.headers.get("Upload-Offset")) : null;
  }

  async function sendParts(photo, uploads, progress) {
    let offset = photo.url ? await position(photo) : null;
    if (offset === null) offset = await begin(photo, uploads);
    await progress(offset / photo.blob.size);
    while (offset < photo.blob.size) {
      const headers = { ...TUS, "Upload-Offset": String(offset), "Content-Type": "application/offset+octet-stream" };
      const body = photo.blob.slice(offset, offset + PART);
      const answer = await ask(photo.url, { method: "PATCH", headers, body });
      if (answer.status === 409 || answer.status === 400) offset = await position(photo);
      else if (!answer.ok) throw new Refused(await answer.text());
      else offset = Number(answer.headers.get("Upload-Offset"));
      if (offset === null) throw new Lost();
      await progress(offset / photo.blob.size);
    }
  }

  // One photo of a check; gives the server's card of it. `progress` hears a share from 0 to 1.
  async function sendPhoto(photo, key, uploads, progress = async () => {}) {
    const body = new URLSearchParams({ submission_key: key, shot: photo.shot });
    let answer = photo.url ? await ask(`${photo.url}photo/`, { method: "POST", body }) : null;
    if (!answer || answer.status === 404 || answer.status === 409) {
      await sendParts(photo, uploads, progress);
      answer = await ask(`${photo.url}photo/`, { method: "POST", body });
    }
    if (answer.status === 422) throw new Refused(await answer.text());
    if (answer.status !== 201) throw new Lost();
    photo.done = true;
    return answer.text();
  }

  // A whole check. Gives {state: "received", url}, {state: "stopped", html}, {state: "waiting"} or {state: "login"}.
  async function sendCheck(check, progress = () => {}, arrived = () => {}) {
    try {
      for (const photo of check.photos.filter((one) => !one.done)) {
        let known = photo.url;
        const card = await sendPhoto(photo, check.key, check.uploads, async (share) => {
          progress(share, photo);
          if (photo.url === known) return;
          known = photo.url; // the next page goes on from here
          await site.device.keep(check).catch(() => {});
        });
        arrived(photo, card);
      }
      return await sendAnswers(check);
    } catch (error) {
      if (error instanceof Refused) return { state: "stopped", sentence: error.message };
      return { state: error instanceof Login ? "login" : "waiting" };
    }
  }

  async function sendAnswers(check) {
    for (let look = 0; look < 20; look++) {
      const body = new URLSearchParams(check.answers);
      const answer = await ask(check.action, { method: "POST", body, headers: { "HX-Request": "true" } });
      const url = answer.headers.get("HX-Redirect");
      if (url) return { state: "received", url };
      if (answer.status !== 409) return { state: "stopped", html: await answer.text() };
      await wait(1000 * Number(answer.headers.get("Retry-After"))); // the server is still looking at the photos
    }
    return { state: "waiting" };
  }

  site.deliver = { sendPhoto, sendCheck, Lost, Login, Refused, possible: Boolean(window.crypto?.subtle && window.indexedDB) };
})();
