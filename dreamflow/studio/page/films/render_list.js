// The films of the queue. Those that wait have a grip: drag it, or focus it and press the arrow
// keys, to change their order.
const EDGE_PX = 70, SCROLL_PX = 14; // near the window's edge the page goes along, by so much a move

export default {
  template: `
  <div class="renders" @pointerdown="begin" @pointermove="move" @pointerup="end"
    @pointercancel="cancel" @keydown="press"><slot></slot></div>`,
  mounted() {
    this.drag = null;
    this.focused = ""; // the grip that keeps the focus when its card is put elsewhere
    this.ofCards = new MutationObserver(() => {
      if (this.focused) this.grip(this.focused)?.focus();
      this.focused = "";
    });
    this.ofCards.observe(this.$el, { childList: true });
  },
  beforeUnmount() { this.ofCards.disconnect(); },
  methods: {
    grip(key) { return this.$el.querySelector(`.grip[data-key="${key}"]`); },
    // The cards of the films that wait, from top to bottom.
    waiting() { return [...this.$el.children].filter((card) => card.querySelector(".grip")?.offsetParent); },
    begin(event) {
      const grip = event.target.closest(".grip");
      if (!grip || event.button > 0) return;
      event.preventDefault();
      grip.focus();
      grip.setPointerCapture(event.pointerId);
      const card = grip.closest(".render"), cards = this.waiting();
      const tops = cards.map((one) => one.getBoundingClientRect().top + scrollY);
      const from = cards.indexOf(card);
      this.drag = { key: grip.dataset.key, card, cards, tops, from, to: from, y: event.clientY + scrollY };
      card.classList.add("dragged");
    },
    move(event) {
      if (!this.drag) return;
      if (event.clientY < EDGE_PX) scrollBy(0, -SCROLL_PX);
      if (event.clientY > innerHeight - EDGE_PX) scrollBy(0, SCROLL_PX);
      const { card, cards, tops, from, y } = this.drag;
      const by = event.clientY + scrollY - y, top = tops[from] + by;
      const heights = cards.map((one) => one.offsetHeight);
      // It takes the place of each card whose middle its nearer edge has passed.
      const isPassed = (n) => n < from ? top < tops[n] + heights[n] / 2
        : top + heights[from] > tops[n] + heights[n] / 2;
      const earlier = tops.findIndex((_, n) => n < from && isPassed(n));
      const later = tops.findLastIndex((_, n) => n > from && isPassed(n));
      this.drag.to = earlier >= 0 ? earlier : Math.max(from, later);
      const gap = from + 1 < tops.length ? tops[from + 1] - tops[from]
        : from ? heights[from] + tops[from] - tops[from - 1] - heights[from - 1] : 0;
      cards.forEach((one, n) => {
        const isAbove = n >= this.drag.to && n < from, isBelow = n > from && n <= this.drag.to;
        one.style.transform = one === card ? `translateY(${by}px)`
          : isAbove ? `translateY(${gap}px)` : isBelow ? `translateY(${-gap}px)` : "";
      });
    },
    end() {
      if (!this.drag) return;
      const { key, from, to } = this.drag;
      this.cancel();
      this.tell(key, to - from);
    },
    cancel() {
      if (!this.drag) return;
      for (const card of this.drag.cards) card.style.transform = "";
      this.drag.card.classList.remove("dragged");
      this.drag = null;
    },
    press(event) {
      const grip = event.target.closest(".grip");
      if (event.key === "Escape") return this.cancel();
      const by = { ArrowUp: -1, ArrowDown: 1 }[event.key];
      if (!grip || !by || this.drag) return;
      event.preventDefault();
      this.tell(grip.dataset.key, by);
    },
    tell(key, by) {
      if (!by) return;
      this.focused = key;
      this.$emit("move", { key, by });
    },
  },
};
