// The trace as objects: lanes with their slices in order, arrows between slices, the begins of runs. Times are in
// microseconds.

function readTrace(trace) {
  const lanes = [];
  const arrows = new Map();
  const runs = [];
  let end = 0;
  let last = null; // arrows' ends follow the slice that they are attached to

  const laneOf = (event) => {
    while (lanes.length <= event.tid) {
      lanes.push({ index: lanes.length, name: "lane " + lanes.length, slices: [], busy: 0 });
    }
    return lanes[event.tid];
  };

  const addSlice = (event) => {
    const lane = laneOf(event);
    last = {
      lane: lane.index, kind: event.cat, name: event.name, start: event.ts, end: event.ts + event.dur,
      args: event.args || {}, arriving: [], leaving: [],
    };
    lane.slices.push(last);
    end = Math.max(end, last.end, last.args.done_by_us || 0);
    if (last.kind === "launch" || last.kind === "copy" || last.kind === "snapshot") {
      lane.busy += last.end - last.start;
    }
  };

  const addEnd = (event) => {
    const arrow = arrows.get(event.id) || { id: event.id, kind: event.cat, ...event.args };
    arrow[event.ph === "s" ? "from" : "to"] = last;
    arrows.set(event.id, arrow);
  };

  for (const event of trace.traceEvents) {
    switch (event.ph) {
      case "M":
        if (event.name === "thread_name") {
          laneOf(event).name = event.args.name;
        }
        break;
      case "X": addSlice(event); break;
      case "s":
      case "f": addEnd(event); break;
      case "i":
        if (event.cat === "run") {
          runs.push({ time: event.ts, number: event.args.run });
        }
        end = Math.max(end, event.ts);
        break;
    }
  }

  const complete = [...arrows.values()].filter((arrow) => arrow.from && arrow.to);
  for (const arrow of complete) {
    arrow.from.leaving.push(arrow);
    arrow.to.arriving.push(arrow);
    arrow.blocked = arrow.to.args.blocked_us || 0;
  }
  for (const lane of lanes) {
    lane.slices.sort((a, b) => a.start - b.start);
    let latest = 0;
    for (const slice of lane.slices) { // for searching: no slice up to here ends later
      latest = Math.max(latest, slice.end);
      slice.latest = latest;
    }
  }
  const waits = complete.filter((arrow) => arrow.kind !== "copy").sort((a, b) => a.to.start - b.to.start);
  return {
    lanes, runs, waits, end: Math.max(end, 1e-3), arrows: complete,
    deviceClock: trace.otherData.clock === "devices", cut: trace.otherData.cut,
  };
}

// The first index of the lane's slices that may be seen at or after a time
function firstVisible(slices, time) {
  let low = 0;
  let high = slices.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (slices[middle].latest < time) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

function timeText(us) {
  const sign = us < 0 ? "-" : "";
  const value = Math.abs(us);
  const digits = (x) => (x >= 100 ? x.toFixed(0) : x >= 10 ? x.toFixed(1) : x.toFixed(2));
  if (value === 0) {
    return "0 \u00b5s";
  }
  if (value < 1) {
    return sign + (value * 1000).toFixed(0) + " ns";
  }
  if (value < 1e3) {
    return sign + digits(value) + " \u00b5s";
  }
  return value < 1e6 ? sign + digits(value / 1e3) + " ms" : sign + digits(value / 1e6) + " s";
}

function bytesText(n) {
  const units = ["B", "KiB", "MiB", "GiB"];
  let unit = 0;
  while (n >= 1024 && unit + 1 < units.length) {
    n /= 1024;
    unit++;
  }
  return (unit === 0 ? n : n.toFixed(n < 10 ? 2 : 1)) + " " + units[unit];
}
