// The table of waits: who waits for whom, why, and for how long the host was blocked.

const kRowsAtOnce = 200;

class WaitTable {
  constructor(model, picture, onHover, onChoose) {
    this.model = model;
    this.picture = picture;
    this.onHover = onHover;
    this.onChoose = onChoose;
    this.rows = new Map(); // by arrow
    this.sorted = model.waits;
    this.limit = kRowsAtOnce;
    this.body = document.querySelector("#waits tbody");
    const laneName = (slice) => model.lanes[slice.lane].name;
    this.columns = [
      { title: "At", number: true, label: "at", key: (w) => w.to.start, text: (w) => timeText(w.to.start) },
      { title: "Run", number: true, label: "run", key: (w) => w.to.args.run || 0, text: (w) => w.to.args.run || "" },
      { title: "Waits", who: true, key: (w) => w.to.lane, text: (w) => laneName(w.to) },
      { title: "For", label: "waits for", key: (w) => w.to.args.target || "", text: (w) => w.to.args.target || "" },
      { title: "Why", key: (w) => w.reason, text: (w) => w.reason, reason: true },
      { title: "Before", wide: true, label: "before", key: (w) => w.task || "", text: (w) => w.task || "" },
      { title: "Because of", wide: true, label: "because of", key: (w) => w.other || "",
        text: (w) => w.other || "" },
      { title: "Bytes", number: true, key: (w) => w.bytes || 0, text: (w) => (w.bytes ? bytesText(w.bytes) : "") },
      { title: "Host blocked", number: true, label: "blocked", key: (w) => w.blocked,
        text: (w) => (w.to.lane === 0 ? timeText(w.blocked) : "") },
    ];
    this.makeHead();
    this.fill();
    document.getElementById("n-waits").textContent = "(" + model.waits.length + ")";
    document.getElementById("more").addEventListener("click", () => {
      this.limit += kRowsAtOnce;
      this.fill();
    });
  }

  makeHead() {
    const head = document.querySelector("#waits thead tr");
    for (const column of this.columns) {
      const cell = document.createElement("th");
      cell.scope = "col";
      cell.className = column.number ? "number" : "";
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = column.title;
      button.addEventListener("click", () => this.sortBy(column, cell));
      cell.append(button);
      head.append(cell);
    }
  }

  sortBy(column, cell) {
    const wasDescending = cell.getAttribute("aria-sort") === "descending";
    const sign = column.number ? (wasDescending ? 1 : -1) : wasDescending || !cell.hasAttribute("aria-sort") ? 1 : -1;
    document.querySelectorAll("#waits th").forEach((other) => other.removeAttribute("aria-sort"));
    cell.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
    const compare = (a, b) => (a < b ? -1 : a > b ? 1 : 0);
    this.sorted = [...this.model.waits].sort((a, b) => sign * compare(column.key(a), column.key(b)));
    this.fill();
  }

  fill() {
    this.rows.clear();
    const rows = this.sorted.slice(0, this.limit).map((wait) => this.makeRow(wait));
    if (rows.length === 0) {
      const row = document.createElement("tr");
      row.innerHTML = '<td class="empty" colspan="9">Nobody waits in this trace.</td>';
      rows.push(row);
    }
    this.body.replaceChildren(...rows);
    document.getElementById("more").hidden = this.sorted.length <= this.limit;
    this.mark(this.marked, this.chosen);
  }

  makeRow(wait) {
    const row = document.createElement("tr");
    row.tabIndex = 0;
    for (const column of this.columns) {
      const cell = document.createElement("td");
      cell.className = ["number", "wide", "who", "reason"].filter((name) => column[name]).join(" ");
      const text = column.text(wait);
      if (column.label && text !== "") {
        cell.dataset.label = column.label;
      }
      if (column.reason) {
        cell.style.color = "var(--" + text.toLowerCase() + ")";
      }
      cell.textContent = text;
      row.append(cell);
    }
    row.addEventListener("pointerenter", () => this.onHover(wait));
    row.addEventListener("pointerleave", () => this.onHover(null));
    row.addEventListener("focus", () => this.onHover(wait));
    row.addEventListener("blur", () => this.onHover(null));
    row.addEventListener("click", () => this.onChoose(wait));
    row.addEventListener("keydown", (event) => {
      if (event.key === "Enter") {
        this.onChoose(wait);
      }
    });
    this.rows.set(wait, row);
    return row;
  }

  // Shows which waits the picture is about: arrows, or all of a slice.
  mark(marked, chosen) {
    this.marked = marked;
    this.chosen = chosen;
    const isAbout = (wait, x) => Boolean(x) && (x === wait || x === wait.to || x === wait.from);
    for (const [wait, row] of this.rows) {
      row.classList.toggle("marked", isAbout(wait, marked));
      row.classList.toggle("chosen", isAbout(wait, chosen));
    }
  }
}
