// Puts the page together.

function element(tag, text, className) {
  const result = document.createElement(tag);
  result.textContent = text;
  result.className = className || "";
  return result;
}

// What is known about a slice, as pairs
function factsOf(slice, model) {
  const args = slice.args;
  const facts = [["lane", model.lanes[slice.lane].name]];
  const add = (name, value) => value !== undefined && value !== "" && facts.push([name, value]);
  add("run", args.run);
  add("split", args.split);
  add("at", timeText(slice.start));
  add(args.exact === false ? "enqueued within" : "takes", timeText(slice.end - slice.start));
  add("done by", args.done_by_us && timeText(args.done_by_us));
  add("tensor", args.tensor);
  add("backend", args.backend);
  add("enqueues on", args.enqueues_on);
  add("for", args.target);
  add("why", args.reason);
  add("before", args.task);
  add("because of", args.other);
  add("bytes", args.bytes && bytesText(args.bytes));
  add("host blocked", args.blocked_us !== undefined ? timeText(args.blocked_us) : undefined);
  return facts;
}

function factsOfArrow(arrow, model) {
  const facts = [
    ["from", model.lanes[arrow.from.lane].name + ", " + arrow.from.name],
    ["to", model.lanes[arrow.to.lane].name + ", " + arrow.to.name],
  ];
  const add = (name, value) => value && facts.push([name, value]);
  add("before", arrow.kind === "copy" ? "" : arrow.task);
  add("because of", arrow.other);
  add("bytes", arrow.bytes && bytesText(arrow.bytes));
  add("host blocked", arrow.blocked && timeText(arrow.blocked));
  return facts;
}

function describe(parent, found, model) {
  parent.replaceChildren();
  if (!found) {
    return;
  }
  const facts = found.slice ? factsOf(found.slice, model) : factsOfArrow(found.arrow, model);
  const isCopy = found.arrow && found.arrow.kind === "copy";
  const arrowTitle = () => (isCopy ? "ordered by the copy itself" : "wait: " + found.arrow.reason);
  parent.append(element("b", found.slice ? found.slice.name : arrowTitle()));
  facts.forEach(([name, value], i) => {
    parent.append(element("span", (i > 0 ? " \u00b7 " : " ") + name + " "), String(value));
  });
  if (found.others > 0) {
    parent.append(element("span", " \u00b7 and " + found.others + " more here"));
  }
}

function fillHeader(about, model) {
  document.getElementById("about").textContent = about.text;
  const planned = model.waits.filter((wait) => wait.to.lane === 0 && wait.kind === "wait");
  const throttled = planned.filter((wait) => wait.reason === "throttle");
  const hostWaits = planned.filter((wait) => wait.reason !== "throttle");
  const blocked = (waits) => waits.reduce((sum, wait) => sum + wait.blocked, 0);
  const synchronized = model.waits.filter((wait) => wait.kind === "synchronize");
  const facts = [
    [model.deviceClock ? "Time, devices' clock" : "Time, host's clock", timeText(model.end)],
    ["Runs", model.runs.length],
    ["Device waits", model.waits.filter((wait) => wait.to.lane !== 0).length],
    ["Host waits", hostWaits.length + ", " + timeText(blocked(hostWaits))],
    ["Throttle waits", throttled.length + ", " + timeText(blocked(throttled))],
    ["Synchronizations", synchronized.length + ", " + timeText(blocked(synchronized))],
  ];
  for (const [name, value] of facts) {
    const box = document.createElement("div");
    box.append(element("dt", name), element("dd", String(value)));
    document.getElementById("facts").append(box);
  }
  const notes = [];
  if (!model.deviceClock) {
    notes.push("These devices do not tell when they run something: their slices show when the host enqueued it, and the " +
      "thin line below how long it may have lasted at most.");
  }
  if (model.cut || about.cut) {
    notes.push("The trace was too long; this is its beginning.");
  }
  document.getElementById("notes").hidden = notes.length === 0;
  document.getElementById("notes").textContent = notes.join(" ");
}

