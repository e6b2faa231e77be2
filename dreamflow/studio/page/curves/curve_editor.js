// Lanes of curves over the film's time, with the sound behind them. All times are in seconds from
// the film's first frame. What is changed is told to the server, which writes the schedules.
import { clamp, columnsOf, curveOf, joinPath, nearest, ticksOf, timeText, valueAt, wavePath }
  from "dreamflow-drawing";

const POINT_REACH_PX = 16;
const PAD_PX = 12;
const MIN_SPAN_S = 0.2;
const LAYER_COLOURS = ["#4d767b", "#7a6090", "#8c6a45", "#5d7d4e", "#8a5159", "#526692"];

export default {
  template: `
  <div class="curve-lanes" @wheel="zoomByWheel">
    <div class="curve-row">
      <div class="curve-head">
        <span class="curve-name">{{ sound ? "sound" : "time" }}</span>
        <span class="faint">{{ soundNote }}</span>
      </div>
      <svg class="curve-strip" :width="width" height="72" ref="strip" role="slider" tabindex="0"
        aria-label="Playhead" :aria-valuemin="0" :aria-valuemax="length" :aria-valuenow="time"
        :aria-valuetext="time.toFixed(2) + ' seconds'"
        @pointerdown="beginSeek" @pointermove="seekOn" @pointerup="endSeek" @keydown="seekByKey">
        <path class="wave" :d="wave" />
        <path class="bass" :d="bass" />
        <line v-for="onset in shownOnsets" class="onset" :x1="x(onset)" :x2="x(onset)" y1="52" y2="56" />
        <g v-for="beat in shownBeats"><line :class="beat.isBar ? 'bar-line' : 'beat-line'"
          :x1="x(beat.time)" :x2="x(beat.time)" y1="12" y2="56" /></g>
        <g v-for="tick in ticks"><line class="tick" :x1="x(tick)" :x2="x(tick)" y1="56" y2="60" />
          <text class="tick-text" :x="x(tick)" y="70" :text-anchor="anchor(tick)">{{ timeText(tick) }}</text></g>
        <line class="playhead" :x1="x(time)" :x2="x(time)" y1="0" y2="60" />
      </svg>
    </div>
    <div v-for="lane in lanes" :key="lane.name" class="curve-row"
      :class="{ chosen: lane.name === chosen }">
      <div class="curve-head">
        <button type="button" class="curve-name" @click="choose(lane, -1)"
          :aria-pressed="lane.name === chosen">{{ lane.label }}</button>
        <span class="curve-value">{{ valueText(lane) }}</span>
      </div>
      <svg class="curve-lane" :width="width" :height="height" :data-lane="lane.name"
        @pointerdown="choose(lane, -1)" @dblclick="addAt($event, lane)">
        <g v-for="beat in shownBeats"><line :class="beat.isBar ? 'bar-line' : 'beat-line'"
          :x1="x(beat.time)" :x2="x(beat.time)" y1="0" :y2="height" /></g>
        <template v-if="lane.layers">
          <defs><linearGradient v-for="(span, n) in lane.spans" :id="gradientId(lane, n)">
            <stop offset="0" :stop-color="colour(lane, span.name)" />
            <stop offset="1" :stop-color="colour(lane, span.next_name || span.name)" />
          </linearGradient></defs>
          <g v-for="(span, n) in lane.spans">
            <rect class="span" :x="x(span.begin) + 0.5" y="14" :height="height - 28" rx="3"
              :width="Math.max(0, x(span.end) - x(span.begin) - 1)" :fill="'url(#' + gradientId(lane, n) + ')'" />
            <svg :x="Math.max(x(span.begin), 0)" y="14" :height="height - 28"
              :width="Math.max(0, Math.min(x(span.end), width) - Math.max(x(span.begin), 0) - 6)">
              <text class="span-text" x="14" :y="(height - 28) / 2 + 5">{{ span.name }}</text></svg>
          </g>
        </template>
        <template v-else>
          <text class="limit" x="4" y="11">{{ lane.high }}</text>
          <text class="limit" x="4" :y="height - 3">{{ lane.low }}</text>
          <path class="curve-fill" :d="fillPath(lane)" />
          <path class="curve" :d="curvePath(lane)" />
        </template>
        <g v-for="(point, n) in lane.points" class="point" tabindex="0" role="button"
          :class="{ selected: lane.name === chosen && n === selected, fixed: !point.is_plain }"
          :transform="'translate(' + pointX(lane, n) + ',' + pointY(lane, n) + ')'"
          :aria-label="lane.label + ', keyframe ' + (n + 1) + ' at ' + point.time + ': ' + point.value"
          :data-point="n" @focus="choose(lane, n)" @keydown="pointKey($event, lane, n)"
          @pointerdown.stop="beginDrag($event, lane, n)" @pointermove="drag" @pointerup="endDrag"
          @pointercancel="drop" @dblclick.stop>
          <circle class="reach" :r="reach" /><rect class="knot" x="-5" y="-5" width="10" height="10" />
        </g>
        <line class="playhead" :x1="x(time)" :x2="x(time)" y1="0" :y2="height" />
      </svg>
    </div>
  </div>`,
  props: {
    lanes: Array,
    length: Number,
    rate: Number,
    time: Number,
    soundAddress: String,
    soundNote: String,
    snapping: String,
    snapTimes: Array,
    chosen: String,
    selected: Number,
  },
  data: () => ({ width: 600, height: 92, sound: null, from: 0, to: 0, dragged: null, seeking: false,
    reach: POINT_REACH_PX }),
  computed: {
    shownTo() { return this.to || this.length; },
    shownBeats() {
      if (!this.sound) return [];
      const beats = this.sound.beats.map((time, n) => ({ time,
        isBar: this.sound.bar > 0 && (n + this.sound.firstBeat) % this.sound.bar === 0 }));
      const shown = beats.filter((beat) => this.isShown(beat.time));
      return shown.length > this.width / 5 ? shown.filter((beat) => beat.isBar) : shown;
    },
    shownOnsets() {
      const shown = this.sound ? this.sound.onsets.filter(this.isShown) : [];
      return shown.length > this.width / 3 ? [] : shown;
    },
    wave() {
      return this.sound ? wavePath(this.columns("peaks"), this.x, 34, 21) : "";
    },
    bass() {
      const pairs = this.sound ? this.columns("bass") : [];
      return joinPath(pairs.map(([time, level]) => [this.x(time), 56 - level * 44]));
    },
    ticks() { return ticksOf(this.from, this.shownTo, this.width); },
  },
  watch: {
    soundAddress: { immediate: true, handler() { this.loadSound(); } },
    length() { this.from = this.to = 0; },
  },
  mounted() {
    this.observer = new ResizeObserver(() => this.measure());
    this.observer.observe(this.$el);
    this.measure();
  },
  beforeUnmount() { this.observer.disconnect(); },
  methods: {
    measure() {
      const row = this.$el.querySelector(".curve-row");
      const head = row.querySelector(".curve-head");
      const isStacked = getComputedStyle(row).flexDirection === "column";
      this.width = Math.max(120, this.$el.clientWidth - (isStacked ? 0 : head.offsetWidth));
    },
    async loadSound() {
      this.sound = null;
      if (!this.soundAddress) return;
      const address = this.soundAddress;
      const answer = await fetch(address);
      if (answer.ok && address === this.soundAddress) this.sound = await answer.json();
    },
    // --- from time and value to pixels, and back
    x(time) { return PAD_PX + ((time - this.from) / (this.shownTo - this.from)) * (this.width - 2 * PAD_PX); },
    timeAt(event, svg) {
      const left = svg.getBoundingClientRect().left;
      const share = (event.clientX - left - PAD_PX) / (this.width - 2 * PAD_PX);
      return clamp(this.from + share * (this.shownTo - this.from), 0, this.length);
    },
    y(lane, value) {
      const share = (value - lane.low) / (lane.high - lane.low);
      return this.height - PAD_PX - clamp(share, 0, 1) * (this.height - 2 * PAD_PX);
    },
    valueAt(event, lane, svg) {
      const top = svg.getBoundingClientRect().top;
      const share = (this.height - PAD_PX - (event.clientY - top)) / (this.height - 2 * PAD_PX);
      return this.round(lane, lane.low + clamp(share, 0, 1) * (lane.high - lane.low));
    },
    round(lane, value) { return +(Math.round(value / lane.step) * lane.step).toFixed(6); },
    isShown(time) { return time >= this.from && time <= this.shownTo; },
    anchor(tick) {
      if (this.x(tick) < 24) return "start";
      return this.x(tick) > this.width - 24 ? "end" : "middle";
    },
    timeText,
    // --- what is drawn
    columns(name) { return columnsOf(this.sound[name], this.from, this.shownTo, this.length); },
    pointsOf(lane) {
      if (!this.dragged || this.dragged.lane !== lane.name) return lane.points;
      const { place, seconds, value } = this.dragged;
      return lane.points.map((point, n) => (n === place ? { ...point, seconds, number: value } : point));
    },
    along(lane) { return curveOf(lane, this.pointsOf(lane), this.length); },
    curvePath(lane) {
      return joinPath(this.along(lane).map(([time, value]) => [this.x(time), this.y(lane, value)]));
    },
    fillPath(lane) {
      const along = this.along(lane);
      if (!along.length) return "";
      const base = this.height - PAD_PX;
      return `${this.curvePath(lane)}L${this.x(along[along.length - 1][0])} ${base}L${this.x(along[0][0])} ${base}Z`;
    },
    valueText(lane) {
      if (lane.layers) {
        const span = lane.spans.find((one) => one.begin <= this.time && this.time < one.end);
        return span ? span.name + (span.next_name ? " to " + span.next_name : "") : "";
      }
      const value = valueAt(this.along(lane), this.time);
      return value === null ? "" : String(+value.toFixed(3));
    },
    colour(lane, name) {
      const names = [...new Set(lane.spans.map((span) => span.name))];
      return LAYER_COLOURS[Math.max(0, names.indexOf(name)) % LAYER_COLOURS.length];
    },
    gradientId(lane, n) { return `fade-${this.$.uid}-${lane.name}-${n}`; },
    pointX(lane, n) { return this.x(this.pointsOf(lane)[n].seconds).toFixed(1); },
    pointY(lane, n) {
      if (lane.layers) return this.height / 2;
      const number = this.pointsOf(lane)[n].number;
      return number === null ? this.height / 2 : this.y(lane, number).toFixed(1);
    },
    // --- what is done with the pointer and the keys
    snap(time) {
      if (this.snapTimes.length) return nearest(this.snapTimes, time);
      const step = this.snapping === "seconds" ? 0.1 : 1 / this.rate;
      return Math.round(time / step) * step;
    },
    choose(lane, place) {
      if (lane.name !== this.chosen || place !== this.selected)
        this.$emit("choose", { lane: lane.name, place });
    },
    addAt(event, lane) {
      const svg = event.currentTarget;
      this.$emit("add", { lane: lane.name, seconds: this.snap(this.timeAt(event, svg)),
        value: lane.layers ? null : this.valueAt(event, lane, svg) });
    },
    beginDrag(event, lane, place) {
      if (event.button > 0) return;
      event.currentTarget.setPointerCapture(event.pointerId);
      event.currentTarget.focus({ preventScroll: true });
      const point = lane.points[place];
      this.dragged = { lane: lane.name, place, seconds: point.seconds, value: point.number,
        from: [event.clientX, event.clientY], hasMoved: false };
    },
    drag(event) {
      const dragged = this.dragged;
      if (!dragged) return;
      const far = Math.hypot(event.clientX - dragged.from[0], event.clientY - dragged.from[1]);
      if (!dragged.hasMoved && far < 3) return;
      dragged.hasMoved = true;
      const lane = this.lanes.find((one) => one.name === dragged.lane);
      const svg = event.currentTarget.ownerSVGElement;
      const before = lane.points[dragged.place - 1], after = lane.points[dragged.place + 1];
      const frame = 1 / this.rate;
      dragged.seconds = clamp(this.snap(this.timeAt(event, svg)), before ? before.seconds + frame : 0,
        after ? after.seconds - frame : this.length);
      if (lane.points[dragged.place].is_plain) dragged.value = this.valueAt(event, lane, svg);
    },
    endDrag() {
      const dragged = this.dragged;
      if (dragged && dragged.hasMoved) this.tellMoved(dragged);
      // What was dragged stays where it is until the server has answered.
      setTimeout(() => { if (this.dragged === dragged) this.dragged = null; }, dragged && dragged.hasMoved ? 250 : 0);
    },
    drop() { this.dragged = null; },
    tellMoved({ lane, place, seconds, value }) { this.$emit("move", { lane, place, seconds, value }); },
    pointKey(event, lane, place) {
      const point = lane.points[place];
      if (["Delete", "Backspace"].includes(event.key)) this.$emit("remove", { lane: lane.name, place });
      else if (event.key.startsWith("Arrow")) {
        let seconds = point.seconds, value = point.number;
        const way = ["ArrowRight", "ArrowUp"].includes(event.key) ? 1 : -1;
        if (["ArrowLeft", "ArrowRight"].includes(event.key)) seconds = this.nextSnap(point.seconds, way);
        else if (point.is_plain) value = clamp(this.round(lane, value + way * lane.step * (event.shiftKey ? 10 : 1)), lane.low, lane.high);
        if (seconds !== point.seconds || value !== point.number)
          this.tellMoved({ lane: lane.name, place, seconds, value });
      } else return;
      event.preventDefault();
      event.stopPropagation();
    },
    nextSnap(time, way) {
      if (this.snapTimes.length) {
        const others = this.snapTimes.filter((one) => (one - time) * way > 1e-4);
        return others.length ? (way > 0 ? others[0] : others[others.length - 1]) : time;
      }
      const step = this.snapping === "seconds" ? 0.1 : 1 / this.rate;
      return clamp(Math.round(time / step + way) * step, 0, this.length);
    },
    beginSeek(event) {
      event.currentTarget.setPointerCapture(event.pointerId);
      this.seeking = true;
      this.seekOn(event);
    },
    seekOn(event) {
      if (!this.seeking) return;
      this.$emit("seek", { seconds: this.timeAt(event, event.currentTarget) });
    },
    endSeek() { this.seeking = false; },
    seekByKey(event) {
      const ways = { ArrowRight: 1, ArrowLeft: -1 };
      if (!ways[event.key]) return;
      const step = ((event.shiftKey ? 10 : 1) + 0.5) / this.rate;
      this.$emit("seek", { seconds: clamp(this.time + ways[event.key] * step, 0, this.length) });
      event.preventDefault();
      event.stopPropagation();
    },
    zoomByWheel(event) {
      if (!(event.ctrlKey || event.metaKey || event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY))) return;
      event.preventDefault();
      const span = this.shownTo - this.from;
      if (event.ctrlKey || event.metaKey) {
        const at = this.timeAt(event, this.$refs.strip);
        this.zoom(Math.exp(event.deltaY * 0.002), at);
      } else this.show(this.from + ((event.deltaX || event.deltaY) / this.width) * span, span);
    },
    zoom(factor, at) {
      const span = clamp((this.shownTo - this.from) * factor, Math.min(MIN_SPAN_S, this.length), this.length);
      const share = (at - this.from) / (this.shownTo - this.from);
      this.show(at - share * span, span);
    },
    show(from, span) {
      this.from = clamp(from, 0, this.length - span);
      this.to = span >= this.length ? 0 : this.from + span;
    },
    zoomIn() { this.zoom(0.5, this.time); },
    zoomOut() { this.zoom(2, this.time); },
  },
};
