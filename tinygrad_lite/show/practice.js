// Practice: the page asks for the number of each step instead of showing it.

const [practice, score] = ["practice", "score"].map(byId);
const results = new Map(); // step → "right", "hinted" or "shown"
// No form: a notebook's frame is sandboxed, which forbids to submit one.
const form = document.createElement("div");
form.id = "ask";
form.innerHTML = `<label>= ? <input autocomplete="off" aria-label="your answer"></label>
<button type="button">Check</button> <button type="button">Hint</button> <output></output>`;
const [answer, check, hint, reply] = form.querySelectorAll("input, button, output");

/** The key of the number that a step asks for, as of a hook; "" where it is given. */
function keyOf(step) {
  return steps[step - 1]?.dataset.asks || "";
}

function isAsked(step) {
  const key = keyOf(step);
  const x = key && numberOf(key);
  return key !== "" && Number.isFinite(x) && Math.abs(x) >= 1e-9;
}

function isSecret(step) {
  return practice.checked && isAsked(step) && !results.has(step);
}

function ask() {
  for (const [k, item] of steps.entries()) hide(item, isSecret(k + 1));
  if (form.parentNode !== steps[now - 1].firstElementChild) {
    reply.textContent = answer.value = "";
    steps[now - 1].firstElementChild.querySelector("small").before(form);
  }
  say(steps[now - 1]);
  form.hidden = !practice.checked || !isAsked(now);
  for (const each of [answer.parentNode, check, hint]) each.hidden = !isSecret(now);
  keepScore();
}

function hide(item, isHidden) {
  if (item.classList.contains("asked") === isHidden) return;
  item.classList.toggle("asked", isHidden);
  say(item);
}

function keepScore() {
  const count = steps.filter((_, k) => isAsked(k + 1)).length;
  const of = kind => [...results.values()].filter(each => each === kind).length;
  score.hidden = !practice.checked;
  const parts = [
    `${of("right")} of ${count} right`, `${of("hinted")} with hints`, `${of("shown")} shown`,
  ];
  score.textContent = parts.join(" · ");
}

function settle(how, message) {
  results.set(now, how);
  show(now);
  reply.textContent = message;
  next.focus();
}

answer.onkeydown = event => {
  if (event.key !== "Enter") return;
  event.preventDefault(); // or it would press the button that is in focus next
  check.onclick();
};

check.onclick = () => {
  const x = read(answer.value);
  const right = numberOf(keyOf(now));
  if (Number.isNaN(x)) reply.textContent = "a number, please: 5, 0.5, 1/3 or 2e-3";
  else if (isNear(x, right)) settle(hintsOf(now) ? "hinted" : "right", "Right.");
  else reply.textContent = explained(x, right);
};

/** Whether a number is right as far as the digits of the right one are shown. */
function isNear(x, right) {
  return Math.abs(x - right) <= lastDigit(right) * (isInFull(right) ? 0.5 : 1);
}

function lastDigit(x) {
  const unit = 10 ** (Math.floor(Math.log10(Math.abs(x))) - 3);
  return isInFull(x) ? Math.min(unit, 1) : unit;
}

// Hints: the formula in names, the factors' numbers, the answer.

function hintsOf(step) {
  return Number(steps[step - 1].dataset.hints || 0);
}

hint.onclick = () => {
  const item = steps[now - 1];
  const hasNumbers = item.querySelector(".formula math:not(:last-child) [data-n], .local [data-n]");
  const given = hintsOf(now) === 1 && !hasNumbers ? 3 : hintsOf(now) + 1;
  item.dataset.hints = given;
  say(item);
  if (given === 1) reply.textContent = `in names: ${inNames(item)}`;
  else if (given === 2) reply.textContent = "the numbers of the factors are filled in";
  else settle("shown", "");
};

function inNames(item) {
  const users = usersOf(nodeOf(now));
  const isDirect = item.dataset.phase === "backward" && !item.querySelector(".local");
  const operation = isDirect && users.length ? `, from ${recipeOf(users[0])}` : "";
  return withoutNumbers(item) + operation;
}

function withoutNumbers(item) {
  const sides = [...item.querySelector(".formula").children];
  return sides.filter(side => !side.querySelector("[data-n]")).map(spoken).join("");
}

function recipeOf(node) {
  const item = steps.find(each => each.dataset.asks === `v${node}`);
  if (!item) return graph.nodes[node][0];
  return withoutNumbers(item);
}