function fillLegend(model, hidden, onChange) {
  const legend = document.getElementById("legend");
  const kinds = new Set(model.lanes.flatMap((lane) => lane.slices.map((slice) => slice.kind)));
  const reasons = new Set(model.arrows.map((arrow) => arrow.reason));
  const names = { call: "enqueuing", copy: "copy hands over" };
  const add = (key, color, text, isArrow) => {
    const button = element("button", "");
    const sign = element("i", "", isArrow ? "arrow" : "");
    sign.style[isArrow ? "borderColor" : "background"] = "var(--" + color + ")";
    button.type = "button";
    button.setAttribute("aria-pressed", "true");
    button.append(sign, text);
    button.addEventListener("click", () => {
      const isHidden = !hidden.delete(key) && Boolean(hidden.add(key));
      button.setAttribute("aria-pressed", String(!isHidden));
      onChange();
    });
    legend.append(button);
  };
  kSliceKinds.filter((kind) => kinds.has(kind)).forEach((kind) => add("slice:" + kind, kind, kind === "call" ? names.call : kind));
  kArrowKinds.filter((kind) => reasons.has(kind)).forEach((kind) =>
    add("arrow:" + kind, kind.toLowerCase(), names[kind] || kind, true));
}

function moveTip(tip, event) {
  tip.hidden = false;
  const box = tip.getBoundingClientRect();
  const left = Math.min(event.clientX + 14, window.innerWidth - box.width - 12);
  const below = event.clientY + 18;
  tip.style.left = Math.max(left, 8) + "px";
  tip.style.top = (below + box.height > window.innerHeight ? event.clientY - box.height - 12 : below) + "px";
}

function startPage() {
  const dataOf = (id) => JSON.parse(document.getElementById(id).textContent);
  const model = readTrace(dataOf("trace-data"));
  const hidden = new Set();
  const picture = new Picture(document.getElementById("timeline"), model, hidden);
  const tip = document.getElementById("tip");
  const details = document.getElementById("details");
  const kNothing = "Point at a slice, an arrow or a row of the table; press it to keep it marked.";
  let overview = null;
  let table = null;
  let scheduled = false;

  const redraw = () => {
    if (!scheduled) {
      scheduled = true;
      requestAnimationFrame(() => {
        scheduled = false;
        picture.draw();
        overview.draw();
      });
    }
  };
  const objectOf = (found) => found && (found.slice || found.arrow);
  const mark = () => {
    table.mark(picture.hovered, picture.chosen);
    redraw();
  };
  const point = (found, event) => {
    picture.hovered = objectOf(found);
    describe(tip, found, model);
    tip.hidden = !found;
    if (found && event) {
      moveTip(tip, event);
    }
    mark();
  };
  const choose = (found) => {
    picture.chosen = objectOf(found);
    describe(details, found, model);
    if (!found) {
      details.textContent = kNothing;
    }
    mark();
  };
  const chooseWait = (wait) => {
    choose({ arrow: wait });
    interaction.reveal(Math.min(wait.from.end, wait.to.start), Math.max(wait.from.end, wait.to.end));
  };
  const step = (direction) => {
    const at = model.waits.indexOf(picture.chosen);
    const next = at < 0
      ? model.waits.findIndex((wait) => wait.to.end >= picture.view.start)
      : (at + direction + model.waits.length) % model.waits.length;
    if (model.waits.length > 0) {
      chooseWait(model.waits[Math.max(next, 0)]);
    }
  };

  const interaction = new Interaction(picture, redraw, point, choose, step);
  overview = new Overview(document.getElementById("overview"), picture, (time) => {
    const half = (picture.view.end - picture.view.start) / 2;
    interaction.show(time - half, time + half);
  });
  const hoverWait = (wait) => {
    picture.hovered = wait;
    mark();
  };
  table = new WaitTable(model, picture, hoverWait, chooseWait);
  fillHeader(dataOf("about-data"), model);
  fillLegend(model, hidden, redraw);
  details.textContent = kNothing;
  document.querySelectorAll("[data-do]").forEach((button) =>
    button.addEventListener("click", () => interaction.act(button.dataset.do)));
  const renew = () => {
    picture.readColors();
    picture.resize();
    overview.resize();
    redraw();
  };
  window.addEventListener("resize", renew);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", renew);

  // A few runs can be read at once; the rest is a drag away.
  const few = picture.width < 600 ? 2 : 5;
  const span = model.runs.length > few ? (model.end / model.runs.length) * (few + 1) : model.end;
  interaction.show(-span * 0.01, span * 1.01);
  renew();
}

startPage();
