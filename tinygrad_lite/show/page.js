// Steps: what is lit, what has appeared, and the ways to walk.

const [back, next, slider, status_, all, link, picture, list] =
  ["back", "next", "slider", "status", "all", "link", "picture", "steps"].map(byId);
const steps = [...list.children];
const marked = [...picture.querySelectorAll("[data-from], [data-lit]")];
let now = 0;

function byId(id) {
  return document.getElementById(id);
}

function show(step) {
  now = Math.min(Math.max(step || 1, 1), steps.length);
  const item = steps[now - 1];
  for (const each of steps) each.removeAttribute("aria-current");
  item.setAttribute("aria-current", "step");
  light(item.dataset.phase);
  slider.value = now;
  slider.setAttribute("aria-valuetext", `step ${now} of ${steps.length}`);
  back.setAttribute("aria-disabled", now === 1);
  next.setAttribute("aria-disabled", now === steps.length);
  ask();
  announce(item);
  const lit = [...picture.querySelectorAll(".node.lit")];
  if (lit.length && !lit.some(node => isInView(picture, node))) bringIntoView(picture, lit[0]);
  if (all.checked) bringIntoView(list, item);
}

function light(phase) {
  for (const each of marked) {
    const from = Number(each.dataset.from || 0);
    each.classList.toggle("later", from > now || isSecret(from));
    each.classList.toggle("lit", (each.dataset.lit || "").split(" ").includes(String(now)));
  }
  picture.className = phase;
}

function announce(item) {
  const formula = document.createElement("span");
  formula.className = "unseen";
  formula.textContent = `: ${formulasOf(item)}`;
  status_.replaceChildren(`step ${now} of ${steps.length} · ${item.dataset.phase}`, formula);
}

function formulasOf(item) {
  const formulas = [...item.querySelectorAll("div > .formula")];
  return formulas.map(each => each.getAttribute("aria-label")).join(", ");
}

function isInView(pane, element) {
  const outer = pane.getBoundingClientRect();
  const inner = element.getBoundingClientRect();
  const fits = inner.left >= outer.left && inner.right <= outer.right;
  return fits && inner.top >= outer.top && inner.bottom <= outer.bottom;
}

function bringIntoView(pane, element) {
  const outer = pane.getBoundingClientRect();
  const inner = element.getBoundingClientRect();
  if (inner.left < outer.left || inner.right > outer.right)
    pane.scrollLeft += inner.left + inner.width / 2 - outer.left - outer.width / 2;
  if (inner.top < outer.top || inner.bottom > outer.bottom)
    pane.scrollTop += inner.top + inner.height / 2 - outer.top - outer.height / 2;
}

// The address: #9, #practice, or #practice,9.

function go(step) {
  show(step);
  writeAddress();
}

function writeAddress() {
  const hash = `#${practice.checked ? "practice," : ""}${now}`;
  link.setAttribute("href", hash);
  try {
    history.replaceState(null, "", hash);
  } catch {
    link.hidden = true; // in a notebook's frame, which has no address
  }
}

function readAddress() {
  const practises = location.hash.includes("practice");
  if (practises !== practice.checked && practises) practise(true);
  show(Number(/\d+/.exec(location.hash)?.[0]));
  link.setAttribute("href", location.hash || "#1");
}

// Buttons, slider, keys and clicks

back.onclick = () => go(now - 1);
next.onclick = () => go(now + 1);
slider.oninput = () => go(Number(slider.value));
all.onchange = () => {
  list.classList.toggle("all", all.checked);
  document.documentElement.classList.toggle("all", all.checked);
  show(now);
};
list.onclick = event => {
  const item = event.target.closest("li");
  if (all.checked && item && !event.target.closest("#ask")) go(item.value);
};
picture.onclick = event => {
  if (event.target.closest("input")) return;
  const lit = event.target.closest("[data-lit]")?.dataset.lit || "";
  const at = lit.split(" ").map(Number);
  if (at[0]) go(at.find(step => step > now) || at[0]);
};
document.onkeydown = event => {
  if (!event.target.closest("input") && /^[-.,\d]$/.test(event.key)) answer.focus();
  const to = { ArrowLeft: now - 1, ArrowRight: now + 1, Home: 1, End: steps.length }[event.key];
  const isTyped = event.target.matches("input:not([type=checkbox])");
  if (to === undefined || event.altKey || event.ctrlKey || event.metaKey || isTyped) return;
  event.preventDefault();
  go(to);
};
