// Keeps the picture alive: fetches the live part again and puts it in place. The page works without it.
const PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 15000;

let pause = PAUSE_MS;

async function refresh() {
  const live = document.getElementById("live");
  try {
    const answer = await fetch(live.dataset.source, { redirect: "error" });
    if (answer.status === 401) return location.reload();
    if (!answer.ok) throw new Error(String(answer.status));
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    live.replaceWith(document.adoptNode(page.getElementById("live")));
    pause = PAUSE_MS;
    document.body.classList.remove("lost");
  } catch {
    document.body.classList.add("lost");
    pause = Math.min(pause * 2, LONGEST_PAUSE_MS);
  }
  again();
}

// A page in the background asks for nothing.
function again() {
  setTimeout(() => (document.hidden ? again() : refresh()), pause);
}

if (document.getElementById("live")) again();
