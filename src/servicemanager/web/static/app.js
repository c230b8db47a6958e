"use strict";
/* What the pages do by themselves: they stay up to date, tell times in the viewer's zone, and remember a theme.
   Without this script everything is there too; a reload shows what is new. */

const root = document.documentElement;
const every = (selector, scope = document) => [...scope.querySelectorAll(selector)];
const NARROW = "\u202f"; // between a number and its unit, as formats.py has it

/* Times. "Now" is the database's, whatever the clock of this machine says. */

const ahead = Date.parse(root.dataset.now) - Date.now();
const now = () => Date.now() + ahead;
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const two = (number) => String(number).padStart(2, "0");
const clock = (at) => `${two(at.getHours())}:${two(at.getMinutes())}`;

function roughly(seconds) {
  for (const [unit, length] of [["d", 86400], ["h", 3600], ["min", 60]]) {
    if (seconds >= length) return `${Math.floor(seconds / length)}${NARROW}${unit}`;
  }
  return `${seconds}${NARROW}s`;
}

function ago(at) {
  const seconds = Math.trunc((now() - at) / 1000);
  if (Math.abs(seconds) < 60) return now() >= at ? "just now" : "in a moment";
  return seconds > 0 ? `${roughly(seconds)} ago` : `in ${roughly(-seconds)}`;
}

function wall(at) {
  const today = new Date(now());
  if (at.toDateString() === today.toDateString()) return clock(at);
  const year = at.getFullYear() === today.getFullYear() ? "" : ` ${at.getFullYear()}`;
  return `${at.getDate()} ${MONTHS[at.getMonth()]}${year} ${clock(at)}`;
}

const exact = (at) =>
  `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${clock(at)}:${two(at.getSeconds())}`;

let exactly = read("exact") === "yes";

function words(element) {
  const at = new Date(element.dateTime);
  const form = element.dataset.form;
  if (form === "clock") return `${clock(new Date(now()))}:${two(new Date(now()).getSeconds())}`;
  if (exactly) return exact(at);
  return form === "wall" ? wall(at) : ago(at);
}

function tellTimes(scope = document) {
  for (const element of every("time[data-form]", scope)) {
    const text = words(element);
    if (element.textContent !== text) element.textContent = text;
  }
}

/* What this browser remembers: nothing but how the viewer likes the pages. */

function read(name) {
  try { return localStorage.getItem(name); } catch { return null; }
}

function remember(name, value) {
  try { localStorage.setItem(name, value); } catch { /* then it holds for this page */ }
}

const THEMES = { auto: "Automatic", light: "Light", dark: "Dark" };

function showTheme(theme) {
  root.dataset.theme = theme;
  for (const button of every('[data-switch="theme"]')) {
    button.setAttribute("aria-label", `Theme: ${THEMES[theme]}. Change it`);
    button.querySelector("[data-label]").textContent = THEMES[theme];
  }
}

function nextTheme() {
  const names = Object.keys(THEMES);
  const theme = names[(names.indexOf(root.dataset.theme) + 1) % names.length];
  // A cookie, so that the server sends the page in the right colours and nothing flashes.
  document.cookie = `theme=${theme}; path=/; max-age=31536000; samesite=lax`;
  showTheme(theme);
}

function showExact(on) {
  exactly = on;
  for (const button of every('[data-switch="exact"]')) button.setAttribute("aria-pressed", String(on));
  tellTimes();
}

/* The menu of small screens. */

const nav = document.getElementById("nav");
const menu = document.querySelector(".menu");

function openMenu(open) {
  if (!nav || !menu) return;
  nav.classList.toggle("is-open", open);
  menu.setAttribute("aria-expanded", String(open));
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button?.dataset.switch === "theme") nextTheme();
  if (button?.dataset.switch === "exact") { showExact(!exactly); remember("exact", exactly ? "yes" : "no"); }
  if (button && button === menu) openMenu(menu.getAttribute("aria-expanded") !== "true");
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  hideTip();
  if (menu?.getAttribute("aria-expanded") === "true") { openMenu(false); menu.focus(); }
});

/* Details of a chart's marks, by pointer and by keyboard: the text stands in data-tip. */

const tip = document.createElement("div");
tip.className = "tip";
tip.hidden = true;
tip.setAttribute("role", "tooltip");
document.body.append(tip);

function showTip(mark) {
  tip.textContent = mark.dataset.tip;
  tip.hidden = false;
  const place = mark.getBoundingClientRect();
  const size = tip.getBoundingClientRect();
  const left = place.left + place.width / 2 - size.width / 2;
  const above = place.top - size.height - 8;
  tip.style.left = `${Math.max(8, Math.min(left, innerWidth - size.width - 8))}px`;
  tip.style.top = `${above < 8 ? Math.min(place.bottom + 8, innerHeight - size.height - 8) : above}px`;
}

function hideTip() { tip.hidden = true; }

for (const kind of ["pointerover", "focusin"]) {
  document.addEventListener(kind, (event) => {
    const mark = event.target.closest?.("[data-tip]");
    if (mark) showTip(mark); else hideTip();
  });
}
document.addEventListener("focusout", hideTip);
document.addEventListener("scroll", hideTip, { passive: true, capture: true });

