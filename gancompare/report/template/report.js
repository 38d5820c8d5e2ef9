// Sorting tables, opening all code at once, and a table of contents that starts closed on a phone.
"use strict";

const MISSING = /^([-–—]|nan|na|n\/a|none|<na>|nat)?$/i;
// 1,234 · 0.5 · −3e-4 · "1.2 ± 0.3" · "12 %" · "0.5 [0.3, 0.7]", but neither a date nor 28×28
const NUMBER = /^[<>≤≥≈~]?\s*([+\-−]?(?:\d{1,3}(?:,\d{3})+|\d+)?(?:\.\d+)?(?:e[+\-−]?\d+)?)(?=$|[\s±%([])/i;

function value(text) {
  if (MISSING.test(text)) return null;
  const found = NUMBER.exec(text);
  return found && /\d/.test(found[1]) ? Number(found[1].replace(/,/g, "").replace(/−/g, "-")) : NaN;
}

function compare(a, b) {
  if (a.key === null || b.key === null) return (a.key === null) - (b.key === null); // missing values stay last
  const order = typeof a.key === "number" ? a.key - b.key : a.key.localeCompare(b.key, "en", { numeric: true });
  return order * a.sign;
}

// pandas writes the name of the index in a second header row: one row suffices where no column needs both
function joinHeaderRows(head) {
  const [first, second] = head.rows;
  if (head.rows.length !== 2 || first.cells.length !== second.cells.length) return;
  const pairs = [...first.cells].map((cell, i) => [cell, second.cells[i]]);
  if (pairs.some(([a, b]) => a.colSpan > 1 || b.colSpan > 1 || (a.textContent.trim() && b.textContent.trim()))) return;
  for (const [a, b] of pairs) if (b.textContent.trim()) a.replaceWith(b);
  second.remove();
}

function makeSortable(table) {
  const body = table.tBodies[0];
  if (!table.tHead || !body || table.tBodies.length > 1) return;
  joinHeaderRows(table.tHead);
  const rows = [...body.rows];
  const heads = [...(table.tHead.rows[0]?.cells ?? [])];
  const merged = [...table.querySelectorAll("th, td")].some((cell) => cell.colSpan > 1 || cell.rowSpan > 1);
  if (table.tHead.rows.length !== 1 || merged || rows.some((row) => row.cells.length !== heads.length)) return;
  heads.forEach((head, column) => {
    const texts = rows.map((row) => row.cells[column].textContent.trim());
    const numbers = texts.map(value);
    const numeric = numbers.some((n) => n !== null) && !numbers.some(Number.isNaN);
    for (const cell of [head, ...rows.map((row) => row.cells[column])]) cell.classList.toggle("number", numeric);
    if (!head.textContent.trim() || rows.length < 2) return;
    const keys = new Map(rows.map((row, i) => [row, numeric || numbers[i] === null ? numbers[i] : texts[i]]));
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const direction = head.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending";
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", direction);
      const sign = direction === "ascending" ? 1 : -1;
      const sorted = [...body.rows].map((row) => ({ row, sign, key: keys.get(row) })).sort(compare);
      body.append(...sorted.map((entry) => entry.row));
    });
  });
}

document.querySelectorAll(".output table").forEach(makeSortable);

const code = document.querySelectorAll("details.code");
const toggle = document.querySelector("nav > button");
if (toggle && code.length) {
  toggle.hidden = false;
  toggle.addEventListener("click", () => {
    const open = toggle.textContent.startsWith("Show");
    for (const fold of code) fold.open = open;
    toggle.textContent = open ? "Hide all code" : "Show all code";
  });
}

const contents = document.querySelector("nav > details");
const wide = matchMedia("(min-width: 64rem)");
if (contents) {
  const adapt = () => { contents.open = wide.matches; };
  adapt();
  wide.addEventListener("change", adapt);
}
