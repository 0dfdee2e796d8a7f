// New numbers: the leaves are fields, and everything follows by the rules of the table.

const hooks = [...document.querySelectorAll("[data-n]")];
const original = new Map(hooks.map(hook => [hook, [hook.textContent, hook.dataset.d]]));
const untrue = [...document.querySelectorAll("math[hidden]")];
const recorded = graph.nodes.map(([, number]) => number);
const [drawing, reset, fixed] = ["draw", "reset", "fixed"].map(byId);
const fields = new Map();
const DIVISIONS = ["div", "mod", "floordiv"];
const OVERFLOWING = ["exp", "exp_difference", "expm1", "sinh", "cosh"];
let numbers = evaluate(recorded);

// Both passes over the graph, with the numbers of the leaves given.

function evaluate(leaves) {
  const found = { values: [], partials: [], adjoints: [], errors: new Map() };
  graph.nodes.forEach(([name, number, rule, args, partials], i) => {
    if (rule < 0) {
      found.values[i] = args.length ? number : leaves[i];
      found.partials[i] = partials || [];
      return;
    }
    const numbers = args.map(arg => found.values[arg]);
    found.values[i] = valueOf(graph.rules[rule], numbers, found, i);
    found.partials[i] = graph.rules[rule][3](1, found.values[i], ...numbers);
  });
  return propagate(found);
}

function valueOf([name, domain, value], args, found, i) {
  const out = value(...args);
  const reason = reasonOf(name, domain, args, out);
  if (!reason) return out;
  found.errors.set(i, `${name}(${args.map(x => shown(x)).join(", ")}): ${reason}`);
  return NaN;
}

/** Why there is no result, as in Python, where a product becomes inf but a function complains. */
function reasonOf(name, domain, args, out) {
  if (Number.isFinite(out) || args.some(Number.isNaN)) return "";
  if (DIVISIONS.includes(name) && args[1] === 0) return "division by zero";
  if (Number.isNaN(out)) return domain;
  const areFinite = args.every(Number.isFinite);
  if (name === "pow") return areFinite && args[0] === 0 ? "division by zero" : "";
  if (name === "xlogy" ? args[1] === 0 : args.length === 1 && areFinite && domain) return domain;
  return areFinite && OVERFLOWING.includes(name) ? "too large" : "";
}

function propagate(found) {
  const { adjoints } = found;
  adjoints[graph.nodes.length - 1] = 1;
  for (let i = graph.nodes.length - 1; i >= 0; i--) {
    if (adjoints[i] !== undefined) addTerms(found, i);
    else adjoints[i] = 0; // no derivative flows here
  }
  return found;
}

function addTerms({ values, partials, adjoints }, i) {
  const [, , rule, args] = graph.nodes[i];
  const numbers = args.map(arg => values[arg]);
  const terms = rule < 0
    ? partials[i].map(partial => partial === null ? null : adjoints[i] * partial)
    : graph.rules[rule][3](adjoints[i], values[i], ...numbers);
  args.forEach((arg, k) => {
    if (terms[k] !== null) adjoints[arg] = (adjoints[arg] ?? 0) + terms[k];
  });
}

// v3, a3, p5_3, q5_0: value, derivative of the root, of node 5 for node 3, and along one edge.

function indices(key) {
  return key.slice(1).split("_").map(Number);
}

function numberOf(key) {
  const [i, k] = indices(key);
  switch (key[0]) {
    case "v": return numbers.values[i];
    case "a": return numbers.adjoints[i];
    case "q": return numbers.partials[i][k] ?? 0;
    default: return partialOf(i, k);
  }
}

function partialOf(user, node) {
  const args = graph.nodes[user][3];
  const terms = numbers.partials[user].filter((term, k) => args[k] === node && term !== null);
  return terms.reduce((sum, term) => sum + term, 0);
}

// What stands at each hook

function textOf(hook) {
  const x = numberOf(hook.dataset.n);
  return Number.isNaN(x) && numbers.errors.size ? "–" : shown(x, Number(hook.dataset.d) || DIGITS);
}

function fill() {
  formulas.forEach(refine);
  for (const hook of hooks) {
    const text = textOf(hook);
    hook.textContent = hook.localName === "mn" ? inMathematics(text, "t" in hook.dataset) : text;
  }
  for (const [i, message] of numbers.errors) complain(i, message);
  formulas.forEach(speak);
}

function restore() {
  for (const side of document.querySelectorAll("math"))
    side.toggleAttribute("hidden", untrue.includes(side));
  for (const [hook, [text, digits]] of original) {
    hook.textContent = text;
    setDigits(hook, digits);
  }
  formulas.forEach(speak);
}

function inMathematics(text, isTight) {
  const [mantissa, exponent] = text.replace("inf", "∞").replace(/^-/, "−").split("e");
  if (exponent === undefined) return isTight && mantissa[0] === "−" ? `(${mantissa})` : mantissa;
  const raised = sign => "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"["-0123456789".indexOf(sign)];
  const digits = String(Number(exponent)).replace(/./g, raised);
  const written = `${mantissa}·10${digits}`.replace(/^(−?)1·/, "$1");
  return isTight ? `(${written})` : written;
}

// Errors in the boxes