/* The search in a page: what does not match is hidden while one types. */

function filter(input) {
  const wanted = input.value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const item of every("[data-filter-item]")) {
    const text = item.dataset.filterItem.toLowerCase();
    item.hidden = !wanted.every((word) => text.includes(word));
    if (!item.hidden) shown += 1;
  }
  for (const group of every("[data-filter-group]")) group.hidden = !group.querySelector("[data-filter-item]:not([hidden])");
  for (const said of every("[data-filter-said]")) said.textContent = `${shown} settings are shown.`;
}

document.addEventListener("input", (event) => {
  if (event.target.matches("[data-filter]")) filter(event.target);
});

/* Live updates. A region is changed where it differs, piece by piece, so that focus, selection, open details, scrolling
   and typed text stay what they are. Pieces of lists are told apart by data-key. */

const keyOf = (node) => (node.nodeType === 1 ? node.dataset.key || node.id || "" : "");
const alike = (one, other) => one.nodeType === other.nodeType && one.nodeName === other.nodeName && keyOf(one) === keyOf(other);

function changeAttributes(old, fresh) {
  for (const { name } of [...old.attributes]) {
    const kept = name === "open" && old.nodeName === "DETAILS";
    if (!kept && !fresh.hasAttribute(name)) old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
}

function change(old, fresh) {
  if (old.nodeType !== 1) {
    if (old.nodeValue !== fresh.nodeValue) old.nodeValue = fresh.nodeValue;
    return;
  }
  changeAttributes(old, fresh);
  const staying = new Set([...fresh.childNodes].map(keyOf).filter(Boolean));
  const known = new Map([...old.childNodes].filter(keyOf).map((node) => [keyOf(node), node]));
  let place = old.firstChild;
  for (const piece of [...fresh.childNodes]) {
    while (place && keyOf(place) && !staying.has(keyOf(place))) place = without(place);
    const match = keyOf(piece) ? known.get(keyOf(piece)) : place;
    if (match && alike(match, piece)) {
      if (match === place) place = place.nextSibling; else old.insertBefore(match, place);
      change(match, piece);
    } else {
      old.insertBefore(document.importNode(piece, true), place);
      if (place && !keyOf(place) && !keyOf(piece)) place = without(place);
    }
  }
  while (place) place = without(place);
}

function without(node) {
  const next = node.nextSibling;
  node.remove();
  return next;
}

const FASTEST = 1000;
const SLOWEST = 30000;
const notice = document.getElementById("notice");
let etag = "";
let timer = 0;
let failures = 0;
let goodAt = new Date();

function say(...content) {
  const text = content.map((piece) => piece.textContent ?? piece).join("");
  if (notice.textContent === text) return;
  notice.replaceChildren();
  if (!text) return;
  const sentence = document.createElement("p");
  sentence.append(...content);
  notice.append(sentence);
}

function link(address, text) {
  const element = document.createElement("a");
  element.href = address;
  element.textContent = text;
  return element;
}

function show(page) {
  document.title = page.title;
  document.body.dataset.refresh = page.body.dataset.refresh;
  for (const region of every("[data-live]")) {
    const fresh = page.querySelector(`[data-live="${region.dataset.live}"]`);
    if (fresh) change(region, fresh);
  }
  tellTimes();
}

async function look() {
  clearTimeout(timer);
  if (document.hidden) return;
  try {
    const headers = { Accept: "text/html", ...(etag && { "If-None-Match": etag }) };
    const answer = await fetch(location.href, { headers, cache: "no-store", redirect: "manual", credentials: "same-origin" });
    await take(answer);
  } catch {
    failures += 1;
    say(`The service does not answer. What you see is of ${exact(goodAt)}; it is tried again.`);
  }
  plan();
}

async function take(answer) {
  if (answer.type === "opaqueredirect" || answer.status === 401) {
    failures += 1;
    say("You have been signed out. ", link(location.href, "Sign in again"));
    return;
  }
  if (answer.ok && document.body.dataset.status === "503") { location.reload(); return; }
  if (answer.ok) {
    etag = answer.headers.get("ETag") ?? "";
    show(new DOMParser().parseFromString(await answer.text(), "text/html"));
  } else if (answer.status === 503 && document.body.dataset.status === "503") {
    show(new DOMParser().parseFromString(await answer.text(), "text/html"));
  } else if (answer.status !== 304) {
    failures += 1;
    const why = answer.status === 503 ? "The database can't be reached." : "The service can't show this page at the moment.";
    say(`${why} What you see is of ${exact(goodAt)}; it is tried again.`);
    return;
  }
  failures = 0;
  goodAt = new Date();
  say();
}

function plan() {
  clearTimeout(timer);
  const seconds = Number(document.body.dataset.refresh);
  if (seconds) timer = setTimeout(look, Math.max(FASTEST, Math.min(SLOWEST, seconds * 1000 * 2 ** failures)));
}

document.addEventListener("visibilitychange", () => { if (!document.hidden && document.body.dataset.refresh !== "0") look(); });

showTheme(root.dataset.theme);
showExact(exactly);
plan();
setInterval(() => every('time[data-form="clock"]').forEach((element) => { element.textContent = words(element); }), 1000);
setInterval(tellTimes, 15000);