// What a wrong answer tells about how it was found

function nodeOf(step) {
  return Number(keyOf(step).slice(1));
}

function usersOf(node) {
  return graph.nodes.flatMap(([, , , args], user) => args.includes(node) ? [user] : []);
}

function explained(x, right) {
  const known = keyOf(now)[0] === "v" ? mistakesForth(nodeOf(now)) : mistakesBack(nodeOf(now));
  const short = Number(right.toPrecision(2));
  const close = isNear(x, short) || Math.abs(x - right) <= 20 * lastDigit(right);
  const found = known.find(([wrong]) => isNear(x, wrong) && !isNear(wrong, right));
  if (found) return found[1];
  if (isNear(-x, right)) return "the sign is the other one";
  return close ? "close: four digits are asked for" : "not yet";
}

function mistakesForth(node) {
  const args = graph.nodes[node][3];
  const names = args.map(arg => graph.nodes[arg][0]);
  const xs = args.map(arg => numbers.values[arg]);
  const recipe = recipeOf(node);
  const alone = xs.map((x, k) => [x, `that is ${names[k]} alone; ${recipe}`]);
  if (xs.length < 2) return alone;
  const others = [
    [xs.reduce((sum, x) => sum + x), names.join(" + ")],
    [xs.reduce((product, x) => product * x), names.join("·")],
    [xs[0] - xs[1], `${names[0]} - ${names[1]}`],
    [xs[1] - xs[0], `${names[1]} - ${names[0]}`],
    [xs[0] / xs[1], `${names[0]}/${names[1]}`],
  ];
  return [...others.map(([wrong, formula]) => [wrong, `that is ${formula}; ${recipe}`]), ...alone];
}

function mistakesBack(node) {
  const name = graph.nodes[node][0];
  const root = graph.nodes.at(-1)[0];
  const paths = usersOf(node).map(user => ({
    name: graph.nodes[user][0],
    adjoint: numbers.adjoints[user],
    partial: partialOf(user, node),
  }));
  const above = path => `∂${root}/∂${path.name}`;
  const local = path => `∂${path.name}/∂${name}`;
  return [
    ...(paths.length > 1 ? mistakesOfPaths(paths, name) : []),
    ...edgesAlone(node),
    ...paths.map(path => [path.adjoint, `that is ${above(path)}; times ${local(path)} is missing`]),
    ...paths.map(path => [path.partial, `that is ${local(path)}; times ${above(path)} is missing`]),
    [numbers.values[node], `that is the value of ${name}, not the derivative for it`],
  ];
}

function mistakesOfPaths(paths, name) {
  const terms = paths.map(path => path.adjoint * path.partial);
  const used = `${name} is used ${times(paths.length)}`;
  const local = "those are the local derivatives; each is times what comes along its path";
  return [
    ...paths.map((path, k) => [terms[k], `that is the path through ${path.name} alone; ${used}`]),
    [terms.reduce((product, term) => product * term), "the paths are added, not multiplied"],
    [sumOf(paths.map(path => path.partial)), local],
    [sumOf(paths.map(path => path.adjoint)), "each path is also times its local derivative"],
  ];
}

/** In x·x, x is used twice by one node. */
function edgesAlone(node) {
  return usersOf(node).flatMap(user => {
    const partials = numbers.partials[user].filter((_, k) => graph.nodes[user][3][k] === node);
    if (partials.length < 2) return [];
    const place = `that is one of its places in ${graph.nodes[user][0]} alone`;
    const message = `${place}; it has ${partials.length}`;
    return partials.map(partial => [numbers.adjoints[user] * partial, message]);
  });
}

function sumOf(xs) {
  return xs.reduce((sum, x) => sum + x, 0);
}

function times(count) {
  return count === 2 ? "twice" : `${count} times`;
}

/** Ask everything anew. */
function again() {
  results.clear();
  for (const item of steps.filter(each => each.dataset.hints)) {
    delete item.dataset.hints;
    say(item);
  }
  reply.textContent = answer.value = "";
  show(now);
}

function practise(on) {
  practice.checked = on;
  document.documentElement.classList.toggle("practice", on);
}

practice.onchange = () => {
  practise(practice.checked);
  go(now);
};

// Start

document.documentElement.classList.add("script");
document.querySelector("nav").hidden = false;
practise(document.documentElement.dataset.practice === "true");
offerFields();
formulas.forEach(speak);
onhashchange = readAddress;
readAddress();
