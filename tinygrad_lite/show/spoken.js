// Formulas as text, for who hears them.

const formulas = [...document.querySelectorAll(".formula, .local")];

function say(item) {
  item.querySelectorAll(".formula, .local").forEach(speak);
}

/** What practice hides is not read out either. */
function speak(formula) {
  const parts = [...formula.children].filter(part => getComputedStyle(part).display !== "none");
  formula.setAttribute("role", "math");
  formula.setAttribute("aria-label", parts.map(spoken).join(""));
}

function spoken(element) {
  const parts = [...element.children].map(spoken);
  switch (element.localName) {
    case "mfrac": return parts[0][0] === "∂" ? parts.join("/") : parts.map(enclosed).join("/");
    case "msup": return `${parts[0]}^${enclosed(parts[1])}`;
    case "msub": return withIndex(...parts, element.lastChild.localName === "mn");
    case "msqrt": return `sqrt(${parts.join("")})`;
    case "mn": return element.dataset.n ? shownAs(element) : element.textContent;
    case "mo": return operatorAs(element);
    case "mi": return element.textContent.normalize("NFKC").replaceAll("𝜕", "∂");
    case "mtext": return element.textContent.replace("𝜕", "∂");
    default: return element.children.length ? parts.join("") : element.textContent;
  }
}

function withIndex(base, index, isNumber) {
  if (base.endsWith("|")) return `(${base.slice(0, -1)})|_${index}`;
  return base + (isNumber ? "" : "_") + index;
}

function shownAs(hook) {
  const text = textOf(hook);
  return "t" in hook.dataset && /^-|e/.test(text) ? `(${text})` : text;
}

function operatorAs(element) {
  const sign = element.textContent.replace("−", "-");
  const isMinus = sign === "-" && element.getAttribute("form") !== "prefix";
  const isSpaced = "=+<>≤≥≠".includes(sign) || isMinus;
  return isSpaced ? ` ${sign} ` : sign;
}

function enclosed(text) {
  return /[-+·/ ]/.test(text) ? `(${text})` : text;
}
