"use strict";
// Nothing on a page needs this script; it saves clicks.

// "/" moves to the search box, unless somebody is typing.
document.addEventListener("keydown", (event) => {
  const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName) || event.target.isContentEditable;
  if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
  const box = document.getElementById("top-q");
  if (box) { event.preventDefault(); box.focus(); box.select(); }
});

// Keys of the review pages. Each is that of a button or link on the page; they are off while somebody types or
// holds a modifier, and can be switched off for this browser.
const keysOn = () => localStorage.getItem("keys") !== "off";
const keyBox = document.getElementById("keys-on");
if (keyBox) {
  keyBox.closest("label").hidden = false;
  keyBox.checked = keysOn();
  keyBox.addEventListener("change", () => localStorage.setItem("keys", keyBox.checked ? "on" : "off"));
}
document.addEventListener("keydown", (event) => {
  const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName) && !/^(radio|checkbox)$/.test(event.target.type);
  const shifted = event.shiftKey && event.key !== "?";  // most keyboards have "?" with Shift only
  if (typing || shifted || event.ctrlKey || event.metaKey || event.altKey || event.repeat || !keysOn()) return;
  if (event.key === "Enter" && event.target !== document.body) return;
  const field = document.querySelector(`[data-focus="${CSS.escape(event.key)}"]`);
  if (field) { event.preventDefault(); field.focus(); return; }
  const button = document.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
  if (button) { event.preventDefault(); button.click(); }
});

// Copies the address of a message.
document.addEventListener("click", async (event) => {
  const link = event.target.closest("[data-copy]");
  if (!link || !navigator.clipboard) return;
  event.preventDefault();
  await navigator.clipboard.writeText(new URL(link.getAttribute("href"), location.href).href);
  const status = document.getElementById("status");
  if (status) { status.textContent = ""; status.textContent = link.dataset.copy; }
  link.classList.add("copied");
});

// Prints the page where a button asks for it. Without this script the button would do nothing, so it is hidden.
for (const button of document.querySelectorAll("[data-print]")) button.hidden = false;
document.addEventListener("click", (event) => {
  if (event.target.closest("[data-print]")) window.print();
});

// Older and newer messages: the page that the link leads to is fetched, and its messages are put in place.
async function extend(link) {
  const talk = document.querySelector(".talk");
  const older = link.dataset.more === "older";
  const answer = await fetch(link.href, { credentials: "same-origin" });
  if (!answer.ok || answer.redirected) throw new Error("no messages came");
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const rows = [...page.querySelectorAll(".talk > *")].map((row) => document.adoptNode(row));
  const next = page.querySelector(`[data-more="${link.dataset.more}"]`);
  const height = document.documentElement.scrollHeight;
  // Where both parts have messages of a session of an order, its line stays once: where the session begins.
  const [first, then] = older ? [rows, [...talk.children]] : [[...talk.children], rows];
  const begun = new Set(first.map((row) => row.dataset.session).filter(Boolean));
  const again = then.find((row) => begun.has(row.dataset.session));
  if (again && older) again.remove();
  if (again && !older) rows.splice(rows.indexOf(again), 1);
  if (older) {
    // The first day of what is shown may be the last day of what came.
    const first = talk.querySelector(".day");
    const last = rows.filter((row) => row.classList.contains("day")).pop();
    if (first && last && first.textContent === last.textContent) first.remove();
    talk.prepend(...rows);
    window.scrollBy({ top: document.documentElement.scrollHeight - height, behavior: "instant" });
  } else {
    const last = [...talk.querySelectorAll(".day")].pop();
    const first = rows.find((row) => row.classList.contains("day"));
    if (first && last && first.textContent === last.textContent) rows.splice(rows.indexOf(first), 1);
    talk.append(...rows);
  }
  if (next) link.href = next.getAttribute("href"); else link.closest(".more").remove();
}

// Does what a press of the link does, once at a time. `otherwise` is called where no messages came.
function press(link, otherwise) {
  if (link.dataset.busy) return;
  link.dataset.busy = "1";
  extend(link).catch(otherwise).finally(() => { delete link.dataset.busy; });
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-more]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  press(link, () => { location.href = link.href; });
});

// Scrolling presses these links, too, when one comes into view. A link that a page opens with, or that the Tab key
// reaches, waits for a press; where no messages come, it stays as it is.
let scrolls = false;
for (const kind of ["wheel", "touchmove"]) {
  document.addEventListener(kind, () => { scrolls = true; }, { passive: true });
}
document.addEventListener("keydown", ({ key }) => {
  scrolls = key !== "Tab" && (scrolls || /^(PageUp|PageDown|Home|End|ArrowUp|ArrowDown)$/.test(key));
});
const outOfView = new WeakSet();
const sight = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    if (!isIntersecting) outOfView.add(target);
    else if (outOfView.delete(target) && scrolls) press(target, () => {});
  }
});
for (const link of document.querySelectorAll("a[data-more]")) sight.observe(link);
