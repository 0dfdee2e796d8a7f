// Functions that JavaScript lacks, for what the table computes.

/** x to the y as Python has it: 1 to any power is 1, nan too, and so is -1 to an infinite one. */
function power(x, y) {
  return x === 1 || (x === -1 && Math.abs(y) === Infinity) ? 1 : x ** y;
}

/** What x leaves when divided by y, of y's sign. */
function remainder(x, y) {
  const left = x % y;
  return left !== 0 && left < 0 !== y < 0 ? left + y : left;
}

function quotient(x, y) {
  const left = x % y;
  const whole = Math.round((x - left) / y);
  return left !== 0 && left < 0 !== y < 0 ? whole - 1 : whole;
}

/** The series 2/√π e^(-x²) Σ 2^n x^(2n+1) / (1·3·…·(2n+1)); from 3 on, what erfc leaves. */
function erf(x) {
  if (Math.abs(x) >= 3) return Math.sign(x) * (1 - erfc(Math.abs(x)));
  let term = x;
  let sum = x;
  for (let n = 1; n < 100; n++) sum += term *= 2 * x * x / (2 * n + 1);
  return 2 / Math.sqrt(Math.PI) * Math.exp(-x * x) * sum;
}

/** Laplace's continued fraction, from below; under 2, where it is slow, 1 - erf. */
function erfc(x) {
  if (!(x >= 2)) return 1 - erf(x);
  if (x === Infinity) return 0;
  let fraction = 0;
  for (let k = 60; k > 0; k--) fraction = k / 2 / (x + fraction);
  return Math.exp(-x * x) / Math.sqrt(Math.PI) / (x + fraction);
}
