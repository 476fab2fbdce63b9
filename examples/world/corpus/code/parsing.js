// Parsers for small text formats.

/**
 * Split one line of comma-separated values into fields.
 * Fields may be quoted; inside quotes, a doubled quote stands for one.
 */
function parseCsvLine(line) {
  const fields = [];
  let field = "";
  let quoted = false;
  for (let i = 0; i < line.length; i++) {
    const char = line[i];
    if (quoted && char === '"' && line[i + 1] === '"') {
      field += '"';
      i++;
    } else if (char === '"') {
      quoted = !quoted;
    } else if (char === "," && !quoted) {
      fields.push(field);
      field = "";
    } else {
      field += char;
    }
  }
  fields.push(field);
  return fields;
}

/**
 * Read a duration such as "1h 30m" or "45s" and return it in seconds.
 * Throws a RangeError when the text is anything else.
 */
function parseDuration(text) {
  const units = { d: 86400, h: 3600, m: 60, s: 1 };
  if (!/^\s*(\d+\s*[dhms]\s*)+$/.test(text)) {
    throw new RangeError(`not a duration: ${text}`);
  }
  let seconds = 0;
  for (const [, amount, unit] of text.matchAll(/(\d+)\s*([dhms])/g)) {
    seconds += Number(amount) * units[unit];
  }
  return seconds;
}

/**
 * Turn a query string into a map from names to lists of decoded values.
 * A name may occur several times; a plus sign means a space.
 */
function parseQueryString(query) {
  const values = new Map();
  for (const part of query.replace(/^\?/, "").split("&")) {
    if (part === "") continue;
    const [rawName, ...rest] = part.split("=");
    const decode = (raw) => decodeURIComponent(raw.replace(/\+/g, " "));
    const name = decode(rawName);
    if (!values.has(name)) values.set(name, []);
    values.get(name).push(decode(rest.join("=")));
  }
  return values;
}

/**
 * Compare two version numbers such as "1.10.2" part by part.
 * Returns a negative number, zero or a positive number, as a sort callback does.
 */
function compareVersions(left, right) {
  const a = left.split(".").map(Number);
  const b = right.split(".").map(Number);
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

module.exports = { parseCsvLine, parseDuration, parseQueryString, compareVersions };
