// SPDX-License-Identifier: Apache-2.0
// The page asks /stats every second and /connections every two, and shows what it gets. All text goes in as textContent.
const POLL_MS = 1000, LIST_MS = 2000, STALLS_MS = 5000;
const SECONDS = 120, SECONDS_AT_FIRST = 30;  // that charts show
const byId = (id) => document.getElementById(id);

// Elements.

function make(tag, classes, ...children) {
  const element = document.createElement(tag);
  if (classes) element.className = classes;
  element.append(...children);  // strings become text
  return element;
}

function svg(tag, attributes) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// Words for numbers.

const whole = new Intl.NumberFormat("en", {maximumFractionDigits: 0});
const tenths = new Intl.NumberFormat("en", {maximumFractionDigits: 1});
const number = (n) => n === undefined || n === null ? "–" : (Math.abs(n) < 10 ? tenths : whole).format(n);

function bytes(n) {
  if (n === undefined || n === null) return "–";
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  for (; n >= 1024 && unit < units.length - 1; ++unit) n /= 1024;
  return `${unit === 0 || n >= 100 ? whole.format(n) : tenths.format(n)} ${units[unit]}`;
}

function duration(seconds) {
  if (seconds === null) return "–";
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor(s % 3600 / 60)} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor(s % 86400 / 3600)} h`;
}

// What came, by time.

const history = [];  // {at: seconds, figures}, the newest last

const get = (figures, name, ...labels) => labels.reduce((value, label) => value?.[label], figures?.[name]);
const sum = (value) => value === undefined || value === null ? undefined :
    typeof value === "object" ? Object.values(value).reduce((total, each) => total + (sum(each) ?? 0), 0) : value;

// A second, between sample i and the one before; undefined where one of them is missing.
function rate(read, i = history.length - 1) {
  if (i < 1) return undefined;
  const now = sum(read(history[i].figures)), before = sum(read(history[i - 1].figures));
  if (now === undefined || before === undefined || now < before) return undefined;
  return (now - before) / (history[i].at - history[i - 1].at);
}

// Seconds that charts show now.
const span = () => Math.min(SECONDS, Math.max(SECONDS_AT_FIRST, history.at(-1).at - history[0].at));
const read = (name, ...labels) => (figures) => get(figures, name, ...labels);
const latest = (name, ...labels) => sum(get(history.at(-1)?.figures, name, ...labels));

// Charts: up to two lines over the last two minutes.

function chart(place, series, format) {
  const box = svg("svg", {viewBox: `0 0 ${SECONDS} 100`, preserveAspectRatio: "none", role: "img"});
  for (const y of [0, 50, 100]) box.append(svg("line", {x1: 0, x2: SECONDS, y1: y, y2: y}));
  const most = make("span", "most");
  const legend = make("div", "legend");
  const lines = series.map((each, i) => {
    const style = i === 0 ? "one" : "two";
    const line = box.appendChild(svg("polyline", {class: style}));
    const value = make("b");
    legend.append(make("span", style, `${each.name} `, value));
    return {...each, line, value};
  });
  const when = legend.appendChild(make("span"));
  place.append(make("div", "chart", box, most), legend);

  let pointed = null;  // seconds before now that the pointer is at
  box.addEventListener("pointermove", (event) => {
    const area = box.getBoundingClientRect();
    if (history.length > 0) pointed = span() * (1 - (event.clientX - area.left) / area.width);
    draw();
  });
  box.addEventListener("pointerleave", () => {
    pointed = null;
    draw();
  });

  function draw() {
    if (history.length === 0) return;
    const now = history.at(-1).at;
    const values = lines.map((each) => history.map((_, i) => each.at(i)));
    const top = Math.max(1, ...values.flat().filter((value) => value !== undefined)) * 1.1;
    setText(most, format(top));
    let shown = history.length - 1;
    if (pointed !== null) {
      for (let i = 0; i < history.length; ++i) {
        if (Math.abs(now - history[i].at - pointed) < Math.abs(now - history[shown].at - pointed)) shown = i;
      }
    }
    setText(when, pointed === null ? duration(span()) : `${Math.round(now - history[shown].at)} s ago`);
    lines.forEach((each, n) => {
      const points = [];
      values[n].forEach((value, i) => {
        if (value !== undefined) points.push(`${(SECONDS * (1 - (now - history[i].at) / span())).toFixed(2)},${(100 - 100 * value / top).toFixed(2)}`);
      });
      each.line.setAttribute("points", points.join(" "));
      setText(each.value, format(values[n][shown]));
    });
    box.setAttribute("aria-label", lines.map((each) => `${each.name}: ${each.value.textContent}`).join(", "));
  }
  return draw;
}

const rateOf = (name) => (i) => rate(read(name), i);
const charts = [
  chart(byId("chart-connections"), [{name: "open", at: (i) => get(history[i].figures, "connections_active")}], number),
  chart(byId("chart-churn"), [{name: "accepted", at: rateOf("accepts_total")}, {name: "closed", at: rateOf("closes_total")}], number),
  chart(byId("chart-bytes"), [{name: "in", at: rateOf("bytes_received_total")}, {name: "out", at: rateOf("bytes_sent_total")}], bytes),
];

// Tiles.

const perSecond = (format, name) => () => {
  const value = rate(read(name));
  return value === undefined ? "–" : `${format(value)}/s`;
};
const tiles = [
  ["Connections", () => number(latest("connections_active")),
   () => `peak ${number(latest("connections_peak"))}, in all ${number(latest("connections_total"))}`],
  ["Accepted", perSecond(number, "accepts_total"), () => `refused ${number(latest("accepts_refused_total") ?? 0)}`],
  ["Closed", perSecond(number, "closes_total"), () => `in all ${number(latest("closes_total"))}`],
  ["Received", perSecond(bytes, "bytes_received_total"), () => `in all ${bytes(latest("bytes_received_total"))}`],
  ["Sent", perSecond(bytes, "bytes_sent_total"), () => `queued ${bytes(latest("queued_bytes"))}`],
  ["Messages", perSecond(number, "messages_total"), () => `in all ${number(latest("messages_total"))}`],
  ["Memory", () => bytes(latest("process_resident_memory_bytes")),
   () => latest("user_bytes_per_connection", "accounting") === undefined ? "resident" :
       `${bytes(latest("user_bytes_per_connection", "accounting"))} a connection`],
  ["Longest turn", () => `${number(latest("turn_seconds_max") === undefined ? undefined : latest("turn_seconds_max") * 1000)} ms`,
   () => "since the start"],
].map(([name, value, more]) => {
  const big = make("b"), small = make("span");
  byId("tiles").append(make("div", "tile", make("span", "", name), big, small));
  return () => {
    setText(big, value());
    setText(small, more());
  };
});

// Bars, the longest first or as they come.

function bars(place, values, format) {
  if (!place.firstChild?.classList.contains("bar")) place.replaceChildren();  // "none yet"
  const largest = Math.max(1, ...values.map(([, value]) => value));
  while (place.children.length > values.length) place.lastChild.remove();
  values.forEach(([name, value], i) => {
    const bar = place.children[i] ??
        place.appendChild(make("div", "bar", make("span"), make("div", "track", make("div", "fill")), make("span")));
    setText(bar.children[0], name);
    bar.children[0].title = name;
    bar.children[1].firstChild.style.width = `${100 * value / largest}%`;
    setText(bar.children[2], format(value));
  });
  if (values.length === 0) place.append(make("span", "soft", "none yet"));
}

const largestFirst = (object) => Object.entries(object ?? {}).map(([name, value]) => [name, sum(value)])
    .filter(([, value]) => value > 0).sort((a, b) => b[1] - a[1]);

// Listeners.

let listeners = [];

function showListeners(stats) {
  listeners = stats.listeners;
  const body = byId("listeners").tBodies[0];
  body.replaceChildren(...listeners.map((each) => {
    const depth = latest("accept_queue_depth", each.name), limit = latest("accept_queue_limit", each.name);
    const overflows = latest("accept_queue_overflows_total", each.name);
    const queue = make("div", "queue");
    if (depth !== undefined && limit) {
      const fill = make("div", overflows > 0 || depth > limit / 2 ? "fill bad" : "fill");
      fill.style.width = `${100 * Math.min(1, depth / limit)}%`;
      queue.append(make("div", "track", fill), `${number(depth)} of ${number(limit)}`);
    } else {
      queue.append("–");
    }
    const drain = make("button", "", "Drain…");
    drain.disabled = !each.open;
    drain.addEventListener("click", () => askToDrain(each.name));
    const accepted = rate(read("listener_accepts_total", each.name));
    return make("tr", "",
        make("td", "", each.name), make("td", "", each.service), make("td", "mono", each.address),
        make("td", "", make("span", each.open ? "badge good" : "badge", each.open ? "open" : "closed")),
        make("td", "number", number(latest("listener_connections_active", each.name))),
        make("td", "number", number(accepted)), make("td", "queue", queue), make("td", "number", number(overflows)),
        make("td", "", drain));
  }));
  const select = byId("filters").elements.listener;
  const names = ["", ...listeners.map((each) => each.name)];
  if ([...select.options].map((each) => each.value).join("\n") !== names.join("\n")) {
    const chosen = select.value;
    select.replaceChildren(...names.map((name) => new Option(name || "all", name, false, name === chosen)));
  }
}

// Everything of /stats.

function show(stats) {
  setText(byId("program"), stats.program);
  document.title = `${stats.program}: ${number(stats.figures.connections_active)} connections`;
  setText(byId("version"), stats.version);
  setText(byId("transport"), stats.transport.split(":")[0]);
  byId("transport").title = stats.transport;
  setText(byId("uptime"), `up ${duration(stats.uptime_s)}`);
  setText(byId("state"), stats.state);
  byId("state").className = stats.state === "serving" ? "badge good" : "badge bad";
  byId("drain").disabled = stats.state !== "serving";
  for (const draw of [...tiles, ...charts]) draw();
  showListeners(stats);
  const cpus = new Map(stats.shards.map((each) => [String(each.id), each.cpu]));
  bars(byId("shards"), Object.entries(stats.figures.shard_connections_active ?? {}).map(([id, value]) =>
      [cpus.get(id) === null || cpus.get(id) === undefined ? `shard ${id}` : `shard ${id}, CPU ${cpus.get(id)}`, value]), number);
  bars(byId("closes"), largestFirst(stats.figures.closes_total), number);
  bars(byId("memory"), largestFirst(stats.figures.memory_bytes), bytes);
}

function trouble(text) {
  byId("trouble").hidden = text === "";
  setText(byId("trouble"), text);
}

async function askJson(url, options = {}) {
  const answer = await fetch(url, {cache: "no-store", signal: AbortSignal.timeout(10000), ...options});
  const json = await answer.json();
  if (!answer.ok) throw new Error(json.error ?? `status ${answer.status}`);
  return json;
}

async function poll() {
  try {
    const stats = await askJson("stats");
    const at = performance.now() / 1000;
    history.push({at, figures: stats.figures});
    while (history[0].at < at - SECONDS - 1) history.shift();
    show(stats);
    trouble("");
  } catch (error) {
    trouble(`No figures: ${error.message}`);
  }
  setTimeout(poll, POLL_MS);
}

// Connections.

const COLUMNS = [
  ["id", "Id", "id", "mono", (row) => row.id],
  ["peer", "Peer", "peer", "mono", (row) => row.peer ?? "–"],
  ["listener", "Listener", null, "", (row) => row.listener ?? row.service ?? "–"],
  ["shard", "Shard", null, "number", (row) => String(row.shard)],
  ["state", "State", null, "", (row) => row.state],
  ["created", "Age", "created", "number", (row, now) => row.created === null ? "–" : duration((now - Date.parse(row.created)) / 1000)],
  ["last_active", "Idle", "last_active", "number", (row, now) => duration((now - Date.parse(row.last_active)) / 1000)],
  ["bytes_in", "In", "bytes_in", "number", (row) => bytes(row.bytes_in)],
  ["bytes_out", "Out", "bytes_out", "number", (row) => bytes(row.bytes_out)],
  ["queued", "Queued", "queued", "number", (row) => bytes(row.queued)],
];
const LARGEST_FIRST = new Set(["bytes_in", "bytes_out", "queued"]);
let sort = "-queued";
let listTimer = 0;
let listAsked = 0;  // the latest; an older one's answer is not shown

function makeHead() {
  const head = byId("connections").tHead.rows[0];
  head.replaceChildren(...COLUMNS.map(([field, title, sortable, style]) => {
    const cell = make("th", style === "number" ? "number" : "");
    if (sortable === null) {
      cell.append(title);
      return cell;
    }
    const button = make("button", "", title);
    const here = sort.replace("-", "") === field;
    if (here) {
      cell.setAttribute("aria-sort", sort.startsWith("-") ? "descending" : "ascending");
      button.append(sort.startsWith("-") ? " ↓" : " ↑");
    }
    button.addEventListener("click", () => {
      sort = here ? (sort.startsWith("-") ? field : `-${field}`) : LARGEST_FIRST.has(field) ? `-${field}` : field;
      makeHead();
      list();
    });
    cell.append(button);
    return cell;
  }), make("th"));
}

async function close(id, button) {
  button.disabled = true;
  try {
    await askJson(`connections/${id}/close`, {method: "POST"});
  } catch (error) {
    alert(`Not closed: ${error.message}`);
  }
  list();
}

function showRows(answer) {
  const now = Date.parse(answer.now);
  setText(byId("matched"), `${number(answer.matched)} of ${number(answer.live)}`);
  const before = new Map([...byId("connections").tBodies[0].rows].map((row) => [row.dataset.id, row]));
  byId("connections").tBodies[0].replaceChildren(...answer.connections.map((each) => {
    let row = before.get(each.id);
    if (row === undefined) {  // one that stays keeps its button, and who is about to press it
      const button = make("button", "close", "Close");
      button.addEventListener("click", () => close(each.id, button));
      row = make("tr", "", ...COLUMNS.map(([, , , style]) => make("td", style)), make("td", "", button));
      row.dataset.id = each.id;
    }
    COLUMNS.forEach(([, , , , text], i) => setText(row.cells[i], text(each, now)));
    return row;
  }));
}

async function list() {
  clearTimeout(listTimer);
  const asked = ++listAsked;
  const query = new URLSearchParams({sort});
  for (const [name, value] of new FormData(byId("filters"))) {
    if (value.trim() !== "") query.set(name, value.trim());
  }
  let wrong = "";
  try {
    const answer = await askJson(`connections?${query}`);
    if (asked === listAsked) showRows(answer);
  } catch (error) {
    wrong = error.message;
  }
  if (asked !== listAsked) return;
  byId("list-trouble").hidden = wrong === "";
  setText(byId("list-trouble"), wrong);
  listTimer = setTimeout(list, LIST_MS);
}

byId("filters").addEventListener("input", list);
byId("filters").addEventListener("submit", (event) => {
  event.preventDefault();
  list();
});
for (const state of ["open", "draining", "closing", "lingering", "connecting"]) byId("filters").elements.state.append(new Option(state, state));

// Stalls.

async function stalls() {
  try {
    const answer = await askJson("debug/stalls");
    byId("stalls-section").hidden = answer.stalls.length === 0;
    byId("stalls").tBodies[0].replaceChildren(...answer.stalls.slice(0, 20).map((each) => make("tr", "",
        make("td", "number", number(each.ms)), make("td", "", String(each.shard)), make("td", "", each.ran ?? "–"),
        make("td", "", each.at ?? ""))));
  } catch (error) {
    byId("stalls-section").hidden = true;
  }
  setTimeout(stalls, STALLS_MS);
}

// Drain.

const dialog = byId("drain-dialog");
const choice = dialog.querySelector("form").elements;

function explain() {
  const one = choice.target.value !== "";
  byId("percent-label").hidden = !one;
  const percent = one && choice.percent.value.trim() !== "";
  setText(byId("drain-means"), !one ?
      "The server stops accepting, lets every connection finish, and ends. There is no way back." : percent ?
      `${choice.target.value} stays open; so many of its connections, chosen at random, are told to go.` :
      `${choice.target.value} stops accepting, and its connections are told to go.`);
}

function askToDrain(listener) {
  const open = listeners.filter((each) => each.open).map((each) => each.name);
  choice.target.replaceChildren(new Option("the whole server", ""), ...open.map((name) => new Option(name, name)));
  choice.target.value = listener;
  choice.percent.value = "";
  explain();
  dialog.returnValue = "";
  dialog.showModal();
}

dialog.addEventListener("input", explain);
dialog.addEventListener("close", async () => {
  if (dialog.returnValue !== "drain") return;
  const query = new URLSearchParams();
  if (choice.target.value !== "") query.set("listener", choice.target.value);
  if (choice.target.value !== "" && choice.percent.value.trim() !== "") query.set("percent", choice.percent.value.trim());
  try {
    await askJson(query.toString() === "" ? "drain" : `drain?${query}`, {method: "POST"});
  } catch (error) {
    alert(`Not drained: ${error.message}`);
  }
});
byId("drain").addEventListener("click", () => askToDrain(""));

makeHead();
poll();
list();
stalls();
