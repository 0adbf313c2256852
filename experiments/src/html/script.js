"use strict";
for (const table of document.querySelectorAll("table.data")) {
  const body = table.tBodies[0], rows = [...body.rows];
  const key = (row, at) => { const c = row.cells[at]; return c ? (c.dataset.key ?? c.textContent) : ""; };
  [...table.tHead.rows[0].cells].forEach((head, at) => {
    const button = document.createElement("button");
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "descending";
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "ascending" : "descending");
      const sign = down ? 1 : -1, numbers = head.classList.contains("n");
      const order = (a, b) => {
        const x = key(a, at), y = key(b, at);
        if (!numbers) return sign * x.localeCompare(y);
        // Cells without a number stay at the end, whichever way the rest is sorted.
        if (x === "" || y === "") return (x === "") - (y === "");
        return sign * (x - y);
      };
      rows.sort(order);
      body.append(...rows);
    });
  });
  if (rows.length > 8) {
    const field = document.createElement("input");
    field.type = "search";
    field.placeholder = "filter " + rows.length + " rows";
    field.setAttribute("aria-label", "filter rows of: " + table.caption.textContent);
    field.addEventListener("input", () => {
      const words = field.value.toLowerCase();
      for (const row of rows) row.hidden = !row.textContent.toLowerCase().includes(words);
    });
    table.parentElement.before(field);
  }
}
for (const code of document.querySelectorAll("pre")) {
  if (!navigator.clipboard) break;
  const copy = document.createElement("button");
  copy.textContent = "copy";
  copy.className = "copy";
  copy.addEventListener("click", () => navigator.clipboard.writeText(code.textContent).then(() => { copy.textContent = "copied"; }));
  code.before(copy);
}
