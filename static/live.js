// Keeps an open page true: hears which topics have news, fetches the parts that show them, and when it cannot,
// says how old the page is and lets nothing on it be pressed. Without this file every page works; it is then as
// old as it looks.
(() => {
  const LATE_MS = 6_000, OLD_MS = 30_000, POLL_MS = 5_000, REST_MS = 1_000, MINUTE_MS = 60_000, MOST_WAIT_S = 30;
  const state = document.getElementById("f-state");
  if (!state) return;
  let socket = null, tries = 0, timer = 0;
  let heardAt = Date.now(), tickAt = Date.now(), lookedAt = Date.now();
  let lastWords = state.dataset.at, isOld = false, isBusy = false, isReading = false;
  const wanted = new Set();

  const parts = () => [...document.querySelectorAll("[data-live][id]")];
  const topicsOf = (part) => part.dataset.live.split(" ").filter(Boolean);
  const isOpen = () => socket !== null && socket.readyState === WebSocket.OPEN;

  // ── What is shown ────────────────────────────────────────────────────────────────────────────

  function swap(part, fresh) {
    if (part.isEqualNode(fresh)) return true;
    const focus = part.contains(document.activeElement) ? document.activeElement : null;
    if (part.matches(":active") || focus?.matches("input, textarea, select")) return false;
    const before = new Set([...part.querySelectorAll("li, tr")].map((row) => row.textContent));
    const folds = [...part.querySelectorAll("details")].map((one) => one.open);
    const folded = [...fresh.querySelectorAll("details")];
    folded.forEach((one, index) => { if (index < folds.length) one.open = folds[index]; });
    const rows = [...fresh.querySelectorAll("li, tr")];
    const changed = rows.filter((row) => !before.has(row.textContent));
    if (changed.length < rows.length) changed.forEach((row) => row.classList.add("swapped"));
    part.replaceWith(fresh);
    if (focus) again(fresh, focus)?.focus({preventScroll: true});
    window.htmx?.process(fresh);
    return true;
  }

  function again(fresh, focus) {
    if (focus.id) return document.getElementById(focus.id);
    const address = focus.getAttribute("href");
    return [...fresh.querySelectorAll(focus.tagName)].find((one) =>
      address ? one.getAttribute("href") === address : one.textContent === focus.textContent);
  }

  async function fetched(names) {
    const headers = names ? {"X-Parts": names.join(",")} : {};
    const answer = await fetch(location.href, {headers, cache: "no-store", signal: AbortSignal.timeout(10_000)});
    if (answer.redirected || answer.status === 403 || answer.status === 404) location.reload();
    if (!answer.ok) throw new Error(String(answer.status));
    return new DOMParser().parseFromString(await answer.text(), "text/html");
  }

  // ── Looking again ────────────────────────────────────────────────────────────────────────────

  function want(names) {
    names.forEach((name) => wanted.add(name));
    if (timer || isBusy || !wanted.size) return;
    timer = setTimeout(look, Math.max(50, REST_MS - (Date.now() - lookedAt)));
  }

  const wantAll = () => want(["frame", ...parts().map((part) => part.id)]);

  async function look() {
    timer = 0;
    if (document.hidden) return;
    const names = [...wanted];
    wanted.clear();
    isBusy = true;
    try {
      const found = await fetched(names);
      for (const fresh of [...found.body.children]) {
        const part = fresh.id && document.getElementById(fresh.id);
        if (part && !swap(part, document.adoptNode(fresh))) wanted.add(part.id);
      }
      heard();
    } catch {
      names.forEach((name) => wanted.add(name));
    }
    lookedAt = Date.now();
    isBusy = false;
    if (wanted.size && isOpen()) want([]);
  }

  async function readAnew(since) {
    if (isReading) return;
    isReading = true;
    const main = document.getElementById("main");
    const fields = [...main.querySelectorAll("textarea, input:not([type=hidden]), select")];
    const kept = new Map(fields.map((one) => [one.id || one.name, one.value]));
    try {
      const found = await fetched(null);
      const fresh = document.adoptNode(found.getElementById("main"));
      for (const name of ["f-state", "f-count", "f-count-phone"]) {
        const bit = found.getElementById(name), here = document.getElementById(name);
        if (bit && here) here.replaceWith(document.adoptNode(bit));
      }
      main.replaceWith(fresh);
      fresh.querySelectorAll("textarea, input[type=text]").forEach((one) => {
        if (kept.get(one.id || one.name)) one.value = kept.get(one.id || one.name);
      });
      window.htmx?.process(fresh);
      isOld = isReading = false;
      lookedAt = Date.now();
      heard();
      say("live", "live", "read-anew", `Read anew at ${lastWords.slice(0, 5)}.`, ` What stood here was from ${since}.`);
    } catch {
      isReading = false;
      setTimeout(() => isOld && readAnew(since), 2_000);
    }
  }

  // ── How old it is ────────────────────────────────────────────────────────────────────────────

  function heard(words) {
    heardAt = Date.now();
    const shown = document.getElementById("f-state");
    lastWords = words || shown.dataset.at || lastWords;
    const clock = document.getElementById("f-clock");
    if (clock && words) clock.textContent = words.slice(0, 5);
    if (shown.classList.contains("late")) wantAll();
    if (isOld && !isBusy) readAnew(lastWords);
  }

  function say(tone, icon, id, strong, rest) {
    document.getElementById("old-view")?.remove();
    document.getElementById("read-anew")?.remove();
    const box = document.createElement("section");
    box.className = `banner ${tone}`;
    box.id = id;
    box.setAttribute("role", tone === "live" ? "status" : "alert");
    box.setAttribute("aria-label", "Age of this page");
    box.innerHTML = `<svg class="i" aria-hidden="true"><use href="#i-${icon}"/></svg><p><b></b><span></span></p><a>Read anew</a>`;
    box.querySelector("b").textContent = strong;
    box.querySelector("span").textContent = rest;
    box.querySelector("a").href = location.href.split("#")[0];
    if (tone === "live") box.querySelector("a").remove();
    document.querySelector("#main > .wrap").prepend(box);
  }

  function grow() {
    const gap = Date.now() - heardAt;
    if (gap > LATE_MS) {
      const shown = document.getElementById("f-state");
      shown.className = "state late";
      shown.innerHTML = `<svg class="i" aria-hidden="true"><use href="#i-clock"/></svg>Last update ${lastWords}`;
    }
    if (gap > OLD_MS) old(`Not connected since ${lastWords}.`, " What you see may be old, so nothing here can be pressed. It connects again by itself.");
  }

  function old(strong, rest) {
    if (!isOld) say("need", "clock", "old-view", strong, rest);
    isOld = true;
    document.querySelectorAll("main button, .actbar button").forEach((one) => { one.disabled = true; });
  }

  function thaw() {
    const since = lastWords;
    if (Date.now() - heardAt < LATE_MS) return;
    old(`This page is from ${since}.`, " It slept; it is being read anew.");
    socket?.close();
    connect();
    readAnew(since);
  }

  // ── Hearing ──────────────────────────────────────────────────────────────────────────────────

  function connect() {
    if (socket) { socket.onclose = socket.onmessage = socket.onopen = null; socket.close(); }
    const address = new URL("/live/", location.href);
    address.protocol = address.protocol.replace("http", "ws");
    const topics = new Set(["home", "decisions", ...parts().flatMap(topicsOf)]);
    topics.forEach((topic) => address.searchParams.append("t", topic));
    const mine = socket = new WebSocket(address);
    mine.onopen = () => { tries = 0; wantAll(); };
    mine.onmessage = (message) => {
      const said = JSON.parse(message.data);
      heard(said.at);
      if (said.news) want(["frame", ...parts().filter((part) => topicsOf(part).includes(said.news)).map((part) => part.id)]);
    };
    mine.onclose = (end) => {
      if (mine !== socket) return;
      socket = null;
      if (end.code === 4401) return location.reload();
      tries += 1;
      setTimeout(() => socket || connect(), 1_000 * Math.min(MOST_WAIT_S, 2 ** tries) * (0.5 + Math.random() / 2));
    };
  }

  function tick() {
    const slept = Date.now() - tickAt > 4 * LATE_MS;
    tickAt = Date.now();
    if (document.hidden) return;
    if (slept) return thaw();
    grow();
    const since = Date.now() - lookedAt;
    if (since > (isOpen() ? MINUTE_MS : POLL_MS) && !isBusy) wantAll();
  }

  document.addEventListener("visibilitychange", () => { if (!document.hidden) { thaw(); want([]); } });
  document.addEventListener("resume", thaw);
  window.addEventListener("pageshow", (event) => { if (event.persisted) { heardAt = 0; thaw(); } });
  window.addEventListener("online", () => socket || connect());
  document.addEventListener("submit", (event) => { if (isOld) event.preventDefault(); }, true);
  setInterval(tick, 1_000);
  connect();
})();
