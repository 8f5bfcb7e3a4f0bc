// What makes the page better: the reader's zone, deadlines that count, a key for the search box, links to copy, and news
// without loading anew. Everything is there without it, too. It loads nothing but the page that it stands on.
"use strict";

const zone = new Intl.DateTimeFormat(undefined, { dateStyle: "short", timeStyle: "medium" });
const zoneName = new Intl.DateTimeFormat(undefined, { timeZoneName: "short" });

function inZone(element) {
  const at = new Date(element.dateTime);
  if (isNaN(at) || at.getTimezoneOffset() === 0 || element.nextElementSibling?.className === "local") return;
  const named = zoneName.formatToParts(at).find(part => part.type === "timeZoneName");
  const local = document.createElement("span");
  local.className = "local";
  const sameDay = at.getDate() === at.getUTCDate();
  local.textContent = `${sameDay ? at.toLocaleTimeString() : zone.format(at)} ${named ? named.value : ""}`;
  element.after(" ", local);
}

function length(seconds) {
  const days = Math.floor(seconds / 86400), hours = Math.floor(seconds / 3600) % 24;
  const minutes = Math.floor(seconds / 60) % 60;
  if (days) return `${days} d ${hours} h`;
  return hours ? `${hours} h ${minutes} min` : `${minutes} min ${seconds % 60} s`;
}

function count() {
  for (const element of document.querySelectorAll("[data-count]")) {
    const left = Math.round((new Date(element.dataset.count) - Date.now()) / 1000);
    element.textContent = left > 0 ? `in ${length(left)}` : `${length(-left)} ago`;
  }
}

function improve() {
  document.querySelectorAll("time").forEach(inZone);
  for (const button of document.querySelectorAll("[data-copy]")) {
    button.hidden = !navigator.clipboard;
    button.onclick = async () => {
      await navigator.clipboard.writeText(new URL(button.dataset.copy, location.href).href);
      button.textContent = "Copied";
    };
  }
  count();
}

let tag = null;

async function refresh() {
  if (document.hidden || !document.querySelector("[data-live]")) return;
  const headers = tag ? { "If-None-Match": tag } : {};
  let answer;
  try {
    answer = await fetch(location.href, { headers, cache: "no-store" });
  } catch {
    return; // the network is away; the next round will tell
  }
  if (!answer.ok) return;
  tag = answer.headers.get("ETag");
  const next = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("[data-live]");
  const shown = document.querySelector("[data-live]");
  if (next && !shown.contains(document.activeElement) && getSelection().isCollapsed) {
    shown.replaceWith(next);
    improve();
  }
}

addEventListener("keydown", event => {
  const typing = event.target.closest("input, select, textarea");
  const box = document.getElementById("q");
  if (event.key === "/" && !typing && box && !event.ctrlKey && !event.metaKey && !event.altKey) {
    event.preventDefault();
    box.focus();
    box.select();
  }
});

improve();
setInterval(count, 1000);
setInterval(refresh, 20000);
