// Numbers as the package shows them: four digits, whole numbers below a million in full.

const DIGITS = 4, ALL_DIGITS = 17;

function shown(x, digits = DIGITS) {
  if (Number.isNaN(x)) return "nan";
  if (!Number.isFinite(x)) return x < 0 ? "-inf" : "inf";
  if (Object.is(x, -0)) return "-0";
  if (isInFull(x)) return String(x);
  const written = digits < ALL_DIGITS ? rounded(x, digits - 1) : x.toExponential();
  const [mantissa, exponent] = written.split("e");
  if (exponent >= -4 && exponent < digits) {
    if (digits >= ALL_DIGITS) return String(x);
    return withoutZeros(Number(written).toFixed(digits - 1 - exponent));
  }
  return `${withoutZeros(mantissa)}e${exponent[0]}${exponent.slice(1).padStart(2, "0")}`;
}

function isInFull(x) {
  return Number.isInteger(x) && Math.abs(x) < 1e6;
}

/** With so many digits after the point; halfway between two, to the even one, as Python does. */
function rounded(x, places) {
  const [digits, exponent] = x.toExponential(100).split("e");
  const end = digits.indexOf(".") + places + 1;
  const isHalfway = /^50*$/.test(digits.slice(end));
  const isDown = isHalfway && digits[end - 1] % 2 === 0;
  return isDown ? `${digits.slice(0, end)}e${exponent}` : x.toExponential(places);
}

function withoutZeros(digits) {
  return digits.includes(".") ? digits.replace(/\.?0+$/, "") : digits;
}

// A formula's numbers have as many digits as it takes to give the result; if none do, they are
// hidden.

const ENOUGH = [DIGITS, 6, 9, 12, ALL_DIGITS];
const CLOSE = 2e-3;
const SUMS = ["add", "sub", "sum"];

function refine(formula) {
  const inside = [...formula.querySelectorAll("[data-n]")];
  const key = inside.at(-1)?.dataset.n;
  if (!key || (key[0] !== "a" && graph.nodes[indices(key)[0]][2] < 0)) return; // it stays as it is
  const digits = enough(key);
  for (const side of [...formula.children].slice(1, -1))
    if (side.querySelector("[data-n]")) side.toggleAttribute("hidden", !digits);
  for (const hook of inside)
    setDigits(hook, digits > DIGITS && !formula.lastElementChild.contains(hook) && digits);
}

function setDigits(hook, digits) {
  if (digits) hook.dataset.d = digits;
  else delete hook.dataset.d;
}

function enough(key) {
  const result = numberOf(key);
  const [exact, noise] = fromShown(key, x => x);
  if (!agree(exact, result, noise)) return 0;
  const tries = [0, noise].flatMap(size => ENOUGH.map(digits => [digits, size]));
  const found = tries.find(([digits, size]) => {
    const [x] = fromShown(key, x => rounding(x, digits));
    return agree(x, result, size);
  });
  return found?.[0] ?? 0;
}

function rounding(x, digits) {
  return Number.isFinite(x) ? Number(shown(x, digits)) : x;
}

function agree(x, result, noise) {
  const most = Math.max(CLOSE * Math.abs(result), noise);
  return Object.is(x, result) || x === result || Math.abs(x - result) <= most;
}

/** What the numbers of a formula give as they are `seen`, and how much of it rounding may be. */
function fromShown(key, seen) {
  const [i, node] = indices(key);
  if (key[0] === "a") {
    const terms = usersOf(i).map(user => seen(numbers.adjoints[user]) * seen(partialOf(user, i)));
    return [sumOf(terms), noiseOf(terms)];
  }
  const [, , rule, args] = graph.nodes[i];
  const [name, , value, terms, textbook] = graph.rules[rule];
  const xs = args.map(arg => seen(numbers.values[arg]));
  if (key[0] === "v") return [value(...xs), SUMS.includes(name) ? noiseOf(xs) : 0];
  const partials = (textbook || terms)(1, seen(numbers.values[i]), ...xs);
  return [sumOf(partials.filter((_, k) => args[k] === node)), 0];
}

function noiseOf(terms) {
  return 1e-15 * Math.max(...terms.map(Math.abs));
}
