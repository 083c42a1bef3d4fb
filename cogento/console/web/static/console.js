// What the pages gain by script; they work without it.
// - `/` leads to the search box, and on a phone the navigation shows where one is.
// - An element with the id `live` is fetched again each second, or as often as it says, as long as its box "Live updates" is
//   checked. What did not change stays as it is, so that the focus, and what is open, stay where they are; while text is selected or
//   typed in it, it is left alone.
const live = document.getElementById("live");
const PAUSE_MS = 1000 * Number(live?.dataset.seconds ?? 1);
const MAX_PAUSE_MS = 15000;
const TYPING = "input:not([type=checkbox]), textarea, select";
// What a person does to these stays theirs.
const OWN_STATE = { DETAILS: ["open"], INPUT: ["value", "checked"] };

let pause = PAUSE_MS;

document.addEventListener("keydown", (event) => {
  const search = document.querySelector(".search [type=search]");
  if (event.key !== "/" || event.target.closest(TYPING) || !search || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  search.focus();
  search.select();
});

function isInUse() {
  const selection = getSelection();
  const isSelected = !selection.isCollapsed && selection.containsNode(live, true);
  return isSelected || live.contains(document.activeElement?.closest(TYPING));
}

function keyOf(node) {
  return node.dataset?.key ?? node.id ?? "";
}

// The node among those from `next` on that is to become `fresh`: only what has a key is looked for further down.
function matchFor(fresh, next) {
  const isMatch = (node) => node.nodeName === fresh.nodeName && keyOf(node) === keyOf(fresh);
  if (!keyOf(fresh)) return next && isMatch(next) ? next : null;
  while (next && !isMatch(next)) next = next.nextSibling;
  return next;
}

// Make an element like another one, and keep every node of it that can be kept.
function become(old, fresh) {
  if (old.isEqualNode(fresh)) return;
  if (old.nodeType !== Node.ELEMENT_NODE) {
    old.nodeValue = fresh.nodeValue;
    return;
  }
  const own = OWN_STATE[old.nodeName] ?? [];
  const differs = ({ name }) => !own.includes(name) && old.getAttribute(name) !== fresh.getAttribute(name);
  for (const { name } of [...old.attributes].filter(differs)) old.removeAttribute(name);
  for (const { name, value } of [...fresh.attributes].filter(differs)) old.setAttribute(name, value);
  let next = old.firstChild;
  const removeUntil = (end) => {
    while (next !== end) {
      const gone = next;
      next = next.nextSibling;
      gone.remove();
    }
  };
  for (const child of [...fresh.childNodes]) {
    const match = matchFor(child, next);
    if (!match) {
      old.insertBefore(document.adoptNode(child), next);
      continue;
    }
    removeUntil(match);
    become(match, child);
    next = match.nextSibling;
  }
  removeUntil(null);
}

async function refresh() {
  try {
    const answer = await fetch(live.dataset.source, { redirect: "manual" });
    if (answer.status === 401 || answer.type === "opaqueredirect") return location.reload(); // to log in again
    if (!answer.ok) throw new Error(String(answer.status));
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.getElementById("live");
    if (isOn() && !isInUse()) become(live, fresh);
    pause = PAUSE_MS;
    document.body.classList.remove("lost");
  } catch {
    document.body.classList.add("lost");
    pause = Math.min(pause * 2, MAX_PAUSE_MS);
  }
  again();
}

function isOn() {
  return document.getElementById("updates")?.checked ?? true;
}

// A page in the background, and one that is stopped, ask for nothing.
function again() {
  setTimeout(() => (document.hidden || !isOn() ? again() : refresh()), pause);
}

document.body.classList.add("scripted");
document.querySelector(".nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
if (live) again();