function complain(i, message) {
  const hook = picture.querySelector(`[data-n=v${i}]`);
  const text = hook?.closest("text");
  if (!text) return tell(message); // in a group, or cut off
  hook.textContent = message;
  text.classList.add("error");
  const room = text.parentNode.querySelector("rect").getBBox().width - 8;
  text.style.fontSize = `${Math.max(6, Math.min(13, 13 * room / text.getBBox().width))}px`;
}

function forgive() {
  tell("");
  for (const text of picture.querySelectorAll(".error")) {
    text.classList.remove("error");
    text.style.fontSize = "";
  }
}

// Fields

function change(leaves) {
  forgive();
  numbers = evaluate(leaves);
  const isRecorded = leaves.every((x, i) => Object.is(x, recorded[i]));
  if (isRecorded) restore();
  else fill();
  reset.hidden = isRecorded;
  for (const i of fields.keys()) present(i);
  show(now);
}

/** A field shows what a box does, and all digits to who is in it. */
function present(i) {
  const field = fields.get(i);
  const x = numbers.values[i];
  field.value = document.activeElement === field ? String(x).replace("Infinity", "inf") : shown(x);
  field.removeAttribute("aria-invalid");
}

function addField(i) {
  const text = picture.querySelector(`#n${i} [data-n=v${i}]`)?.closest("text");
  if (!text) return;
  const frame = document.createElementNS("http://www.w3.org/2000/svg", "foreignObject");
  const field = document.createElement("input");
  field.setAttribute("aria-label", graph.nodes[i][0]);
  field.onfocus = field.onblur = () => field.ariaInvalid || present(i);
  field.onchange = () => enter(i, field);
  frame.append(field);
  text.parentNode.append(frame);
  text.classList.add("behind");
  fields.set(i, field);
  place(frame, text);
  present(i);
}

function placeAll() {
  for (const frame of picture.querySelectorAll("foreignObject"))
    place(frame, frame.parentNode.querySelector(".behind"));
}

/** A page that is not on show yet, as in a notebook that is scrolled to it later, has no sizes. */
function place(frame, text) {
  const box = text.parentNode.querySelector("rect").getBBox();
  if (!box.width) return;
  const sizes = { x: box.x + 5, y: text.getBBox().y, width: box.width - 10, height: 14.5 };
  for (const [name, value] of Object.entries(sizes)) frame.setAttribute(name, value);
}

function enter(i, field) {
  const x = read(field.value);
  if (Number.isNaN(x)) {
    field.setAttribute("aria-invalid", true);
    reset.hidden = false;
    return;
  }
  const leaves = numbers.values.map((now, k) => graph.nodes[k][3].length ? recorded[k] : now);
  leaves[i] = x;
  change(leaves);
  again();
}

/** A number as people write it: 5, 5.0, 0,5, 1/3, -2e-3; NaN if it is none. */
function read(text) {
  const plain = text.trim().replaceAll("−", "-").replaceAll(",", ".");
  const [top, bottom = "1", ...more] = plain.split("/");
  const isNumber = part => /^\s*[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?\s*$/i.test(part);
  return isNumber(top) && isNumber(bottom) && !more.length ? Number(top) / Number(bottom) : NaN;
}

// Small whole numbers that stay in the domain; where there are none, tenths between -1 and 1.

function drawn() {
  const between = (least, most) => () => least + Math.floor(Math.random() * (most - least + 1));
  const tenths = (least, most) => () => between(least, most)() / 10;
  for (const pick of [between(-4, 6), between(1, 9), tenths(1, 9), tenths(-9, 9)])
    for (let tries = 0; tries < 100; tries++) {
      const leaves = recorded.map((x, i) => fields.has(i) ? pick() : x);
      const isNew = leaves.some((x, i) => x !== numbers.values[i] && fields.has(i));
      if (isNew && isFine(evaluate(leaves))) return leaves;
    }
  return null;
}

function isFine({ values, adjoints, errors }) {
  return !errors.size && [...values, ...adjoints].every(x => Math.abs(x) < 1e5);
}

drawing.onclick = () => {
  const leaves = drawn();
  tell(leaves ? "" : "no numbers were found that stay in the domain");
  if (!leaves) return;
  change(leaves);
  again();
  go(1);
};
reset.onclick = () => {
  change(recorded);
  again();
};

/** What cannot follow and why, and what else there is to say. */
function tell(message) {
  const why = new Map();
  for (const [i, reason] of graph.fixed)
    why.set(reason, [...(why.get(reason) || []), graph.nodes[i][0]]);
  const reasons = [...why].map(([reason, names]) => `${some(names)} fixed: ${reason}`);
  fixed.textContent = [...reasons, message].filter(Boolean).join("; ");
  fixed.hidden = !fixed.textContent;
}

function some(names) {
  if (names.length <= 6) return names.join(", ");
  return `${names.slice(0, 5).join(", ")} and ${names.length - 5} more`;
}

function offerFields() {
  const leaves = graph.nodes.flatMap(([, , , args], i) => args.length ? [] : [i]);
  leaves.filter(i => graph.labelled.includes(i) && !graph.fixed.has(i)).forEach(addField);
  new ResizeObserver(placeAll).observe(picture);
  drawing.hidden = !fields.size;
  if (fields.size) picture.querySelector("svg").setAttribute("role", "group");
  tell("");
}
